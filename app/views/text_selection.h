#pragma once

#include <cstdint>

#include "app/views/context.h"

namespace headroom {

/// Is this token part of what is selected in a sentence box?
bool is_selected_in_text(const Frame& frame, std::int64_t token);

/// Selecting words in a sentence box chooses the row of their last token, once the selection is made. After the boxes.
void follow_text_selection(const Frame& frame);

}  // namespace headroom
