#pragma once

#include <cstdint>
#include <vector>

#include "core/tensor/view.h"

namespace headroom {

/// Rotary positions in the rotate-half convention: coordinates (c, c + dims / 2) turn together by position * theta^(-2c / dims).
/// Source  Su et al. 2021, arXiv:2104.09864; pairing as in Hugging Face's Llama (the halves, not neighbours).
struct Rotary {
  float theta = 10000;
  /// The first coordinates of each head that turn, in pairs (c, c + dims / 2); the rest stay. 0: all of them.
  std::int64_t dims = 0;
  /// [dims / 2] radians a position of each pair, where they are not theta^(-2c / dims): scaled positions. Empty: the formula.
  std::vector<double> frequencies = {};
  /// cos and sin are multiplied by it (YaRN's and LongRoPE's attention factor).
  float magnitude = 1;

  bool operator==(const Rotary&) const = default;
};

/// magnitude * cos and magnitude * sin of every angle, computed in double. Shape  [seq, half] each.
struct RotaryTable {
  std::int64_t half = 0;    ///< pairs of a head that turn
  std::int64_t d_head = 0;  ///< coordinates of a head; those from 2 * half on stay as they are
  std::vector<float> cos;
  std::vector<float> sin;
};
/// Errors  ShapeError when an odd number of coordinates would turn, or more than a head has, or the frequencies are not one for each pair.
RotaryTable make_rotary_table(const Rotary& rotary, std::int64_t first_position, std::int64_t seq, std::int64_t d_head);

/// Turns n_heads vectors of one token, which lie one after another. Shapes  from, to [n_heads, table.d_head], the same or apart; `row` is
/// a row of the table.
void rotate_row(const RotaryTable& table, std::int64_t row, std::int64_t n_heads, const float* from, float* to);

/// Turns every row of `heads` in place. Shapes  heads [batch, n, seq, d_head]; table made for the same seq and d_head.
void rotate(const RotaryTable& table, HeadsView heads);

}  // namespace headroom
