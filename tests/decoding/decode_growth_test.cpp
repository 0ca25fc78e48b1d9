#include "core/decoding/decode_growth.h"

#include <gmock/gmock.h>

#include "core/tensor/error.h"
#include "tests/decoding/models.h"

namespace headroom {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

const Mask kCausal;

TEST(DecodeGrowth, TimesBothWaysAtEachLength) {
  ThreadPool pool(2);
  for (const test::DecodingModel& model : test::decoding_models()) {
    std::size_t n_told = 0;
    DecodeGrowthJob job{.cache = test::paged(16, KvType::kInt8), .lengths = {64, 8, 16, 32}, .longest_call = 1e3};
    job.progress = [&](const auto& grown) { EXPECT_THAT(grown->cached.points, SizeIs(++n_told)); };
    const auto growth = measure_decode_growth({model.params, kCausal}, job, pool);
    EXPECT_EQ(n_told, 4U);
    for (const DecodeGrowthSeries* series : {&growth->cached, &growth->whole}) {
      ASSERT_THAT(series->points, SizeIs(4)) << model.name;
      EXPECT_EQ(series->points.front().n, 8);
      EXPECT_EQ(series->points.back().n, 64);
      for (const DecodeGrowthPoint& point : series->points) {
        EXPECT_GT(point.attention_ms, 0);
        EXPECT_GE(point.ms, point.attention_ms);
      }
      EXPECT_EQ(series->time.value().n_points, 3);
      EXPECT_EQ(series->note, "");
    }
    EXPECT_EQ(growth->known_positions, model.name == "learned" ? 9 : 0) << "timed beyond them all the same";
    EXPECT_TRUE(growth->is_finished);
  }
}

TEST(DecodeGrowth, EndsBeforeWhatTakesTooLong) {
  ThreadPool pool(1);
  const ModelParams params = test::stirred_params(test::family_config("qwen2"), 4);
  const auto growth = measure_decode_growth({params, kCausal}, {.lengths = {32, 4096}, .longest_call = 1e-6}, pool);
  for (const DecodeGrowthSeries* series : {&growth->cached, &growth->whole}) {
    EXPECT_THAT(series->points, SizeIs(1));
    EXPECT_THAT(series->note, HasSubstr("4096 tokens would take about"));
    EXPECT_FALSE(series->time.has_value());
  }
}

TEST(DecodeGrowth, SaysWhatItCannotDo) {
  ThreadPool pool(1);
  const ModelParams params = test::stirred_params(test::family_config("qwen2"), 4);
  EXPECT_THROW(measure_decode_growth({params, kCausal}, {.lengths = {8, 0}}, pool), Error);
  EXPECT_THROW(measure_decode_growth({params, kCausal}, {.cache = test::paged(0)}, pool), Error);
  const Mask both{.direction = Direction::kBidirectional};
  EXPECT_THROW(measure_decode_growth({params, both}, {}, pool), Error);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW(measure_decode_growth({params, kCausal}, {.stop = stop.get_token()}, pool), Cancelled);
}

}  // namespace
}  // namespace headroom
