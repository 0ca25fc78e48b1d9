#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/cost/card.h"
#include "core/cost/device.h"
#include "core/kv_cache/kv_type.h"

namespace headroom {

/// Reading whole texts at once, or one more token of each text beside keys and values that were kept.
enum class PassKind { kPrefill, kDecode };
/// Which rows of a prefill get logits: a server needs the last one, a loss needs all.
enum class LogitRows { kLast, kEvery };

struct PassPlan {
  PassKind kind = PassKind::kPrefill;
  /// Prefill: tokens of each text. Decode: tokens that the new one sees, itself among them. In [1, kMaxCardContext].
  std::int64_t context = 1;
  std::int64_t batch = 1;  ///< texts at once
  KvType weights = KvType::kFloat16, kv = KvType::kFloat16;
  KvType activations = KvType::kFloat16;  ///< rows between steps: kFloat32, kFloat16 or kBFloat16
  std::int64_t tensor_parallel = 1;       ///< devices that each layer is split over
  LogitRows logits = LogitRows::kLast;

  bool operator==(const PassPlan&) const = default;
};

/// What materialised scores would take instead: every pair is computed, hidden ones too, and every query head reads K and V itself.
struct NaiveCost {
  double attention_flops = 0;
  double kv_read_bytes = 0;
  double score_bytes = 0;  ///< held at once: float32 scores of one layer, of all heads and texts
  double score_traffic_bytes =
      0;  ///< written by q·k, read and written by the softmax, read by the sum of v: four times each layer's

  bool operator==(const NaiveCost&) const = default;
};

/// What one pass takes of one of the devices that share it (the one with the largest part). Units  B and FLOP, a multiply-add counting two; whole numbers that are
/// exact below 2^53 = 9.0e15, and above to 16 digits.
struct PassCost {
  double parameters = 0;         ///< of the whole model
  double active_parameters = 0;  ///< those that one token meets
  double weight_bytes = 0;       ///< held: matrices as stored with their scales, norms and biases
  double weight_read_bytes = 0;  ///< matrices that the pass multiplies by, each once
  double linear_flops = 0;       ///< of every matrix product with weights
  double row_bytes = 0;          ///< rows that linear layers read and write
  double attention_flops = 0;    ///< of q·k and the sum of v over the pairs that the mask keeps
  double query_bytes = 0;        ///< of q, read, and of attention's result, written
  double kv_bytes = 0;           ///< held after the pass, of all texts; a layer with a window keeps its last tokens
  double kv_read_bytes = 0;      ///< each K/V head's rows that are seen, once
  double kv_written_bytes = 0;   ///< rows that are new in the cache
  double activation_bytes = 0;   ///< held at once beside weights and cache, had each layer the buffers of the one before
  double logsumexp_bytes = 0;    ///< all that fused attention keeps instead of scores: a float32 for each row and head of one layer
  double exchange_bytes = 0;     ///< sent by this device to others: ring all-reduces
  NaiveCost naive;
  double pairs = 0;         ///< query-key pairs that the mask keeps, of all layers, heads and texts
  double rows = 0;          ///< tokens that go through the layers: batch · context, or batch
  double experts_read = 0;  ///< experts of a layer that some row meets, expected of even and independent routing; exact of one row

  double flops() const { return linear_flops + attention_flops; }
  /// Bytes between memory and processor: weights, rows, K and V, q and results. Norms and other steps element by element are not counted.
  double traffic() const { return weight_read_bytes + row_bytes + query_bytes + kv_read_bytes + kv_written_bytes; }
  double intensity() const { return traffic() > 0 ? flops() / traffic() : 0; }  ///< FLOP/B

  bool operator==(const PassCost&) const = default;
};

/// Stated assumptions that a pass's figures rest on, a sentence each.
std::vector<std::string> pass_assumptions(const ModelCard& card, const PassPlan& plan);

/// Of an encoder a prefill alone. Of an encoder-decoder a prefill is the encoder's whole text, the decoder's K and V of it, and the decoder's first token; a step of decoding
/// sees `context` tokens of either side.
/// Errors  Error in one sentence when the card does not tell enough, or an encoder is to decode.
PassCost pass_cost(const ModelCard& card, const PassPlan& plan);

/// Bytes of a matrix of weights [rows, cols] as they are kept: integers with one float16 scale for each 128 values of a row.
double matrix_bytes(KvType type, std::int64_t rows, std::int64_t cols);
inline constexpr std::int64_t kWeightScaleGroup = 128;

/// One figure with its arithmetic: "KV cache" · "2 · 32 layers · 8 kv_heads · …" · "128.00 MiB".
struct CostLine {
  std::string key;  ///< "kv_bytes": as JSON names it
  std::string label, formula, result;
  double value = 0;
  std::string unit;  ///< "B", "FLOP", "s", "tokens/s", "FLOP/B", ""
  Basis basis = Basis::kComputed;

  bool operator==(const CostLine&) const = default;
};
/// The arithmetic of every figure, with its numbers. Errors  As pass_cost.
std::vector<CostLine> pass_lines(const ModelCard& card, const PassPlan& plan);

/// "1.50 TiB", "12 B": as bytes_text, with larger units.
std::string bytes_amount(double bytes);

}  // namespace headroom
