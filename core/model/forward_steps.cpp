#include "core/model/forward_steps.h"

#include <array>
#include <cmath>

#include "core/model/elementwise.h"
#include "core/tensor/error.h"
#include "core/tensor/matmul.h"

namespace headroom {
namespace {

constexpr std::array kStages{"embed", "norm", "q k v", "rotary", "attention", "W_O", "MLP", "logits"};

/// Positions whose angles are computed together.
constexpr std::int64_t kPositionsPerTable = 1024;

void apply_swiglu(ThreadPool& pool, ConstMatrixView up, MatrixView gate) {
  for_rows(pool, gate.rows, gate.cols, [&](std::int64_t first, std::int64_t last) {
    const auto size = static_cast<std::size_t>((last - first) * gate.cols);
    swiglu({gate.row(first), size}, {up.row(first), size});
  });
}

}  // namespace

StageClock::StageClock(std::vector<StageTime>& times) : times_(times) {
  for (const char* stage : kStages)
    times_.push_back({stage, 0});
}

void StageClock::add(const std::string& stage, double ms) {
  const auto found = std::find_if(times_.begin(), times_.end(), [&](const StageTime& time) { return time.stage == stage; });
  if (found != times_.end()) {
    found->ms += ms;
  } else {
    times_.push_back({stage, ms});
  }
}

void StageClock::lap(const char* stage) {
  const auto now = std::chrono::steady_clock::now();
  add(stage, std::chrono::duration<double, std::milli>(now - last_).count());
  last_ = now;
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

void embed(ThreadPool& pool, const Tensor& embedding, std::span<const std::int32_t> ids, MatrixView x) {
  for_rows(pool, x.rows, x.cols, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i)
      std::copy_n(embedding.row(ids[static_cast<std::size_t>(i)]).data(), x.cols, x.row(i));
  });
}

void rms_norm(ThreadPool& pool, ConstMatrixView x, const Tensor& gain, float eps, MatrixView out) {
  const std::int64_t d = x.cols;
  for_rows(pool, x.rows, d, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::span<const float> row(x.row(i), static_cast<std::size_t>(d));
      const float factor = 1 / std::sqrt(dot(row, row) / static_cast<float>(d) + eps);
      const float* from = row.data();
      const float* g = gain.data();
      float* to = out.row(i);
      for (std::int64_t c = 0; c < d; ++c)
        to[c] = from[c] * factor * g[c];
    }
  });
}

void add_to(ThreadPool& pool, ConstMatrixView term, MatrixView x) {
  for_rows(pool, x.rows, x.cols, [&](std::int64_t first, std::int64_t last) {
    const float* from = term.data;
    float* to = x.data;
    for (std::int64_t i = first * x.cols; i < last * x.cols; ++i)
      to[i] += from[i];
  });
}

MlpSpace::MlpSpace(std::int64_t rows, const ModelShape& shape)
    : gate({rows, shape.d_ff}, Fill::kNone), up({rows, shape.d_ff}, Fill::kNone), out({rows, shape.d_model}, Fill::kNone) {}

void add_mlp(ThreadPool& pool, const LayerParams& layer, ConstMatrixView normed, MlpSpace& space, MatrixView x) {
  const MatrixView gate = rows_of(space.gate, 0, x.rows), up = rows_of(space.up, 0, x.rows), out = rows_of(space.out, 0, x.rows);
  const std::array parts{LinearPart{layer.w_gate.matrix(), {}, gate}, LinearPart{layer.w_up.matrix(), {}, up}};
  linear(pool, normed, parts);
  apply_swiglu(pool, up, gate);
  linear(pool, gate, layer.w_down.matrix(), {}, out);
  add_to(pool, out, x);
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

LayerTrace layer_trace(const LayerParams& layer, const AttentionConfig& config) {
  LayerTrace step;
  step.heads = layer.heads;
  step.kv_head_of = layer.kv_head_of;
  step.d_head = config.d_head;
  step.scale = config.effective_scale();
  return step;
}

RotaryAngles::RotaryAngles(ThreadPool& pool, const Rotary& rotary, std::int64_t seq, std::int64_t d_head)
    : tables_(static_cast<std::size_t>((seq + kPositionsPerTable - 1) / kPositionsPerTable)) {
  pool.parallel_for(std::ssize(tables_), [&](std::int64_t item, int) {
    const std::int64_t first = item * kPositionsPerTable;
    tables_[static_cast<std::size_t>(item)] = make_rotary_table(rotary, first, std::min(seq - first, kPositionsPerTable), d_head);
  });
}

void RotaryAngles::rotate(std::int64_t position, std::int64_t n_heads, const float* from, float* to) const {
  rotate_row(tables_[static_cast<std::size_t>(position / kPositionsPerTable)], position % kPositionsPerTable, n_heads, from, to);
}

void report_share(const LongPassOptions& options, double share) {
  if (options.stop.stop_requested()) throw Cancelled();
  if (options.progress) options.progress(std::clamp(share, 0.0, 1.0));
}

MatrixView rows_of(Tensor& tensor, std::int64_t begin, std::int64_t end) {
  const MatrixView all = tensor.matrix();
  return {all.row(begin), end - begin, all.cols, all.row_stride};
}

ConstMatrixView rows_of(const Tensor& tensor, std::int64_t begin, std::int64_t end) {
  const ConstMatrixView all = tensor.matrix();
  return {all.row(begin), end - begin, all.cols, all.row_stride};
}

}  // namespace headroom
