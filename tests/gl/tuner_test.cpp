#include "core/gl/tuner.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/gl/attention.h"
#include "core/gl/attention_kernels.h"
#include "core/gl/layer_kernels.h"
#include "core/gl/packed_heads.h"
#include "tests/attention/conformance.h"
#include "tests/gl/gl_test.h"

namespace headroom::gl {
namespace {

namespace fs = std::filesystem;

/// A folder of its own for each test, removed afterwards.
class TuningFile : public testing::Test {
 protected:
  void SetUp() override { fs::remove_all(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path file() const { return folder_ / "deep" / "gpu_kernels.json"; }
  void write(const std::string& text) const {
    fs::create_directories(file().parent_path());
    std::ofstream(file(), std::ios::binary) << text;
  }
  std::string text() const {
    std::ifstream stream(file(), std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  }
  GpuOptions measured() const { return {.tuning = Tuning::kMeasured, .tuning_file = file()}; }
  std::size_t n_files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(file().parent_path()), fs::directory_iterator()));
  }

 private:
  const testing::TestInfo* info_ = testing::UnitTest::GetInstance()->current_test_info();
  fs::path folder_ = fs::path(HEADROOM_BINARY_DIR) / (std::string("tuning_") + info_->name());
};

DeviceFacts device(const std::string& renderer, const std::string& version = "4.6 driver 1") {
  DeviceFacts facts;
  facts.renderer = renderer;
  facts.version = version;
  return facts;
}

const std::vector<std::string> kShapes = {"a", "b", "c"};

/// Times as given, counting the questions.
struct Clock {
  std::vector<std::optional<double>> ms;
  int asked = 0;
  std::size_t choose(Tuner& tuner, const std::string& problem = "p") {
    return tuner.choose(problem, kShapes, [this](std::size_t i) {
      ++asked;
      return ms[i];
    });
  }
};

TEST_F(TuningFile, KeepsDevicesAndClassesApart) {
  EXPECT_TRUE(read_tuning(file(), "x").empty());
  EXPECT_TRUE(write_tuning(file(), "x", {{"p", {"a", 1.5}}}));
  EXPECT_TRUE(write_tuning(file(), "y", {{"p", {"b", 2.5}}}));
  EXPECT_TRUE(write_tuning(file(), "x", {{"q", {"c", 3.5}}}));
  EXPECT_EQ(read_tuning(file(), "x"), (TunedShapes{{"p", {"a", 1.5}}, {"q", {"c", 3.5}}}));
  EXPECT_EQ(read_tuning(file(), "y"), (TunedShapes{{"p", {"b", 2.5}}}));
  EXPECT_EQ(n_files(), 1U) << "a draft was left behind";
}

TEST_F(TuningFile, BrokenOrForeignFilesAreIgnoredAndReplaced) {
  for (const std::string& wrong :
       {std::string(), std::string("{"), std::string("[1, 2]"), std::string("null"), std::string("\xff\xfe\x00", 3),
        std::string(R"({"format": "another", "version": 1, "devices": {"x": {"p": {"shape": "a"}}}})"),
        std::string(R"({"format": "headroom gpu tuning", "version": 2, "devices": {"x": {"p": {"shape": "a"}}}})"),
        std::string(R"({"format": "headroom gpu tuning", "version": 1, "devices": []})"), std::string(1 << 21, ' ')}) {
    write(wrong);
    EXPECT_TRUE(read_tuning(file(), "x").empty()) << wrong.substr(0, 40);
    EXPECT_TRUE(write_tuning(file(), "x", {{"p", {"b", 1.0}}}));
    EXPECT_EQ(read_tuning(file(), "x"), (TunedShapes{{"p", {"b", 1.0}}})) << wrong.substr(0, 40);
  }
  // Entries that are wrong are left out alone.
  write(
      R"({"format": "headroom gpu tuning", "version": 1, "devices": {"x": {"p": 5, "q": {"shape": 7}, "r": {"shape": "c", "ms": "?"}},
          "y": 3}})");
  EXPECT_EQ(read_tuning(file(), "x"), (TunedShapes{{"r", {"c", 0.0}}}));
  EXPECT_TRUE(read_tuning(file(), "y").empty());
  EXPECT_TRUE(write_tuning(file(), "y", {{"p", {"a", 1.0}}}));
  EXPECT_EQ(read_tuning(file(), "y"), (TunedShapes{{"p", {"a", 1.0}}}));
}

TEST_F(TuningFile, APlaceThatCannotBeWrittenIsNoError) {
  fs::create_directories(file());  // a folder where the file should be
  EXPECT_FALSE(write_tuning(file(), "x", {{"p", {"a", 1.0}}}));
  EXPECT_EQ(n_files(), 1U);
}

TEST_F(TuningFile, TheFastestThatWorksIsRemembered) {
  Clock clock{{5.0, std::nullopt, 2.0}};
  Tuner tuner(device("one"), measured());
  EXPECT_EQ(clock.choose(tuner), 2U);
  EXPECT_EQ(clock.choose(tuner), 2U);
  EXPECT_EQ(clock.asked, 3) << "once";
  clock.ms = {1.0, 2.0, 3.0};
  EXPECT_EQ(clock.choose(tuner, "another problem"), 0U);
  EXPECT_EQ(clock.asked, 6);

  Tuner again(device("one"), measured());
  EXPECT_EQ(clock.choose(again), 2U);
  EXPECT_EQ(clock.asked, 6) << "read from the file";
  for (const DeviceFacts& other : {device("two"), device("one", "4.6 driver 2")}) {
    Tuner elsewhere(other, measured());
    EXPECT_EQ(clock.choose(elsewhere), 0U) << "another device or driver measures anew";
  }
  EXPECT_EQ(clock.asked, 12);
  EXPECT_THAT(text(), testing::HasSubstr("one | 4.6 driver 1"));
}

TEST_F(TuningFile, AShapeThatIsNoLongerOfferedIsMeasuredAnew) {
  EXPECT_TRUE(write_tuning(file(), "one | 4.6 driver 1", {{"p", {"gone", 1.0}}}));
  Clock clock{{3.0, 1.0, 2.0}};
  Tuner tuner(device("one"), measured());
  EXPECT_EQ(clock.choose(tuner), 1U);
}

TEST_F(TuningFile, TimeIsBounded) {
  Clock clock{{std::nullopt, 9.0, 1.0}};
  GpuOptions options = measured();
  options.tuning_ms = -1;
  Tuner tuner(device("one"), options);
  EXPECT_EQ(clock.choose(tuner), 1U) << "the first that works, when there is no time for more";
  EXPECT_EQ(clock.asked, 2);
}

TEST_F(TuningFile, NothingIsTimedByRule) {
  Clock clock{{9.0, 1.0, 1.0}};
  Tuner tuner(device("one"), {.tuning_file = file()});
  EXPECT_EQ(clock.choose(tuner), 0U);
  EXPECT_EQ(clock.asked, 0);
  EXPECT_FALSE(fs::exists(file()));
}

TEST_F(TuningFile, NoShapeWorks) {
  Clock clock{{std::nullopt, std::nullopt, std::nullopt}};
  Tuner tuner(device("one"), measured());
  EXPECT_THROW(clock.choose(tuner), Error);
}

class GlTuningTest : public GlTest {};

/// Facts of a GPU on whatever device is here: its candidates are compiled, checked and timed, and the answer is right.
TEST_F(GlTuningTest, KernelsOfAGpuAreTriedAndRemembered) {
  const fs::path file = fs::path(HEADROOM_BINARY_DIR) / "tuned_kernels.json";
  fs::remove(file);
  DeviceFacts facts = context().facts();
  facts.is_software = false;
  const conformance::Case c = conformance::make_case("tuned", {2, 1, 150, 150, 16});
  const conformance::Problem problem(c);
  conformance::Answer expected(c, false), actual(c, false);
  make_reference_backend()->run(c.config, problem.inputs, expected.outputs());
  std::string shape;
  for (int round = 0; round < 2; ++round) {
    AttentionKernels kernels(facts, Kernel::kFused, {.tuning = Tuning::kMeasured, .tuning_file = file, .tuning_ms = 1500});
    PackedHeads packed;
    kernels.run(c.config, packed.upload(c.config, problem.inputs), {}, {});
    packed.read_out(c.config, actual.out);
    EXPECT_EQ(conformance::compare_out(c, actual, expected), "");
    if (round == 0) shape = kernels.last_shape().name();
    EXPECT_EQ(kernels.last_shape().name(), shape) << "remembered";
  }
  EXPECT_EQ(read_tuning(file, Tuner(facts, {}).device()).size(), 1U);
  fs::remove(file);
}

TEST_F(GlTuningTest, ShapesThatDoNotExistAreRefused) {
  const auto backend = make_backend(context(), Kernel::kFused, {.attention_shape = "round 3x3"});
  EXPECT_THAT(backend->supports({}).reason, testing::HasSubstr("round 3x3"));
  LayerKernels kernels(context().facts(), {.projection_shape = "round 3x3"});
  const Buffer any;
  EXPECT_THROW(kernels.project({&any, &any, &any, &any, 1, 1, 1}, {}), Error);
}

}  // namespace
}  // namespace headroom::gl
