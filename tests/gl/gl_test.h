#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/gl/context.h"
#include "core/tensor/error.h"
#include "core/tensor/tensor.h"

namespace headroom::gl {

/// One context for the whole test program: opening one costs a tenth of a second. Null, with `reason`, where there is none.
inline OffscreenContext* shared_context(std::string* reason = nullptr) {
  static std::string failure;
  static const std::unique_ptr<OffscreenContext> context = []() -> std::unique_ptr<OffscreenContext> {
    try {
      return OffscreenContext::open(OffscreenContext::Need::kCompute43);
    } catch (const Error& error) {
      failure = error.what();
      return nullptr;
    }
  }();
  if (reason != nullptr) *reason = failure;
  return context.get();
}

inline bool is_gl_required() {
  const char* required = std::getenv("HEADROOM_REQUIRE_GL");
  return required != nullptr && std::string(required) == "1";
}

/// Tests that need OpenGL 4.3: they skip with the reason where there is none, or fail when HEADROOM_REQUIRE_GL=1.
class GlTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string reason;
    context_ = shared_context(&reason);
    if (context_ == nullptr && is_gl_required()) FAIL() << "HEADROOM_REQUIRE_GL=1, but: " << reason;
    if (context_ == nullptr) GTEST_SKIP() << reason;
    context_->make_current();
  }
  OffscreenContext& context() { return *context_; }

 private:
  OffscreenContext* context_ = nullptr;
};

/// Seeded values of a normal distribution.
inline std::vector<float> random_values(std::size_t n, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& value : values)
    value = normal(generator);
  return values;
}

inline Tensor random_tensor(std::vector<std::int64_t> shape, unsigned seed, float scale = 1.0F) {
  Tensor tensor(std::move(shape));
  const std::vector<float> values = random_values(static_cast<std::size_t>(tensor.size()), seed);
  for (std::size_t i = 0; i < values.size(); ++i)
    tensor.data()[i] = scale * values[i];
  return tensor;
}

}  // namespace headroom::gl
