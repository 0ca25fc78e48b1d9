#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/decoding/decode_run.h"

namespace headroom {

/// What one more token takes when so many stand before it.
struct DecodeGrowthPoint {
  std::int64_t n = 0;       ///< tokens before it
  double ms = 0;            ///< measured, the least of a few
  double attention_ms = 0;  ///< of it, in attention
};

struct DecodeGrowthSeries {
  std::vector<DecodeGrowthPoint> points;
  std::optional<PowerFit> time, attention_time;  ///< over the largest three
  std::string note;                              ///< one sentence why it ends before the other; else empty
};

/// Time of one more token over the tokens before it, with the cache and without.
struct DecodeGrowth {
  KvCacheOptions cache;
  DecodeGrowthSeries cached, whole;
  /// Tokens that the model knows positions for; beyond them it is timed all the same, and what it computes means nothing. 0: any number.
  std::int64_t known_positions = 0;
  int threads = 1;
  bool is_finished = false;
};

struct DecodeGrowthJob {
  KvCacheOptions cache;
  std::vector<std::int64_t> lengths = {64, 128, 256, 512, 1024, 2048, 4096, 8192};
  double longest_call = 1;  ///< s: a series ends before a point expected to take longer
  std::stop_token stop;
  std::function<void(const std::shared_ptr<const DecodeGrowth>&)> progress;  ///< after each length
};

/// Measures. The caches are filled with seeded random keys and values, the ids are seeded too: a time does not depend on what they say.
/// Errors  as decode; Error when a length is below 1.
std::shared_ptr<const DecodeGrowth> measure_decode_growth(const DecodeSource& from, const DecodeGrowthJob& job, ThreadPool& pool);

}  // namespace headroom
