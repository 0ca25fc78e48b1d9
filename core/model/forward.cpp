#include "core/model/forward.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <string>

#include "core/model/elementwise.h"
#include "core/tensor/error.h"
#include "core/tensor/matmul.h"

namespace headroom {
namespace {

/// Elementwise work below this many values costs less than waking another thread.
constexpr std::int64_t kValuesPerItem = 16384;

constexpr std::array kStages{"embed", "norm", "q k v", "rotary", "attention", "W_O", "MLP", "logits"};

/// Adds the time since the last call to the stage named: every moment of the pass belongs to one stage.
class StageClock {
 public:
  explicit StageClock(std::vector<StageTime>& times) : times_(times) {
    for (const char* stage : kStages)
      times_.push_back({stage, 0});
  }
  void add(const std::string& stage, double ms) {
    const auto found = std::find_if(times_.begin(), times_.end(), [&](const StageTime& time) { return time.stage == stage; });
    if (found != times_.end()) {
      found->ms += ms;
    } else {
      times_.push_back({stage, ms});
    }
  }
  void lap(const char* stage) {
    const auto now = std::chrono::steady_clock::now();
    add(stage, std::chrono::duration<double, std::milli>(now - last_).count());
    last_ = now;
  }
  /// Leaves out the time since the last call: a layer measured it itself.
  void skip() { last_ = std::chrono::steady_clock::now(); }

 private:
  std::vector<StageTime>& times_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

/// Calls body(first, last) for ranges of rows, in parallel when there is enough to do.
template <typename Body>
void for_rows(ThreadPool& pool, std::int64_t n_rows, std::int64_t row_size, const Body& body) {
  const std::int64_t rows_per_item = std::max<std::int64_t>(1, kValuesPerItem / std::max<std::int64_t>(1, row_size));
  const std::int64_t n_items = (n_rows + rows_per_item - 1) / rows_per_item;
  if (n_items <= 1) return body(std::int64_t{0}, n_rows);
  pool.parallel_for(n_items,
                    [&](std::int64_t item, int) { body(item * rows_per_item, std::min(n_rows, (item + 1) * rows_per_item)); });
}

/// out = x / sqrt(mean(x^2) + eps) * gain, row by row. Source  Zhang & Sennrich 2019, arXiv:1910.07467.
void rms_norm(ThreadPool& pool, const Tensor& x, const Tensor& gain, float eps, Tensor& out) {
  const std::int64_t d = x.dim(1);
  for_rows(pool, x.dim(0), d, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::span<const float> row = x.row(i);
      const float factor = 1 / std::sqrt(dot(row, row) / static_cast<float>(d) + eps);
      const float* from = row.data();
      const float* g = gain.data();
      float* to = out.row(i).data();
      for (std::int64_t c = 0; c < d; ++c)
        to[c] = from[c] * factor * g[c];
    }
  });
}

void add_to(ThreadPool& pool, const Tensor& term, Tensor& x) {
  for_rows(pool, x.dim(0), x.dim(1), [&](std::int64_t first, std::int64_t last) {
    const float* from = term.data();
    float* to = x.data();
    for (std::int64_t i = first * x.dim(1); i < last * x.dim(1); ++i)
      to[i] += from[i];
  });
}

void apply_swiglu(ThreadPool& pool, const Tensor& up, Tensor& gate) {
  for_rows(pool, gate.dim(0), gate.dim(1), [&](std::int64_t first, std::int64_t last) {
    const auto begin = static_cast<std::size_t>(first * gate.dim(1)), size = static_cast<std::size_t>((last - first) * gate.dim(1));
    swiglu(gate.span().subspan(begin, size), up.span().subspan(begin, size));
  });
}

void check_ids(std::span<const std::int32_t> ids, std::int64_t vocab_size) {
  if (ids.empty()) throw ShapeError("a pass needs at least one token");
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= vocab_size) {
      throw Error("token " + std::to_string(i) + " has id " + std::to_string(ids[i]) + ", which is outside the vocabulary of " +
                  std::to_string(vocab_size));
    }
  }
}

Tensor embed(const Tensor& embedding, std::span<const std::int32_t> ids) {
  Tensor x({std::ssize(ids), embedding.dim(1)});
  for (std::size_t i = 0; i < ids.size(); ++i) {
    std::ranges::copy(embedding.row(ids[i]), x.row(static_cast<std::int64_t>(i)).begin());
  }
  return x;
}

/// A layer that lost all heads: attention adds its bias at most.
AttentionLayerResult no_attention(const LayerParams& layer, std::int64_t seq, std::int64_t d_model) {
  AttentionLayerResult result;
  result.q = result.k = result.v = result.head_out = Tensor({seq, 0});
  result.logsumexp = Tensor({0, seq});
  result.out = Tensor({seq, d_model});
  if (!layer.b_o.empty()) {
    for (std::int64_t i = 0; i < seq; ++i)
      std::ranges::copy(layer.b_o.span(), result.out.row(i).begin());
  }
  return result;
}

AttentionConfig attention_config(const LayerParams& layer, std::int64_t d_head, std::int64_t seq, const Mask& mask) {
  AttentionConfig config;
  config.n_heads = std::ssize(layer.heads);
  config.n_kv_heads = std::ssize(layer.kv_heads);
  config.d_head = d_head;
  config.seq_q = config.seq_k = seq;
  config.mask = mask;
  config.kv_head_of = layer.kv_head_of;
  return config;
}

/// The tensors of one MLP, reused by every block.
struct MlpSpace {
  Tensor gate, up, out;
};

void run_mlp(ThreadPool& pool, const LayerParams& layer, const Tensor& normed, MlpSpace& space) {
  linear(pool, normed.matrix(), layer.w_gate.matrix(), {}, space.gate.matrix());
  linear(pool, normed.matrix(), layer.w_up.matrix(), {}, space.up.matrix());
  apply_swiglu(pool, space.up, space.gate);
  linear(pool, space.gate.matrix(), layer.w_down.matrix(), {}, space.out.matrix());
}

}  // namespace

std::shared_ptr<const RowSums> make_row_sums(const LayerTrace& layer, const Mask& mask) {
  if (layer.heads.empty()) return nullptr;
  const Tensor &q = layer.attention.q, &k = layer.attention.k;
  if (q.rank() != 2 || k.rank() != 2 || layer.d_head <= 0) throw ShapeError("row sums need a layer that holds its q and k");
  AttentionConfig config;
  config.n_heads = std::ssize(layer.heads);
  config.n_kv_heads = k.dim(1) / layer.d_head;
  config.d_head = layer.d_head;
  config.seq_q = config.seq_k = q.dim(0);
  config.scale = layer.scale;
  config.mask = mask;
  config.kv_head_of = layer.kv_head_of;
  if (q.dim(1) != config.n_heads * layer.d_head || k.dim(0) != q.dim(0) || k.dim(1) != config.n_kv_heads * layer.d_head) {
    throw ShapeError("row sums need a q and k of whole heads of one text");
  }
  return std::make_shared<const RowSums>(config,
                                         ConstHeadsView::interleaved(q.data(), 1, config.n_heads, config.seq_q, layer.d_head),
                                         ConstHeadsView::interleaved(k.data(), 1, config.n_kv_heads, config.seq_k, layer.d_head));
}

std::int64_t LayerTrace::index_of(std::int64_t head) const {
  const auto found = std::lower_bound(heads.begin(), heads.end(), head);
  return found != heads.end() && *found == head ? found - heads.begin() : -1;
}

ForwardTrace forward(const ModelParams& params, std::span<const std::int32_t> ids, AttentionLayer& attention, ThreadPool& pool,
                     const ForwardOptions& options) {
  const ModelShape& shape = params.config.shape;
  check_ids(ids, shape.vocab_size);
  const bool keeps_trace = options.keep == ForwardOptions::Keep::kTrace;
  const std::int64_t seq = std::ssize(ids);
  const float eps = params.config.rms_norm_eps;
  const Rotary rotary{params.config.rope_theta};

  ForwardTrace trace;
  trace.ids.assign(ids.begin(), ids.end());
  trace.mask = options.mask;
  StageClock clock(trace.times);
  Tensor x = embed(params.embedding, ids);
  Tensor normed({seq, shape.d_model});
  MlpSpace mlp{Tensor({seq, shape.d_ff}), Tensor({seq, shape.d_ff}), Tensor({seq, shape.d_model})};
  clock.lap("embed");

  for (const LayerParams& layer : params.layers) {
    if (options.stop.stop_requested()) throw Cancelled();
    LayerTrace step;
    if (keeps_trace) step.input = x;
    rms_norm(pool, x, layer.attention_norm, eps, normed);
    if (keeps_trace) step.normed = normed;
    clock.lap("norm");

    const AttentionConfig config = attention_config(layer, shape.d_head, seq, options.mask);
    step.attention = layer.heads.empty() ? no_attention(layer, seq, shape.d_model)
                                         : attention.run(config, layer.attention(), rotary, normed.matrix(), options.stop);
    for (const StageTime& time : step.attention.times)
      clock.add(time.stage, time.ms);
    clock.skip();
    add_to(pool, step.attention.out, x);
    clock.lap("W_O");

    rms_norm(pool, x, layer.mlp_norm, eps, normed);
    clock.lap("norm");
    run_mlp(pool, layer, normed, mlp);
    add_to(pool, mlp.out, x);
    clock.lap("MLP");

    if (!keeps_trace) continue;
    step.heads = layer.heads;
    step.kv_head_of = layer.kv_head_of;
    step.d_head = shape.d_head;
    step.scale = config.effective_scale();
    trace.layers.push_back(std::move(step));
  }

  if (options.stop.stop_requested()) throw Cancelled();
  rms_norm(pool, x, params.final_norm, eps, normed);
  clock.lap("norm");
  trace.logits = Tensor({seq, shape.vocab_size});
  linear(pool, normed.matrix(), params.output(), {}, trace.logits.matrix());
  if (keeps_trace) trace.output = std::move(x);
  clock.lap("logits");
  return trace;
}

}  // namespace headroom
