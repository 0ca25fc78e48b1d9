#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/session/cards.h"

namespace headroom {

struct Frame;
struct Rect;

/// What the Card stage keeps between frames: text fields, scroll, and the order of its table.
struct CardScratch {
  enum class Page { kCard, kTensors } page = Page::kCard;
  enum class Rows { kTensors, kLayers } rows = Rows::kTensors;
  enum class Column { kName, kDtype, kShape, kElements, kBytes, kFile } sorted_by = Column::kName;
  bool is_descending = false, is_sorted = false;  ///< not sorted: as they lie in the file
  std::array<char, 128> search{};                 ///< of the library
  std::array<char, 256> filter{};                 ///< of tensors' names
  CardState seen;                                 ///< to count changes
  std::uint64_t version = 0;

  /// A line of the table: a tensor, or all tensors of a layer.
  struct Line {
    std::string name, dtype, shape;
    std::uint64_t elements = 0, bytes = 0;
    std::uint32_t file = 0, n_tensors = 1;
    std::int64_t layer = -1;
    std::size_t stem = 0;  ///< bytes of the name before its layer's number; all of it where it has none
  };
  std::vector<Line> lines;
  std::shared_ptr<const TensorListing> listed;  ///< what `lines` were made of
  std::string listed_filter;
  Rows listed_rows = Rows::kTensors;
  std::uint64_t listed_bytes = 0, listed_elements = 0, listed_tensors = 0;
};

/// The rail of the Card stage: which card, compared with which, for how many tokens.
void draw_card_rail(const Frame& frame);
/// The table of tensors.
void draw_card_tensors(const Frame& frame, const Rect& area);

}  // namespace headroom
