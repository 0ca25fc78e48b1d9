#pragma once

#include "core/figure/views.h"
#include "core/session/cards.h"

namespace headroom {

/// The Card stage: what a configuration tells of a model, with the arithmetic of each number; of two cards, side by side.
Figure card_figure(const FigureInput& input, const CardState& state);

}  // namespace headroom
