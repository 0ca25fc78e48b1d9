#pragma once

#include <span>
#include <string>
#include <vector>

namespace headroom {

/// Special tokens of a vocabulary of whole words.
struct WordTokenizerTokens {
  std::string bos;                   ///< put before each text; "" for nothing
  std::string unknown;               ///< for every other word
  std::vector<std::string> special;  ///< further ones, such as <mask>
};

/// tokenizer.json of whole words: small letters, cut at white space and around signs. words[id] is spelled so; all are different.
std::string word_tokenizer_json(std::span<const std::string> words, const WordTokenizerTokens& tokens);

}  // namespace headroom
