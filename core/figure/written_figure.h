#pragma once

#include "core/figure/views.h"

namespace headroom {

/// The tokens that the model wrote, each with its probability; a click chooses the row that wrote it. On a page also the alternatives of each
/// step.
Figure written_figure(const FigureInput& input);

/// Why this model cannot write on after this text, in one sentence; empty where it can.
std::string why_not_writing(const Snapshot& snapshot);

}  // namespace headroom
