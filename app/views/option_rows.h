#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace headroom {

/// The spaces that may lie between two options, and by how much the first may be narrower. Units  the same as the widths'.
struct OptionSpaces {
  float wide = 14, tight = 8, give = 0;
};

/// How options of these widths lie in a row below the tabs.
struct OptionRows {
  float space = 0;                ///< between two of them
  float less = 0;                 ///< what the first of them gives up of its width
  std::size_t second = SIZE_MAX;  ///< the option that begins a second row
};

/// Widths and the spaces between them. Edge  nothing: 0.
float row_width(std::span<const float> widths, float space);

/// One row, with tighter spaces and a narrower first option if it must be; else two of about the same length, so that none is left alone at the end.
/// Edge  a row that is still too long is for the caller to break.
OptionRows rows_for(std::span<const float> widths, float room, const OptionSpaces& spaces);

}  // namespace headroom
