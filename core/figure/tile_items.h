#pragma once

#include <cstdint>

#include "core/figure/canvas.h"
#include "core/figure/color_scale.h"
#include "core/figure/head_window.h"

namespace headroom {

/// A head's tile as the session wants it seen. At most one cell a logical pixel; small sentences get a cell for each pair.
/// The colour range is [0, 1] for probabilities; scores get theirs by set_value_range.
AttentionTile make_tile(const FigureInput& input, const HeadRef& head, const Rect& rect, const TokenWindow& window);

/// The whole head in a small picture. Of a long text it is the snapshot's thumbnail, or as many cells from sampled rows (its request says
/// so): a small picture is not worth evaluating billions of pairs.
AttentionTile make_overview_tile(const FigureInput& input, const HeadRef& head, const Rect& rect);

/// Sets value_min and value_max to what the whole head spans, whatever part of it is seen: for scores the smallest and the largest, for
/// probabilities without the first token the largest of the rest. Long texts are sampled. Returns whether they were.
enum class Sampling { kExact, kSampled };
Sampling set_value_range(AttentionTile& tile, const Snapshot& snapshot);

/// What a head's picture shows: the session's wish, but probabilities where a capture has no scores.
Quantity shown_quantity(const FigureInput& input, const HeadRef& head);

bool is_pruned(const Session& session, const HeadRef& head);
/// Whether the snapshot's pass has this head at all (the session may be ahead of it).
bool exists(const Snapshot& snapshot, const HeadRef& head);
bool is_pruned_in(const Snapshot& snapshot, const HeadRef& head);
/// Why such a head is not there: "pruned: removed from the model", or that a capture does not hold it.
std::string why_absent(const Snapshot& snapshot);

/// Whether rows of a capture that were looked at hold NaN.
bool holds_not_numbers(const Snapshot& snapshot);

/// The part of `grid` that lies inside `viewport`, in whole cells. Empty rectangle: nothing.
CellGrid trimmed(const CellGrid& grid, const Rect& viewport);

Rect intersection(const Rect& a, const Rect& b);

}  // namespace headroom
