#pragma once

#include <cstddef>

#include "core/attention/mask.h"
#include "core/session/snapshot.h"

namespace headroom {

/// The boxes that texts are typed into: the sentence (an encoder-decoder's source), and the second one (its target).
enum class TextBox { kFirst, kSecond };

/// The shown tokens [begin, end) that stand for some of the bytes [first, last) of a box's text, from the first such token to the last; empty
/// when there is none, as of a text whose tokens the shown stack does not have.
KeyRange tokens_of_selection(const Snapshot& snapshot, TextBox box, std::size_t first, std::size_t last);

}  // namespace headroom
