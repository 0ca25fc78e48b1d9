#include "core/attention/rotary.h"

#include <cmath>

#include "core/tensor/error.h"

namespace headroom {

RotaryTable make_rotary_table(const Rotary& rotary, std::int64_t first_position, std::int64_t seq, std::int64_t d_head) {
  if (d_head < 2 || d_head % 2 != 0)
    throw ShapeError("rotary positions turn pairs: d_head " + std::to_string(d_head) + " must be even");
  if (seq < 0) throw ShapeError("a rotary table cannot hold " + std::to_string(seq) + " positions");
  RotaryTable table;
  table.half = d_head / 2;
  const auto size = static_cast<std::size_t>(seq * table.half);
  table.cos.resize(size);
  table.sin.resize(size);
  for (std::int64_t c = 0; c < table.half; ++c) {
    const double frequency =
        std::pow(static_cast<double>(rotary.theta), -2.0 * static_cast<double>(c) / static_cast<double>(d_head));
    for (std::int64_t i = 0; i < seq; ++i) {
      const double angle = static_cast<double>(first_position + i) * frequency;
      const auto at = static_cast<std::size_t>(i * table.half + c);
      table.cos[at] = static_cast<float>(std::cos(angle));
      table.sin[at] = static_cast<float>(std::sin(angle));
    }
  }
  return table;
}

void rotate_row(const RotaryTable& table, std::int64_t row, std::int64_t n_heads, const float* from, float* to) {
  const float* const cos = table.cos.data() + row * table.half;
  const float* const sin = table.sin.data() + row * table.half;
  for (std::int64_t head = 0; head < n_heads; ++head, from += 2 * table.half, to += 2 * table.half) {
    for (std::int64_t c = 0; c < table.half; ++c) {
      const float x = from[c], y = from[table.half + c];
      to[c] = x * cos[c] - y * sin[c];
      to[table.half + c] = y * cos[c] + x * sin[c];
    }
  }
}

void rotate(const RotaryTable& table, HeadsView heads) {
  if (heads.d_head != 2 * table.half || table.cos.size() != static_cast<std::size_t>(heads.seq * table.half) ||
      table.sin.size() != table.cos.size()) {
    throw ShapeError("the rotary table was made for another d_head or number of positions than the heads have");
  }
  for (std::int64_t b = 0; b < heads.batch; ++b) {
    for (std::int64_t i = 0; i < heads.seq; ++i) {
      const float* const cos = table.cos.data() + i * table.half;
      const float* const sin = table.sin.data() + i * table.half;
      for (std::int64_t head = 0; head < heads.n_heads; ++head) {
        float* const first = heads.row(b, head, i);
        float* const second = first + table.half;
        for (std::int64_t c = 0; c < table.half; ++c) {
          const float x = first[c], y = second[c];
          first[c] = x * cos[c] - y * sin[c];
          second[c] = y * cos[c] + x * sin[c];
        }
      }
    }
  }
}

}  // namespace headroom
