#include "core/attention/cached_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <string>

#include "core/attention/config.h"
#include "core/tensor/dtype.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::int64_t kInt4Block = 32;
constexpr unsigned kInt4Zero = 8;
constexpr float kInt8Most = 127, kInt4Most = 7;

/// Which half of which byte holds value c of a row of d_head.
struct Nibble {
  std::int64_t byte = 0;
  unsigned shift = 0;
};
Nibble nibble_of(std::int64_t c, std::int64_t d_head) {
  const std::int64_t block = c / kInt4Block, at = c % kInt4Block;
  if ((block + 1) * kInt4Block <= d_head) return {block * 16 + at % 16, at < 16 ? 0U : 4U};
  return {c / 2, c % 2 == 0 ? 0U : 4U};
}

/// NaN where a value is no finite number.
float scale_of(const float* values, std::int64_t n, float most) {
  float largest = 0;
  for (std::int64_t c = 0; c < n; ++c) {
    if (!std::isfinite(values[c])) return std::numeric_limits<float>::quiet_NaN();
    largest = std::max(largest, std::abs(values[c]));
  }
  return largest == 0 ? 0 : std::max(largest / most, std::numeric_limits<float>::min());
}

void write_integers(RowFormat format, std::span<const float> values, std::byte* to, std::byte* scale_to) {
  const auto n = static_cast<std::int64_t>(values.size());
  const float most = format == RowFormat::kInt8 ? kInt8Most : kInt4Most;
  const float scale = scale_of(values.data(), n, most);
  std::memcpy(scale_to, &scale, sizeof scale);
  if (format == RowFormat::kInt4) std::fill_n(to, row_bytes(format, n).values, std::byte{0});
  for (std::int64_t c = 0; c < n; ++c) {
    const float exact = scale > 0 ? values[static_cast<std::size_t>(c)] / scale : 0;  // 0 also where the scale is NaN
    const auto code = static_cast<int>(std::nearbyint(std::clamp(exact, -most, most)));
    if (format == RowFormat::kInt8) {
      to[c] = static_cast<std::byte>(code);
    } else {
      const Nibble at = nibble_of(c, n);
      to[at.byte] |= static_cast<std::byte>((static_cast<unsigned>(code + static_cast<int>(kInt4Zero)) << at.shift) & 0xFFU);
    }
  }
}

void read_integers(RowFormat format, const std::byte* from, const std::byte* scale_from, std::span<float> values) {
  const auto n = static_cast<std::int64_t>(values.size());
  float scale = 0;
  std::memcpy(&scale, scale_from, sizeof scale);
  for (std::int64_t c = 0; c < n; ++c) {
    int code = 0;
    if (format == RowFormat::kInt8) {
      code = static_cast<std::int8_t>(from[c]);
    } else {
      const Nibble at = nibble_of(c, n);
      code = static_cast<int>((std::to_integer<unsigned>(from[at.byte]) >> at.shift) & 15U) - static_cast<int>(kInt4Zero);
    }
    values[static_cast<std::size_t>(c)] = scale * static_cast<float>(code);
  }
}

void write_row(RowFormat format, std::span<const float> values, std::byte* to, std::byte* scale_to) {
  switch (format) {
    case RowFormat::kFloat32:
      std::memcpy(to, values.data(), values.size_bytes());
      return;
    case RowFormat::kFloat16:
      to_float16(values, {reinterpret_cast<std::uint16_t*>(to), values.size()});
      return;
    case RowFormat::kBFloat16:
      to_bfloat16(values, {reinterpret_cast<std::uint16_t*>(to), values.size()});
      return;
    case RowFormat::kInt8:
    case RowFormat::kInt4:
      write_integers(format, values, to, scale_to);
  }
}

void read_row(RowFormat format, const std::byte* from, const std::byte* scale_from, std::span<float> values) {
  switch (format) {
    case RowFormat::kFloat32:
      std::memcpy(values.data(), from, values.size_bytes());
      return;
    case RowFormat::kFloat16:
    case RowFormat::kBFloat16:
      widen(format == RowFormat::kFloat16 ? FloatType::kFloat16 : FloatType::kBFloat16,
            {reinterpret_cast<const std::uint16_t*>(from), values.size()}, values);
      return;
    case RowFormat::kInt8:
    case RowFormat::kInt4:
      read_integers(format, from, scale_from, values);
  }
}

}  // namespace

const char* row_format_name(RowFormat format) {
  switch (format) {
    case RowFormat::kFloat32:
      return "float32";
    case RowFormat::kFloat16:
      return "float16";
    case RowFormat::kBFloat16:
      return "bfloat16";
    case RowFormat::kInt8:
      return "int8";
    case RowFormat::kInt4:
      return "int4";
  }
  return "";
}

RowBytes row_bytes(RowFormat format, std::int64_t d_head) {
  switch (format) {
    case RowFormat::kFloat32:
      return {4 * d_head, 0};
    case RowFormat::kFloat16:
    case RowFormat::kBFloat16:
      return {2 * d_head, 0};
    case RowFormat::kInt8:
      return {d_head, 4};
    case RowFormat::kInt4:
      return {(d_head + 1) / 2, 4};
  }
  return {};
}

PageLayout page_layout(const PageShape& shape) {
  struct Limit {
    const char* name;
    std::int64_t value, most;
  };
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  for (const Limit& limit : {Limit{"n_kv_heads", shape.n_kv_heads, kMost}, Limit{"d_head", shape.d_head, kMaxDHead},
                             Limit{"page_rows", shape.page_rows, kMost}}) {
    if (limit.value >= 1 && limit.value <= limit.most) continue;
    throw ShapeError(std::string("a page cannot be laid out: ") + limit.name + " is " + std::to_string(limit.value) +
                     "; it must lie between 1 and " + std::to_string(limit.most));
  }
  PageLayout layout{shape.format, shape.n_kv_heads, shape.d_head, shape.page_rows, row_bytes(shape.format, shape.d_head)};
  const std::int64_t n_rows = shape.n_kv_heads * shape.page_rows;
  if (n_rows > (std::int64_t{1} << 61) / layout.row.total())
    throw ShapeError("a page cannot be laid out: " + std::to_string(shape.page_rows) + " rows of " +
                     std::to_string(shape.n_kv_heads) + " heads are more bytes than can be counted");
  layout.v_values = n_rows * layout.row.values;
  layout.k_scales = 2 * layout.v_values;
  layout.v_scales = layout.k_scales + n_rows * layout.row.scale;
  layout.bytes = layout.v_scales + n_rows * layout.row.scale;
  return layout;
}

void write_cached_row(const PageLayout& layout, const PageSlot& to, const float* k, const float* v) {
  const auto n = static_cast<std::size_t>(layout.d_head);
  const std::int64_t values = layout.values_at(to.kv_head, to.page_row), scale = layout.scale_at(to.kv_head, to.page_row);
  write_row(layout.format, {k, n}, to.part + values, to.part + layout.k_scales + scale);
  write_row(layout.format, {v, n}, to.part + layout.v_values + values, to.part + layout.v_scales + scale);
}

void read_cached_row(const PageLayout& layout, const ConstPageSlot& from, float* k, float* v) {
  const auto n = static_cast<std::size_t>(layout.d_head);
  const std::int64_t values = layout.values_at(from.kv_head, from.page_row), scale = layout.scale_at(from.kv_head, from.page_row);
  if (k != nullptr) read_row(layout.format, from.part + values, from.part + layout.k_scales + scale, {k, n});
  if (v != nullptr) read_row(layout.format, from.part + layout.v_values + values, from.part + layout.v_scales + scale, {v, n});
}

void copy_cached_row(const PageLayout& from_layout, const ConstPageSlot& from, const PageLayout& to_layout, const PageSlot& to) {
  const auto n_values = static_cast<std::size_t>(from_layout.row.values), n_scale = static_cast<std::size_t>(from_layout.row.scale);
  const std::byte* const values = from.part + from_layout.values_at(from.kv_head, from.page_row);
  const std::byte* const scale = from.part + from_layout.scale_at(from.kv_head, from.page_row);
  std::byte* const to_values = to.part + to_layout.values_at(to.kv_head, to.page_row);
  std::byte* const to_scale = to.part + to_layout.scale_at(to.kv_head, to.page_row);
  std::memcpy(to_values, values, n_values);
  std::memcpy(to_values + to_layout.v_values, values + from_layout.v_values, n_values);
  if (n_scale == 0) return;
  std::memcpy(to_scale + to_layout.k_scales, scale + from_layout.k_scales, n_scale);
  std::memcpy(to_scale + to_layout.v_scales, scale + from_layout.v_scales, n_scale);
}

}  // namespace headroom
