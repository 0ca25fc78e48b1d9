#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "app/window/program.h"

namespace headroom::test {

/// A program without a window and without a GPU, its first picture computed. Waits at most `patience` for anything.
struct ProgramHarness {
  std::unique_ptr<Program> program;
  std::chrono::milliseconds patience;

  explicit ProgramHarness(std::chrono::seconds patience_of_it, std::optional<Session> session = {}) : patience(patience_of_it) {
    ProgramOptions options;
    options.engine.assets = HEADROOM_SOURCE_DIR "/assets";
    options.engine.measures_held_out_loss = false;
    if (session) options.session = std::move(*session);
    program = std::make_unique<Program>(std::move(options));
    EXPECT_TRUE(until([&] { return model().snapshot != nullptr; }));
  }
  const AppModel& model() const { return program->model(); }
  const Session& session() const { return model().history.current(); }
  void act(Action action) {
    Outbox outbox;
    outbox.actions.push_back({std::move(action), {}});
    program->apply(outbox);
  }
  void command(Command command) {
    Outbox outbox;
    outbox.commands.push_back(std::move(command));
    program->apply(outbox);
  }
  bool until(const std::function<bool()>& is_so) {
    constexpr std::chrono::milliseconds kPause{5};
    for (std::chrono::milliseconds waited{0}; waited < patience; waited += kPause) {
      program->update(0);
      if (is_so()) return true;
      std::this_thread::sleep_for(kPause);
    }
    return false;
  }
  bool has_toast(const std::string& part) const {
    for (const Toast& toast : model().toasts) {
      if (toast.text.find(part) != std::string::npos) return true;
    }
    return false;
  }
};

}  // namespace headroom::test
