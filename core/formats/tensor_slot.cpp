#include "core/formats/tensor_slot.h"

#include <algorithm>
#include <utility>

#include "core/tensor/error.h"

namespace headroom {
namespace {

std::int64_t rows_in(const TensorPart& part) { return part.shape.front(); }
std::int64_t cols_in(const TensorPart& part) { return part.shape.size() == 1 ? 1 : part.shape[1]; }

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

std::vector<SlotRun> slot_runs(const TensorSlot& slot) {
  std::vector<SlotRun> runs;
  std::int64_t at = slot.skipped_rows;
  const auto add = [&](std::size_t part, std::int64_t begin, std::int64_t n) {
    if (n > 0) runs.push_back({at, n, part, begin});
    at += n;
  };
  const std::int64_t n_blocks = slot.layout == SlotLayout::kInterleaved ? slot.n_blocks : 1;
  for (std::int64_t block = 0; block < n_blocks; ++block)
    for (std::size_t p = 0; p < slot.parts.size(); ++p) {
      const std::int64_t rows = rows_in(slot.parts[p]) / n_blocks;
      add(p, block * rows, rows);
    }
  return runs;
}

Tensor slot_values(const TensorSlot& slot) {
  std::vector<std::int64_t> shape = slot.shape;
  const bool has_rows = slot.layout == SlotLayout::kNoneIfZero && !slot.parts.front().tensor->empty();
  std::ranges::replace(shape, kAnyRows, has_rows ? slot.parts.front().tensor->dim(0) : kWrittenAnyRows);
  if (has_rows) return slot.parts.front().tensor->widened();
  Tensor values(shape);
  if (slot.layout == SlotLayout::kZeros || slot.layout == SlotLayout::kNoneIfZero) return values;
  for (const TensorPart& part : slot.parts) {
    const bool is_none = part.tensor->empty() && std::ranges::count(part.shape, 0) > 0;
    if (!is_none && part.tensor->shape() != part.shape)
      throw ShapeError("what " + slot.name + " is written from has shape " + shape_text(part.tensor->shape()) + " instead of " +
                       shape_text(part.shape));
  }
  const std::int64_t cols = cols_in(slot.parts.front());
  std::int64_t total_rows = 0;
  for (const TensorPart& part : slot.parts)
    total_rows += rows_in(part);
  for (const SlotRun& run : slot_runs(slot)) {
    const TensorPart& part = slot.parts[run.part];
    const Tensor wide = part.tensor->type() == FloatType::kFloat32 ? Tensor() : part.tensor->widened();
    const float* from = (wide.empty() ? *part.tensor : wide).data() + run.part_begin * cols;
    if (slot.layout == SlotLayout::kTransposed) {
      for (std::int64_t r = 0; r < run.n; ++r)
        for (std::int64_t c = 0; c < cols; ++c)
          values.data()[c * total_rows + run.begin + r] = from[r * cols + c];
    } else {
      std::copy_n(from, run.n * cols, values.data() + run.begin * cols);
    }
  }
  if (slot.layout == SlotLayout::kOneLess)
    for (float& value : values.span())
      value -= 1;
  return values;
}

}  // namespace headroom
