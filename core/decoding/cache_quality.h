#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "core/kv_cache/options.h"
#include "core/model/params.h"
#include "core/tensor/parallel.h"

namespace headroom {

/// What is changed along a curve.
enum class QualityCurve { kBits, kWindow, kStreaming, kHeavyHitters, kKvHeads, kOther };
const char* quality_curve_name(
    QualityCurve curve);  ///< "bits", "window", "first tokens + window", "heavy hitters", "K/V heads", "chosen"

/// One way to keep less.
struct QualityChoice {
  QualityCurve curve = QualityCurve::kOther;
  KvCacheOptions cache;
  std::int64_t n_kv_heads = 0;  ///< mean-pooled to so many, as pool_kv_heads; 0: the model's own

  bool operator==(const QualityChoice&) const = default;
};
/// "int8", "last 16 tokens", "first 4 and last 12 tokens", "8 heavy and last 8 tokens", "2 K/V heads"
std::string quality_choice_text(const QualityChoice& choice);

/// Curves for a model: the five number formats; budgets of 4 to 64 tokens as a window, with the first 4 kept, and half of it heavy hitters;
/// every number of K/V heads that divides the model's (where none is pruned).
std::vector<QualityChoice> quality_curves(const ModelParams& params);

/// What a choice costs in predictions, against all tokens in float32 with the model's own K/V heads: each token is predicted from those
/// before it in its row, whose keys and values lie in such a cache (teacher forcing).
struct QualityPoint {
  QualityChoice choice;
  double loss = 0;           ///< nats a token, mean
  double loss_error = 0;     ///< standard error of the mean difference from the full cache's loss, over rows; 0 with fewer than two
  double changed = 0;        ///< share of tokens after which another one is the most probable, in [0, 1]
  double kl = 0;             ///< nats a token, mean: of the full cache's distribution from this one's
  double bytes = 0;          ///< held at the end of a row, mean over rows; exact
  double share_of_full = 0;  ///< of the bytes that the full cache holds then
  std::string problem;       ///< one sentence why it could not be measured; the numbers are then 0
};

struct QualityReport {
  QualityPoint full;                 ///< all tokens, float32
  std::vector<QualityPoint> points;  ///< as the choices
  std::int64_t n_rows = 0;           ///< read so far
  std::int64_t n_tokens = 0;         ///< predicted so far: what the means are over
  std::int64_t most_rows = 0;        ///< that will be read
  bool is_finished = false;
};

struct QualityJob {
  std::span<const std::vector<std::int32_t>> rows;  ///< ids; rows of fewer than two are left out
  Mask mask;                                        ///< of the model
  std::vector<QualityChoice> choices;
  std::int64_t most_tokens = 12800;  ///< rows are read until so many were predicted
  std::stop_token stop;
  /// What there is so far, every few rows: all points grow together. On the calling thread.
  std::function<void(const std::shared_ptr<const QualityReport>&)> progress;
};

/// Measures every choice on the same rows, shared out over the pool's threads. The report does not depend on their number.
/// Errors  Error when the model does not predict the next token of one text, under a mask that no cache can be used with (as
///         find_cache_problem), when no row has two tokens; Cancelled, after which what progress gave stands.
std::shared_ptr<const QualityReport> measure_quality(const ModelParams& params, const QualityJob& job, ThreadPool& pool);

}  // namespace headroom
