#include "core/gl/context.h"

#include <epoxy/gl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>
#include <thread>

#include "core/gl/egl_display.h"
#include "core/gl/stage_timer.h"
#include "tests/gl/gl_test.h"

namespace headroom::gl {
namespace {

using Need = OffscreenContext::Need;

struct Variable {
  const char* name;
  const char* value;
};

/// What a fresh process with the variable set says when it opens a context: "opened MAJOR.MINOR" or the error's sentence.
/// The driver reads its environment once a process, so this program starts itself again.
std::string open_in_child(Need need, Variable variable) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) return "no pipe";
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    setenv(variable.name, variable.value, 1);
    setenv("HEADROOM_TEST_CHILD", need == Need::kCompute43 ? "compute" : "draw", 1);
    execl("/proc/self/exe", "test_gl", static_cast<char*>(nullptr));
    _exit(127);
  }
  close(ends[1]);
  std::string text;
  std::array<char, 256> part{};
  for (ssize_t n = read(ends[0], part.data(), part.size()); n > 0; n = read(ends[0], part.data(), part.size())) {
    text.append(part.data(), static_cast<std::size_t>(n));
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status)) return "the child crashed";
  const std::string mark = "child says: ";
  const std::size_t begin = text.find(mark);
  if (begin == std::string::npos) return "the child said nothing";
  const std::size_t first = begin + mark.size();
  return text.substr(first, text.find('\n', first) - first);
}

/// What such a child does instead of running tests, before main().
const bool is_no_child = [] {
  const char* need = std::getenv("HEADROOM_TEST_CHILD");
  if (need == nullptr) return true;
  try {
    const auto context = OffscreenContext::open(std::string(need) == "compute" ? Need::kCompute43 : Need::kDraw33);
    std::printf("child says: opened %d.%d\n", context->facts().major, context->facts().minor);
  } catch (const Error& error) {
    std::printf("child says: %s\n", error.what());
  }
  std::fflush(stdout);
  _exit(0);
}();

TEST(HasExtension, ComparesWholeWords) {
  EXPECT_TRUE(has_extension("A_b A_bc", "A_b"));
  EXPECT_TRUE(has_extension("A_b A_bc", "A_bc"));
  EXPECT_FALSE(has_extension("A_bcd A_bc", "A_b"));
  EXPECT_FALSE(has_extension("", "A_b"));
  EXPECT_FALSE(has_extension(nullptr, "A_b"));
}

TEST(ContextWithoutDriver, SaysWhatToInstall) {
  const std::string said = open_in_child(Need::kCompute43, {"__EGL_VENDOR_LIBRARY_FILENAMES", "/nonexistent.json"});
  EXPECT_TRUE(is_no_child);
  EXPECT_THAT(said, testing::HasSubstr("install"));
  EXPECT_THAT(said, testing::HasSubstr("OpenGL"));
}

class ContextTest : public GlTest {};

TEST_F(ContextTest, OldVersionSaysWhatItNeedsAndStillDraws) {
  const Variable old{"MESA_GL_VERSION_OVERRIDE", "3.3"};
  if (context().facts().version.find("Mesa") == std::string::npos) GTEST_SKIP() << "only Mesa can pretend to be older";
  const std::string said = open_in_child(Need::kCompute43, old);
  EXPECT_THAT(said, testing::HasSubstr("No OpenGL 4.3"));
  EXPECT_THAT(said, testing::HasSubstr("install"));
  EXPECT_EQ(open_in_child(Need::kDraw33, old), "opened 3.3");
}

TEST_F(ContextTest, FactsAreTheDrivers) {
  const DeviceFacts& facts = context().facts();
  EXPECT_FALSE(facts.vendor.empty());
  EXPECT_FALSE(facts.renderer.empty());
  EXPECT_FALSE(facts.glsl_version.empty());
  EXPECT_TRUE(facts.has_compute());
  EXPECT_EQ(facts.is_software, facts.renderer.find("llvmpipe") != std::string::npos);
  // The least that OpenGL 4.3 promises.
  EXPECT_GE(facts.max_shared_bytes, 32768);
  EXPECT_GE(facts.max_invocations, 1024);
  EXPECT_GE(facts.max_storage_block_bytes, 1 << 24);
  EXPECT_GE(facts.max_texture_size, 16384);
  EXPECT_GE(facts.max_work_groups_x, 65535);
  EXPECT_GE(facts.max_work_groups_z, 65535);
  EXPECT_GE(facts.max_buffer_texels, 65536);
  EXPECT_GE(facts.storage_alignment, 1);
  EXPECT_LE(facts.storage_alignment, 256);
  EXPECT_EQ(current_facts().renderer, facts.renderer);
}

TEST_F(ContextTest, SeveralLiveOnSeveralThreads) {
  std::array<std::string, 3> results;
  {
    std::vector<std::jthread> threads;
    for (std::string& result : results) {
      threads.emplace_back([&result] {
        for (int round = 0; round < 3; ++round) {
          const auto own = OffscreenContext::open(Need::kCompute43);
          GLuint buffer = 0;
          glGenBuffers(1, &buffer);
          glBindBuffer(GL_ARRAY_BUFFER, buffer);
          const int written = 40 + round;
          glBufferData(GL_ARRAY_BUFFER, sizeof written, &written, GL_STATIC_DRAW);
          int read = 0;
          glGetBufferSubData(GL_ARRAY_BUFFER, 0, sizeof read, &read);
          glDeleteBuffers(1, &buffer);
          result += std::to_string(read) + " ";
        }
      });
    }
  }
  for (const std::string& result : results)
    EXPECT_EQ(result, "40 41 42 ");
  // The display that all shared is still there for the first context.
  context().make_current();
  EXPECT_EQ(current_facts().renderer, context().facts().renderer);
}

TEST_F(ContextTest, MovesBetweenThreadsAndRefusesWhileHeld) {
  const auto own = OffscreenContext::open(Need::kCompute43);
  std::string refusal, after;
  std::jthread([&] {
    try {
      own->make_current();
    } catch (const Error& error) {
      refusal = error.what();
    }
  }).join();
  EXPECT_THAT(refusal, testing::HasSubstr("could not be made current"));
  own->release_current();
  std::jthread([&] {
    own->make_current();
    after = current_facts().renderer;
    own->release_current();
  }).join();
  EXPECT_EQ(after, context().facts().renderer);
  context().make_current();
}

TEST_F(ContextTest, StageTimesAddUpToTheWallClock) {
  glFinish();
  const Stopwatch wall;
  StageTimer timer;
  timer.begin("first");
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  timer.begin("second");
  const std::vector<StageTime> times = timer.finish();
  const double wall_ms = wall.ms();
  ASSERT_EQ(times.size(), 2U);
  EXPECT_EQ(times[0].stage, "first");
  EXPECT_EQ(times[1].stage, "second");
  for (const StageTime& time : times)
    EXPECT_GE(time.ms, 0.0);
  EXPECT_LE(times[0].ms + times[1].ms, wall_ms * 1.01 + 0.1);
}

}  // namespace
}  // namespace headroom::gl
