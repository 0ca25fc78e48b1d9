#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/formats/capture_file.h"
#include "core/formats/capture_names.h"

namespace headroom {

/// What an array holds of one layer: of each batch entry a block of `dims`, row-major.
struct ArrayPart {
  NumericArray array;
  std::int64_t first = 0;      ///< number where the layer's first entry begins
  std::int64_t n_entries = 1;  ///< of the batch
  std::int64_t per_entry = 0;  ///< numbers from one entry to the next; 0: no batch
  std::vector<std::int64_t> dims;

  std::int64_t begin_of(std::int64_t entry) const { return first + entry * per_entry; }
};

/// One layer as the file has it: full attention, or q and k to compute it from.
struct LayerPlan {
  std::optional<ArrayPart> attention;  ///< dims [heads, queries, keys]
  CaptureRole attention_is = CaptureRole::kProbs;
  std::optional<ArrayPart> q, k, v;  ///< dims [tokens, heads, d_k], or [heads, tokens, d_k]
  CaptureName::Axes axes = CaptureName::Axes::kTokensFirst;
  std::optional<ArrayPart> logsumexp;      ///< dims [heads, queries]
  std::optional<ArrayPart> position_bias;  ///< dims [heads, 2 * reach + 1]

  bool is_there() const { return attention || (q && k); }
  std::int64_t n_heads() const;
  std::int64_t n_kv_heads() const;  ///< n_heads where the file has no keys
  std::int64_t d_head() const;      ///< 0 where it has none
  std::int64_t seq_q() const;
  std::int64_t seq_k() const;
  std::int64_t n_entries() const;
  // Of q and k, where they are there.
  std::int64_t n_q_heads() const;
  std::int64_t seq_of_q() const;
  std::int64_t seq_of_k() const;
};

struct StackPlan {
  AttentionStack stack = AttentionStack::kSelf;
  std::vector<LayerPlan> layers;  ///< by number; of those that are not in the file nothing is there
  std::int64_t n_heads = 0, n_kv_heads = 0, d_head = 0, seq_q = 0, seq_k = 0, n_entries = 1;
};

/// What the arrays of a capture are.
struct CapturePlan {
  std::vector<StackPlan> stacks;     ///< those that the file has, self first
  std::vector<std::string> notices;  ///< how ambiguous axes were read, what is left out, missing layers; one sentence each

  const StackPlan* find(AttentionStack stack) const;
};

/// Reads names and shapes alone. The axes of an array of all layers are layers x heads x queries x keys; with five the batch comes first,
/// unless one of the first two dimensions is 1 (that is the batch), or metadata "axes" names them in order.
/// Errors  Error when the file holds no attention at all: it lists what it holds.
CapturePlan plan_capture(const CaptureFile& file);

/// Whether names or shapes make a file of arrays a capture rather than a model's weights. Never throws.
bool holds_attention(const CaptureFile& file);

}  // namespace headroom
