#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/model/shape.h"
#include "core/tensor/tensor.h"

namespace headroom {

/// One of the model's tensors as a part of a tensor in a file.
struct TensorPart {
  Tensor* tensor = nullptr;
  std::vector<std::int64_t> shape;  ///< of the model's tensor: [rows, cols] or [size]
};

/// How a tensor of a file is made of its parts.
enum class SlotLayout {
  kStacked,      ///< the parts one below another
  kTransposed,   ///< the same, columns and rows exchanged: GPT-2's Conv1D
  kInterleaved,  ///< n_blocks blocks, each of as many rows of the first part, then of the next ...: GPT-NeoX's q, k, v of each head
  kOneLess,      ///< one part, from each of whose values the file has taken 1: Gemma's norms
  kZeros,        ///< no part; every value must be zero, for the model has no place for another
  kNoneIfZero,   ///< one part, which stays empty where every value is zero, and is written as zeros then: BERT's token types
  kCopy,         ///< one part that another slot reads: written for programs that look for it, never read
  kSame          ///< the same, but where a file has it, it must not differ from what was read before
};

/// One tensor that a configuration implies, and where its values go.
struct TensorSlot {
  std::string name;                 ///< without the family's prefix
  std::vector<std::int64_t> shape;  ///< in the file; kAnyRows in the first place: any number
  /// Other names of the same tensor, one of which a file may have in its place: tied embeddings are written once.
  std::vector<std::string> other_names;
  std::vector<TensorPart> parts;
  SlotLayout layout = SlotLayout::kStacked;
  std::int64_t n_blocks = 1;      ///< of kInterleaved: the rows of each part are a multiple of it
  std::int64_t skipped_rows = 0;  ///< rows of the file before the parts' first: BART's two positions that no token has
  bool has_prefix = true;         ///< false: the name is whole, whatever the others begin with

  /// A slot of one part that lies in the file as in the model.
  static TensorSlot plain(std::string name, std::vector<std::int64_t> shape, Tensor& tensor);
  /// A slot of kZeros.
  static TensorSlot zeros(std::string name, std::vector<std::int64_t> shape);
  /// The bias that an MLP adds at its end, [d_model]: kZeros in a model without MLPs.
  static TensorSlot mlp_bias(std::string name, const ModelShape& shape, Tensor& tensor);
};

inline constexpr std::int64_t kAnyRows = -1;

/// Rows of the slot's matrix (columns where it is kTransposed; entries of a vector) that lie together in a part, in the matrix's order.
struct SlotRun {
  std::int64_t begin = 0;  ///< in the matrix, skipped rows counted
  std::int64_t n = 0;
  std::size_t part = 0;
  std::int64_t part_begin = 0;
};
std::vector<SlotRun> slot_runs(const TensorSlot& slot);

/// The values to write, widened, in the slot's shape with kAnyRows as the part's rows, or as kWrittenAnyRows where the part is empty.
/// Errors  ShapeError when a part has another shape.
Tensor slot_values(const TensorSlot& slot);
inline constexpr std::int64_t kWrittenAnyRows = 2;

}  // namespace headroom
