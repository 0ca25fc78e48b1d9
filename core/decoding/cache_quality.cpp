#include "core/decoding/cache_quality.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/decoding/decode_run.h"
#include "core/decoding/distributions.h"
#include "core/decoding/timed_pass.h"
#include "core/model/surgery.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// Pooled copies of a model may take so much memory together.
constexpr std::int64_t kMostPooledBytes = std::int64_t{2} << 30;

/// What one choice made of one row.
struct RowResult {
  double loss = 0, kl = 0, bytes = 0;
  std::int64_t n_changed = 0;
};

/// One choice as it is run: the full cache is the first.
struct Runner {
  const ModelParams* params = nullptr;
  KvCacheOptions cache;
};

std::int64_t bytes_of(const ModelParams& params) { return count_parameters(params).total() * 4; }

/// What one thread needs to read rows by itself.
class RowReader {
 public:
  RowReader(const std::vector<Runner>& runners, const Mask& mask) : full_(*runners.front().params, mask, nullptr, pool_) {
    for (const Runner& runner : runners) {
      kept_.push_back({runner.params, std::make_unique<KeptText>(*runner.params, runner.cache, pool_)});
      // One a model: logits of a row may be large.
      if (!passes_.contains(runner.params))
        passes_[runner.params] = std::make_unique<DecoderPass>(*runner.params, mask, nullptr, pool_);
    }
  }

  /// All choices on a row. Shape  [runners].
  std::vector<RowResult> read(const std::vector<std::int32_t>& ids, const std::stop_token& stop) {
    std::vector<RowResult> results;
    for (std::size_t i = 0; i < kept_.size(); ++i) {
      KeptText& kept = *kept_[i].text;
      kept.cache.clear();
      kept.layer.begin_rows();
      DecoderPass& pass = i == 0 ? full_ : *passes_.at(kept_[i].params);
      const Tensor& logits = pass.run({ids, 0, DecoderPass::Logits::kAll}, kept.layer, stop);
      RowResult& result = results.emplace_back();
      result.bytes = static_cast<double>(kept.cache.bytes_used());
      compare(logits, full_.logits(), ids, result);
    }
    return results;
  }

 private:
  static void compare(const Tensor& logits, const Tensor& full, const std::vector<std::int32_t>& ids, RowResult& result) {
    for (std::size_t t = 0; t + 1 < ids.size(); ++t) {
      const auto row = static_cast<std::int64_t>(t);
      const std::span<const float> own = logits.row(row), whole = full.row(row);
      result.loss += log_sum_exp(own) - static_cast<double>(own[static_cast<std::size_t>(ids[t + 1])]);
      if (&logits == &full) continue;
      result.kl += divergence(whole, own);
      result.n_changed += most_probable(own) != most_probable(whole) ? 1 : 0;
    }
  }

  ThreadPool pool_{1};
  struct Kept {
    const ModelParams* params;
    std::unique_ptr<KeptText> text;
  };
  std::vector<Kept> kept_;  ///< of each runner
  DecoderPass full_;        ///< of the full cache: its logits stand while the others read the row
  std::map<const ModelParams*, std::unique_ptr<DecoderPass>> passes_;
};

/// Sums over rows, in their order.
struct Sums {
  double loss = 0, kl = 0, bytes = 0, difference = 0, squared = 0;  ///< of the loss a token from the full cache's, row by row
  std::int64_t n_changed = 0;
};

class Measuring {
 public:
  Measuring(const ModelParams& params, const QualityJob& job, ThreadPool& pool) : job_(job), pool_(pool) {
    if (params.config.kind != ModelKind::kCausal || !params.config.predicts)
      throw Error("What a cache costs is measured of models that predict the next token of one text.");
    if (const auto problem = find_cache_problem(params.config, job.mask)) throw Error(*problem);
    choose_rows(params.config);
    runners_.push_back({&params, {}});
    for (const QualityChoice& choice : job.choices)
      add(params, choice);
    sums_.resize(runners_.size());
    report_.full.choice = {};
    report_.full.share_of_full = 1;
  }

  std::shared_ptr<const QualityReport> run() {
    std::vector<std::unique_ptr<RowReader>> readers;
    for (int i = 0; i < pool_.n_threads(); ++i)
      readers.push_back(std::make_unique<RowReader>(runners_, job_.mask));
    const std::size_t batch = 2 * static_cast<std::size_t>(pool_.n_threads());
    for (std::size_t first = 0; first < rows_.size(); first += batch) {
      const std::size_t n = std::min(batch, rows_.size() - first);
      std::vector<std::vector<RowResult>> results(n);
      pool_.parallel_for(
          static_cast<std::int64_t>(n),
          [&](std::int64_t item, int thread) {
            const auto i = static_cast<std::size_t>(item);
            results[i] = readers[static_cast<std::size_t>(thread)]->read(*rows_[first + i], job_.stop);
          },
          job_.stop);
      for (std::size_t i = 0; i < n; ++i)
        add(*rows_[first + i], results[i]);
      report_.is_finished = first + n == rows_.size();
      if (job_.progress) job_.progress(published());
    }
    return published();
  }

 private:
  void choose_rows(const ModelConfig& config) {
    std::int64_t n_tokens = 0;
    for (const std::vector<std::int32_t>& row : job_.rows) {
      if (row.size() < 2 || n_tokens >= job_.most_tokens) continue;
      if (config.positions == PositionKind::kLearned && std::ssize(row) > config.shape.max_positions) continue;
      rows_.push_back(&row);
      n_tokens += std::ssize(row) - 1;
    }
    if (rows_.empty())
      throw Error("There is no text to predict: a row of at least two tokens is needed, no longer than the model's positions.");
    report_.most_rows = std::ssize(rows_);
  }

  /// The choice's runner, or why it has none.
  void add(const ModelParams& params, const QualityChoice& choice) {
    QualityPoint& point = report_.points.emplace_back();
    point.choice = choice;
    std::size_t& runner = runner_of_.emplace_back(0);
    if (const auto problem = validate(choice.cache)) {
      point.problem = *problem;
      return;
    }
    const ModelParams* of = &params;
    if (choice.n_kv_heads > 0 && choice.n_kv_heads != params.config.shape.n_kv_heads) {
      of = pooled(params, choice.n_kv_heads, point.problem);
      if (of == nullptr) return;
    }
    runner = runners_.size();
    runners_.push_back({of, choice.cache});
  }

  const ModelParams* pooled(const ModelParams& params, std::int64_t n_kv_heads, std::string& problem) {
    const auto known = pooled_.find(n_kv_heads);
    if (known != pooled_.end()) return known->second.get();
    if ((std::ssize(pooled_) + 1) * bytes_of(params) > kMostPooledBytes) {
      problem = "Pooling K/V heads needs a copy of the parameters for each number of them: more memory than is used for this.";
      return nullptr;
    }
    try {
      return (pooled_[n_kv_heads] = std::make_unique<ModelParams>(pool_kv_heads(params, n_kv_heads))).get();
    } catch (const ShapeError& error) {
      pooled_.erase(n_kv_heads);
      problem = error.what();
      return nullptr;
    }
  }

  void add(const std::vector<std::int32_t>& row, const std::vector<RowResult>& results) {
    const auto n = std::ssize(row) - 1;
    report_.n_tokens += n;
    ++report_.n_rows;
    for (std::size_t i = 0; i < results.size(); ++i) {
      const double difference = results[i].loss - results[0].loss;
      sums_[i].loss += results[i].loss;
      sums_[i].kl += results[i].kl;
      sums_[i].bytes += results[i].bytes;
      sums_[i].difference += difference / static_cast<double>(n);
      sums_[i].squared += difference * difference / static_cast<double>(n * n);
      sums_[i].n_changed += results[i].n_changed;
    }
  }

  void set(QualityPoint& point, const Sums& sums) const {
    const auto tokens = static_cast<double>(report_.n_tokens), rows = static_cast<double>(report_.n_rows);
    point.loss = sums.loss / tokens;
    point.kl = sums.kl / tokens;
    point.changed = static_cast<double>(sums.n_changed) / tokens;
    point.bytes = sums.bytes / rows;
    point.share_of_full = sums.bytes / sums_[0].bytes;
    const double mean = sums.difference / rows;
    if (report_.n_rows > 1) point.loss_error = std::sqrt(std::max(0.0, sums.squared / rows - mean * mean) / (rows - 1));
  }

  std::shared_ptr<const QualityReport> published() const {
    auto report = std::make_shared<QualityReport>(report_);
    set(report->full, sums_[0]);
    for (std::size_t i = 0; i < report->points.size(); ++i)
      if (report->points[i].problem.empty()) set(report->points[i], sums_[runner_of_[i]]);
    return report;
  }

  const QualityJob& job_;
  ThreadPool& pool_;
  std::vector<const std::vector<std::int32_t>*> rows_;
  std::map<std::int64_t, std::unique_ptr<ModelParams>> pooled_;  ///< by their number of K/V heads
  std::vector<Runner> runners_;
  std::vector<std::size_t> runner_of_;  ///< of each point
  std::vector<Sums> sums_;              ///< of each runner
  QualityReport report_;
};

}  // namespace

std::shared_ptr<const QualityReport> measure_quality(const ModelParams& params, const QualityJob& job, ThreadPool& pool) {
  return Measuring(params, job, pool).run();
}

}  // namespace headroom
