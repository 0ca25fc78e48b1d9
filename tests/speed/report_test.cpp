#include "core/speed/report.h"

#include <set>

#include "core/tensor/error.h"
#include "tests/speed/speed_test.h"

namespace headroom {
namespace {

using testing::DoubleNear;

TEST(Growth, CountsSquaresForNaiveAndLinesForFlash) {
  ThreadPool pool(1);
  SpeedShape shape = small_shape(2, 2, 64);
  shape.config.mask.direction = Direction::kBidirectional;
  GrowthRequest request;
  request.lengths = {512, 128, 256};
  const Growth growth = measure_growth(shape, request, quick_tools(pool));
  ASSERT_EQ(growth.series.size(), 3u);
  for (const GrowthSeries& series : growth.series) {
    ASSERT_EQ(series.points.size(), 3u);
    EXPECT_EQ(series.points[0].n, 128);
    EXPECT_EQ(series.points[2].n, 512);
    EXPECT_TRUE(series.time.has_value());
    for (const GrowthPoint& point : series.points) {
      const double pairs = series.backend == "linear" ? 0 : static_cast<double>(point.n * point.n);
      EXPECT_GE(point.flops, 4 * pairs * 16 * 2);
    }
  }
  const GrowthSeries &naive = growth.series[0], &flash = growth.series[1];
  EXPECT_EQ(naive.backend, "naive");
  EXPECT_NEAR(naive.bytes_allocated->exponent, 2, 1e-9);  // the scores
  EXPECT_LT(flash.points[2].bytes_allocated, naive.points[2].bytes_allocated / 4);
  EXPECT_LT(flash.points[2].bytes_moved, naive.points[2].bytes_moved);
  const GrowthSeries& linear = growth.series[2];
  EXPECT_EQ(linear.backend, "linear");
  EXPECT_NEAR(linear.points[2].flops / linear.points[1].flops, 2, 0.1);
}

TEST(Growth, LeavesLinearAttentionOutWhereAPatternHidesPairs) {
  ThreadPool pool(1);
  SpeedShape shape = small_shape(2, 2, 16);
  shape.config.mask.pattern.kind = PatternKind::kLocalWindow;
  GrowthRequest request;
  request.lengths = {8, 16};
  EXPECT_EQ(measure_growth(shape, request, quick_tools(pool)).series.size(), 2u);
}

TEST(Growth, EndsASeriesBeforeItTakesTooMuchMemoryOrTime) {
  ThreadPool pool(1);
  GrowthRequest request;
  request.lengths = {32, 64, 1 << 20};
  request.most_bytes = 1e6;
  request.longest_call = 1e6;
  request.lengths.pop_back();
  request.lengths.push_back(640);  // 1.6 MB of scores
  const Growth by_memory = measure_growth(small_shape(2, 2, 8), request, quick_tools(pool));
  EXPECT_EQ(by_memory.series[0].points.size(), 2u);
  EXPECT_THAT(by_memory.series[0].note, testing::HasSubstr("640 tokens"));
  EXPECT_EQ(by_memory.series[1].points.size(), 3u);
  EXPECT_EQ(by_memory.series[1].note, "");
  request.lengths = {64, 1 << 24};
  request.most_bytes = 1e30;
  request.longest_call = 0.01;
  const Growth by_time = measure_growth(small_shape(2, 2, 8), request, quick_tools(pool));
  for (const GrowthSeries& series : by_time.series) {
    EXPECT_EQ(series.points.size(), 1u);
    EXPECT_THAT(series.note, testing::HasSubstr("16,777,216 tokens would take about"));
    EXPECT_FALSE(series.time.has_value());
  }
  request.lengths = {0};
  EXPECT_THROW(measure_growth(small_shape(2, 2, 8), request, quick_tools(pool)), Error);
}

TEST(Roofline, PlacesEveryKernelUnderItsRoof) {
  ThreadPool pool(1);
  const Roofline roofline = measure_roofline(small_shape(4, 2, 40), quick_tools(pool));
  ASSERT_GE(roofline.roofs.size(), 2u);
  EXPECT_EQ(roofline.roofs.front().name, "FMA peak");
  EXPECT_EQ(roofline.roofs.back().name, "memory reads");
  std::vector<std::string> names;
  for (const RooflinePoint& point : roofline.points) {
    names.push_back(point.kernel);
    EXPECT_NEAR(point.intensity, point.flops / point.bytes, 1e-9 * point.intensity) << point.kernel;
    EXPECT_NEAR(point.gflops, 1e-6 * point.flops / point.ms, 1e-9 * point.gflops) << point.kernel;
    EXPECT_NEAR(point.percent_of_roof, 100 * point.gflops / point.roof_gflops, 1e-9 * point.percent_of_roof) << point.kernel;
    EXPECT_TRUE(std::ranges::any_of(roofline.roofs, [&](const auto& roof) { return roof.name == point.roof; })) << point.roof;
  }
  EXPECT_THAT(names, testing::ElementsAre("naive", "flash", "flash float16", "decode", "decode float16", "linear q k v"));
  EXPECT_EQ(roofline.points[5].flops, 2.0 * 40 * 48 * (4 + 2 * 2) * 16);
  EXPECT_EQ(roofline.points[5].bytes, 4.0 * (40 * 48 + 128 * 48 + 40 * 128));
  EXPECT_LT(roofline.points[4].bytes, roofline.points[3].bytes);  // half as wide
}

GpuKernels pretended_gpu() {
  GpuKernels gpu;
  gpu.name = "pretended, \"GPU\"";
  gpu.fused = make_reference_backend();
  gpu.naive = make_reference_backend();
  gpu.kernel_ms = [](const AttentionBackend&) { return 2.5; };
  return gpu;
}

TEST(Report, MeasuresOnePartAtATimeAndDropsThoseOfAnotherShape) {
  ThreadPool pool(1);
  SpeedTools tools = quick_tools(pool);
  const SpeedShape shape = small_shape(4, 2, 24);
  SpeedReport report = measure_part({}, shape, SpeedPart::kLadder, tools);
  EXPECT_TRUE(report.ladder.has_value());
  EXPECT_FALSE(report.growth.has_value());
  EXPECT_EQ(report.shape, shape);
  report = measure_part(report, shape, SpeedPart::kCases, tools);
  EXPECT_TRUE(report.ladder.has_value());
  EXPECT_EQ(report.cases.size(), 2u);
  report = measure_part(report, shape, SpeedPart::kDevices, tools);
  ASSERT_TRUE(report.devices.has_value());
  EXPECT_FALSE(report.devices->gpu.has_value());
  EXPECT_NE(report.devices->reason, "");
  EXPECT_EQ(report.machine.gpu, report.devices->reason);
  tools.open_gpu = pretended_gpu;
  report = measure_part(report, shape, SpeedPart::kDevices, tools);
  ASSERT_TRUE(report.devices->gpu.has_value());
  EXPECT_EQ(report.devices->gpu->ms, 2.5);
  EXPECT_GT(report.devices->gpu_call_ms, 0);
  EXPECT_EQ(report.machine.gpu, "pretended, \"GPU\"");
  const SpeedReport other = measure_part(report, small_shape(4, 4, 24), SpeedPart::kRoofline, tools);
  EXPECT_FALSE(other.ladder.has_value());
  EXPECT_TRUE(other.roofline.has_value());
  EXPECT_EQ(other.roofline->points.back().kernel, "gl");
}

TEST(Csv, ReadsBackFieldByField) {
  ThreadPool pool(1);
  SpeedTools tools = quick_tools(pool);
  tools.open_gpu = pretended_gpu;
  const SpeedShape shape = small_shape(4, 2, 24);
  SpeedReport report;
  for (const SpeedPart part : {SpeedPart::kCases, SpeedPart::kLadder, SpeedPart::kRoofline, SpeedPart::kDevices})
    report = measure_part(report, shape, part, tools);
  GrowthRequest request;
  request.lengths = {16, 32};
  report.growth = measure_growth(shape, request, tools);

  const std::string text = to_csv(report);
  EXPECT_THAT(text, testing::EndsWith("\r\n"));
  const auto lines = parse_csv(text);
  EXPECT_THAT(lines[0], testing::ElementsAre("part", "shape", "series", "tokens", "quantity", "value", "unit", "origin", "threads",
                                             "commit", "compiler", "cpu", "simd", "gpu"));
  std::set<std::string> parts;
  const auto value_of = [&](const std::string& part, const std::string& series, const std::string& tokens,
                            const std::string& quantity) {
    for (const auto& line : lines) {
      if (line[0] == part && line[2] == series && line[3] == tokens && line[4] == quantity) return std::stod(line[5]);
    }
    ADD_FAILURE() << part << " " << series << " " << tokens << " " << quantity;
    return 0.0;
  };
  for (std::size_t i = 1; i < lines.size(); ++i) {
    ASSERT_EQ(lines[i].size(), lines[0].size());
    parts.insert(lines[i][0]);
    EXPECT_NE(lines[i][5], "") << i;
    EXPECT_NE(lines[i][6], "") << i;
    EXPECT_EQ(lines[i][13], "pretended, \"GPU\"");
    EXPECT_EQ(lines[i][10], report.machine.compiler);
  }
  EXPECT_THAT(parts, testing::ElementsAre("CPU and GPU", "backends", "ladder", "roofline", "time over n"));
  EXPECT_EQ(value_of("ladder", "flash", "24", "time"), report.ladder->steps[2].ms);
  EXPECT_EQ(value_of("time over n", "naive", "32", "allocated"), report.growth->series[0].points[1].bytes_allocated);
  EXPECT_EQ(value_of("roofline", "decode", "24", "intensity"), report.roofline->points[3].intensity);
  EXPECT_EQ(value_of("backends", "flash float32", "24", "share of the limit"), *report.cases[0].percent_of_limit);
  EXPECT_EQ(value_of("CPU and GPU", "gl float32", "24", "time"), 2.5);
}

TEST(Csv, OfRowsLeavesUnknownValuesEmpty) {
  SpeedRow row;
  row.name = "bert-128";
  row.backend = "gl";
  row.ms = 1.25;
  row.storage = "float32";
  row.clock = "gpu";
  MachineFacts machine{"abc", "GCC 12.2.0", "Some, \"CPU\"", "AVX2", "a GPU"};
  const auto lines = parse_csv(to_csv(std::vector<SpeedRow>{row}, machine));
  ASSERT_EQ(lines.size(), 2u);
  ASSERT_EQ(lines[1].size(), lines[0].size());
  EXPECT_EQ(lines[0][3], "time [ms]");
  EXPECT_EQ(lines[1][3], "1.25");
  EXPECT_EQ(lines[1][5], "");
  EXPECT_EQ(lines[1][7], "");
  EXPECT_EQ(lines[1][16], "Some, \"CPU\"");
}

}  // namespace
}  // namespace headroom
