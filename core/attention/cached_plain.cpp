#include "core/attention/cached_call.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

namespace headroom::cached_detail {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

ConstPageSlot page_slot(const CachedPages& pages, std::int64_t kv_head, std::int64_t slot) {
  return {pages.pages[static_cast<std::size_t>(slot / pages.layout.page_rows)], kv_head, slot % pages.layout.page_rows};
}

/// Scores of one query by slot; minus infinity where it sees nothing. Returns the number that it sees.
std::int64_t score(const CachedCall& call, std::int64_t head, std::int64_t i, std::span<double> scores) {
  const AttentionConfig& config = call.config;
  const std::int64_t kv_head = config.kv_head(head);
  const float* const q = call.q.row(0, head, i);
  std::array<float, static_cast<std::size_t>(kMaxDHead)> k{};
  const double soft_cap = config.soft_cap;
  std::int64_t n_visible = 0;
  for (std::int64_t slot = 0; slot < call.pages.n_rows; ++slot) {
    double& score = scores[static_cast<std::size_t>(slot)];
    score = kMinusInfinity;
    if (!sees_slot(call, kv_head, i, slot)) continue;
    ++n_visible;
    read_cached_row(call.pages.layout, page_slot(call.pages, kv_head, slot), k.data(), nullptr);
    double product = 0;
    for (std::int64_t c = 0; c < config.d_head; ++c)
      product += static_cast<double>(q[c]) * static_cast<double>(k[static_cast<std::size_t>(c)]);
    score = static_cast<double>(config.effective_scale()) * product;
    if (soft_cap > 0) score = soft_cap * std::tanh(score / soft_cap);
    if (config.position_bias != nullptr) {
      const std::int64_t distance = position_of(call.pages, kv_head, slot) - (config.mask.query_offset + i);
      score += static_cast<double>(config.position_bias->at(head, distance));
    }
  }
  return n_visible;
}

}  // namespace

void run_plain_head(const CachedCall& call, std::int64_t head, AttentionWork& work) {
  const AttentionConfig& config = call.config;
  const std::int64_t kv_head = config.kv_head(head);
  const auto n_rows = static_cast<std::size_t>(call.pages.n_rows);
  std::vector<double> scores(n_rows), sums(static_cast<std::size_t>(config.d_head));
  std::array<float, static_cast<std::size_t>(kMaxDHead)> v{};
  for (std::int64_t i = 0; i < config.seq_q; ++i) {
    const auto n_visible = static_cast<double>(score(call, head, i, scores));
    double maximum = kMinusInfinity, sum = 0;
    for (const double score : scores)
      maximum = std::max(maximum, score);
    for (const double score : scores)
      sum += score == kMinusInfinity ? 0 : std::exp(score - maximum);
    const double logsumexp = sum == 0 ? kMinusInfinity : maximum + std::log(sum);
    call.outputs.logsumexp[static_cast<std::size_t>(head * config.seq_q + i)] = static_cast<float>(logsumexp);
    std::fill(sums.begin(), sums.end(), 0.0);
    for (std::size_t slot = 0; slot < n_rows; ++slot) {
      const double p = scores[slot] == kMinusInfinity ? 0 : std::exp(scores[slot] - logsumexp);
      if (i + 1 == config.seq_q && !call.outputs.probs.empty())
        call.outputs.probs[static_cast<std::size_t>(head) * n_rows + slot] = static_cast<float>(p);
      if (scores[slot] == kMinusInfinity) continue;
      read_cached_row(call.pages.layout, page_slot(call.pages, kv_head, static_cast<std::int64_t>(slot)), nullptr, v.data());
      for (std::size_t c = 0; c < sums.size(); ++c)
        sums[c] += p * static_cast<double>(v[c]);
    }
    float* const out = call.outputs.out.row(0, head, i);
    std::transform(sums.begin(), sums.end(), out, [](double value) { return static_cast<float>(value); });
    const auto d_head = static_cast<double>(config.d_head);
    work.flops += 4 * n_visible * d_head;
    work.bytes_moved += 2 * n_visible * static_cast<double>(call.pages.layout.row.total()) + 8 * d_head;
  }
  work.bytes_allocated += static_cast<double>((scores.size() + sums.size()) * sizeof(double));
}

}  // namespace headroom::cached_detail
