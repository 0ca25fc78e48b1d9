#include "core/formats/text_pattern.h"

#include <algorithm>
#include <utility>

#include "core/formats/byte_level.h"
#include "core/formats/file.h"
#include "core/formats/regex.h"
#include "core/formats/split_words.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::size_t kMaxPatternBytes = 16u << 10;

class CharacterPattern : public TextPattern {
 public:
  explicit CharacterPattern(bool (*is_match)(char32_t)) : is_match_(is_match) {}
  void find(const Glyphs& text, GlyphRange part, std::vector<PatternPiece>& pieces, const std::stop_token&) const override {
    std::size_t done = part.begin;
    for (std::size_t i = part.begin; i < part.end; ++i) {
      if (!is_match_(text[i].code_point)) continue;
      if (done < i) pieces.push_back({{done, i}, false});
      pieces.push_back({{i, i + 1}, true});
      done = i + 1;
    }
    if (done < part.end) pieces.push_back({{done, part.end}, false});
  }

 private:
  bool (*is_match_)(char32_t);
};

class LiteralPattern : public TextPattern {
 public:
  explicit LiteralPattern(std::u32string literal) : literal_(std::move(literal)) {}
  void find(const Glyphs& text, GlyphRange part, std::vector<PatternPiece>& pieces, const std::stop_token&) const override {
    const std::size_t n = literal_.size();
    std::size_t done = part.begin;
    for (std::size_t i = part.begin; n > 0 && i + n <= part.end;) {
      if (!stands_at(text, i)) {
        ++i;
        continue;
      }
      if (done < i) pieces.push_back({{done, i}, false});
      pieces.push_back({{i, i + n}, true});
      done = i += n;
    }
    if (done < part.end) pieces.push_back({{done, part.end}, false});
  }

 private:
  bool stands_at(const Glyphs& text, std::size_t at) const {
    for (std::size_t i = 0; i < literal_.size(); ++i)
      if (text[at + i].code_point != literal_[i]) return false;
    return true;
  }

  std::u32string literal_;
};

/// A splitter that leaves nothing out: every word is a match.
class WordPattern : public TextPattern {
 public:
  using Splitter = void (*)(const Glyphs&, GlyphRange, std::vector<GlyphRange>&);
  explicit WordPattern(Splitter split) : split_(split) {}
  void find(const Glyphs& text, GlyphRange part, std::vector<PatternPiece>& pieces, const std::stop_token&) const override {
    std::vector<GlyphRange> words;
    split_(text, part, words);
    pieces.reserve(pieces.size() + words.size());
    for (const GlyphRange& word : words)
      pieces.push_back({word, true});
  }

 private:
  Splitter split_;
};

class RegexPattern : public TextPattern {
 public:
  explicit RegexPattern(Regex regex) : regex_(std::move(regex)) {}
  void find(const Glyphs& text, GlyphRange part, std::vector<PatternPiece>& pieces, const std::stop_token& stop) const override {
    std::size_t done = part.begin;
    regex_.find_all(
        text, part,
        [&](GlyphRange match) {
          if (done < match.begin) pieces.push_back({{done, match.begin}, false});
          pieces.push_back({match, true});
          done = match.end;
        },
        stop);
    if (done < part.end) pieces.push_back({{done, part.end}, false});
  }

 private:
  Regex regex_;
};

/// The expressions that are run by hand.
constexpr std::pair<std::string_view, WordPattern::Splitter> kKnown[] = {
    {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", split_byte_level},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     split_three_digits},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     split_one_digit},
};

}  // namespace

std::unique_ptr<TextPattern> make_character_pattern(bool (*is_match)(char32_t)) {
  return std::make_unique<CharacterPattern>(is_match);
}

std::unique_ptr<TextPattern> make_literal_pattern(std::u32string literal) {
  return std::make_unique<LiteralPattern>(std::move(literal));
}

std::unique_ptr<TextPattern> read_pattern(const JsonValue* json, const ComponentPlace& place) {
  const JsonValue* literal = json == nullptr ? nullptr : json->find("String");
  const JsonValue* regex = json == nullptr ? nullptr : json->find("Regex");
  const JsonValue* text = literal != nullptr ? literal : regex;
  if (text == nullptr || !text->is(JsonValue::Type::kString))
    throw Error(at(place) + " needs a \"pattern\" with a text \"String\" or \"Regex\"");
  if (text->string.size() > kMaxPatternBytes)
    throw Error(at(place) + " has a pattern of " + counted(text->string.size(), "byte") + ", more than the limit of " +
                with_thousands(kMaxPatternBytes));
  if (literal != nullptr) return make_literal_pattern(to_utf32(literal->string));
  for (const auto& [expression, split] : kKnown)
    if (regex->string == expression) return std::make_unique<WordPattern>(split);
  return std::make_unique<RegexPattern>(Regex(regex->string, at(place)));
}

SplitBehavior read_behavior(const JsonValue* json, const ComponentPlace& place) {
  static constexpr std::pair<const char*, SplitBehavior> kNames[] = {{"Removed", SplitBehavior::kRemoved},
                                                                     {"Isolated", SplitBehavior::kIsolated},
                                                                     {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
                                                                     {"MergedWithNext", SplitBehavior::kMergedWithNext},
                                                                     {"Contiguous", SplitBehavior::kContiguous}};
  if (json == nullptr) return SplitBehavior::kIsolated;
  for (const auto& [name, behavior] : kNames)
    if (json->is(JsonValue::Type::kString) && json->string == name) return behavior;
  throw Error(at(place) + " has the behavior " + describe(*json) +
              ", which is none of Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous");
}

void join_pieces(const std::vector<PatternPiece>& pieces, SplitBehavior behavior, std::vector<GlyphRange>& words) {
  const std::size_t first = words.size();
  // Of a run of matches only the one that touches its neighbour goes with it; the others stand alone.
  bool was_match = false;
  if (behavior == SplitBehavior::kMergedWithNext) {
    for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) {
      if (piece->is_match && !was_match && words.size() > first) {
        words.back().begin = piece->range.begin;
      } else {
        words.push_back(piece->range);
      }
      was_match = piece->is_match;
    }
    std::reverse(words.begin() + static_cast<std::ptrdiff_t>(first), words.end());
  } else {
    for (const PatternPiece& piece : pieces) {
      if (behavior == SplitBehavior::kRemoved && piece.is_match) continue;
      const bool joins = (behavior == SplitBehavior::kContiguous && piece.is_match == was_match) ||
                         (behavior == SplitBehavior::kMergedWithPrevious && piece.is_match && !was_match);
      if (joins && words.size() > first) {
        words.back().end = piece.range.end;
      } else {
        words.push_back(piece.range);
      }
      was_match = piece.is_match;
    }
  }
  words.erase(std::remove_if(words.begin() + static_cast<std::ptrdiff_t>(first), words.end(),
                             [](const GlyphRange& word) { return word.begin == word.end; }),
              words.end());
}

}  // namespace headroom
