#include "core/formats/capture_check.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::int64_t kBudget = 1 << 21;  // numbers looked at, about
constexpr std::int64_t kFewRows = 64;
/// A score below this is a masked one: what libraries write in place of minus infinity is far below.
constexpr float kMaskedScore = -1e4F;

std::string place_text(const CaptureReport::Place& place) {
  return "L" + std::to_string(place.layer) + " H" + std::to_string(place.head) + ", row " + std::to_string(place.query);
}

std::string number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4g", value);
  return text.data();
}

std::string n_of(std::int64_t n, std::string_view noun) { return counted(static_cast<std::uint64_t>(n), noun); }

/// Which (layer, head) pairs and how many rows of each.
struct Sampling {
  std::int64_t head_step = 1;
  std::int64_t n_rows = 1;
};
Sampling sampling_of(std::int64_t n_heads, std::int64_t seq_q, std::int64_t seq_k) {
  const std::int64_t row_of_each = std::max<std::int64_t>(1, n_heads) * std::max<std::int64_t>(1, seq_k);
  if (row_of_each > 4 * kBudget) return {.head_step = row_of_each / (4 * kBudget) + 1, .n_rows = 1};
  return {.head_step = 1, .n_rows = std::clamp<std::int64_t>(kBudget / row_of_each, 1, seq_q)};
}

void look_at_row(CaptureReport& report, const LayerTrace& layer, const CaptureReport::Place& place, std::span<const float> row) {
  ++report.n_rows;
  report.n_values += std::ssize(row);
  double sum = 0;
  std::int64_t n_nan = 0, n_zero = 0;
  for (std::size_t j = 0; j < row.size(); ++j) {
    const float p = row[j];
    if (std::isnan(p)) {
      ++n_nan;
      continue;
    }
    if (report.of == CaptureReport::Of::kScores) continue;
    sum += static_cast<double>(p);
    if (p == 0) ++n_zero;
    if (p < 0) ++report.n_negative;
    if (static_cast<double>(p) > 1 + report.tolerance) ++report.n_above_one;
    if (p > 0 && !is_visible(layer.mask, 0, place.query, static_cast<std::int64_t>(j))) ++report.n_hidden;
  }
  if (n_nan > 0 && report.n_nan == 0) report.first_nan = place;
  report.n_nan += n_nan;
  if (n_nan > 0 || report.of == CaptureReport::Of::kScores) return;
  if (n_zero == std::ssize(row)) {
    ++report.n_empty_rows;
    return;
  }
  const double off = std::isfinite(sum) ? std::abs(sum - 1) : std::numeric_limits<double>::infinity();
  if (off > report.tolerance) ++report.n_wrong_rows;
  if (off > std::abs(report.worst_sum - 1)) {
    report.worst_sum = sum;
    report.worst = place;
  }
}

/// Log-sum-exp of one row of q·k over the keys that the mask shows.
double logsumexp_of(const LayerTrace& layer, std::int64_t head, std::int64_t query) {
  const std::int64_t d = layer.d_head, kv_head = layer.kv_head_of[static_cast<std::size_t>(head)];
  const float* const q = layer.attention.q.row(query).data() + head * d;
  double largest = -std::numeric_limits<double>::infinity(), sum = 0;
  for (std::int64_t j = 0; j < layer.attention.k.dim(0); ++j) {
    if (!is_visible(layer.mask, 0, query, j)) continue;
    const float* const k = layer.attention.k.row(j).data() + kv_head * d;
    double score = 0;
    for (std::int64_t c = 0; c < d; ++c)
      score += static_cast<double>(q[c]) * static_cast<double>(k[c]);
    score *= static_cast<double>(layer.scale);
    if (layer.soft_cap > 0) score = layer.soft_cap * std::tanh(score / static_cast<double>(layer.soft_cap));
    if (layer.position_bias) score += static_cast<double>(layer.position_bias->at(head, j - (layer.mask.query_offset + query)));
    if (score > largest) {
      sum = sum * std::exp(largest - score) + 1;
      largest = score;
    } else {
      sum += std::exp(score - largest);
    }
  }
  return sum > 0 ? largest + std::log(sum) : -std::numeric_limits<double>::infinity();
}

void look_at_qk(CaptureReport& report, const LayerTrace& layer, const CaptureReport::Place& place) {
  ++report.n_rows;
  const auto q = layer.attention.q.row(place.query);
  const std::int64_t n_nan = std::count_if(q.begin() + place.head * layer.d_head, q.begin() + (place.head + 1) * layer.d_head,
                                           [](float value) { return std::isnan(value); });
  if (n_nan > 0 && report.n_nan == 0) report.first_nan = place;
  report.n_nan += n_nan;
  report.n_values += layer.d_head;
  if (layer.attention.logsumexp.empty() || n_nan > 0) return;
  const double stored = static_cast<double>(layer.attention.logsumexp.row(place.head)[static_cast<std::size_t>(place.query)]);
  const double computed = logsumexp_of(layer, place.head, place.query);
  if (std::isinf(stored) && std::isinf(computed)) return;
  const double off = std::abs(stored - computed);
  if (off > report.worst_logsumexp || std::isnan(off)) {
    report.worst_logsumexp = std::isnan(off) ? std::numeric_limits<double>::infinity() : off;
    report.worst = place;
  }
}

}  // namespace

std::vector<std::string> CaptureReport::problems() const {
  std::vector<std::string> found;
  const std::string of_rows =
      " in the " + n_of(n_rows, "row") + " looked at (of " + with_thousands(static_cast<std::uint64_t>(n_rows_total)) + ")";
  if (n_nan > 0)
    found.push_back(n_of(n_nan, "number") + (n_nan == 1 ? " is" : " are") + " NaN" + of_rows + ", first at " +
                    place_text(first_nan) + ".");
  if (n_negative > 0)
    found.push_back(n_of(n_negative, "probability value") + (n_negative == 1 ? " is" : " are") + " below zero" + of_rows + ".");
  if (n_above_one > 0)
    found.push_back(n_of(n_above_one, "probability value") + (n_above_one == 1 ? " is" : " are") + " above one" + of_rows + ".");
  if (n_wrong_rows > 0)
    found.push_back(with_thousands(static_cast<std::uint64_t>(n_wrong_rows)) + " of the " + n_of(n_rows, "row") +
                    " looked at (of " + with_thousands(static_cast<std::uint64_t>(n_rows_total)) + ") " +
                    (n_wrong_rows == 1 ? "does" : "do") + " not sum to one; the worst sums to " + number(worst_sum) + " (" +
                    place_text(worst) + ").");
  if (n_empty_rows > 0)
    found.push_back(n_of(n_empty_rows, "row") + (n_empty_rows == 1 ? " is" : " are") + " all zero, as padding is," + of_rows + ".");
  if (n_hidden > 0)
    found.push_back(n_of(n_hidden, "probability value") + (n_hidden == 1 ? " is" : " are") +
                    " above zero where the capture says that the query cannot see the key" + of_rows +
                    ": all of them are shown, without a mask.");
  return found;
}

std::string CaptureReport::summary() const {
  const std::string looked = with_thousands(static_cast<std::uint64_t>(n_rows)) + " of " + n_of(n_rows_total, "row") + " looked at";
  if (!problems().empty()) return looked + ": " + n_of(std::ssize(problems()), "problem") + ".";
  switch (of) {
    case Of::kProbs:
      return looked + ": each sums to one within " + number(std::abs(worst_sum - 1)) + ".";
    case Of::kScores:
      return looked + ": all scores are numbers.";
    case Of::kQk:
      break;
  }
  return looked + ": all of q are numbers" +
         (worst_logsumexp > 0 ? ", logsumexp agrees with q·k within " + number(worst_logsumexp) + " nats." : ".");
}

CaptureReport check_capture(const ForwardTrace& trace, const StackPlan& plan, std::stop_token stop) {
  CaptureReport report;
  std::int64_t n_heads = 0;
  bool has_kind = false;
  for (std::size_t l = 0; l < trace.layers.size(); ++l) {
    const LayerTrace& layer = trace.layers[l];
    if (layer.heads.empty()) continue;
    n_heads += std::ssize(layer.heads);
    if (!has_kind) {
      has_kind = true;
      report.of = !layer.stored                  ? CaptureReport::Of::kQk
                  : layer.stored->holds_scores() ? CaptureReport::Of::kScores
                                                 : CaptureReport::Of::kProbs;
    }
    if (plan.layers[l].attention)
      report.tolerance = std::max(report.tolerance, row_sum_tolerance(plan.layers[l].attention->array.format));
  }
  const auto seq_q = static_cast<std::int64_t>(trace.ids.size());
  std::int64_t seq_k = trace.key_ids.empty() ? seq_q : std::ssize(trace.key_ids);
  report.n_rows_total = n_heads * seq_q;
  if (n_heads == 0 || seq_q == 0) return report;
  const Sampling sampling = sampling_of(n_heads, seq_q, seq_k);
  std::vector<float> row(static_cast<std::size_t>(seq_k));
  std::int64_t item = 0;
  for (std::size_t l = 0; l < trace.layers.size(); ++l) {
    const LayerTrace& layer = trace.layers[l];
    const bool is_costly = layer.stored && plan.layers[l].q && !plan.layers[l].attention;  // a layer of k for a row
    for (std::int64_t h = 0; h < std::ssize(layer.heads); ++h, ++item) {
      if (item % sampling.head_step != 0 || is_costly) continue;
      if (stop.stop_requested()) throw Cancelled();
      for (std::int64_t t = 0; t < sampling.n_rows; ++t) {
        const CaptureReport::Place place{static_cast<std::int64_t>(l), h, (t + 1) * seq_q / sampling.n_rows - 1};
        if (layer.stored) {
          layer.stored->read(h, place.query, 1, row.data());
          look_at_row(report, layer, place, row);
        } else {
          look_at_qk(report, layer, place);
        }
      }
    }
  }
  return report;
}

std::optional<Direction> direction_by_values(const StackPlan& plan, std::int64_t entry, std::int64_t query_start) {
  std::int64_t n_looked = 0, n_layers = 0;
  for (const LayerPlan& layer : plan.layers)
    n_layers += layer.attention ? 1 : 0;
  const CaptureWindow whole{.q_begin = 0, .q_end = plan.seq_q, .k_begin = 0, .k_end = plan.seq_k};
  std::vector<float> row(static_cast<std::size_t>(plan.seq_k));
  const std::int64_t each = n_layers == 0 ? 0 : std::max<std::int64_t>(1, kFewRows / n_layers);
  for (const LayerPlan& layer : plan.layers) {
    if (!layer.attention) continue;
    const auto stored = stored_attention(layer, entry, whole);
    for (std::int64_t t = 0; t < each; ++t) {
      const std::int64_t query = t * plan.seq_q / each, head = t % stored->n_heads(), after = query_start + query + 1;
      if (after >= plan.seq_k) continue;
      stored->read(head, query, 1, row.data());
      for (std::int64_t j = after; j < plan.seq_k; ++j) {
        const float value = row[static_cast<std::size_t>(j)];
        if (stored->holds_scores() ? value > kMaskedScore : value > 0) return Direction::kBidirectional;
        if (!std::isnan(value)) ++n_looked;
      }
    }
  }
  if (n_looked > 0) return Direction::kCausal;
  return std::nullopt;
}

}  // namespace headroom
