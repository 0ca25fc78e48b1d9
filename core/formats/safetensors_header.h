#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/formats/safetensors.h"

namespace headroom {

struct SafetensorsHeader {
  std::vector<TensorEntry> tensors;  ///< in the order of their bytes
  std::map<std::string, std::string> metadata;
};

/// Parses the JSON of a header and checks that its tensors tile `data_bytes` bytes exactly.
/// Errors  Error that begins with `where`, names the tensor and says what would be right.
/// Source  the format's reference parser, rules R1-R12: each name once, offsets without hole or overlap, sizes as shape × type.
SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_bytes, const SafetensorsLimits& limits,
                                           const std::string& where);

/// "[4096, 1024]", as of a tensor in memory.
std::string shape_text(const TensorEntry& entry);

/// "a Git LFS pointer, …": what a file that is no safetensors file is by its first bytes, or "".
std::string foreign_format(std::string_view first_bytes);

}  // namespace headroom
