#pragma once

#include <array>

#include "tests/attention/conformance.h"

namespace headroom::conformance {

inline const std::array<PatternKind, 6> kPatterns{PatternKind::kDense,        PatternKind::kLocalWindow,
                                                  PatternKind::kStrided,      PatternKind::kGlobalLocal,
                                                  PatternKind::kRandomBlocks, PatternKind::kHashedBuckets};

inline std::string pattern_name(PatternKind kind) {
  constexpr std::array<const char*, 6> kNames{"dense", "local", "strided", "global_local", "random_blocks", "buckets"};
  return kNames[static_cast<std::size_t>(kind)];
}

/// A pattern with odd parameters; buckets leave some queries without a partner.
inline MaskPattern make_pattern(PatternKind kind, std::int64_t seq_q, std::int64_t seq_k) {
  MaskPattern pattern;
  pattern.kind = kind;
  pattern.window = 5;
  pattern.stride = 3;
  pattern.n_global = 2;
  pattern.block = 3;
  pattern.blocks_per_row = 2;
  pattern.seed = 77;
  if (kind == PatternKind::kHashedBuckets) {
    for (std::int64_t i = 0; i < seq_q; ++i) {
      pattern.query_bucket.push_back(static_cast<std::int32_t>(counter_hash(5, {static_cast<std::uint32_t>(i)}) % 5));
    }
    for (std::int64_t j = 0; j < seq_k; ++j) {
      pattern.key_bucket.push_back(static_cast<std::int32_t>(counter_hash(6, {static_cast<std::uint32_t>(j)}) % 4));
    }
  }
  return pattern;
}

struct Sizes {
  std::int64_t n_heads, n_kv_heads, seq_q, seq_k, d_head;
};

inline Case make_case(std::string name, const Sizes& sizes, PatternKind kind = PatternKind::kDense,
                      Direction direction = Direction::kCausal) {
  Case c;
  c.name = std::move(name);
  c.config.n_heads = sizes.n_heads;
  c.config.n_kv_heads = sizes.n_kv_heads;
  c.config.seq_q = sizes.seq_q;
  c.config.seq_k = sizes.seq_k;
  c.config.d_head = sizes.d_head;
  c.config.mask.direction = direction;
  c.config.mask.pattern = make_pattern(kind, sizes.seq_q, sizes.seq_k);
  return c;
}

/// Every d_head that is a border of some vector width, or between two.
inline void add_d_heads(std::vector<Case>& cases) {
  int turn = 0;
  for (const std::int64_t d_head : {1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 32, 48, 64, 65, 80, 96, 127, 128, 160, 255, 256}) {
    cases.push_back(
        make_case("d_head_" + std::to_string(d_head), {2, 1, 19, 23, d_head}, PatternKind::kDense, Direction::kBidirectional));
    cases.back().layout = static_cast<Layout>(turn++ % 3);
  }
}

/// MHA, GQA, MQA x every pattern x causal, bidirectional, causal with keys cached before x short sizes.
inline void add_patterns(std::vector<Case>& cases) {
  struct Grouping {
    const char* name;
    std::int64_t n_heads, n_kv_heads;
  };
  int turn = 0;
  for (const Grouping& grouping : {Grouping{"mha", 3, 3}, Grouping{"gqa", 6, 2}, Grouping{"mqa", 5, 1}}) {
    for (const PatternKind kind : kPatterns) {
      for (const auto& [seq_q, seq_k] :
           std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 1}, {1, 37}, {7, 7}, {13, 29}, {31, 11}, {61, 61}}) {
        const std::string name =
            std::string(grouping.name) + "_" + pattern_name(kind) + "_" + std::to_string(seq_q) + "x" + std::to_string(seq_k);
        const Sizes sizes{grouping.n_heads, grouping.n_kv_heads, seq_q, seq_k, 8};
        cases.push_back(make_case(name + "_causal", sizes, kind));
        cases.push_back(make_case(name + "_bidirectional", sizes, kind, Direction::kBidirectional));
        cases.push_back(make_case(name + "_offset", sizes, kind));
        cases.back().config.mask.query_offset = std::max<std::int64_t>(0, seq_k - seq_q) + 2;
        for (std::size_t back = 1; back <= 3; ++back) {
          cases[cases.size() - back].layout = static_cast<Layout>(turn++ % 3);
        }
      }
    }
  }
}

/// Longer than any tile: several query blocks and several key steps, none of them full at the end.
inline void add_long(std::vector<Case>& cases) {
  for (const PatternKind kind : kPatterns) {
    for (const Direction direction : {Direction::kCausal, Direction::kBidirectional}) {
      const std::string name = pattern_name(kind) + (direction == Direction::kCausal ? "_causal" : "_bidirectional");
      cases.push_back(make_case("long_" + name, {2, 1, 211, 211, 16}, kind, direction));
      cases.push_back(make_case("wide_" + name, {1, 1, 53, 509, 20}, kind, direction));
      cases.back().config.mask.query_offset = 456;
    }
  }
  cases.push_back(make_case("decode_mha", {4, 4, 1, 401, 64}, PatternKind::kDense, Direction::kBidirectional));
  cases.push_back(make_case("decode_gqa", {8, 2, 1, 401, 128}));
  cases.back().config.mask.query_offset = 400;
  cases.push_back(make_case("tall", {2, 2, 307, 1, 9}));
  cases.push_back(make_case("bert", {4, 4, 128, 128, 64}, PatternKind::kDense, Direction::kBidirectional));
  cases.push_back(make_case("power_of_two", {2, 2, 256, 256, 32}));
}

inline void add_masked_rows(std::vector<Case>& cases) {
  cases.push_back(make_case("window_past_all_keys", {2, 2, 9, 10, 4}, PatternKind::kLocalWindow));
  cases.back().config.mask.query_offset = 12;
  cases.push_back(make_case("no_key_is_real", {2, 1, 5, 6, 4}));
  cases.back().config.mask.key_lengths = {0};
  cases.push_back(make_case("no_bucket_matches", {2, 1, 70, 70, 4}, PatternKind::kHashedBuckets, Direction::kBidirectional));
  cases.back().config.mask.pattern.query_bucket.assign(70, 9);
  cases.push_back(make_case("half_of_the_rows_masked", {3, 3, 60, 60, 4}, PatternKind::kHashedBuckets));
  for (std::size_t i = 0; i < 60; i += 2) {
    cases.back().config.mask.pattern.query_bucket[i] = 9;
  }
}

inline void add_batches(std::vector<Case>& cases) {
  for (const Layout layout : {Layout::kHeadMajor, Layout::kInterleaved, Layout::kPadded}) {
    for (const PatternKind kind : kPatterns) {
      for (const Direction direction : {Direction::kCausal, Direction::kBidirectional}) {
        cases.push_back(make_case("batch_" + std::to_string(static_cast<int>(layout)) + "_" + pattern_name(kind) +
                                      (direction == Direction::kCausal ? "_causal" : "_bidirectional"),
                                  {4, 2, 17, 21, 12}, kind, direction));
        cases.back().config.batch = 4;
        cases.back().config.mask.key_lengths = {21, 0, 1, 13};
        cases.back().layout = layout;
      }
    }
  }
}

inline void add_heads(std::vector<Case>& cases) {
  cases.push_back(make_case("pruned", {6, 3, 50, 50, 8}));
  cases.back().config.pruned = {0, 1, 0, 0, 1, 1};
  cases.push_back(make_case("pruned_batch_interleaved", {6, 2, 7, 7, 8}, PatternKind::kStrided));
  cases.back().config.pruned = {1, 0, 0, 0, 7, 0};
  cases.back().config.batch = 2;
  cases.back().layout = Layout::kInterleaved;
  cases.push_back(make_case("all_pruned", {3, 3, 5, 5, 8}));
  cases.back().config.pruned = {1, 1, 1};
  cases.push_back(make_case("uneven_groups", {6, 3, 11, 11, 8}));
  cases.back().config.kv_head_of = {0, 0, 0, 1, 2, 2};
  cases.push_back(make_case("groups_out_of_order", {5, 3, 60, 60, 8}));
  cases.back().config.kv_head_of = {2, 0, 2, 0, 0};
  cases.back().layout = Layout::kInterleaved;
}

inline void add_scores(std::vector<Case>& cases) {
  for (const float scale : {0.37F, 0.0F, -1.0F}) {
    cases.push_back(make_case("scale_" + std::to_string(static_cast<int>(scale * 100 + 100)), {2, 2, 21, 21, 16}));
    cases.back().config.scale = scale;
  }
  // Scores reach some thousands, so a float32 score is off by some 1e-4 and so is, relatively, each probability. out is about 30.
  for (const Direction direction : {Direction::kCausal, Direction::kBidirectional}) {
    cases.push_back(make_case(direction == Direction::kCausal ? "large_causal" : "large_bidirectional", {2, 2, 67, 230, 64},
                              PatternKind::kDense, direction));
    cases.back().spread = 30;
    cases.back().config.mask.query_offset = 163;
    cases.back().out_tolerance = 3e-3;
    cases.back().logsumexp_tolerance = 2e-6;
    cases.back().probs_tolerance = 3e-3;
  }
}

inline void add_dropout(std::vector<Case>& cases) {
  for (const float probability : {0.0F, 0.1F, 0.9F}) {
    cases.push_back(make_case("dropout_" + std::to_string(static_cast<int>(probability * 100 + 0.5F)), {4, 2, 55, 199, 8},
                              PatternKind::kDense, Direction::kBidirectional));
    cases.back().config.dropout = Dropout{probability, 0x123456789abcdefULL};
    cases.back().config.batch = 2;
  }
}

/// Every d_head class, mask and row count again with keys and values of 16 bits.
inline void add_storage(std::vector<Case>& cases) {
  for (const KvStorage storage : {KvStorage::kFloat16, KvStorage::kBFloat16}) {
    const std::string name = kv_storage_name(storage);
    const auto add = [&](const std::string& what, const Sizes& sizes, PatternKind kind, Direction direction) {
      cases.push_back(make_case(name + "_" + what, sizes, kind, direction));
      cases.back().config.kv_storage = storage;
      cases.back().layout = static_cast<Layout>(cases.size() % 3);
    };
    for (const std::int64_t d_head : {1, 3, 16, 31, 64, 80, 128, 255, 256}) {
      add("d_head_" + std::to_string(d_head), {4, 2, 21, 45, d_head}, PatternKind::kDense, Direction::kBidirectional);
      add("decode_d_head_" + std::to_string(d_head), {4, 2, 1, 91, d_head}, PatternKind::kDense, Direction::kBidirectional);
    }
    for (const PatternKind kind : kPatterns) {
      add(pattern_name(kind), {3, 1, 131, 131, 24}, kind, Direction::kCausal);
      add("decode_" + pattern_name(kind), {8, 2, 1, 301, 64}, kind, Direction::kCausal);
      cases.back().config.mask.query_offset = 300;
    }
    add("gqa", {8, 2, 70, 70, 40}, PatternKind::kDense, Direction::kCausal);
  }
}

/// All cases, in a fixed order, each with a name that is unique.
inline std::vector<Case> cases() {
  std::vector<Case> all;
  add_d_heads(all);
  add_patterns(all);
  add_long(all);
  add_masked_rows(all);
  add_batches(all);
  add_heads(all);
  add_scores(all);
  add_dropout(all);
  add_storage(all);
  return all;
}

}  // namespace headroom::conformance
