#pragma once

#include <array>
#include <bit>
#include <random>

#include "tests/attention/conformance.h"

/// Random attention problems, each told by one number, and the comparison with the reference. Header only, so that each room's tests can
/// run the same rounds on its own backend:
///
///   for (std::uint64_t seed = 1; seed <= 100; ++seed) EXPECT_EQ(fuzz::check(backend, fuzz::make_round(seed, {})), "");
namespace headroom::fuzz {

/// Magnitudes of a tensor's elements. kMixed takes another for each element. kOverflowing makes scores beyond float32's range.
enum class Values { kNormal, kHuge, kTiny, kDenormal, kEqual, kZero, kLargeScores, kMixed, kOverflowing };
/// Where NaN and infinities are put: nowhere; at keys that no row sees; anywhere.
enum class Poison { kNone, kUnseen, kAnywhere };

/// Which rounds are wanted.
struct Kind {
  std::int64_t max_seq = 200;
  std::int64_t max_d_head = kMaxDHead;
  bool with_overflow = false;  ///< finite inputs whose scores float32 cannot hold
  Poison poison = Poison::kNone;
  bool with_terms = false;  ///< soft caps and biases by distance, each in half of the rounds
};

struct Round {
  std::uint64_t seed = 0;
  conformance::Case c;
  Values q = Values::kNormal, k = Values::kNormal, v = Values::kNormal;
  Poison poison = Poison::kNone;
  bool has_overflow = false;  ///< also beyond float16's range, to infinity
};

class Random {
 public:
  explicit Random(std::uint64_t seed) : generator_(seed) {}

  std::int64_t below(std::int64_t n) { return static_cast<std::int64_t>(generator_() % static_cast<std::uint64_t>(n)); }
  bool chance(std::int64_t percent) { return below(100) < percent; }
  double unit() { return static_cast<double>(generator_() >> 11U) * 0x1p-53; }
  /// 1 to n; small ones as often as large ones, and borders of powers of two more often.
  std::int64_t size(std::int64_t n) {
    std::int64_t value = std::llround(std::exp(unit() * std::log(static_cast<double>(n))));
    if (chance(40)) value = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(value))) + below(3) - 1;
    return std::clamp<std::int64_t>(value, 1, n);
  }
  /// About normal.
  double normal() { return (unit() + unit() + unit() + unit() - 2) * 1.7320508; }

 private:
  std::mt19937_64 generator_;
};

inline void choose_heads(Random& random, AttentionConfig& config) {
  config.n_kv_heads = 1 + random.below(3);
  config.n_heads = config.n_kv_heads * (1 + random.below(4));
  if (random.chance(25)) {  // uneven groups, in any order
    config.n_heads = 1 + random.below(7);
    for (std::int64_t head = 0; head < config.n_heads; ++head) {
      config.kv_head_of.push_back(random.below(config.n_kv_heads));
    }
  }
  if (random.chance(25)) {
    for (std::int64_t head = 0; head < config.n_heads; ++head) {
      config.pruned.push_back(random.chance(40) ? 1 : 0);
    }
  }
}

inline void choose_mask(Random& random, AttentionConfig& config) {
  Mask& mask = config.mask;
  mask.direction = random.chance(60) ? Direction::kCausal : Direction::kBidirectional;
  if (random.chance(50))
    mask.query_offset = random.chance(50) ? std::max<std::int64_t>(0, config.seq_k - config.seq_q) : random.size(300);
  MaskPattern& pattern = mask.pattern;
  pattern.kind = random.chance(30) ? PatternKind::kDense : static_cast<PatternKind>(random.below(6));
  pattern.window = random.size(2 * config.seq_k);
  pattern.stride = random.size(config.seq_k);
  pattern.n_global = random.below(5);
  pattern.block = random.size(40);
  pattern.blocks_per_row = random.below(5);
  pattern.seed = static_cast<std::uint64_t>(random.below(1000));
  if (pattern.kind == PatternKind::kHashedBuckets) {
    const std::int64_t n_buckets = random.size(9);
    for (std::int64_t i = 0; i < config.seq_q; ++i) {
      pattern.query_bucket.push_back(static_cast<std::int32_t>(random.below(n_buckets)));
    }
    for (std::int64_t j = 0; j < config.seq_k; ++j) {
      pattern.key_bucket.push_back(static_cast<std::int32_t>(random.below(n_buckets)));
    }
  }
  if (random.chance(40)) {
    for (std::int64_t b = 0; b < config.batch; ++b) {
      mask.key_lengths.push_back(random.chance(20) ? 0 : random.below(config.seq_k + 1));
    }
  }
}

inline void choose_terms(Random& random, AttentionConfig& config) {
  if (random.chance(50)) config.soft_cap = static_cast<float>((1 + random.unit()) * std::pow(10.0, random.below(4) - 1));
  if (!random.chance(50)) return;
  PositionBias bias{config.n_heads, random.size(2 * config.seq_k) - 1, {}};
  for (std::int64_t i = 0; i < bias.n_heads * (2 * bias.reach + 1); ++i)
    bias.values.push_back(static_cast<float>(2 * random.normal()));
  config.position_bias = std::make_shared<const PositionBias>(std::move(bias));
}

inline Values choose_values(Random& random, const Kind& kind) {
  if (kind.with_overflow && random.chance(50)) return Values::kOverflowing;
  return random.chance(40) ? Values::kNormal : static_cast<Values>(random.below(8));
}

inline Round make_round(std::uint64_t seed, const Kind& kind) {
  Random random(seed);
  Round round;
  round.seed = seed;
  round.poison = kind.poison;
  round.has_overflow = kind.with_overflow;
  round.c.name = "round " + std::to_string(seed);
  AttentionConfig& config = round.c.config;
  config.batch = random.chance(70) ? 1 : 2 + random.below(2);
  choose_heads(random, config);
  config.d_head = random.size(kind.max_d_head);
  config.seq_k = random.size(kind.max_seq);
  config.seq_q = random.chance(25) ? 1 : random.chance(40) ? config.seq_k : random.size(kind.max_seq);
  choose_mask(random, config);
  if (random.chance(30)) config.scale = static_cast<float>(random.normal() * std::pow(10.0, random.below(4) - 2));
  if (random.chance(15)) config.dropout = Dropout{static_cast<float>(random.below(10)) / 10.0F, seed * 77};
  config.kv_storage = random.chance(60) ? KvStorage::kFloat32 : static_cast<KvStorage>(random.below(3));
  round.c.layout = static_cast<conformance::Layout>(random.below(3));
  round.q = choose_values(random, kind);
  round.k = choose_values(random, kind);
  round.v = choose_values(random, kind);
  if (round.v == Values::kOverflowing) round.v = Values::kHuge;
  if (kind.with_terms) choose_terms(random, config);
  return round;
}

inline const char* values_name(Values values) {
  constexpr std::array<const char*, 9> kNames{"normal", "huge",         "tiny",  "denormal",   "equal",
                                              "zero",   "large scores", "mixed", "overflowing"};
  return kNames[static_cast<std::size_t>(values)];
}

inline std::string describe(const Round& round) {
  const AttentionConfig& config = round.c.config;
  std::string text = "round " + std::to_string(round.seed) + ": batch " + std::to_string(config.batch) + ", heads " +
                     std::to_string(config.n_heads) + "/" + std::to_string(config.n_kv_heads) + ", d_head " +
                     std::to_string(config.d_head) + ", seq " + std::to_string(config.seq_q) + " x " +
                     std::to_string(config.seq_k) + ", " + mask_text(config.mask) + ", offset " +
                     std::to_string(config.mask.query_offset) + ", K/V " + kv_storage_name(config.kv_storage) + ", scale " +
                     std::to_string(config.effective_scale());
  if (!config.mask.key_lengths.empty()) text += ", padded";
  if (!config.pruned.empty()) text += ", pruned";
  if (!config.kv_head_of.empty()) text += ", uneven groups";
  if (config.dropout) text += ", dropout " + std::to_string(config.dropout->probability);
  if (config.soft_cap > 0) text += ", soft cap " + std::to_string(config.soft_cap);
  if (config.position_bias != nullptr) text += ", bias to distance " + std::to_string(config.position_bias->reach);
  text += std::string("; q ") + values_name(round.q) + ", k " + values_name(round.k) + ", v " + values_name(round.v);
  if (round.poison == Poison::kUnseen) text += "; NaN where no row looks";
  if (round.poison == Poison::kAnywhere) text += "; NaN and infinities";
  return text;
}

inline float draw(Random& random, Values values, double constant) {
  switch (values) {
    case Values::kNormal:
      return static_cast<float>(random.normal());
    case Values::kHuge:
      return static_cast<float>(random.normal() * std::pow(10.0, static_cast<double>(4 + random.below(5))));
    case Values::kTiny:
      return static_cast<float>(random.normal() * 1e-30);
    case Values::kDenormal:
      return static_cast<float>(random.normal() * 1e-40);
    case Values::kEqual:
      return static_cast<float>(constant);
    case Values::kZero:
      return random.chance(50) ? 0.0F : -0.0F;
    case Values::kLargeScores:
      return static_cast<float>(random.normal() * 20);
    case Values::kMixed:
      return draw(random, static_cast<Values>(random.below(7)), constant);
    case Values::kOverflowing:
      return static_cast<float>((random.chance(90) ? 1 : -1) * (1 + random.unit()) * 1e30);
  }
  return 0;
}

inline void fill(std::vector<float>& memory, Values values, std::uint64_t seed) {
  Random random(seed);
  const double constant = random.normal();
  for (float& value : memory) {
    value = draw(random, values, constant);
  }
}

/// Does any query head and row of batch entry b see key j of this K/V head?
inline bool is_seen(const AttentionConfig& config, std::int64_t b, std::int64_t kv_head, std::int64_t j) {
  for (std::int64_t head = 0; head < config.n_heads; ++head) {
    if (config.kv_head(head) != kv_head || config.is_pruned(head)) continue;
    for (std::int64_t i = 0; i < config.seq_q; ++i) {
      if (is_visible(config.mask, b, i, j)) return true;
    }
  }
  return false;
}

inline float draw_poison(Random& random) {
  const std::int64_t which = random.below(4);
  if (which == 2) return std::numeric_limits<float>::infinity();
  if (which == 3) return -std::numeric_limits<float>::infinity();
  return std::numeric_limits<float>::quiet_NaN();
}

/// Poison in the float32 tensors, at places that the round's own seed draws.
inline void poison(const Round& round, conformance::Problem& problem) {
  if (round.poison == Poison::kNone) return;
  const AttentionConfig& config = round.c.config;
  Random random(round.seed ^ 0x9e3779b97f4a7c15ULL);
  const auto element = [](std::vector<float>& memory, const ConstHeadsView& view, const std::array<std::int64_t, 4>& at) -> float& {
    return memory[static_cast<std::size_t>(view.row(at[0], at[1], at[2]) + at[3] - memory.data())];
  };
  for (std::int64_t b = 0; b < config.batch; ++b) {
    for (std::int64_t head = 0; head < config.n_kv_heads; ++head) {
      for (std::int64_t j = 0; j < config.seq_k; ++j) {
        const bool is_hit = round.poison == Poison::kUnseen ? !is_seen(config, b, head, j) : random.chance(3);
        if (!is_hit) continue;
        const std::array at{b, head, j, random.below(config.d_head)};
        if (random.chance(60)) element(problem.k_memory, problem.inputs.k, at) = draw_poison(random);
        if (random.chance(60)) element(problem.v_memory, problem.inputs.v, at) = draw_poison(random);
      }
    }
  }
  if (round.poison != Poison::kAnywhere || !random.chance(40)) return;
  const std::array at{random.below(config.batch), random.below(config.n_heads), random.below(config.seq_q),
                      random.below(config.d_head)};
  element(problem.q_memory, problem.inputs.q, at) = draw_poison(random);
}

inline conformance::Problem make_problem(const Round& round) {
  conformance::Case plain = round.c;
  plain.config.kv_storage = KvStorage::kFloat32;
  conformance::Problem problem(plain);
  fill(problem.q_memory, round.q, round.seed * 3 + 1);
  fill(problem.k_memory, round.k, round.seed * 3 + 2);
  fill(problem.v_memory, round.v, round.seed * 3 + 3);
  if (round.c.config.kv_storage == KvStorage::kFloat16 && !round.has_overflow) {
    for (std::vector<float>* memory : {&problem.k_memory, &problem.v_memory}) {
      for (float& value : *memory) {
        value = std::clamp(value, -60000.0F, 60000.0F);
      }
    }
  }
  poison(round, problem);
  problem.store(round.c);
  return problem;
}

}  // namespace headroom::fuzz

#include "tests/attention/fuzz_check.h"
