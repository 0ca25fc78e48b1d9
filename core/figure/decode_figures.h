#pragma once

#include "core/figure/views.h"
#include "core/session/decode_requests.h"

namespace headroom {

// The Decode stage's pictures. `state` is what was asked for and found, as far as it is; what belongs to another session says so.

/// One text token by token: the tokens, what the step looked at computed with the cache and without, time over position, the cache itself,
/// its bytes by layer and head, and the newest token's attention over it.
Figure decode_figure(const FigureInput& input, const DecodeState& state);
/// Many requests that share a memory: reserved stretches beside pages, over the steps.
Figure batch_figure(const FigureInput& input, const DecodeState& state);
/// Loss over bytes of each way to keep less.
Figure quality_figure(const FigureInput& input, const DecodeState& state);

}  // namespace headroom
