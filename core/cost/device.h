#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/kv_cache/kv_type.h"

namespace headroom {

class ThreadPool;

/// Where a figure comes from: arithmetic on known numbers, a clock on this machine, a maker's data sheet, or a model with assumptions.
enum class Basis { kComputed, kMeasured, kCited, kEstimated };
const char* basis_name(Basis basis);  ///< "computed", "measured", "data sheet", "estimated"

/// What a model is served on: one accelerator, or one machine that computes on its processor.
struct Device {
  std::string id;    ///< "h100-sxm", "this-machine"
  std::string name;  ///< "NVIDIA H100 SXM"
  double memory_bytes = 0;
  double usable_share =
      0.9;               ///< of it for weights, K/V and activations; the rest is left to the driver and the runtime (an assumption)
  double bandwidth = 0;  ///< B/s that the memory gives at best
  double flops_float32 = 0;  ///< FLOP/s at best, dense, a multiply-add counting two
  double flops_16 = 0;       ///< the same with 16-bit operands (float16, bfloat16) and sums in float32
  double flops_int8 = 0;     ///< the same with int8 operands; 0: not told
  double link = 0;           ///< B/s that one device can send to others of its kind in one direction; 0: not told
  Basis basis = Basis::kCited;
  std::string source;  ///< a citation, or how it was measured
  std::string note;    ///< what is worth knowing beside; may be empty

  bool operator==(const Device&) const = default;
};

inline constexpr const char* kThisMachine = "this-machine";

/// FLOP/s for weights of such a type: integers that only weights are kept in are widened first, so they compute as 16 bits do.
double peak_flops(const Device& device, KvType weights);

/// The machine that this program runs on: multiply-adds and reading are timed on every thread of the pool for about `seconds` each, memory
/// is what is free now. Its bandwidth is the better of two orders of reading a block much larger than the caches.
Device measure_this_machine(ThreadPool& pool, double seconds = 0.3);

/// nullptr when there is none.
const Device* find_device(const std::vector<Device>& devices, std::string_view id);

}  // namespace headroom
