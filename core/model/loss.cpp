#include <algorithm>
#include <cmath>
#include <mutex>
#include <numeric>
#include <string>

#include "core/model/elementwise.h"
#include "core/model/forward_steps.h"
#include "core/model/hidden_tokens.h"
#include "core/model/lane.h"
#include "core/model/long_pass.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// log sum_j exp(row_j), shifted by the maximum.
double logsumexp_of(std::span<const float> row) {
  const float highest = *std::max_element(row.begin(), row.end());
  return static_cast<double>(highest) + std::log(sum_exp(row, highest));
}

/// -log softmax(logits)[next]
double loss_of(std::span<const float> logits, std::int32_t next) {
  return logsumexp_of(logits) - static_cast<double>(logits[static_cast<std::size_t>(next)]);
}

void require_output(const ModelParams& params, const ForwardTrace& trace) {
  const Tensor& output = trace.output;
  if (output.rank() == 2 && output.dim(0) == std::ssize(trace.ids) && output.dim(1) == params.config.shape.d_model) return;
  throw ShapeError("the trace holds no output of the last layer");
}

/// One row's losses, or none when it has no second token.
std::vector<double> row_losses(const ModelParams& params, const std::vector<std::int32_t>& row, AttentionLayer& attention,
                               ThreadPool& pool, const ForwardOptions& options) {
  if (options.stop.stop_requested()) throw Cancelled();
  if (row.size() < 2) return {};
  ForwardOptions lean = options;
  lean.keep = ForwardOptions::Keep::kLogitsOnly;
  return next_token_losses(forward(params, row, attention, pool, lean).logits, row);
}

/// Sums in the order of rows, so that the answer does not depend on which thread was faster.
double mean_of(const std::vector<std::vector<double>>& losses) {
  double sum = 0;
  std::size_t count = 0;
  for (const std::vector<double>& row : losses) {
    sum = std::accumulate(row.begin(), row.end(), sum);
    count += row.size();
  }
  if (count == 0) throw Error("no row has two tokens, so there is no next token to measure a loss on");
  return sum / static_cast<double>(count);
}

}  // namespace

std::vector<double> next_token_losses(const Tensor& logits, std::span<const std::int32_t> ids) {
  if (logits.rank() != 2 || logits.dim(0) != std::ssize(ids)) {
    throw ShapeError("logits " + shape_text(logits.shape()) + " do not belong to " + std::to_string(ids.size()) + " tokens");
  }
  std::vector<double> losses;
  for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
    if (ids[i + 1] < 0 || ids[i + 1] >= logits.dim(1)) {
      throw Error("token " + std::to_string(i + 1) + " has id " + std::to_string(ids[i + 1]) +
                  ", which is outside the vocabulary of " + std::to_string(logits.dim(1)));
    }
    losses.push_back(loss_of(logits.row(static_cast<std::int64_t>(i)), ids[i + 1]));
  }
  return losses;
}

std::vector<double> hidden_token_losses(const Tensor& logits, std::span<const std::int32_t> ids) {
  if (logits.rank() != 2 || logits.dim(0) != std::ssize(ids))
    throw ShapeError("logits " + shape_text(logits.shape()) + " do not belong to " + std::to_string(ids.size()) + " tokens");
  check_ids(ids, logits.dim(1));
  std::vector<double> losses;
  for (std::size_t i = 0; i < ids.size(); ++i)
    losses.push_back(loss_of(logits.row(static_cast<std::int64_t>(i)), ids[i]));
  return losses;
}

Tensor logits_of(const ModelParams& params, const ForwardTrace& trace, std::int64_t position, ThreadPool& pool) {
  require_output(params, trace);
  if (position < 0 || position >= trace.output.dim(0)) {
    throw ShapeError("row " + std::to_string(position) + " is outside an output of " + std::to_string(trace.output.dim(0)) +
                     " rows");
  }
  Tensor logits({1, params.config.shape.vocab_size}, Fill::kNone);
  OutputHead(params, 1).logits(pool, rows_of(trace.output, position, position + 1), logits.matrix());
  return logits;
}

std::vector<double> next_token_losses(const ModelParams& params, const ForwardTrace& trace, ThreadPool& pool,
                                      const LongPassOptions& options) {
  require_output(params, trace);
  check_ids(trace.ids, params.config.shape.vocab_size);
  // Logits of a stretch of rows, small enough for any vocabulary.
  constexpr std::int64_t kMostLogits = 8 << 20;
  const std::int64_t n = std::ssize(trace.ids) - 1, vocab = params.config.shape.vocab_size;
  const std::int64_t stretch = std::clamp<std::int64_t>(std::min(options.rows_per_stretch, kMostLogits / vocab), 1, n + 1);
  Tensor logits({stretch, vocab}, Fill::kNone);
  OutputHead head(params, stretch);
  std::vector<double> losses(static_cast<std::size_t>(n));
  for (std::int64_t begin = 0; begin < n; begin += stretch) {
    if (options.progress) options.progress(static_cast<double>(begin) / static_cast<double>(n));
    const std::int64_t rows = std::min(stretch, n - begin);
    head.logits(pool, rows_of(trace.output, begin, begin + rows), rows_of(logits, 0, rows));
    pool.parallel_for(
        rows,
        [&](std::int64_t i, int) {
          const auto at = static_cast<std::size_t>(begin + i);
          losses[at] = loss_of(logits.row(i), trace.ids[at + 1]);
        },
        options.stop);
  }
  return losses;
}

std::vector<Prediction> top_predictions(const Tensor& logits, std::int64_t position, std::size_t n) {
  if (logits.rank() != 2 || position < 0 || position >= logits.dim(0)) {
    throw ShapeError("row " + std::to_string(position) + " is outside logits " + shape_text(logits.shape()));
  }
  const std::span<const float> row = logits.row(position);
  std::vector<std::int32_t> order(row.size());
  std::iota(order.begin(), order.end(), 0);
  n = std::min(n, order.size());
  const auto value = [&](std::int32_t id) { return row[static_cast<std::size_t>(id)]; };
  // Equal logits come in the order of ids; a NaN counts as lowest, which keeps the order strict.
  const auto is_before = [&](std::int32_t a, std::int32_t b) {
    const float left = std::isnan(value(a)) ? -INFINITY : value(a);
    const float right = std::isnan(value(b)) ? -INFINITY : value(b);
    return left != right ? left > right : a < b;
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(n), order.end(), is_before);

  double highest = -INFINITY;
  for (const float x : row)
    highest = std::max(highest, static_cast<double>(x));
  double sum = 0;
  for (const float x : row)
    sum += std::exp(static_cast<double>(x) - highest);
  std::vector<Prediction> predictions;
  for (std::size_t i = 0; i < n; ++i) {
    predictions.push_back({order[i], std::exp(static_cast<double>(value(order[i])) - highest) / sum});
  }
  return predictions;
}

double mean_loss(const ModelParams& params, std::span<const std::vector<std::int32_t>> rows, AttentionLayer& attention,
                 ThreadPool& pool, const ForwardOptions& options, const std::function<void(double)>& progress) {
  std::vector<std::vector<double>> losses;
  for (const std::vector<std::int32_t>& row : rows) {
    losses.push_back(row_losses(params, row, attention, pool, options));
    if (progress) progress(static_cast<double>(losses.size()) / static_cast<double>(rows.size()));
  }
  return mean_of(losses);
}

double mean_loss(const ModelParams& params, std::span<const std::vector<std::int32_t>> rows, ThreadPool& pool,
                 const ForwardOptions& options, const std::function<void(double)>& progress) {
  std::vector<Lane> lanes(static_cast<std::size_t>(pool.n_threads()));
  std::vector<std::vector<double>> losses(rows.size());
  std::mutex progress_mutex;
  std::size_t n_done = 0;
  const auto measure = [&](std::int64_t item, int thread) {
    Lane& lane = lanes[static_cast<std::size_t>(thread)];
    const auto i = static_cast<std::size_t>(item);
    losses[i] = row_losses(params, rows[i], *lane.attention, lane.pool, options);
    if (!progress) return;
    const std::lock_guard lock(progress_mutex);
    progress(static_cast<double>(++n_done) / static_cast<double>(rows.size()));
  };
  pool.parallel_for(std::ssize(rows), measure, options.stop);
  return mean_of(losses);
}

}  // namespace headroom
