#include "core/decoding/decode_growth.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

#include "core/attention/counter_hash.h"
#include "core/decoding/timed_pass.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr int kFittedPoints = 3;
constexpr int kRounds = 4;
constexpr int kMostRuns = 16, kMostWholeRuns = 8;  ///< in all rounds
constexpr std::chrono::milliseconds kPause{2};     ///< before each round: who has just slept is not interrupted soon
constexpr double kEnoughMs = 300;                  ///< of runs of one point together

/// In [-1, 1), seeded.
float value_at(std::uint32_t i) {
  constexpr std::uint64_t kSeed = 7;
  return static_cast<float>(counter_hash(kSeed, {i})) * 0x1.0p-31F - 1;
}

void set_fits(DecodeGrowthSeries& series) {
  std::vector<double> n, ms, attention_ms;
  for (const DecodeGrowthPoint& point : series.points) {
    n.push_back(static_cast<double>(point.n));
    ms.push_back(point.ms);
    attention_ms.push_back(point.attention_ms);
  }
  series.time = fit_power(n, ms, kFittedPoints);
  series.attention_time = fit_power(n, attention_ms, kFittedPoints);
}

/// What the next point would take, by the power through the last two: as ever more of it is attention, by no less than `least`.
double expected_ms(const DecodeGrowthSeries& series, std::int64_t n, double least) {
  const DecodeGrowthPoint& last = series.points.back();
  double exponent = least;
  if (series.points.size() > 1) {
    const DecodeGrowthPoint& before = series.points[series.points.size() - 2];
    if (const auto power = fit_power({static_cast<double>(before.n), static_cast<double>(last.n)}, {before.ms, last.ms}, 2))
      exponent = std::max(exponent, power->exponent);
  }
  return last.ms * std::pow(static_cast<double>(n) / static_cast<double>(last.n), exponent);
}

std::string too_long(std::int64_t n, double ms) {
  return std::to_string(n) + " tokens would take about " + std::to_string(std::lround(std::ceil(ms / 1000))) + " s.";
}

class Measuring {
 public:
  Measuring(const DecodeSource& from, const DecodeGrowthJob& job, ThreadPool& pool)
      : job_(job),
        mask_(decoder_mask(from)),
        pass_(from.params, mask_, from.source, pool),
        backend_(make_flash_backend(pool)),
        whole_(make_cpu_attention_layer(pool, *backend_)),
        kept_(from.params, job.cache, pool),
        lengths_(job.lengths) {
    std::ranges::sort(lengths_);
    if (!lengths_.empty() && lengths_.front() < 1)
      throw Error("a number of tokens must be at least 1, not " + std::to_string(lengths_.front()));
    const ModelConfig& config = from.params.config;
    growth_.cache = job.cache;
    growth_.threads = pool.n_threads();
    if (config.positions == PositionKind::kLearned) growth_.known_positions = config.shape.max_positions;
    const CacheShape& shape = kept_.cache.shape();
    const std::int64_t most = shape.n_kv_heads.empty() ? 0 : *std::ranges::max_element(shape.n_kv_heads);
    filling_ = Tensor({kFillRows, most * shape.d_head});
    for (std::int64_t i = 0; i < filling_.size(); ++i)
      filling_.data()[i] = value_at(static_cast<std::uint32_t>(i));
    ids_.resize(lengths_.empty() ? 0 : static_cast<std::size_t>(lengths_.back() + 1));
    for (std::size_t i = 0; i < ids_.size(); ++i)
      ids_[i] = static_cast<std::int32_t>(counter_hash(11, {static_cast<std::uint32_t>(i)}) %
                                          static_cast<std::uint32_t>(config.shape.vocab_size));
  }

  std::shared_ptr<const DecodeGrowth> run() {
    for (const std::int64_t n : lengths_) {
      measure(n);
      growth_.is_finished = n == lengths_.back();
      set_fits(growth_.cached);
      set_fits(growth_.whole);
      if (job_.progress) job_.progress(std::make_shared<const DecodeGrowth>(growth_));
    }
    growth_.is_finished = true;
    return std::make_shared<const DecodeGrowth>(growth_);
  }

 private:
  static constexpr std::int64_t kFillRows = 256;

  /// Seeded rows up to n tokens, in all layers.
  void fill(std::int64_t n) {
    const CacheShape& shape = kept_.cache.shape();
    for (std::int64_t layer = 0; layer < std::ssize(shape.n_kv_heads); ++layer) {
      const std::int64_t heads = shape.n_kv_heads[static_cast<std::size_t>(layer)];
      while (heads > 0 && kept_.cache.n_seen(layer) < n) {
        if (job_.stop.stop_requested()) throw Cancelled();
        const std::int64_t rows = std::min(kFillRows, n - kept_.cache.n_seen(layer));
        const ConstHeadsView view = HeadsView::interleaved(filling_.data(), 1, heads, rows, shape.d_head);
        kept_.cache.append(layer, view, view);
      }
    }
  }

  /// In turns, so that a moment at which the machine was busy does not decide one of the two.
  void measure(std::int64_t n) {
    const bool is_cached = goes_on(growth_.cached, n, 0), is_whole = goes_on(growth_.whole, n, 1);
    if (is_cached) {
      kept_.cache.reserve(n + kMostRuns);
      fill(n);
    }
    // Each run leaves a token more: a few among far more, which the time does not tell apart.
    const int most_cached = static_cast<int>(std::clamp<std::int64_t>(n / 8, 1, kMostRuns));
    Series cached, whole;
    for (int round = 0; round < kRounds; ++round) {
      std::this_thread::sleep_for(kPause);
      if (is_cached) run_cached(n, (most_cached + kRounds - 1) / kRounds, cached);
      if (is_whole) run_whole(n, kMostWholeRuns / kRounds, whole);
    }
    if (is_cached) growth_.cached.points.push_back({n, cached.cost.ms, cached.cost.attention_ms});
    if (is_whole) growth_.whole.points.push_back({n, whole.cost.ms, whole.cost.attention_ms});
  }

  struct Series {
    StepCost cost;
    double spent_ms = 0;
  };

  /// Notes where the next point would take too long.
  bool goes_on(DecodeGrowthSeries& series, std::int64_t n, double least_exponent) const {
    if (!series.note.empty()) return false;
    if (series.points.empty()) return true;
    const double ms = expected_ms(series, n, least_exponent);
    if (ms > 1000 * job_.longest_call) series.note = too_long(n, ms);
    return series.note.empty();
  }

  void run_cached(std::int64_t n, int runs, Series& series) {
    for (int i = 0; i < runs && (series.cost.n_runs == 0 || series.spent_ms < kEnoughMs); ++i) {
      kept_.layer.begin_rows();
      const std::int64_t position = n + series.cost.n_runs;
      timed_run(pass_, {std::span(ids_).first(1), position, DecoderPass::Logits::kLast, DecoderPass::Positions::kWrapped},
                kept_.layer, series.cost, job_.stop);
      series.spent_ms += series.cost.ms;
    }
  }

  void run_whole(std::int64_t n, int runs, Series& series) {
    const DecoderPass::Rows rows{std::span(ids_).first(static_cast<std::size_t>(n + 1)), 0, DecoderPass::Logits::kLast,
                                 DecoderPass::Positions::kWrapped};
    for (int i = 0; i < runs && (series.cost.n_runs == 0 || series.spent_ms < kEnoughMs); ++i) {
      timed_run(pass_, rows, *whole_, series.cost, job_.stop);
      series.spent_ms += series.cost.ms;
    }
  }

  const DecodeGrowthJob& job_;
  Mask mask_;
  DecoderPass pass_;
  std::unique_ptr<AttentionBackend> backend_;
  std::unique_ptr<AttentionLayer> whole_;
  KeptText kept_;
  Tensor filling_;  ///< [kFillRows, most K/V heads * d_head]
  std::vector<std::int32_t> ids_;
  std::vector<std::int64_t> lengths_;
  DecodeGrowth growth_;
};

}  // namespace

std::shared_ptr<const DecodeGrowth> measure_decode_growth(const DecodeSource& from, const DecodeGrowthJob& job, ThreadPool& pool) {
  check_cached_decoding(from, job.cache);
  return Measuring(from, job, pool).run();
}

}  // namespace headroom
