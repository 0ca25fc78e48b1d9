#include <array>
#include <utility>

#include "core/cost/cost_lines.h"
#include "core/cost/kv_cache.h"
#include "core/cost/pass_terms.h"
#include "core/cost/thousands.h"

namespace headroom {
namespace {

std::string counted(double n, const std::string& noun) { return whole_text(n) + " " + noun + (n == 1 ? "" : "s"); }

/// Terms of a sum, in brackets where there are several.
class Sum {
 public:
  void add(const std::string& term) { text_ += (n_++ == 0 ? "" : " + ") + term; }
  std::string text() const { return n_ == 0 ? "0" : text_; }
  std::string in_brackets() const { return n_ > 1 ? "(" + text_ + ")" : text(); }

 private:
  std::string text_;
  int n_ = 0;
};

constexpr std::array kStreams{RowStream::kEncoder, RowStream::kDecoder, RowStream::kSource, RowStream::kLogits, RowStream::kPooled};

/// The arithmetic of one pass with its numbers.
class Writer {
 public:
  Writer(const ModelCard& card, const PassPlan& plan)
      : card_(card), plan_(plan), terms_(pass_terms(card, card_totals(card), plan)), cost_(pass_cost(terms_, plan)) {}

  std::vector<CostLine> lines() {
    weights();
    cache();
    linear();
    attention();
    scores();
    totals();
    return lines_.take();
  }

 private:
  std::string weight_unit() const { return plan_.weights == KvType::kFloat32 ? "4 B" : "2 B"; }
  std::string row_unit() const { return plan_.activations == KvType::kFloat32 ? "4 B" : "2 B"; }
  std::string d_head() const { return whole_text(static_cast<double>(terms_.d_head)); }
  std::string texts() const { return plan_.batch == 1 ? "" : counted(static_cast<double>(plan_.batch), "text") + " · "; }
  std::string of_devices() const {
    return plan_.tensor_parallel == 1 ? "" : " (the part of one of " + std::to_string(plan_.tensor_parallel) + " devices)";
  }
  bool has_scales() const { return kv_type_bits(plan_.weights) < 16; }

  void weights() {
    Sum parts;
    for (const PartCount& part : count_parameters(card_).parts)
      if (part.n && *part.n > 0) parts.add(grouped_digits(*part.n) + " " + card_part_name(part.part));
    lines_.add({"parameters", "parameters", cost_.parameters}, parts.text());
    if (cost_.active_parameters != cost_.parameters)
      lines_.add({"active_parameters", "met by one token", cost_.active_parameters},
                 counted(static_cast<double>(card_.block->n_experts_used), "expert") + " of " +
                     std::to_string(card_.block->n_experts) + " in each layer");
    double values = 0, scales = 0;
    for (const MatrixTerm& matrix : terms_.matrices) {
      const std::int64_t scales_of_row = (matrix.cols + kWeightScaleGroup - 1) / kWeightScaleGroup;
      const double n = matrix.held() * static_cast<double>(matrix.rows);
      values += n * static_cast<double>(matrix.cols);
      scales += n * static_cast<double>(scales_of_row);
    }
    std::string text = whole_text(values + terms_.other_values) + " · " + weight_unit();
    if (has_scales())
      text = whole_text(values) + " in matrices · " + (plan_.weights == KvType::kInt8 ? "1 B" : "½ B") + " + " +
             whole_text(scales) + " scales · 2 B + " + whole_text(terms_.other_values) + " others · 2 B";
    lines_.add({"weight_bytes", "weights", cost_.weight_bytes, "B"}, text + of_devices());
  }

  /// Layers · K/V heads · rows of each kind of layer.
  template <typename Rows>
  std::string cache_rows(const Rows& rows_of) const {
    Sum sum;
    for (const MapTerm& map : terms_.maps) {
      const double rows = rows_of(map);
      if (rows > 0)
        sum.add(counted(static_cast<double>(map.count), "layer") + " · " + counted(static_cast<double>(map.kv_heads), "kv_head") +
                " · " + counted(rows, "token"));
    }
    return sum.in_brackets();
  }
  std::string cache_formula(const std::string& rows) const {
    return "2 · " + texts() + rows + " · " + kv_row_formula(plan_.kv, terms_.d_head, " d_k");
  }

  void cache() {
    if (cost_.kv_bytes == 0) return;
    lines_.add({"kv_bytes", "KV cache", cost_.kv_bytes, "B"},
               cache_formula(cache_rows([](const MapTerm& map) { return map.held; })) + of_devices());
    lines_.add({"kv_written_bytes", "new in the cache", cost_.kv_written_bytes, "B"},
               cache_formula(cache_rows([](const MapTerm& map) { return map.written; })));
  }

  /// Values that each row of a stream is multiplied by.
  double values_of(RowStream stream) const {
    double values = 0;
    for (const MatrixTerm& matrix : terms_.matrices)
      if (matrix.stream == stream)
        values += static_cast<double>(matrix.count * matrix.experts_used) * static_cast<double>(matrix.rows) *
                  static_cast<double>(matrix.cols);
    return values;
  }

  void linear() {
    Sum products, read;
    for (const RowStream stream : kStreams) {
      const double rows = terms_.rows_of(stream), values = values_of(stream);
      if (rows <= 0 || values <= 0) continue;
      products.add(counted(rows, "row") + " · " + whole_text(values));
      read.add(whole_text(values));
    }
    lines_.add({"linear_flops", "matrices", cost_.linear_flops, "FLOP"}, "2 · " + products.in_brackets());
    std::string text = "each matrix that is multiplied by, once: " + read.in_brackets() + " values";
    if (cost_.experts_read > 0)
      text = "each matrix that is multiplied by, once; of each layer's " + std::to_string(card_.block->n_experts) + " experts " +
             decimal_text(cost_.experts_read, cost_.rows == 1 ? 0 : 2) + (cost_.rows == 1 ? "" : " expected");
    lines_.add({"weight_read_bytes", "weights read", cost_.weight_read_bytes, "B", uneven_experts()}, text);
    lines_.add({"row_bytes", "rows around matrices", cost_.row_bytes, "B"},
               "what each matrix reads and writes: " + whole_text(cost_.row_bytes / value_bytes(plan_.activations)) + " values · " +
                   row_unit());
    const double logits = terms_.logit_rows * terms_.words;
    Sum held;
    held.add(counted(terms_.widest_rows, "row") + " · " + whole_text(terms_.widest_row) + " values · " + row_unit());
    if (logits > 0) held.add(counted(terms_.logit_rows, "row") + " · " + whole_text(terms_.words) + " logits · 4 B");
    lines_.add({"activation_bytes", "activations held", cost_.activation_bytes, "B", Basis::kEstimated}, held.text());
  }
  /// How many experts are met is exact of one row alone.
  Basis uneven_experts() const { return cost_.experts_read > 0 && cost_.rows != 1 ? Basis::kEstimated : Basis::kComputed; }

  void attention() {
    Sum pairs;
    double queries = 0;
    for (const MapTerm& map : terms_.maps) {
      pairs.add(counted(static_cast<double>(map.count), "layer") + " · " + counted(static_cast<double>(map.heads), "head") + " · " +
                pairs_text(map));
      queries += static_cast<double>(map.count * map.heads) * map.queries;
    }
    lines_.add({"pairs", "query-key pairs", cost_.pairs}, texts() + pairs.in_brackets());
    lines_.add({"attention_flops", "attention", cost_.attention_flops, "FLOP"},
               "4 · " + d_head() + " d_k · " + whole_text(cost_.pairs) + " pairs");
    lines_.add({"kv_read_bytes", "K and V read", cost_.kv_read_bytes, "B"},
               cost_.kv_bytes > 0 ? cache_formula(cache_rows([](const MapTerm& map) { return map.keys; }))
                                  : "2 · " + texts() + cache_rows([](const MapTerm& map) { return map.keys; }) + " · " + d_head() +
                                        " d_k · " + row_unit());
    lines_.add({"query_bytes", "q and results", cost_.query_bytes, "B"},
               "2 · " + texts() + whole_text(queries) + " rows of heads · " + d_head() + " d_k · " + row_unit());
  }
  std::string pairs_text(const MapTerm& map) const {
    const std::string n = whole_text(map.queries), keys = whole_text(map.keys);
    if (map.queries == 1) return counted(map.keys, "key");
    if (map.pairs == map.queries * map.keys) return n + " · " + keys;
    if (map.pairs == map.queries * (map.queries + 1) / 2) return n + " · (" + n + " + 1) / 2";
    const std::string window = whole_text(map.held);
    return "(" + window + " · (" + window + " + 1) / 2 + (" + n + " - " + window + ") · " + window + ")";
  }

  void scores() {
    const NaiveCost& naive = cost_.naive;
    std::string rows = texts();
    const MapTerm* widest = terms_.maps.empty() ? nullptr : &terms_.maps.front();
    for (const MapTerm& map : terms_.maps)
      if (map.queries * map.keys > widest->queries * widest->keys) widest = &map;
    if (widest == nullptr) return;
    rows += counted(static_cast<double>(widest->heads), "head") + " · " + whole_text(widest->queries);
    lines_.add({"score_bytes", "scores held, if materialised", naive.score_bytes, "B"},
               "one layer: " + rows + " · " + whole_text(widest->keys) + " · 4 B");
    lines_.add({"logsumexp_bytes", "row sums held instead (flash)", cost_.logsumexp_bytes, "B"}, "one layer: " + rows + " · 4 B");
    lines_.add({"score_traffic_bytes", "scores moved, if materialised", naive.score_traffic_bytes, "B"},
               "4 times every layer's: written by q·k, read and written by the softmax, read by the sum of v");
    if (naive.attention_flops != cost_.attention_flops)
      lines_.add(
          {"naive_attention_flops", "attention, if masked pairs are computed too", naive.attention_flops, "FLOP"},
          "4 · " + d_head() + " d_k · " + whole_text(naive.attention_flops / 4 / static_cast<double>(terms_.d_head)) + " pairs");
    if (naive.kv_read_bytes != cost_.kv_read_bytes)
      lines_.add({"naive_kv_read_bytes", "K and V read, if each query head reads its own", naive.kv_read_bytes, "B"},
                 "as above with query heads in place of kv_heads");
  }

  void totals() {
    if (plan_.tensor_parallel > 1)
      lines_.add({"exchange_bytes", "sent to other devices", cost_.exchange_bytes, "B"},
                 "2 · (" + std::to_string(plan_.tensor_parallel) + " - 1) / " + std::to_string(plan_.tensor_parallel) + " · " +
                     whole_text(terms_.n_all_reduces) + " rows · " + whole_text(static_cast<double>(terms_.d_model)) + " · " +
                     row_unit());
    lines_.add({"flops", "all arithmetic", cost_.flops(), "FLOP"},
               flop_text(cost_.linear_flops) + " + " + flop_text(cost_.attention_flops));
    lines_.add({"traffic_bytes", "all traffic", cost_.traffic(), "B", uneven_experts()},
               bytes_amount(cost_.weight_read_bytes) + " weights + " + bytes_amount(cost_.row_bytes + cost_.query_bytes) +
                   " rows + " + bytes_amount(cost_.kv_read_bytes + cost_.kv_written_bytes) + " K and V");
    lines_.add({"intensity", "arithmetic intensity", cost_.intensity(), "FLOP/B", uneven_experts()},
               flop_text(cost_.flops()) + " / " + bytes_amount(cost_.traffic()));
  }

  const ModelCard& card_;
  const PassPlan& plan_;
  PassTerms terms_;
  PassCost cost_;
  CostLines lines_;
};

}  // namespace

std::vector<CostLine> pass_lines(const ModelCard& card, const PassPlan& plan) { return Writer(card, plan).lines(); }

}  // namespace headroom
