#include "core/attention/rotary.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/tensor/error.h"

namespace headroom {
namespace {

std::int64_t turning_dims(const Rotary& rotary, std::int64_t d_head) {
  const std::int64_t dims = rotary.dims == 0 ? d_head : rotary.dims;
  if (dims < 2 || dims % 2 != 0) {
    throw ShapeError(std::string("rotary positions turn pairs: ") +
                     (rotary.dims == 0 ? "d_head " : "the number of turning coordinates ") + std::to_string(dims) +
                     " must be even and at least 2");
  }
  if (dims > d_head)
    throw ShapeError("rotary positions cannot turn " + std::to_string(dims) + " coordinates of heads of " + std::to_string(d_head));
  if (!rotary.frequencies.empty() && std::ssize(rotary.frequencies) != dims / 2) {
    throw ShapeError("rotary positions have " + std::to_string(rotary.frequencies.size()) + " frequencies for " +
                     std::to_string(dims / 2) + " pairs");
  }
  return dims;
}

/// One head; from and to may be the same.
void rotate_head(const RotaryTable& table, std::int64_t row, const float* from, float* to) {
  const std::int64_t half = table.half;
  const float* const cos = table.cos.data() + row * half;
  const float* const sin = table.sin.data() + row * half;
  for (std::int64_t c = 0; c < half; ++c) {
    const float x = from[c], y = from[half + c];
    to[c] = x * cos[c] - y * sin[c];
    to[half + c] = y * cos[c] + x * sin[c];
  }
  if (from != to) std::copy(from + 2 * half, from + table.d_head, to + 2 * half);
}

}  // namespace

RotaryTable make_rotary_table(const Rotary& rotary, std::int64_t first_position, std::int64_t seq, std::int64_t d_head) {
  const std::int64_t dims = turning_dims(rotary, d_head);
  if (seq < 0) throw ShapeError("a rotary table cannot hold " + std::to_string(seq) + " positions");
  RotaryTable table;
  table.half = dims / 2;
  table.d_head = d_head;
  const auto size = static_cast<std::size_t>(seq * table.half);
  table.cos.resize(size);
  table.sin.resize(size);
  const auto magnitude = static_cast<double>(rotary.magnitude);
  for (std::int64_t c = 0; c < table.half; ++c) {
    const double frequency = rotary.frequencies.empty() ? std::pow(static_cast<double>(rotary.theta),
                                                                   -2.0 * static_cast<double>(c) / static_cast<double>(dims))
                                                        : rotary.frequencies[static_cast<std::size_t>(c)];
    for (std::int64_t i = 0; i < seq; ++i) {
      const double angle = static_cast<double>(first_position + i) * frequency;
      const auto at = static_cast<std::size_t>(i * table.half + c);
      table.cos[at] = static_cast<float>(magnitude * std::cos(angle));
      table.sin[at] = static_cast<float>(magnitude * std::sin(angle));
    }
  }
  return table;
}

void rotate_row(const RotaryTable& table, std::int64_t row, std::int64_t n_heads, const float* from, float* to) {
  for (std::int64_t head = 0; head < n_heads; ++head)
    rotate_head(table, row, from + head * table.d_head, to + head * table.d_head);
}

void rotate(const RotaryTable& table, HeadsView heads) {
  if (heads.d_head != table.d_head || table.cos.size() != static_cast<std::size_t>(heads.seq * table.half) ||
      table.sin.size() != table.cos.size()) {
    throw ShapeError("the rotary table was made for another d_head or number of positions than the heads have");
  }
  for (std::int64_t b = 0; b < heads.batch; ++b) {
    for (std::int64_t i = 0; i < heads.seq; ++i) {
      for (std::int64_t head = 0; head < heads.n_heads; ++head)
        rotate_head(table, i, heads.row(b, head, i), heads.row(b, head, i));
    }
  }
}

}  // namespace headroom
