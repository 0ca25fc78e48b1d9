#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "tests/ui/desktop.h"

namespace headroom::ui {

/// A test in a real window: skipped, with the reason, where there is no display for it. It has a home of its own, and leaves a picture of
/// the window in build/…/pictures when it fails.
class DesktopTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string missing = Desktop::what_is_missing(); !missing.empty()) {
      if (std::getenv("HEADROOM_REQUIRE_GL") != nullptr) FAIL() << missing;
      GTEST_SKIP() << missing;
    }
    std::string name = (std::filesystem::temp_directory_path() / "headroom-ui-XXXXXX").string();
    home_ = mkdtemp(name.data());
    file_ = home_ / "lesson.headroom.json";
  }
  void TearDown() override {
    if (desktop_ && HasFailure()) {
      const std::filesystem::path folder = std::filesystem::path(HEADROOM_BINARY_DIR) / "pictures";
      std::filesystem::create_directories(folder);
      desktop_->save_screenshot(folder / (std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) + ".png"));
    }
    desktop_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(home_, ignored);
  }

  std::filesystem::path home_, file_;  ///< file_: a session to open
  std::unique_ptr<Desktop> desktop_;
};

}  // namespace headroom::ui
