#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/corpus/bpe_trainer.h"

namespace headroom {

/// A text cut into words as a byte-level tokenizer cuts them.
struct TextWords {
  std::vector<CountedWord> words;    ///< each once, in order of first appearance; their bytes lie in the text
  std::vector<std::uint32_t> order;  ///< the text as indices into words
};

/// Shapes  text: valid UTF-8. It is read in stretches, so memory is in proportion to the words.
/// Errors  Cancelled.
TextWords count_words(std::string_view text, const std::function<void(double share)>& on_progress, std::stop_token stop);

}  // namespace headroom
