#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace headroom::gl {

enum class Tuning {
  kByRule,    ///< the shape that this kind of device is expected to like; nothing is timed
  kMeasured,  ///< candidate shapes are timed on the first problem of each class, see tuner.h
};

/// How the kernels of one backend or layer are chosen and cut.
struct GpuOptions {
  Tuning tuning = Tuning::kByRule;
  /// Remembers what was measured, per device and driver (JSON). Empty: only as long as the object lives.
  std::filesystem::path tuning_file = {};
  /// Names of FusedShape and ProjectionShape to use whatever the device, see their name(). Empty: chosen by `tuning`.
  std::string attention_shape = {}, projection_shape = {};
  /// Dispatches are cut to about this long, so that a window on the same GPU stays responsive and a request to stop is heard.
  double dispatch_ms = 15;
  /// Floating-point operations of one dispatch instead, whatever it takes: to see calls cut.
  std::optional<double> dispatch_flops = {};
  /// Time that choosing for one class may take; what was not timed by then is not a candidate.
  double tuning_ms = 2000;
};

}  // namespace headroom::gl
