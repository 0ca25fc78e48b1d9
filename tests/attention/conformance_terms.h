#pragma once

#include "tests/attention/conformance_cases.h"

namespace headroom::conformance {

/// Does the case ask for more than scale * q·k?
inline bool has_terms(const AttentionConfig& config) { return config.soft_cap > 0 || config.position_bias != nullptr; }

inline std::shared_ptr<const PositionBias> make_bias(std::int64_t n_heads, std::int64_t reach, float spread = 2) {
  PositionBias bias{n_heads, reach, values(static_cast<std::size_t>(n_heads * (2 * reach + 1)), 44, spread)};
  return std::make_shared<const PositionBias>(std::move(bias));
}

/// Soft caps, biases by distance, and both, where kernels branch: each pattern and grouping, ragged ends, few rows, offsets, rectangles,
/// 16-bit storage, pruned heads, batches, biases that reach nowhere, to the middle and beyond all keys, scores that saturate.
inline std::vector<Case> term_cases() {
  std::vector<Case> all;
  const auto add = [&](const std::string& name, const Sizes& sizes, PatternKind kind = PatternKind::kDense,
                       Direction direction = Direction::kCausal) -> AttentionConfig& {
    all.push_back(make_case("terms_" + name, sizes, kind, direction));
    all.back().layout = static_cast<Layout>(all.size() % 3);
    return all.back().config;
  };
  const auto add_both = [&](AttentionConfig& config, std::int64_t reach) {
    config.soft_cap = 1.7F;
    config.position_bias = make_bias(config.n_heads, reach);
  };
  for (const std::int64_t d_head : {1, 3, 16, 31, 64, 80, 127, 256}) {
    const std::string name = std::to_string(d_head);
    add("cap_" + name, {4, 2, 21, 45, d_head}).soft_cap = 2;
    add("bias_" + name, {4, 2, 45, 21, d_head}, PatternKind::kDense, Direction::kBidirectional).position_bias = make_bias(4, 6);
  }
  for (const PatternKind kind : kPatterns) {
    for (const auto& [seq_q, seq_k] : std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 37}, {13, 29}, {31, 11}, {61, 61}}) {
      const std::string name = pattern_name(kind) + "_" + std::to_string(seq_q) + "x" + std::to_string(seq_k);
      const Sizes sizes{6, 2, seq_q, seq_k, 8};
      add_both(add(name + "_causal", sizes, kind), 7);
      add_both(add(name + "_bidirectional", sizes, kind, Direction::kBidirectional), 4);
      AttentionConfig& config = add(name + "_offset", sizes, kind);
      config.mask.query_offset = std::max<std::int64_t>(0, seq_k - seq_q) + 2;
      add_both(config, 9);
    }
    add_both(add("long_" + pattern_name(kind), {2, 1, 211, 211, 16}, kind), 40);
    AttentionConfig& wide = add("wide_" + pattern_name(kind), {1, 1, 53, 509, 20}, kind, Direction::kBidirectional);
    wide.mask.query_offset = 456;
    wide.position_bias = make_bias(1, 1000);
    AttentionConfig& padded = add("batch_" + pattern_name(kind), {4, 2, 17, 21, 12}, kind);
    padded.batch = 4;
    padded.mask.key_lengths = {21, 0, 1, 13};
    add_both(padded, 3);
  }
  add("reaches_nowhere", {3, 3, 70, 90, 8}, PatternKind::kDense, Direction::kBidirectional).position_bias = make_bias(3, 0);
  add("t5", {4, 4, 300, 300, 64}, PatternKind::kDense, Direction::kBidirectional).position_bias = make_bias(4, 128);
  all.back().config.scale = 1;
  all.back().spread = 0.4F;
  for (const KvStorage storage : {KvStorage::kFloat32, KvStorage::kFloat16, KvStorage::kBFloat16}) {
    const std::string name = kv_storage_name(storage);
    const auto stored = [&](AttentionConfig& config, std::int64_t offset, std::int64_t reach) {
      config.kv_storage = storage;
      config.mask.query_offset = offset;
      add_both(config, reach);
    };
    stored(add("decode_mha_" + name, {4, 4, 1, 401, 64}), 400, 50);
    stored(add("decode_gqa_" + name, {8, 2, 1, 401, 128}), 400, 500);
    stored(add("decode_mqa_" + name, {8, 1, 1, 333, 40}), 340, 20);
    stored(add("decode_three_" + name, {2, 1, 3, 301, 31}), 298, 7);
    stored(add("prefill_" + name, {8, 2, 70, 70, 40}), 0, 12);
  }
  AttentionConfig& pruned = add("pruned", {6, 3, 50, 50, 8});
  pruned.pruned = {0, 1, 0, 0, 1, 1};
  add_both(pruned, 10);
  AttentionConfig& uneven = add("uneven_groups", {5, 3, 60, 60, 8});
  uneven.kv_head_of = {2, 0, 2, 0, 0};
  add_both(uneven, 10);
  AttentionConfig& dropped = add("dropout", {4, 2, 55, 99, 8}, PatternKind::kDense, Direction::kBidirectional);
  dropped.dropout = Dropout{0.3F, 5};
  add_both(dropped, 5);
  add("saturated", {2, 2, 67, 230, 64}, PatternKind::kDense, Direction::kBidirectional).soft_cap = 30;
  all.back().spread = 30;
  all.back().out_tolerance = 3e-4;  // of values of about 30, and scores near the cap's bend are off by some 1e-5
  all.back().probs_tolerance = 3e-5;
  return all;
}

}  // namespace headroom::conformance
