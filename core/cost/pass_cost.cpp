#include "core/cost/pass_cost.h"

#include <algorithm>
#include <iterator>

#include "core/cost/kv_cache.h"
#include "core/cost/pass_terms.h"
#include "core/cost/thousands.h"

namespace headroom {
namespace {

constexpr double kScoreBytes = 4;  // scores and row sums are kept in float32
constexpr double kLogitBytes = 4;  // so are logits while a token is chosen

void add_matrix(const MatrixTerm& matrix, const PassTerms& terms, const PassPlan& plan, PassCost& cost) {
  const double bytes = matrix_bytes(plan.weights, matrix.rows, matrix.cols);
  const auto count = static_cast<double>(matrix.count), rows = static_cast<double>(matrix.rows),
             cols = static_cast<double>(matrix.cols);
  cost.weight_bytes += matrix.held() * bytes;
  const double m = terms.rows_of(matrix.stream);
  if (m <= 0) return;
  const auto used = static_cast<double>(matrix.experts_used);
  const double read = expected_experts(static_cast<double>(matrix.n_experts), used, m);
  cost.weight_read_bytes += count * read * bytes;
  cost.linear_flops += count * 2 * m * used * rows * cols;
  cost.row_bytes += count * m * used * (rows + (matrix.reads_rows ? cols : 0)) * value_bytes(plan.activations);
  if (matrix.n_experts > 1) cost.experts_read = read;
}

void add_map(const MapTerm& map, const PassTerms& terms, const PassPlan& plan, PassCost& cost) {
  const auto texts = static_cast<double>(plan.batch), count = static_cast<double>(map.count) * texts;
  const auto heads = static_cast<double>(map.heads), kv_heads = static_cast<double>(map.kv_heads),
             d_head = static_cast<double>(terms.d_head);
  const auto kv_row = static_cast<double>(kv_row_bytes(plan.kv, terms.d_head));
  // K and V of an encoder are no cache: they are rows between two steps.
  const double read_row = map.held > 0 ? kv_row : d_head * value_bytes(plan.activations);
  cost.pairs += count * heads * map.pairs;
  cost.attention_flops += count * heads * map.pairs * 4 * d_head;
  cost.query_bytes += count * heads * map.queries * 2 * d_head * value_bytes(plan.activations);
  cost.kv_bytes += count * kv_heads * 2 * map.held * kv_row;
  cost.kv_read_bytes += count * kv_heads * 2 * map.keys * read_row;
  cost.kv_written_bytes += count * kv_heads * 2 * map.written * kv_row;
  cost.logsumexp_bytes = std::max(cost.logsumexp_bytes, texts * heads * map.queries * kScoreBytes);
  NaiveCost& naive = cost.naive;
  const double all_pairs = map.queries * map.keys;
  naive.attention_flops += count * heads * all_pairs * 4 * d_head;
  naive.kv_read_bytes += count * heads * 2 * map.keys * read_row;
  naive.score_bytes = std::max(naive.score_bytes, texts * heads * all_pairs * kScoreBytes);
  naive.score_traffic_bytes += count * heads * all_pairs * 4 * kScoreBytes;
}

}  // namespace

double matrix_bytes(KvType type, std::int64_t rows, std::int64_t cols) {
  const std::int64_t values = (cols * kv_type_bits(type) + 7) / 8;
  const std::int64_t scales = kv_type_bits(type) >= 16 ? 0 : 2 * ((cols + kWeightScaleGroup - 1) / kWeightScaleGroup);
  return static_cast<double>(rows) * static_cast<double>(values + scales);
}

PassCost pass_cost(const ModelCard& card, const PassPlan& plan) {
  return pass_cost(pass_terms(card, card_totals(card), plan), plan);
}

PassCost pass_cost(const PassTerms& terms, const PassPlan& plan) {
  PassCost cost;
  cost.parameters = terms.parameters;
  cost.active_parameters = terms.active_parameters;
  cost.rows = terms.encoder_rows + terms.decoder_rows;
  cost.weight_bytes = terms.other_values * value_bytes(plan.weights);
  for (const MatrixTerm& matrix : terms.matrices)
    add_matrix(matrix, terms, plan, cost);
  for (const MapTerm& map : terms.maps)
    add_map(map, terms, plan, cost);
  cost.activation_bytes =
      terms.widest_rows * terms.widest_row * value_bytes(plan.activations) + terms.logit_rows * terms.words * kLogitBytes;
  const auto devices = static_cast<double>(plan.tensor_parallel);
  cost.exchange_bytes =
      2 * (devices - 1) / devices * terms.n_all_reduces * static_cast<double>(terms.d_model) * value_bytes(plan.activations);
  return cost;
}

std::vector<std::string> pass_assumptions(const ModelCard& card, const PassPlan& plan) {
  std::vector<std::string> said{"A multiply-add counts two; norms, activations, the softmax and rotations are not counted.",
                                "Each matrix, each row between steps and each row of K and V is read or written once: caches may "
                                "spare some of it, tiles that do "
                                "not fit into them cost more.",
                                "Activations are held for one layer at a time: the residual stream, its normed copy and the widest "
                                "of what a layer computes, and "
                                "float32 logits."};
  if (kv_type_bits(plan.weights) < 16)
    said.push_back("Every matrix, the embedding too, is kept as " + std::string(kv_type_name(plan.weights)) +
                   " with one float16 scale for each 128 values of a row; norms, biases and tables of positions keep 16 bits.");
  if (plan.kind == PassKind::kPrefill && card.kind == CardKind::kEncoderDecoder)
    said.push_back("A prefill is the encoder's whole text and the decoder's first token.");
  if (plan.tensor_parallel > 1)
    said.push_back(
        "Heads, MLP columns and words are cut evenly over the devices (the fullest one is counted); norms, biases and routers lie "
        "on each. "
        "Rows are added up over the devices after each attention and each MLP, in a ring.");
  if (card.block && card.block->n_experts > 1)
    said.push_back("Each token draws its " + std::to_string(card.block->n_experts_used) + " of " +
                   std::to_string(card.block->n_experts) + " experts evenly and independently of others.");
  return said;
}

std::string bytes_amount(double bytes) {
  constexpr double kTebibyte = 1099511627776.0;
  if (bytes < kTebibyte) return bytes_text(static_cast<std::int64_t>(bytes));
  static constexpr const char* kUnits[] = {"TiB", "PiB", "EiB", "ZiB", "YiB"};
  double amount = bytes / kTebibyte;
  std::size_t unit = 0;
  for (; amount >= 1023.995 && unit + 1 < std::size(kUnits); ++unit)
    amount /= 1024;
  return decimal_text(amount, 2) + " " + kUnits[unit];
}

}  // namespace headroom
