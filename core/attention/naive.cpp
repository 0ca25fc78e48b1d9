#include <Eigen/Core>
#include <cmath>
#include <limits>
#include <vector>

#include "core/attention/backend.h"
#include "core/attention/dropout.h"
#include "core/tensor/dtype.h"
#include "core/tensor/error.h"
#include "core/tensor/work_count.h"

namespace headroom {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Strided = Eigen::OuterStride<>;

template <typename T>
auto as_matrix(const BasicHeadsView<T>& view, std::int64_t b, std::int64_t head) {
  using Mapped = std::conditional_t<std::is_const_v<T>, const Matrix, Matrix>;
  return Eigen::Map<Mapped, 0, Strided>(view.row(b, head, 0), view.seq, view.d_head, Strided(view.row_stride));
}

Matrix widened(const ConstHeads16View& view, std::int64_t b, std::int64_t head, KvStorage storage) {
  Matrix wide(view.seq, view.d_head);
  for (std::int64_t j = 0; j < view.seq; ++j) {
    for (std::int64_t c = 0; c < view.d_head; ++c) {
      const std::uint16_t bits = view.row(b, head, j)[c];
      wide(j, c) = storage == KvStorage::kFloat16 ? from_float16(bits) : from_bfloat16(bits);
    }
  }
  return wide;
}

/// softmax of the scores (scale q kᵀ, soft cap, bias, mask) times v with the whole [seq_q, seq_k] matrix in memory, one head at a time on each thread.
class NaiveBackend final : public AttentionBackend {
 public:
  explicit NaiveBackend(ThreadPool& pool) : pool_(pool), scores_(static_cast<std::size_t>(pool.n_threads())) {}

  std::string_view name() const override { return "naive"; }
  Support supports(const AttentionConfig& config) const override {
    const auto wrong = validate(config);
    return {!wrong.has_value(), wrong.value_or("")};
  }
  bool materialises_probs() const override { return true; }

  void run(const AttentionConfig& config, const AttentionInputs& inputs, const AttentionOutputs& outputs,
           std::stop_token stop) override {
    check_arguments(config, inputs, outputs);
    pool_.parallel_for(
        config.batch * config.n_heads,
        [&](std::int64_t item, int thread) {
          const std::int64_t b = item / config.n_heads, head = item % config.n_heads;
          run_head(config, inputs, outputs, {b, head, 0, 0}, scores_[static_cast<std::size_t>(thread)]);
        },
        stop);
    const WorkCount done = count_work(config);
    record_work(done);
    if (outputs.work == nullptr) return;
    *outputs.work = {.flops = done.attention_flops, .bytes_moved = done.kv_bytes + done.query_bytes + done.score_bytes};
    for (const Matrix& scores : scores_)
      outputs.work->bytes_allocated += static_cast<double>(scores.size()) * 4;
  }

 private:
  /// The whole score matrix is written, then read and written by the softmax, then read again; masked pairs are computed too.
  static WorkCount count_work(const AttentionConfig& config) {
    std::int64_t n_heads = 0;
    for (std::int64_t head = 0; head < config.n_heads; ++head) {
      n_heads += config.is_pruned(head) ? 0 : config.batch;
    }
    const auto heads = static_cast<double>(n_heads), d_head = static_cast<double>(config.d_head);
    const auto seq_q = static_cast<double>(config.seq_q), seq_k = static_cast<double>(config.seq_k);
    const double bytes = config.kv_storage == KvStorage::kFloat32 ? 4 : 2;
    return {.attention_flops = heads * 4 * seq_q * seq_k * d_head,
            .kv_bytes = heads * 2 * seq_k * d_head * bytes,
            .query_bytes = heads * 2 * seq_q * d_head * 4,
            .score_bytes = heads * 4 * seq_q * seq_k * 4};
  }

  static void run_head(const AttentionConfig& config, const AttentionInputs& inputs, const AttentionOutputs& outputs,
                       DropoutCell cell, Matrix& scores) {
    const std::int64_t b = cell.b, head = cell.head;
    const std::int64_t first_row = (b * config.n_heads + head) * config.seq_q;
    const auto n_rows = static_cast<std::size_t>(config.seq_q), n_cols = static_cast<std::size_t>(config.seq_k);
    const std::span<float> logsumexp = outputs.logsumexp.subspan(static_cast<std::size_t>(first_row), n_rows);
    auto out = as_matrix(outputs.out, b, head);
    if (config.is_pruned(head)) {
      out.setZero();
      std::fill(logsumexp.begin(), logsumexp.end(), kMinusInfinity);
      if (!outputs.probs.empty()) {
        const auto probs = outputs.probs.subspan(static_cast<std::size_t>(first_row) * n_cols, n_rows * n_cols);
        std::fill(probs.begin(), probs.end(), 0.0F);
      }
      return;
    }
    const std::int64_t kv_head = config.kv_head(head);
    const bool is_wide = config.kv_storage == KvStorage::kFloat32;
    if (is_wide) {
      scores.noalias() = config.effective_scale() * as_matrix(inputs.q, b, head) * as_matrix(inputs.k, b, kv_head).transpose();
    } else {
      scores.noalias() =
          config.effective_scale() * as_matrix(inputs.q, b, head) * widened(inputs.k16, b, kv_head, config.kv_storage).transpose();
    }
    for (cell.i = 0; cell.i < config.seq_q; ++cell.i) {
      finish_scores(config, cell, scores.row(cell.i));
      logsumexp[static_cast<std::size_t>(cell.i)] = softmax_row(config, cell, scores.row(cell.i));
    }
    if (!outputs.probs.empty()) {
      Eigen::Map<Matrix>(outputs.probs.data() + first_row * config.seq_k, config.seq_q, config.seq_k) = scores;
    }
    if (config.dropout) drop(config, cell, scores);
    if (is_wide) {
      add_values(config, cell, scores, as_matrix(inputs.v, b, kv_head), out);
    } else {
      add_values(config, cell, scores, widened(inputs.v16, b, kv_head, config.kv_storage), out);
    }
  }

  /// out = weights values. A hidden key's weight is 0, but 0 times NaN or an infinity would not be: such values reach the rows that see them.
  template <typename Values, typename Out>
  static void add_values(const AttentionConfig& config, const DropoutCell& cell, const Matrix& weights, const Values& values,
                         Out& out) {
    if (values.allFinite()) {
      out.noalias() = weights * values;
      return;
    }
    Matrix finite = values;
    for (std::int64_t j = 0; j < config.seq_k; ++j) {
      if (!values.row(j).allFinite()) finite.row(j).setZero();
    }
    out.noalias() = weights * finite;
    for (std::int64_t j = 0; j < config.seq_k; ++j) {
      if (values.row(j).allFinite()) continue;
      for (std::int64_t i = 0; i < config.seq_q; ++i) {
        if (is_visible(config.mask, cell.b, i, j)) out.row(i) += weights(i, j) * values.row(j);
      }
    }
  }

  /// Soft cap and bias of a row.
  static void finish_scores(const AttentionConfig& config, const DropoutCell& cell, Matrix::RowXpr row) {
    const float cap = config.soft_cap;
    for (std::int64_t j = 0; j < config.seq_k && cap > 0; ++j)
      row[j] = cap * std::tanh(row[j] / cap);  // Eigen's tanh loses digits and NaN
    const PositionBias* const bias = config.position_bias.get();
    for (std::int64_t j = 0; j < config.seq_k && bias != nullptr; ++j)
      row[j] += bias->at(cell.head, j - (config.mask.query_offset + cell.i));
  }

  /// Scores of a row become probabilities; returns the row's logsumexp.
  static float softmax_row(const AttentionConfig& config, const DropoutCell& cell, Matrix::RowXpr row) {
    const bool is_dense = config.mask.pattern.kind == PatternKind::kDense;
    const KeyRange visible = key_range(config.mask, cell.b, cell.i, config.seq_k);
    row.head(visible.begin).setConstant(kMinusInfinity);
    row.tail(config.seq_k - visible.end).setConstant(kMinusInfinity);
    for (std::int64_t j = visible.begin; j < visible.end && !is_dense; ++j) {
      if (!is_visible(config.mask, cell.b, cell.i, j)) row[j] = kMinusInfinity;
    }
    const float maximum = row.maxCoeff<Eigen::PropagateNaN>();
    if (maximum == kMinusInfinity) {
      row.setZero();
      return kMinusInfinity;
    }
    // Eigen's exp of -inf is about 1e-38, which huge values would show.
    row.array() = (row.array() == kMinusInfinity).select(0.0F, (row.array() - maximum).exp());
    const float sum = row.sum();
    row /= sum;
    return maximum + std::log(sum);
  }

  static void drop(const AttentionConfig& config, DropoutCell cell, Matrix& probs) {
    const float factor = kept_factor(*config.dropout);
    for (cell.i = 0; cell.i < config.seq_q; ++cell.i) {
      for (cell.j = 0; cell.j < config.seq_k; ++cell.j) {
        probs(cell.i, cell.j) *= is_kept(*config.dropout, cell) ? factor : 0.0F;
      }
    }
  }

  ThreadPool& pool_;
  std::vector<Matrix> scores_;  // one per thread, kept between calls
};

}  // namespace

std::unique_ptr<AttentionBackend> make_naive_backend(ThreadPool& pool) { return std::make_unique<NaiveBackend>(pool); }

}  // namespace headroom
