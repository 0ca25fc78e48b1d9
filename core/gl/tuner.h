#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/gl/context.h"
#include "core/gl/options.h"

namespace headroom::gl {

/// What was found fastest for one class of problems.
struct TunedShape {
  std::string shape;
  double ms = 0;  ///< milliseconds of its sample, as measured then
  bool operator==(const TunedShape&) const = default;
};
using TunedShapes = std::map<std::string, TunedShape>;  ///< by class of problems

/// The shapes remembered for a device. Empty when the file is missing, broken or not of this kind.
TunedShapes read_tuning(const std::filesystem::path& file, const std::string& device);
/// Adds them to the file, whole or not at all; other devices' stay, a broken file is replaced.
/// Returns whether it was written: a folder that cannot be written is no error, the choice is then only forgotten.
bool write_tuning(const std::filesystem::path& file, const std::string& device, const TunedShapes& shapes);

/// Picks one of several kernels for a class of problems by timing them on the first such problem, and remembers the pick per device and
/// driver. Before they are timed, candidates show that they compute right.
class Tuner {
 public:
  Tuner(const DeviceFacts& facts, const GpuOptions& options);

  /// Index of the candidate to use. `time_ms` checks and times one, and answers nothing when it does not compile or computes wrong.
  /// Not before the first candidate that works, it stops when options.tuning_ms are over. With Tuning::kByRule the answer is 0.
  /// Errors  Error when no candidate works; whatever else `time_ms` throws.
  std::size_t choose(const std::string& problem, const std::vector<std::string>& candidates,
                     const std::function<std::optional<double>(std::size_t)>& time_ms);
  const std::string& device() const { return device_; }

 private:
  GpuOptions options_;
  std::string device_;  ///< renderer and driver version: another driver compiles otherwise
  bool is_read_ = false;
  TunedShapes shapes_;
};

}  // namespace headroom::gl
