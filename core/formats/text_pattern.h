#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/formats/glyphs.h"
#include "core/formats/tokenizer_pipeline.h"

namespace headroom {

struct PatternPiece {
  GlyphRange range;
  bool is_match = false;
};

/// What a Split or a Replace looks for.
class TextPattern {
 public:
  virtual ~TextPattern() = default;
  /// Appends the matches in `part` of the text and what lies between them, in order, without gaps; a match may be empty.
  /// Errors  Error when it takes too long; Cancelled.
  virtual void find(const Glyphs& text, GlyphRange part, std::vector<PatternPiece>& pieces, const std::stop_token& stop) const = 0;
};

/// A "pattern" member: {"String": …} or {"Regex": …}. The regular expressions of GPT-2, LLaMA 3 and Qwen2 have hand-written splitters; any
/// other one is run by ICU. Errors  Error when it is neither, longer than 16 KiB, or no valid expression.
std::unique_ptr<TextPattern> read_pattern(const JsonValue* json, const ComponentPlace& place);
/// Every single character that `is_match` picks.
std::unique_ptr<TextPattern> make_character_pattern(bool (*is_match)(char32_t));
/// A literal text. Edge  Empty: it matches nothing.
std::unique_ptr<TextPattern> make_literal_pattern(std::u32string literal);

/// What becomes of what a pattern matches.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };
SplitBehavior read_behavior(const JsonValue* json, const ComponentPlace& place);
/// Appends the words that the behaviour makes of the pieces; none is empty.
void join_pieces(const std::vector<PatternPiece>& pieces, SplitBehavior behavior, std::vector<GlyphRange>& words);

}  // namespace headroom
