#include "core/speed/ladder.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "core/speed/problem.h"
#include "core/speed/shapes.h"
#include "core/speed/text.h"
#include "core/speed/turns.h"
#include "core/tensor/error.h"
#include "core/tensor/matmul.h"
#include "core/tensor/tensor.h"

namespace headroom {
namespace {

constexpr double kLargestDifference = 1e-3;

/// Values of variance 1 / columns: what is projected by them keeps the variance of x.
Tensor weights(std::int64_t rows, std::int64_t cols, std::uint32_t seed) {
  Tensor tensor({rows, cols});
  fill_values(tensor.span(), seed);
  const float scale = 1 / std::sqrt(static_cast<float>(cols));
  for (float& value : tensor.span())
    value *= scale;
  return tensor;
}

/// Rows [begin, begin + n) of a matrix.
template <typename T>
BasicMatrixView<T> rows_of(BasicMatrixView<T> matrix, std::int64_t begin, std::int64_t n) {
  return {matrix.row(begin), n, matrix.cols, matrix.row_stride};
}

double product_flops(ConstMatrixView x, std::int64_t d_out) {
  return 2.0 * static_cast<double>(x.rows) * static_cast<double>(x.cols) * static_cast<double>(d_out);
}

/// One attention layer's projections and attention in every way of the ladder, over the same x and weights.
class Layer {
 public:
  Layer(const AttentionConfig& config, std::int64_t d_model, const SpeedTools& tools)
      : many_(config),
        few_(config),
        tools_(tools),
        naive_(make_naive_backend(tools.pool)),
        flash_(make_flash_backend(tools.pool)),
        x_({config.seq_k, d_model}),
        w_q_(weights(width(config.n_heads), d_model, 6)),
        w_k_(weights(width(config.n_heads), d_model, 7)),
        w_v_(weights(width(config.n_heads), d_model, 8)),
        q_({config.seq_k, width(config.n_heads)}),
        k_({config.seq_k, width(config.n_heads)}),
        v_({config.seq_k, width(config.n_heads)}),
        out_({config.seq_k, width(config.n_heads)}),
        logsumexp_({config.n_heads, config.seq_k}) {
    fill_values(x_.span(), 5);
    many_.n_kv_heads = many_.n_heads;
    few_.n_kv_heads = config.n_kv_heads < config.n_heads ? config.n_kv_heads : largest_divisor(config.n_heads, config.n_heads / 4);
    cached_k_ = Tensor({seq(), width(few_.n_kv_heads)});
    cached_v_ = Tensor({seq(), width(few_.n_kv_heads)});
  }

  std::int64_t n_kv_heads() const { return few_.n_kv_heads; }
  const AttentionConfig& many() const { return many_; }
  const Tensor& out() const { return out_; }

  /// h times: three small products and the attention of one head.
  void per_head(LadderStep& counted) {
    AttentionConfig one = many_;
    one.n_heads = one.n_kv_heads = 1;
    const std::int64_t d = many_.d_head;
    Tensor q({seq(), d}), k({seq(), d}), v({seq(), d});
    for (std::int64_t head = 0; head < many_.n_heads; ++head) {
      for (const auto& [weight, result] : {std::pair{&w_q_, &q}, std::pair{&w_k_, &k}, std::pair{&w_v_, &v}})
        project(x_.matrix(), {weight->matrix().row(head * d), d, x_.dim(1), x_.dim(1)}, result->matrix(), counted);
      HeadsView out = heads(out_, many_.n_heads);
      out.data += head * out.head_stride;
      out.n_heads = 1;
      attend(*naive_, one, {heads(q, 1), heads(k, 1), heads(v, 1)}, out, counted);
    }
  }

  void fused_naive(LadderStep& counted) { fused(*naive_, many_, {q_, k_, v_}, counted); }
  void fused_flash(LadderStep& counted) { fused(*flash_, many_, {q_, k_, v_}, counted); }
  void grouped_flash(LadderStep& counted) { fused(*flash_, few_, {q_, cached_k_, cached_v_}, counted); }

  /// One more token: its own q, k and v, and one row of attention over what the cache holds. The last row of out.
  void cached_token(LadderStep& counted) {
    AttentionConfig config = few_;
    config.seq_q = 1;
    config.mask.query_offset = seq() - 1;
    auto& buckets = config.mask.pattern.query_bucket;
    if (!buckets.empty()) buckets = {buckets.back()};
    const std::int64_t last = seq() - 1;
    Tensor q({1, width(many_.n_heads)});
    project_all(rows_of(x_.matrix(), last, 1),
                {q.matrix(), rows_of(cached_k_.matrix(), last, 1), rows_of(cached_v_.matrix(), last, 1)}, counted);
    HeadsView out = heads(out_, many_.n_heads);
    out.data += last * out.row_stride;
    out.seq = 1;
    attend(*flash_, config, {heads(q, many_.n_heads), heads(cached_k_, few_.n_kv_heads), heads(cached_v_, few_.n_kv_heads)}, out,
           counted);
  }

 private:
  struct Projected {
    Tensor &q, &k, &v;
  };
  struct Outs {
    MatrixView q, k, v;
  };

  std::int64_t seq() const { return many_.seq_k; }
  std::int64_t width(std::int64_t n_heads) const { return n_heads * many_.d_head; }
  HeadsView heads(Tensor& tensor, std::int64_t n_heads) const {
    return HeadsView::interleaved(tensor.data(), 1, n_heads, tensor.dim(0), many_.d_head);
  }

  void project(ConstMatrixView x, ConstMatrixView weight, MatrixView out, LadderStep& counted) {
    linear(tools_.pool, x, weight, {}, out);
    counted.flops += product_flops(x, weight.rows);
  }
  void project_all(ConstMatrixView x, const Outs& outs, LadderStep& counted) {
    const LinearPart parts[] = {{rows_of(ConstMatrixView(w_q_.matrix()), 0, outs.q.cols), {}, outs.q},
                                {rows_of(ConstMatrixView(w_k_.matrix()), 0, outs.k.cols), {}, outs.k},
                                {rows_of(ConstMatrixView(w_v_.matrix()), 0, outs.v.cols), {}, outs.v}};
    linear(tools_.pool, x, parts);
    for (const LinearPart& part : parts)
      counted.flops += product_flops(x, part.weight.rows);
  }
  void attend(AttentionBackend& backend, const AttentionConfig& config, const AttentionInputs& inputs, HeadsView out,
              LadderStep& counted) {
    AttentionWork work;
    const auto n_rows = static_cast<std::size_t>(config.n_heads * config.seq_q);
    backend.run(config, inputs, {.out = out, .logsumexp = logsumexp_.span().first(n_rows), .probs = {}, .work = &work},
                tools_.stop);
    counted.flops += work.flops;
    counted.bytes_moved += work.bytes_moved;
    counted.bytes_allocated = std::max(counted.bytes_allocated, work.bytes_allocated);
  }
  void fused(AttentionBackend& backend, const AttentionConfig& config, const Projected& to, LadderStep& counted) {
    project_all(x_.matrix(), {to.q.matrix(), to.k.matrix(), to.v.matrix()}, counted);
    attend(backend, config, {heads(to.q, config.n_heads), heads(to.k, config.n_kv_heads), heads(to.v, config.n_kv_heads)},
           heads(out_, config.n_heads), counted);
  }

  AttentionConfig many_, few_;  ///< as many K/V heads as query heads, and fewer
  const SpeedTools& tools_;
  std::unique_ptr<AttentionBackend> naive_, flash_;
  Tensor x_, w_q_, w_k_, w_v_, q_, k_, v_, out_, logsumexp_, cached_k_, cached_v_;
};

struct Rung {
  const char* name;
  std::string what;
  void (Layer::*run)(LadderStep&);
};

std::vector<Rung> rungs(const Layer& layer) {
  const std::string h = std::to_string(layer.many().n_heads), kv = std::to_string(layer.n_kv_heads());
  std::vector<Rung> all{
      {"per-head loops", "Head after head: three products for its q, k and v, then all of its scores, softmax, weighted sum.",
       &Layer::per_head},
      {"fused q k v", "One product makes q, k and v of all " + h + " heads; scores are still stored.", &Layer::fused_naive},
      {"flash", "Attention in tiles with a running softmax: no scores are stored.", &Layer::fused_flash},
      {"GQA",
       h + " query heads share " + kv + (kv == "1" ? " K/V head" : " K/V heads") +
           ": another model, with less to project and to read.",
       &Layer::grouped_flash}};
  if (layer.many().mask.direction == Direction::kCausal) {
    all.push_back({"K/V cache", "One more token: only its own q, k and v, and one row of attention over the cached keys.",
                   &Layer::cached_token});
  }
  return all;
}

double largest_difference(std::span<const float> a, std::span<const float> b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(double{a[i]} - double{b[i]});
    if (std::isnan(difference)) return difference;
    largest = std::max(largest, difference);
  }
  return largest;
}

/// Runs every rung once: counts its work, and compares the rungs that compute the same.
void check(Layer& layer, const std::vector<Rung>& rungs, Ladder& ladder) {
  Tensor first, before;
  for (std::size_t i = 0; i < rungs.size(); ++i) {
    LadderStep step{.name = rungs[i].name, .what = rungs[i].what};
    step.n_kv_heads = i < 3 ? layer.many().n_heads : layer.n_kv_heads();
    before = layer.out();
    (layer.*rungs[i].run)(step);
    if (i == 0) first = layer.out();
    const bool is_same = i != 0 && i != 3;  // GQA is another model; the cached token is its last row
    const double difference = is_same ? largest_difference(layer.out().span(), i < 3 ? first.span() : before.span()) : 0;
    if (!(difference <= kLargestDifference)) {
      throw Error("the rung \"" + step.name + "\" of the ladder differs from the one it should equal by " + number(difference) +
                  ": the ladder was not timed");
    }
    if (i < 3) ladder.largest_difference = std::max(ladder.largest_difference, difference);
    ladder.steps.push_back(std::move(step));
  }
}

}  // namespace

Ladder measure_ladder(const SpeedShape& shape, const SpeedTools& tools) {
  LayerShape whole = whole_layer(shape);
  Ladder ladder;
  ladder.shape = whole.shape;
  ladder.note = whole.note;
  ladder.threads = tools.pool.n_threads();
  Layer layer(whole.shape.config, whole.shape.d_model, tools);
  report_progress(tools, "ladder", 0);
  const std::vector<Rung> all = rungs(layer);
  check(layer, all, ladder);
  if (whole.shape.config.mask.direction != Direction::kCausal) {
    ladder.note += std::string(ladder.note.empty() ? "" : " ") + "A K/V cache needs a causal mask: its rung is left out.";
  }
  std::vector<Candidate> candidates;
  for (const Rung& rung : all) {
    candidates.push_back({rung.name, [&layer, &tools, run = rung.run] {
                            LadderStep uncounted;
                            return timed(tools.pool, [&] { (layer.*run)(uncounted); });
                          }});
  }
  const std::vector<Timing> timings = measure_in_turns(candidates, tools);
  for (std::size_t i = 0; i < timings.size(); ++i) {
    ladder.steps[i].ms = 1000 * timings[i].seconds;
    ladder.steps[i].ratio = timings[0].seconds / timings[i].seconds;
  }
  ladder.recompute_ms = ladder.steps[3].ms;
  return ladder;
}

}  // namespace headroom
