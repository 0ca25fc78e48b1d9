#pragma once

#include <string>
#include <vector>

#include "core/formats/config_reader.h"
#include "core/formats/family.h"

namespace headroom {

/// How a family's config.json tells its rotary positions. Two dialects are read in all families: rope_theta beside rope_scaling (or null), and
/// all of it in rope_parameters, which may hold one such object for each kind of layer.
struct RopeDialect {
  const char* theta = "rope_theta";             ///< a further name of rope_theta
  const char* share = "partial_rotary_factor";  ///< a further name of partial_rotary_factor
  double absent_share = 1;
  bool turns_part = false;  ///< whether partial_rotary_factor is read; else it must be 1
  /// Phi-3: "su" and "yarn" mean longrope, there is no other scaling, and the original length is this where the file says nothing.
  std::int64_t longrope_original = 0;
};

/// Fills rope_theta, rotary_share and rope_scaling; config.shape and windows are there already.
/// Errors  Error naming the field: a type that is not known, a factor that is missing, 0 or of the wrong length, two fields that mean the
///         same and differ, other rotary positions in some layers than in others.
void read_rope(const ConfigReader& reader, const RopeDialect& dialect, ModelConfig& config);

/// The members of config.json that read_rope reads back.
std::vector<ConfigMember> rope_members(const RopeDialect& dialect, const ModelConfig& config);

}  // namespace headroom
