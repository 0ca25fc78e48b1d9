#include "core/formats/tensor_slot.h"

#include <algorithm>
#include <utility>

#include "core/tensor/error.h"

namespace headroom {
namespace {

std::int64_t rows_in(const TensorPart& part) { return part.shape.front(); }
std::int64_t cols_in(const TensorPart& part) { return part.shape.size() == 1 ? 1 : part.shape[1]; }

/// out[c][r] = in[r][c]
void transpose(const float* in, std::int64_t rows, std::int64_t cols, float* out) {
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < cols; ++c)
      out[c * rows + r] = in[r * cols + c];
}

/// Calls copy(file_at, stacked_at, n) for each run of values of an interleaved slot: where it lies in the file, and where with the parts one
/// below another.
template <typename Copy>
void for_each_run(const TensorSlot& slot, const Copy& copy) {
  std::int64_t stacked_begin = 0, block_begin = 0, block_size = 0;
  for (const TensorPart& part : slot.parts)
    block_size += rows_in(part) * cols_in(part) / slot.n_blocks;
  for (const TensorPart& part : slot.parts) {
    const std::int64_t run = rows_in(part) * cols_in(part) / slot.n_blocks;
    for (std::int64_t block = 0; block < slot.n_blocks; ++block)
      copy(block * block_size + block_begin, stacked_begin + block * run, run);
    stacked_begin += slot.n_blocks * run;
    block_begin += run;
  }
}

void fill_zeros(const TensorSlot& slot, const Tensor& values) {
  if (std::ranges::any_of(values.span(), [](float value) { return value != 0; }))
    throw Error(slot.name + " is not zero, but a model without MLPs has no place for it");
}

void fill_unless_zero(const TensorSlot& slot, Tensor values) {
  const bool is_zero = std::ranges::all_of(values.span(), [](float value) { return value == 0; });
  *slot.parts.front().tensor = is_zero ? Tensor() : std::move(values);
}

}  // namespace

TensorSlot TensorSlot::plain(std::string name, std::vector<std::int64_t> shape, Tensor& tensor) {
  TensorSlot slot;
  slot.name = std::move(name);
  slot.shape = shape;
  slot.parts.push_back({&tensor, std::move(shape)});
  return slot;
}

TensorSlot TensorSlot::zeros(std::string name, std::vector<std::int64_t> shape) {
  TensorSlot slot;
  slot.name = std::move(name);
  slot.shape = std::move(shape);
  slot.layout = SlotLayout::kZeros;
  return slot;
}

TensorSlot TensorSlot::mlp_bias(std::string name, const ModelShape& shape, Tensor& tensor) {
  if (shape.d_ff > 0) return plain(std::move(name), {shape.d_model}, tensor);
  return zeros(std::move(name), {shape.d_model});
}

void fill_slot(const TensorSlot& slot, Tensor values) {
  if (slot.layout == SlotLayout::kZeros) return fill_zeros(slot, values);
  if (slot.layout == SlotLayout::kNoneIfZero) return fill_unless_zero(slot, std::move(values));
  const bool is_whole = slot.layout == SlotLayout::kStacked && slot.parts.size() == 1 && slot.skipped_rows == 0;
  if (is_whole && !values.empty() && values.shape() == slot.parts.front().shape) {
    *slot.parts.front().tensor = std::move(values);
    return;
  }
  std::int64_t total_rows = 0;
  for (const TensorPart& part : slot.parts)
    total_rows += rows_in(part);
  Tensor upright;  // [rows of all parts, cols]
  const float* from = values.data();
  if (slot.layout == SlotLayout::kTransposed) {
    const std::int64_t cols = cols_in(slot.parts.front());
    upright = Tensor({total_rows, cols}, Fill::kNone);
    transpose(values.data(), cols, total_rows, upright.data());
    from = upright.data();
  } else if (slot.layout == SlotLayout::kInterleaved) {
    upright = Tensor({total_rows, cols_in(slot.parts.front())}, Fill::kNone);
    for_each_run(slot, [&](std::int64_t file_at, std::int64_t at, std::int64_t n) {
      std::copy_n(values.data() + file_at, n, upright.data() + at);
    });
    from = upright.data();
  } else if (slot.layout == SlotLayout::kOneLess) {
    for (float& value : values.span())
      value += 1;
  }
  from += slot.skipped_rows * cols_in(slot.parts.front());
  for (const TensorPart& part : slot.parts) {
    *part.tensor = Tensor(part.shape, Fill::kNone);
    if (part.tensor->empty()) *part.tensor = Tensor();  // a model without MLPs has no such tensor
    std::copy_n(from, part.tensor->size(), part.tensor->data());
    from += part.tensor->size();
  }
}

Tensor slot_values(const TensorSlot& slot) {
  std::vector<std::int64_t> shape = slot.shape;
  const bool has_rows = slot.layout == SlotLayout::kNoneIfZero && !slot.parts.front().tensor->empty();
  std::ranges::replace(shape, kAnyRows, has_rows ? slot.parts.front().tensor->dim(0) : kWrittenAnyRows);
  if (has_rows) return *slot.parts.front().tensor;
  Tensor values(shape);
  if (slot.layout == SlotLayout::kZeros || slot.layout == SlotLayout::kNoneIfZero) return values;
  Tensor stacked(shape);
  float* to = stacked.data() + slot.skipped_rows * cols_in(slot.parts.front());
  std::int64_t total_rows = 0;
  for (const TensorPart& part : slot.parts) {
    const bool is_none = part.tensor->empty() && std::ranges::count(part.shape, 0) > 0;
    if (!is_none && part.tensor->shape() != part.shape)
      throw ShapeError("what " + slot.name + " is written from has shape " + shape_text(part.tensor->shape()) + " instead of " +
                       shape_text(part.shape));
    to = std::copy_n(part.tensor->data(), part.tensor->size(), to);
    total_rows += rows_in(part);
  }
  if (slot.layout == SlotLayout::kOneLess)
    for (float& value : stacked.span())
      value -= 1;
  if (slot.layout == SlotLayout::kInterleaved) {
    for_each_run(slot, [&](std::int64_t file_at, std::int64_t at, std::int64_t n) {
      std::copy_n(stacked.data() + at, n, values.data() + file_at);
    });
    return values;
  }
  if (slot.layout != SlotLayout::kTransposed) return stacked;
  transpose(stacked.data(), total_rows, cols_in(slot.parts.front()), values.data());
  return values;
}

}  // namespace headroom
