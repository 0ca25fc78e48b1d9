#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/formats/vocabulary.h"

namespace headroom {

inline constexpr std::size_t kMaxNearestWordLength = 64;  ///< code points; a longer word has no neighbours

/// The up to n entries nearest to `word`: by edit distance, then the same first letter, then the nearer length, then the id.
/// Edge  The distance allowed grows with the word: 1 up to two letters, 2 up to five, then 3. Punctuation is no neighbour of a word.
std::vector<std::string> find_nearest_words(std::u32string_view word, const Vocabulary& vocabulary,
                                            std::span<const std::int32_t> left_out, std::size_t n);

}  // namespace headroom
