#pragma once

#include "app/views/context.h"

namespace headroom {

/// The session's text is too long for a box: it has a card instead. A box that is being typed in stays one a while longer.
bool is_document(const Frame& frame);

/// How a long text begins, how much there is of it, and what can be done with it.
void draw_document_card(const Frame& frame);

}  // namespace headroom
