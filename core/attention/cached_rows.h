#pragma once

#include <cstddef>
#include <cstdint>

namespace headroom {

/// How a row of K or V of one head is kept. The integers are symmetric around 0, each row of each head with a float32 scale of its own.
enum class RowFormat { kFloat32, kFloat16, kBFloat16, kInt8, kInt4 };
const char* row_format_name(RowFormat format);  ///< "float32", "int4"
inline bool has_scale(RowFormat format) { return format == RowFormat::kInt8 || format == RowFormat::kInt4; }

/// What one row of one head takes.
struct RowBytes {
  std::int64_t values = 0;  ///< d_head numbers; two of int4 a byte, an odd last one alone
  std::int64_t scale = 0;   ///< 4 of integers, else 0
  std::int64_t total() const { return values + scale; }
};
RowBytes row_bytes(RowFormat format, std::int64_t d_head);

/// How one layer's part of a page lies: four sections that follow each other without a gap, so that a page takes just what its rows take:
///   K values [n_kv_heads][page_rows][values] | V values, likewise | K scales [n_kv_heads][page_rows] | V scales, likewise
/// A part may begin at any multiple of the bytes of one value (integers: anywhere); scales need not be aligned.
///
/// int4: of each whole 32 values, byte i of 16 holds value i below and value 16 + i above, so that a vector is one load and one shift; of
/// what remains, byte i holds value 2i below and value 2i + 1 above. Each four bits hold the integer plus 8.
struct PageLayout {
  RowFormat format = RowFormat::kFloat32;
  std::int64_t n_kv_heads = 0, d_head = 0, page_rows = 0;
  RowBytes row;
  std::int64_t v_values = 0, k_scales = 0, v_scales = 0;  ///< where the sections begin; K's values begin at 0
  std::int64_t bytes = 0;

  /// Where a row's values begin in a section of values, and its scale in a section of scales.
  std::int64_t values_at(std::int64_t kv_head, std::int64_t page_row) const {
    return (kv_head * page_rows + page_row) * row.values;
  }
  std::int64_t scale_at(std::int64_t kv_head, std::int64_t page_row) const { return (kv_head * page_rows + page_row) * row.scale; }
};

/// What a page is made for.
struct PageShape {
  RowFormat format = RowFormat::kFloat32;
  std::int64_t n_kv_heads = 1, d_head = 1, page_rows = 1;
};
/// Errors  ShapeError unless all are at least 1, d_head is at most 256 and the page below 2^62 bytes.
PageLayout page_layout(const PageShape& shape);

/// A row of one head: `part` is where the layer's part of the page begins.
struct PageSlot {
  std::byte* part = nullptr;
  std::int64_t kv_head = 0, page_row = 0;
};
struct ConstPageSlot {
  const std::byte* part = nullptr;
  std::int64_t kv_head = 0, page_row = 0;

  ConstPageSlot(const std::byte* from, std::int64_t head, std::int64_t row) : part(from), kv_head(head), page_row(row) {}
  // NOLINTNEXTLINE(google-explicit-constructor): what may be written may be read
  ConstPageSlot(const PageSlot& slot) : ConstPageSlot(slot.part, slot.kv_head, slot.page_row) {}
};

/// Puts a row into its format.
///
/// Shapes  k, v [d_head].
/// Error   16 bits: nearest even. Integers: scale = the largest |x| of the row / 127 (int4: / 7), x' = scale * the nearest integer, so that
///         |x - x'| <= scale / 2 (and float32's rounding of x').
/// Edge    A row of zeros has the scale 0. A largest |x| so small that the scale would be no normal number takes the least normal one.
/// NaN     An integer row with a NaN or an infinity gets the scale NaN: all of it reads as NaN. The other formats keep what they are given.
void write_cached_row(const PageLayout& layout, const PageSlot& to, const float* k, const float* v);
/// Back to float32: exactly what attention over the page computes with. Shapes  k, v [d_head]; either may be null.
void read_cached_row(const PageLayout& layout, const ConstPageSlot& from, float* k, float* v);
/// The same row in a page of another length or another place, bit by bit. Both layouts are of one format and d_head.
void copy_cached_row(const PageLayout& from_layout, const ConstPageSlot& from, const PageLayout& to_layout, const PageSlot& to);

}  // namespace headroom
