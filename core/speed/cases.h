#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/speed/measuring.h"

namespace headroom {

/// Something that everybody times, by name.
struct SpeedCase {
  enum class Kind {
    kAttention,  ///< config: held against the FMA peak
    kDecode,     ///< config with one query: held against the reads of K and V
    kProduct,    ///< rows x depth times depth x width: held against the FMA peak
  };
  std::string name;  ///< "gpt2-1024"
  std::string what;  ///< "GPT-2 layer, 12 heads of 64, 1,024 tokens, causal"
  Kind kind = Kind::kAttention;
  AttentionConfig config;                       ///< of kAttention and kDecode
  std::int64_t rows = 0, depth = 0, width = 0;  ///< of kProduct
};

/// bert-128, gpt2-1024, gqa-1024, long-4096, decode-4096, gemm-768, gemm-128.
const std::vector<SpeedCase>& speed_cases();
/// Errors  Error naming all cases and the nearest one.
const SpeedCase& find_speed_case(const std::string& name);
/// The same kind of case for a shape of one's own: kDecode for one query over many keys. Named "custom".
SpeedCase make_speed_case(const SpeedShape& shape);

/// What computes a case: "flash" (the engine's own SIMD kernels; of products the packed one), "naive" (Eigen, scores materialised),
/// "reference" (plain loops in double), "linear" (linear attention: another function, so never by default), "gl" (OpenGL).
const std::vector<std::string>& speed_backends();

/// Floating-point operations of a case: 4 · visible pairs · heads · d_head, or 2 · rows · depth · width. A multiply-add counts two.
double flops_of(const SpeedCase& c);
double attention_flops(const AttentionConfig& config);
/// Bytes of K and V that every decoded token reads.
double kv_bytes_of(const AttentionConfig& config);

/// One figure: a case on a backend, beside the machine's own limit, measured in turns.
struct SpeedRow {
  std::string name;     ///< of the case
  std::string backend;  ///< "flash"
  int threads = 1;      ///< 0 for the GPU
  double ms = 0;        ///< median of the rounds, one call
  double gflops = 0;    ///< GFLOP/s: flops_of / ms; of linear attention its own work
  /// Median of the rounds' own ratios, percent. Unset where no limit could be measured.
  std::optional<double> percent_of_limit;
  std::string limit;  ///< "FMA peak", "cache read" (K and V read again and again), "memory read" (caches in rotation, >= 512 MB)
  double limit_value = 0;      ///< median, in limit_unit
  std::string limit_unit;      ///< "GFLOP/s" or "GB/s"
  std::string storage;         ///< of K and V: "float32", "float16", "bfloat16"
  std::optional<double> gbps;  ///< of kDecode: bytes of K and V a second
  int rounds = 0;
  std::string clock;         ///< "thread": processor time of the only thread; "wall"; "gpu": its timestamps
  double largest_error = 0;  ///< against the reference on a small shape of the same kind, measured before
};

struct CaseRequest {
  std::vector<std::string> backends;  ///< of speed_backends(); empty: flash, naive, and gl where there is one
  std::vector<std::string> left_out;  ///< of the default ones
  /// Of K and V in rotation for "memory read".
  double memory_bytes = 512e6;
};

/// Measures a case on the asked backends in turns, each checked against the reference first.
/// Decoding gives several rows for flash: K and V stored as float32, float16 and bfloat16, each from cache and from memory.
/// Errors  Error when a backend is wrong (it is not timed), is unknown or cannot run it; Cancelled.
std::vector<SpeedRow> measure_case(const SpeedCase& c, const CaseRequest& request, const SpeedTools& tools);

}  // namespace headroom
