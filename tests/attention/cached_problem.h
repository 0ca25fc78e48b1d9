#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>
#include <vector>

#include "core/attention/cached_attention.h"
#include "tests/attention/fuzz.h"

/// Random attention problems whose keys and values lie in pages. Header only.
namespace headroom::cached {

inline constexpr std::array kFormats{RowFormat::kFloat32, RowFormat::kFloat16, RowFormat::kBFloat16, RowFormat::kInt8,
                                     RowFormat::kInt4};

/// Where the tokens lie: slot by slot as they came; each K/V head in an order of its own; so, and slots between them that hold nothing.
enum class Order { kAsTheyCame, kShuffled, kWithGaps };

/// Keys and values of one sequence in pages that lie anywhere.
struct Cache {
  std::vector<std::vector<std::byte>> memory;
  std::vector<const std::byte*> parts;
  std::vector<std::int32_t> positions;
  CachedPages pages;
};

/// A page's part begins wherever the size of one value allows.
inline std::byte* part_of(std::vector<std::byte>& page, RowFormat format) {
  return page.data() + (format == RowFormat::kFloat32 ? 4 : has_scale(format) ? 3 : 2);
}

/// Slots of one K/V head: the position that each holds, or -1.
inline std::vector<std::int32_t> slots_of_head(fuzz::Random& random, Order order, std::int64_t seq_k, std::int64_t n_rows) {
  std::vector<std::int32_t> positions(static_cast<std::size_t>(n_rows), -1);
  std::iota(positions.begin(), positions.begin() + seq_k, 0);
  if (order == Order::kAsTheyCame) return positions;
  for (std::int64_t i = n_rows - 1; i > 0; --i)
    std::swap(positions[static_cast<std::size_t>(i)], positions[static_cast<std::size_t>(random.below(i + 1))]);
  return positions;
}

struct CacheKind {
  RowFormat format = RowFormat::kFloat32;
  std::int64_t page_rows = 16;
  Order order = Order::kAsTheyCame;
  std::uint64_t seed = 1;
};

/// Writes the problem's keys and values into pages, and what the pages hold back into the problem: the two then agree exactly.
inline Cache make_cache(const AttentionConfig& config, conformance::Problem& problem, const CacheKind& kind) {
  fuzz::Random random(kind.seed);
  Cache cache;
  CachedPages& pages = cache.pages;
  pages.layout = page_layout({kind.format, config.n_kv_heads, config.d_head, kind.page_rows});
  pages.n_rows = config.seq_k + (kind.order == Order::kWithGaps ? random.below(config.seq_k + 3) : 0);
  const std::int64_t n_pages = (pages.n_rows + kind.page_rows - 1) / kind.page_rows;
  for (std::int64_t page = 0; page < n_pages; ++page) {
    // What was never written is poison: a 0xFF in every byte is NaN in every format of floats.
    cache.memory.emplace_back(static_cast<std::size_t>(pages.layout.bytes + 4), std::byte{0xFF});
    cache.parts.push_back(part_of(cache.memory.back(), kind.format));
  }
  std::vector<float> k(static_cast<std::size_t>(config.d_head)), v(k);
  for (std::int64_t head = 0; head < config.n_kv_heads; ++head) {
    const std::vector<std::int32_t> positions = slots_of_head(random, kind.order, config.seq_k, pages.n_rows);
    cache.positions.insert(cache.positions.end(), positions.begin(), positions.end());
    for (std::int64_t slot = 0; slot < pages.n_rows; ++slot) {
      const std::int32_t position = positions[static_cast<std::size_t>(slot)];
      if (position < 0) continue;
      std::byte* const part = part_of(cache.memory[static_cast<std::size_t>(slot / kind.page_rows)], kind.format);
      const PageSlot at{part, head, slot % kind.page_rows};
      const float* const k_row = problem.inputs.k.row(0, head, position);
      const float* const v_row = problem.inputs.v.row(0, head, position);
      write_cached_row(pages.layout, at, k_row, v_row);
      read_cached_row(pages.layout, at, k.data(), v.data());
      std::copy(k.begin(), k.end(), problem.k_memory.data() + (k_row - problem.k_memory.data()));
      std::copy(v.begin(), v.end(), problem.v_memory.data() + (v_row - problem.v_memory.data()));
    }
  }
  pages.pages = cache.parts;
  if (kind.order != Order::kAsTheyCame) pages.positions = cache.positions;
  return cache;
}

/// A round that a cache can have: one sequence, no dropout.
inline fuzz::Round make_round(std::uint64_t seed, const fuzz::Kind& kind) {
  fuzz::Round round = fuzz::make_round(seed, kind);
  AttentionConfig& config = round.c.config;
  config.batch = 1;
  config.dropout.reset();
  config.kv_storage = KvStorage::kFloat32;
  std::vector<std::int64_t>& lengths = config.mask.key_lengths;
  if (!lengths.empty()) lengths.erase(lengths.begin() + 1, lengths.end());
  return round;
}

inline CacheKind make_kind(const fuzz::Round& round) {
  fuzz::Random random(round.seed * 7 + 5);
  constexpr std::array<std::int64_t, 8> kPageRows{1, 2, 3, 16, 17, 64, 100, 4096};
  CacheKind kind;
  kind.format = kFormats[static_cast<std::size_t>(random.below(5))];
  kind.page_rows = kPageRows[static_cast<std::size_t>(random.below(8))];
  kind.order = static_cast<Order>(random.below(3));
  kind.seed = round.seed;
  return kind;
}

inline std::string describe(const fuzz::Round& round, const CacheKind& kind) {
  constexpr std::array<const char*, 3> kOrders{"as they came", "shuffled", "with gaps"};
  return fuzz::describe(round) + "; " + row_format_name(kind.format) + " in pages of " + std::to_string(kind.page_rows) + ", " +
         kOrders[static_cast<std::size_t>(kind.order)] + "\n  again with HEADROOM_FUZZ_SEED=" + std::to_string(round.seed);
}

}  // namespace headroom::cached
