#include "core/cost/pass_terms.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/tensor/error.h"

namespace headroom {
namespace {

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// Builds the terms stack by stack.
class Builder {
 public:
  Builder(const ModelCard& card, const CardTotals& totals, const PassPlan& plan) : card_(card), block_(*card.block), plan_(plan) {
    terms_.parameters = totals.parameters;
    terms_.active_parameters = totals.active;
    terms_.d_model = *card.d_model;
    terms_.d_head = *card.d_head;
    terms_.batch = plan.batch;
    set_rows();
  }

  PassTerms build() {
    const bool has_both = card_.kind == CardKind::kEncoderDecoder;
    add_embedding();
    if (has_both) {
      add_stack(card_.encoder, RowStream::kEncoder);
      add_stack(card_.decoder, RowStream::kDecoder);
      add_cross();
    } else {
      add_stack(card_.main_stack(), card_.kind == CardKind::kEncoder ? RowStream::kEncoder : RowStream::kDecoder);
    }
    add_output();
    double matrix_values = 0;
    for (const MatrixTerm& matrix : terms_.matrices)
      matrix_values += matrix.held() * static_cast<double>(matrix.whole_values);
    terms_.other_values = terms_.parameters - matrix_values;
    return std::move(terms_);
  }

 private:
  bool is_prefill() const { return plan_.kind == PassKind::kPrefill; }
  double n() const { return static_cast<double>(plan_.context); }

  void set_rows() {
    const auto texts = static_cast<double>(plan_.batch);
    const bool has_both = card_.kind == CardKind::kEncoderDecoder;
    const double all = is_prefill() ? texts * n() : 0;
    if (card_.kind == CardKind::kEncoder || has_both) terms_.encoder_rows = all;
    if (has_both) terms_.source_rows = all;
    if (card_.kind != CardKind::kEncoder) terms_.decoder_rows = is_prefill() && !has_both ? all : texts;
    const double main_rows = card_.kind == CardKind::kEncoder ? terms_.encoder_rows : terms_.decoder_rows;
    const bool is_every = plan_.logits == LogitRows::kEvery || card_.kind == CardKind::kEncoder;
    terms_.logit_rows = is_every ? main_rows : texts;
    terms_.pooled_rows = is_prefill() ? texts : 0;
  }

  enum class Split { kWhole, kRows, kCols };
  struct Matrix {
    RowStream stream = RowStream::kNone;
    std::int64_t rows = 0, cols = 0;
    Split split = Split::kWhole;
    std::int64_t unit = 1;  ///< what is cut stays together in pieces of so many rows or columns: a head
    bool reads_rows = true;
    std::int64_t n_experts = 1, experts_used = 1;
  };
  std::int64_t part_of(std::int64_t values, std::int64_t unit) const {
    return ceil_div(values / unit, plan_.tensor_parallel) * unit;
  }
  void add(std::int64_t count, const Matrix& matrix) {
    if (count == 0 || matrix.rows == 0 || matrix.cols == 0) return;
    terms_.matrices.push_back({.stream = matrix.stream,
                               .count = count,
                               .n_experts = matrix.n_experts,
                               .experts_used = matrix.experts_used,
                               .rows = matrix.split == Split::kRows ? part_of(matrix.rows, matrix.unit) : matrix.rows,
                               .cols = matrix.split == Split::kCols ? part_of(matrix.cols, matrix.unit) : matrix.cols,
                               .whole_values = matrix.rows * matrix.cols,
                               .reads_rows = matrix.reads_rows});
  }

  void add_embedding() {
    const bool is_output = block_.has_output && block_.ties_output;
    add(1, {.stream = is_output ? RowStream::kLogits : RowStream::kNone,
            .rows = *card_.vocab,
            .cols = terms_.d_model,
            .split = Split::kRows});
  }

  void add_heads(std::int64_t layers, const CardStack& stack, RowStream queries, RowStream keys) {
    const std::int64_t d = terms_.d_model, d_head = terms_.d_head;
    const std::int64_t width = *stack.n_heads * d_head, kv_width = *stack.n_kv_heads * d_head;
    add(layers, {.stream = queries, .rows = width, .cols = d, .split = Split::kRows, .unit = d_head});
    add(layers,
        {.stream = keys, .rows = kv_width, .cols = d, .split = Split::kRows, .unit = d_head, .reads_rows = keys != queries});
    add(layers, {.stream = keys, .rows = kv_width, .cols = d, .split = Split::kRows, .unit = d_head, .reads_rows = false});
    add(layers, {.stream = queries, .rows = d, .cols = width, .split = Split::kCols, .unit = d_head});
  }

  void add_stack(const CardStack& stack, RowStream stream) {
    const std::int64_t layers = *stack.n_layers, d = terms_.d_model, d_ff = *stack.d_ff, experts = block_.n_experts;
    add_heads(layers, stack, stream, stream);
    if (experts > 1) add(layers, {.stream = stream, .rows = experts, .cols = d});
    const Matrix up{.stream = stream,
                    .rows = d_ff,
                    .cols = d,
                    .split = Split::kRows,
                    .n_experts = experts,
                    .experts_used = block_.n_experts_used};
    add(layers, up);
    Matrix more = up;
    more.reads_rows = false;
    if (block_.is_gated) add(layers, more);
    Matrix down = up;
    down.rows = d;
    down.cols = d_ff;
    down.split = Split::kCols;
    add(layers, down);

    const double rows = terms_.rows_of(stream);
    terms_.n_all_reduces += rows * static_cast<double>(layers) * 2;
    const std::int64_t heads = part_of(*stack.n_heads, 1), kv_heads = part_of(*stack.n_kv_heads, 1);
    const auto attention = static_cast<double>((2 * heads + 2 * kv_heads) * terms_.d_head);
    const auto mlp = static_cast<double>((block_.is_gated ? 2 : 1) * part_of(d_ff, 1) * block_.n_experts_used);
    const double width = 2 * static_cast<double>(d) + std::max(attention, mlp);
    if (rows * width > terms_.widest_rows * terms_.widest_row) {
      terms_.widest_rows = rows;
      terms_.widest_row = width;
    }
    add_maps(stack, stream, heads, kv_heads);
  }

  void add_maps(const CardStack& stack, RowStream stream, std::int64_t heads, std::int64_t kv_heads) {
    if (stream == RowStream::kEncoder) {
      if (is_prefill())
        terms_.maps.push_back(
            {.count = *stack.n_layers, .heads = heads, .kv_heads = kv_heads, .queries = n(), .keys = n(), .pairs = n() * n()});
      return;
    }
    const bool begins = is_prefill() && card_.kind == CardKind::kEncoderDecoder;  // the decoder's first token alone
    const std::int64_t seen = begins ? 1 : plan_.context;
    std::map<std::int64_t, std::int64_t> layers_of;  // window -> how many layers
    for (std::int64_t layer = 0; layer < *stack.n_layers; ++layer) {
      const std::int64_t window = stack.windows.empty() ? 0 : stack.windows.at(static_cast<std::size_t>(layer));
      ++layers_of[window > 0 && window < seen ? window : 0];
    }
    for (const auto& [window, layers] : layers_of) {
      const auto held = static_cast<double>(window > 0 ? window : seen);
      MapTerm map{.count = layers, .heads = heads, .kv_heads = kv_heads, .held = held};
      const bool is_whole = is_prefill() && !begins;
      map.queries = is_whole ? n() : 1;
      map.keys = is_whole ? n() : held;
      map.pairs = is_whole ? static_cast<double>(causal_pairs(seen, window)) : held;
      map.written = map.queries;
      terms_.maps.push_back(map);
    }
  }

  void add_cross() {
    const CardStack& stack = card_.decoder;
    add_heads(*stack.n_layers, stack, RowStream::kDecoder, RowStream::kSource);
    terms_.n_all_reduces += terms_.decoder_rows * static_cast<double>(*stack.n_layers);
    terms_.maps.push_back({.count = *stack.n_layers,
                           .heads = part_of(*stack.n_heads, 1),
                           .kv_heads = part_of(*stack.n_kv_heads, 1),
                           .queries = 1,
                           .keys = n(),
                           .pairs = n(),
                           .held = n(),
                           .written = is_prefill() ? n() : 0});
  }

  void add_output() {
    const std::int64_t d = terms_.d_model;
    if (block_.has_output) terms_.words = static_cast<double>(part_of(*card_.vocab, 1));
    if (block_.has_pooler) add(1, {.stream = RowStream::kPooled, .rows = d, .cols = d});
    if (block_.has_head_transform) add(1, {.stream = RowStream::kLogits, .rows = d, .cols = d});
    if (block_.has_output && !block_.ties_output)
      add(1, {.stream = RowStream::kLogits, .rows = *card_.vocab, .cols = d, .split = Split::kRows});
  }

  const ModelCard& card_;
  const CardBlock& block_;
  const PassPlan& plan_;
  PassTerms terms_;
};

}  // namespace

double PassTerms::rows_of(RowStream stream) const {
  switch (stream) {
    case RowStream::kEncoder:
      return encoder_rows;
    case RowStream::kDecoder:
      return decoder_rows;
    case RowStream::kSource:
      return source_rows;
    case RowStream::kLogits:
      return logit_rows;
    case RowStream::kPooled:
      return pooled_rows;
    case RowStream::kNone:
      break;
  }
  return 0;
}

CardTotals card_totals(const ModelCard& card) {
  const CardParameters count = count_parameters(card);
  if (!count.total || !count.active)
    throw Error(card.name + ": its cost cannot be computed. " +
                (card.missing.empty() ? "The card does not tell its sizes." : card.missing.front()));
  return {static_cast<double>(*count.total), static_cast<double>(*count.active)};
}

PassTerms pass_terms(const ModelCard& card, const CardTotals& totals, const PassPlan& plan) {
  if (plan.kind == PassKind::kDecode && card.kind == CardKind::kEncoder)
    throw Error(card.name + " is an encoder: it reads a text at once and writes none, so there is no step of decoding.");
  return Builder(card, totals, plan).build();
}

double value_bytes(KvType type) { return type == KvType::kFloat32 ? 4 : 2; }

double expected_experts(double n, double used, double rows) {
  if (rows <= 0) return 0;
  if (n <= used) return n;
  return rows == 1 ? used : n * (1 - std::pow(1 - used / n, rows));
}

}  // namespace headroom
