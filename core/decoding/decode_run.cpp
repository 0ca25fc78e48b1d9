#include "core/decoding/decode_run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>
#include <utility>

#include "core/decoding/distributions.h"
#include "core/decoding/timed_pass.h"
#include "core/tensor/error.h"
#include "core/tensor/machine.h"

namespace headroom {
namespace {

/// Caches that read the same text side by side, so that each step has as many times: the faster a step, the more.
int n_runs_for(double ms) {
  if (ms < 2) return 9;
  if (ms < 20) return 5;
  if (ms < 200) return 3;
  return ms < 1000 ? 2 : 1;
}

double largest_difference(std::span<const float> a, std::span<const float> b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return largest;
}

std::string tokens_text(std::int64_t n) { return std::to_string(n) + (n == 1 ? " token" : " tokens"); }

/// Tokens that may follow the text. Errors  Error with the numbers when there is room for none.
std::int64_t room_for(const ModelConfig& config, std::int64_t n_text, std::int64_t most) {
  if (n_text == 0) throw Error("There is no text to go on from: at least one token is read.");
  if (config.positions != PositionKind::kLearned) return most;
  const std::int64_t room = config.shape.max_positions - n_text;
  if (room < 1)
    throw Error("There is no room for another token: the text has " + tokens_text(n_text) + ", and the model has learned " +
                std::to_string(config.shape.max_positions) + " positions.");
  return std::min(most, room);
}

/// One run, step by step.
class Generation {
 public:
  Generation(const DecodeSource& from, std::span<const std::int32_t> text, const DecodeJob& job, ThreadPool& pool)
      : params_(from.params),
        job_(job),
        pool_(pool),
        mask_(decoder_mask(from)),
        most_(room_for(from.params.config, std::ssize(text), job.most)),
        pass_(from.params, mask_, from.source, pool),
        backend_(make_flash_backend(pool)),
        whole_(make_cpu_attention_layer(pool, *backend_)),
        text_(text.begin(), text.end()) {
    run_.cache = job.cache;
    run_.d_head = params_.config.shape.d_head;
    for (const LayerParams& layer : params_.layers) {
      run_.heads.push_back(layer.heads);
      run_.kv_heads.push_back(layer.heads.empty() ? std::vector<std::int64_t>() : layer.kv_heads);
      run_.kv_head_of.push_back(layer.kv_head_of);
    }
    run_.prompt = text_;
    run_.threads = pool.n_threads();
    const KvCacheOptions& cache = job.cache;
    const bool is_stretch_of_floats =
        cache.layout == CacheLayout::kContiguous && cache.eviction == Eviction::kNone && kv_type_bits(cache.type) >= 16;
    run_.kernel = std::string(is_stretch_of_floats ? "flash" : "cache kernel") + ", " + simd_name();
    if (job.whole_seconds <= 0) run_.not_whole = "Reading the whole text anew was not asked for.";
    main_ = keep(job.cache);
    const bool loses = job.cache.type != KvType::kFloat32 || job.cache.eviction != Eviction::kNone;
    if (loses) full_ = keep({});
  }

  std::shared_ptr<const DecodeRun> run() {
    while (std::ssize(run_.steps) < job_.most) {
      if (std::ssize(run_.steps) == most_) {
        run_.ended = "The model has learned " + std::to_string(params_.config.shape.max_positions) +
                     " positions: there is no room for another token.";
        break;
      }
      auto step = std::make_shared<DecodeStep>(next_step());
      const std::int32_t id = step->id;
      text_.push_back(id);
      run_.steps.push_back(std::move(step));
      if (std::ranges::find(job_.ends, id) != job_.ends.end() && std::ssize(run_.steps) < job_.most) {
        run_.ended = "The model ended its text.";
        break;
      }
      if (job_.progress && std::ssize(run_.steps) < job_.most) job_.progress(published());
    }
    run_.is_finished = true;
    const auto done = published();
    if (job_.progress) job_.progress(done);
    return done;
  }

 private:
  std::unique_ptr<KeptText> keep(const KvCacheOptions& options) {
    auto kept = std::make_unique<KeptText>(params_, options, pool_);
    kept->cache.reserve(std::ssize(text_) + most_);
    return kept;
  }

  DecodeStep next_step() {
    const auto n_read = std::ssize(text_);
    const std::int64_t begin = run_.steps.empty() ? 0 : n_read - 1;
    const DecoderPass::Rows rows{std::span(text_).subspan(static_cast<std::size_t>(begin)), begin};
    DecodeStep step;
    step.position = n_read;
    const Tensor logits = read_cached(rows, step);
    Tensor full;
    if (full_) {
      full_->layer.begin_rows();
      full = pass_.run(rows, full_->layer, job_.stop);
    }
    choose(logits.span(), full_ ? full.span() : logits.span(), step);
    // In turns, so that a moment at which the machine was busy does not decide one of the two.
    rehearse(rows, 0, rehearsals_.size() / 2, step);
    read_whole(logits.span(), step);
    rehearse(rows, rehearsals_.size() / 2, rehearsals_.size(), step);
    look_at_cache(step);
    return step;
  }

  Tensor read_cached(const DecoderPass::Rows& rows, DecodeStep& step) {
    if (row_bytes_ < kMostRowBytes) {
      main_->layer.begin_rows_with_probs();
    } else {
      main_->layer.begin_rows();
    }
    Tensor logits = timed_run(pass_, rows, main_->layer, step.cached, job_.stop);
    if (run_.steps.empty()) {
      for (int n = 1; n < n_runs_for(step.cached.ms); ++n)
        rehearsals_.push_back(keep(job_.cache));
    }
    return logits;
  }

  /// The same rows again, in the caches [begin, end) that go along.
  void rehearse(const DecoderPass::Rows& rows, std::size_t begin, std::size_t end, DecodeStep& step) {
    constexpr std::chrono::milliseconds kPause{1};  // who has just slept is not interrupted soon
    if (begin < end && step.cached.ms < 2) std::this_thread::sleep_for(kPause);
    for (std::size_t i = begin; i < end; ++i) {
      rehearsals_[i]->layer.begin_rows();
      timed_run(pass_, rows, rehearsals_[i]->layer, step.cached, job_.stop);
    }
  }

  void choose(std::span<const float> logits, std::span<const float> full, DecodeStep& step) const {
    const double uniform = uniform_at(job_.seed, job_.first_step + run_.steps.size());
    const bool is_forced = job_.first_token >= 0 && run_.steps.empty();
    const auto choice = [&](std::span<const float> from) {
      return is_forced ? job_.first_token : draw(sample_choices(from, job_.sample), uniform);
    };
    step.id = choice(logits);
    step.full_id = full_ ? choice(full) : step.id;
    step.probability = probability_of(logits, step.id);
    step.full_probability = full_ ? probability_of(full, step.id) : step.probability;
    step.kl = full_ ? divergence(full, logits) : 0;
  }

  /// All of the text once more, a few times where that is fast; not at all once it would take longer than the time there is for it.
  void read_whole(std::span<const float> logits, DecodeStep& step) {
    if (!run_.not_whole.empty()) return;
    const double expected_ms = last_whole_ms_ > 0 ? last_whole_ms_ : step.cached.ms;
    if (whole_ms_ + expected_ms > 1000 * job_.whole_seconds) {
      run_.not_whole = "From token " + std::to_string(run_.steps.size() + 1) + " on the whole text was not read anew: that took " +
                       std::to_string(std::lround(whole_ms_ / 1000)) + " s so far, and each more would take about " +
                       std::to_string(std::lround(expected_ms)) + " ms.";
      return;
    }
    const auto begin = std::chrono::steady_clock::now();
    StepCost& cost = step.whole.emplace();
    const DecoderPass::Rows rows{text_, 0};
    do {
      const Tensor& whole = timed_run(pass_, rows, *whole_, cost, job_.stop);
      step.logit_difference = largest_difference(logits, whole.span());
    } while (cost.n_runs < n_runs_for(cost.ms));
    whole_ms_ += std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    last_whole_ms_ = cost.ms;
  }

  void look_at_cache(DecodeStep& step) {
    const KvCache& cache = main_->cache;
    const bool is_shared = cache.options().eviction != Eviction::kHeavyHitters;
    const CacheShape& shape = cache.shape();
    for (std::int64_t layer = 0; layer < std::ssize(shape.n_kv_heads); ++layer) {
      LayerStep& part = step.layers.emplace_back();
      part.n_slots = cache.n_held(layer);
      step.n_held = std::max(step.n_held, part.n_slots);
      part.probs = std::exchange(main_->layer.probs()[static_cast<std::size_t>(layer)], {});
      row_bytes_ += static_cast<std::int64_t>(part.probs.size() * sizeof(float));
      for (std::int64_t head = 0; head < shape.n_kv_heads[static_cast<std::size_t>(layer)]; ++head) {
        part.bytes.push_back(cache.bytes_held(layer, head));
        part.gave_up.push_back(cache.gave_up(layer, head).value_or(-1));
        if (head > 0 && is_shared) continue;
        const std::vector<std::int32_t> positions = cache.positions(layer, head);
        part.positions.insert(part.positions.end(), positions.begin(), positions.end());
      }
    }
    step.pages = cache.page_table();
    step.bytes_held = cache.bytes_used();
    step.bytes_reserved = cache.bytes_reserved();
    step.bytes_full = step.position * token_bytes(shape, KvType::kFloat32);
  }

  std::shared_ptr<const DecodeRun> published() const {
    auto copy = std::make_shared<DecodeRun>(run_);
    struct Series {
      std::vector<double> x, ms, attention_ms;
      void add(std::int64_t n, const StepCost& cost) {
        x.push_back(static_cast<double>(n));
        ms.push_back(cost.ms);
        attention_ms.push_back(cost.attention_ms);
      }
      std::optional<PowerFit> fit(const std::vector<double>& y) const {
        constexpr std::size_t kLeast = 4;
        return x.size() < kLeast ? std::nullopt : fit_power(x, y, static_cast<int>(x.size()));
      }
    } cached, whole;
    for (std::size_t i = 1; i < run_.steps.size(); ++i) {
      cached.add(run_.steps[i]->position, run_.steps[i]->cached);
      if (run_.steps[i]->whole) whole.add(run_.steps[i]->position, *run_.steps[i]->whole);
    }
    copy->cached_time = cached.fit(cached.ms);
    copy->cached_attention_time = cached.fit(cached.attention_ms);
    copy->whole_time = whole.fit(whole.ms);
    copy->whole_attention_time = whole.fit(whole.attention_ms);
    return copy;
  }

  const ModelParams& params_;
  const DecodeJob& job_;
  ThreadPool& pool_;
  Mask mask_;
  std::int64_t most_;  ///< steps that there is room for
  DecoderPass pass_;
  std::unique_ptr<AttentionBackend> backend_;
  std::unique_ptr<AttentionLayer> whole_;
  std::vector<std::int32_t> text_;  ///< read, and the one to be read next
  DecodeRun run_;
  std::unique_ptr<KeptText> main_, full_;
  std::vector<std::unique_ptr<KeptText>> rehearsals_;  ///< that make a step's time the least of several
  double whole_ms_ = 0, last_whole_ms_ = 0;
  std::int64_t row_bytes_ = 0;
};

}  // namespace

std::shared_ptr<const DecodeRun> decode(const DecodeSource& from, std::span<const std::int32_t> text, const DecodeJob& job,
                                        ThreadPool& pool) {
  check_cached_decoding(from, job.cache);
  return Generation(from, text, job, pool).run();
}

}  // namespace headroom
