#pragma once

#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/formats/safetensors_stream.h"
#include "core/session/snapshot.h"

namespace headroom {

struct CaptureWriting {
  enum class Numbers { kFloat32, kFloat16 } numbers = Numbers::kFloat32;
  /// Whether every probability is written too: n² numbers a head, row by row. A layer whose q and k are not there has them always.
  enum class Probs { kLeftOut, kWritten } probs = Probs::kLeftOut;
  std::vector<std::int64_t> layers;  ///< ascending; empty: all
  std::function<void(double)> progress;
  std::stop_token stop;
};

/// Writes what a snapshot's heads computed as a capture that this program opens again: for each layer l q.l [queries, heads, d_k], k.l and v.l
/// [keys, kv_heads, d_k], logsumexp.l [heads, queries] (of float32 alone), with Probs also attn.l [heads, queries, keys] (0 where masked); input_ids, logits
/// where there are any, and tokens, text, mask and scale as metadata. A layer is written at a time, so that memory stays as it is.
/// Returns the tensors that were written. Errors  Error when a layer does not exist or the file cannot be written; Cancelled.
std::vector<TensorToWrite> write_capture(const Snapshot& snapshot, const std::filesystem::path& path, const CaptureWriting& wanted);

}  // namespace headroom
