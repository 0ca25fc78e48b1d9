#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "core/formats/config_reader.h"

namespace headroom {

// Fields of a config.json in every spelling that families use (the attribute maps of the reference library).

using FieldNames = std::initializer_list<const char*>;

/// The integer under whichever name the file gives it. Errors  Error also when two names are given and differ.
std::optional<std::int64_t> find_integer(const ConfigReader& reader, FieldNames names, ConfigReader::Range range);
/// The text under `name`, or "". Errors  Error when it is something else.
std::string find_text(const ConfigReader& reader, const char* name);
/// Does any of the names hold something?
bool has_any(const ConfigReader& reader, FieldNames names);

/// What rotary positions ask for, checked: half of each head rotates, so the rotated part must be even.
/// Answers sentences worth telling, e.g. a scaling that is not known. Errors  Error for a part outside (0, 1], an odd number of rotated
/// coordinates, a factor that is missing or not positive, a list of the wrong length.
std::vector<std::string> check_rotary(const ConfigReader& reader, std::int64_t d_head, double own_part);

/// The kinds of the layers as layer_types lists them; empty without the field. Errors  Error unless it holds n_layers names.
std::vector<std::string> layer_types(const ConfigReader& reader, std::int64_t n_layers);

/// Quantised parameters or code of its own: why such a model is not run. "" when neither is there.
std::string find_not_run(const ConfigReader& reader);

}  // namespace headroom
