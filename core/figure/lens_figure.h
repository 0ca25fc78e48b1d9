#pragma once

#include <string>

#include "core/figure/views.h"
#include "core/session/requests.h"

namespace headroom {

/// Layers × most probable words at the chosen token, shaded by probability, and the rank of the model's own answer at each layer.
/// Without a lens of this token: a sentence why, or that it is on its way.
Figure lens_figure(const FigureInput& input, const LensState& state);

/// The token that the lens is about: the chosen one, else the last.
std::int64_t lens_token(const View& view, const Snapshot& snapshot);

/// One sentence why no token of this text has a lens; "" where they have.
std::string why_no_lens(const Snapshot& snapshot);

}  // namespace headroom
