#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/attention/backend.h"
#include "core/kv_cache/kv_cache.h"
#include "tests/attention/conformance.h"

namespace headroom {

/// What one layer's attention says of each row of a text.
struct TextAnswer {
  std::vector<float> out;        ///< [n_heads, rows, d_head]
  std::vector<float> logsumexp;  ///< [n_heads, rows]
  std::vector<float> probs;      ///< of the last row over its slots, where asked
  AttentionWork work;
};

/// Queries, keys and values of one layer for a whole text, about normal.
struct TextRows {
  AttentionConfig config;
  std::int64_t n = 0;
  std::vector<float> q, k, v;

  TextRows(AttentionConfig layer, std::int64_t n_rows, std::uint32_t seed) : config(std::move(layer)), n(n_rows) {
    const auto size = [&](std::int64_t heads) { return static_cast<std::size_t>(heads * n * config.d_head); };
    q = conformance::values(size(config.n_heads), 3 * seed, 1);
    k = conformance::values(size(config.n_kv_heads), 3 * seed + 1, 1);
    v = conformance::values(size(config.n_kv_heads), 3 * seed + 2, 1);
    config.seq_q = config.seq_k = n;
  }

  ConstHeadsView rows(const std::vector<float>& of, std::int64_t heads, std::int64_t begin, std::int64_t end) const {
    ConstHeadsView view = ConstHeadsView::head_major(of.data(), 1, heads, n, config.d_head);
    view.data += begin * config.d_head;
    view.seq = end - begin;
    return view;
  }
  ConstHeadsView k_rows(std::int64_t begin, std::int64_t end) const { return rows(k, config.n_kv_heads, begin, end); }
  ConstHeadsView v_rows(std::int64_t begin, std::int64_t end) const { return rows(v, config.n_kv_heads, begin, end); }
  ConstHeadsView q_rows(std::int64_t begin, std::int64_t end) const { return rows(q, config.n_heads, begin, end); }

  TextAnswer empty_answer() const {
    return {std::vector<float>(q.size(), conformance::Answer::kMarker),
            std::vector<float>(static_cast<std::size_t>(config.n_heads * n), conformance::Answer::kMarker),
            {},
            {}};
  }

  /// The oracle, of the whole text at once.
  TextAnswer answer(const Mask& mask) const {
    TextAnswer answer = empty_answer();
    AttentionConfig whole = config;
    whole.mask = mask;
    make_reference_backend()->run(
        whole, {q_rows(0, n), k_rows(0, n), v_rows(0, n)},
        {HeadsView::head_major(answer.out.data(), 1, config.n_heads, n, config.d_head), answer.logsumexp, {}});
    return answer;
  }

  enum class Probs { kNone, kAsked };
  /// Rows [begin, end) of the text go through the cache; `into` gets what they are answered.
  void read(KvCache& cache, std::int64_t layer, KeyRange rows, TextAnswer& into, Probs probs = Probs::kNone) const {
    const std::int64_t n_rows = rows.end - rows.begin;
    std::vector<float> logsumexp(static_cast<std::size_t>(config.n_heads * n_rows), conformance::Answer::kMarker);
    HeadsView out = HeadsView::head_major(into.out.data(), 1, config.n_heads, n, config.d_head);
    out.data += rows.begin * config.d_head;
    out.seq = n_rows;
    into.probs.assign(
        probs == Probs::kAsked ? static_cast<std::size_t>(config.n_heads * cache.n_held_after(layer, n_rows)) : std::size_t{0},
        conformance::Answer::kMarker);
    cache.attend(layer, config,
                 {q_rows(rows.begin, rows.end),
                  k_rows(rows.begin, rows.end),
                  v_rows(rows.begin, rows.end),
                  {out, logsumexp, into.probs, &into.work}});
    for (std::int64_t h = 0; h < config.n_heads; ++h)
      std::copy_n(logsumexp.begin() + h * n_rows, n_rows, into.logsumexp.begin() + h * n + rows.begin);
  }

  /// The whole text through the cache in calls of so many rows each, over and over.
  TextAnswer read_in_calls(KvCache& cache, std::int64_t layer, std::span<const std::int64_t> lengths) const {
    TextAnswer answer = empty_answer();
    std::size_t call = 0;
    for (std::int64_t begin = 0; begin < n;) {
      const std::int64_t end = std::min(begin + lengths[call++ % lengths.size()], n);
      read(cache, layer, {begin, end}, answer);
      begin = end;
    }
    return answer;
  }
};

/// The largest |a - b| / (1 + |b|); infinite where only one is finite.
inline double largest_difference(std::span<const float> a, std::span<const float> b) {
  double largest = a.size() == b.size() ? 0 : std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    const double difference = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    largest = std::isfinite(difference) ? std::max(largest, difference / (1 + std::abs(static_cast<double>(b[i]))))
                                        : std::numeric_limits<double>::infinity();
  }
  return largest;
}

/// What a cache that keeps these tokens lets each row see.
inline Mask mask_of(const KvCacheOptions& options) {
  Mask mask;
  if (options.eviction == Eviction::kWindow) {
    mask.pattern.kind = PatternKind::kLocalWindow;
    mask.pattern.window = options.window;
  } else if (options.eviction == Eviction::kStreaming) {
    mask.pattern.kind = PatternKind::kGlobalLocal;
    mask.pattern.window = options.window;
    mask.pattern.n_global = options.n_first;
  }
  return mask;
}

}  // namespace headroom
