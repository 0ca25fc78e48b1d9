#pragma once

#include "app/views/context.h"

namespace headroom {

/// The chosen head lies in a layer that the snapshot does not have.
bool lacks_layer(const Frame& frame);

/// Under the picture of a long text whose deeper layers are not computed: what computing them would take, and the way to it; while they are
/// being computed, how far that is. Returns the height that it takes at the bottom of `area`, 0 when there is nothing to say.
double draw_depth_card(const Frame& frame, const Rect& area);

}  // namespace headroom
