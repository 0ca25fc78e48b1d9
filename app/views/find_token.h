#pragma once

#include "app/views/context.h"

namespace headroom {

/// Opens the search field, if it is not there, and gives it the keyboard.
void open_find(const Frame& frame);

enum class FindField { kWhenOpened, kAlways };
/// The search field over the tokens, with how many were found and steps to the next and the previous one. Each step chooses that token's
/// row and brings it into view.
void draw_find_token(const Frame& frame, FindField when);

/// Whether the search that is going on found this token.
bool is_found_token(const Frame& frame, std::int64_t token);

}  // namespace headroom
