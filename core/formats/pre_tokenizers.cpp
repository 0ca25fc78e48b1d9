#include <algorithm>
#include <utility>

#include "core/formats/byte_level.h"
#include "core/formats/char_classes.h"
#include "core/formats/component_json.h"
#include "core/formats/file.h"
#include "core/formats/metaspace.h"
#include "core/formats/text_pattern.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// Cuts each word by a pattern.
class PatternPreTokenizer : public PreTokenizer {
 public:
  enum class Match { kDelimiter, kInverted };

  PatternPreTokenizer(std::unique_ptr<TextPattern> pattern, SplitBehavior behavior, Match match = Match::kDelimiter)
      : pattern_(std::move(pattern)), behavior_(behavior), match_(match) {}

  void apply(WordText& text, const std::stop_token& stop) const override {
    std::vector<PatternPiece> pieces;
    std::vector<GlyphRange> words;
    words.reserve(text.words.size());
    for (const GlyphRange& word : text.words) {
      pieces.clear();
      pattern_->find(text.glyphs, word, pieces, stop);
      if (match_ == Match::kInverted)
        for (PatternPiece& piece : pieces)
          piece.is_match = !piece.is_match;
      join_pieces(pieces, behavior_, words);
    }
    text.words = std::move(words);
  }

 private:
  std::unique_ptr<TextPattern> pattern_;
  SplitBehavior behavior_;
  Match match_;
};

/// Runs of word characters, and runs of what is neither that nor white space: \w+|[^\w\s]+
class WhitespacePreTokenizer : public PreTokenizer {
 public:
  void apply(WordText& text, const std::stop_token&) const override {
    std::vector<GlyphRange> words;
    for (const GlyphRange& part : text.words)
      for (std::size_t i = part.begin; i < part.end;) {
        const Class first = class_of(text.glyphs[i].code_point);
        std::size_t end = i + 1;
        while (end < part.end && class_of(text.glyphs[end].code_point) == first)
          ++end;
        if (first != Class::kSpace) words.push_back({i, end});
        i = end;
      }
    text.words = std::move(words);
  }

 private:
  enum class Class { kWord, kSpace, kOther };
  static Class class_of(char32_t c) {
    if (is_word_character(c)) return Class::kWord;
    return is_white_space(c) ? Class::kSpace : Class::kOther;
  }
};

class FixedLength : public PreTokenizer {
 public:
  explicit FixedLength(std::size_t length) : length_(length) {}
  void apply(WordText& text, const std::stop_token&) const override {
    std::vector<GlyphRange> words;
    for (const GlyphRange& part : text.words)
      for (std::size_t i = part.begin; i < part.end; i += length_)
        words.push_back({i, std::min(i + length_, part.end)});
    text.words = std::move(words);
  }

 private:
  std::size_t length_;
};

/// Words as GPT-2 cuts them, or as they come; then each byte becomes the character that stands for it.
class ByteLevelPreTokenizer : public PreTokenizer {
 public:
  enum class Words { kSplit, kWhole };
  enum class Prefix { kNone, kSpace };  ///< kSpace: a word that does not begin with a space gets one
  ByteLevelPreTokenizer(Words words, Prefix prefix) : words_(words), prefix_(prefix) {}

  void apply(WordText& text, const std::stop_token&) const override {
    if (prefix_ == Prefix::kSpace) put_spaces(text);
    if (words_ == Words::kSplit) {
      std::vector<GlyphRange> words;
      for (const GlyphRange& part : text.words)
        split_byte_level(text.glyphs, part, words);
      text.words = std::move(words);
    }
    spell_bytes(text);
  }

 private:
  static void put_spaces(WordText& text) {
    WordText result;
    result.glyphs.reserve(text.glyphs.size() + text.words.size());
    for (const GlyphRange& word : text.words) {
      const std::size_t begin = result.glyphs.size();
      const Glyph& first = text.glyphs[word.begin];
      if (first.code_point != U' ') result.glyphs.push_back({U' ', first.begin, first.end});
      result.glyphs.insert(result.glyphs.end(), text.glyphs.begin() + static_cast<std::ptrdiff_t>(word.begin),
                           text.glyphs.begin() + static_cast<std::ptrdiff_t>(word.end));
      result.words.push_back({begin, result.glyphs.size()});
    }
    text = std::move(result);
  }

  Words words_;
  Prefix prefix_;
};

class PreTokenizerSequence : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(std::vector<std::unique_ptr<PreTokenizer>> steps) : steps_(std::move(steps)) {}
  void apply(WordText& text, const std::stop_token& stop) const override {
    for (const auto& step : steps_) {
      if (stop.stop_requested()) throw Cancelled();
      step->apply(text, stop);
    }
  }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> steps_;
};

std::unique_ptr<PreTokenizer> cut_at(bool (*is_delimiter)(char32_t), SplitBehavior behavior) {
  return std::make_unique<PatternPreTokenizer>(make_character_pattern(is_delimiter), behavior);
}

std::unique_ptr<PreTokenizer> in_order(std::vector<std::unique_ptr<PreTokenizer>> steps) {
  return std::make_unique<PreTokenizerSequence>(std::move(steps));
}

std::unique_ptr<PreTokenizer> read_bert(const JsonValue&, const ComponentPlace&) {
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  steps.push_back(cut_at(is_white_space, SplitBehavior::kRemoved));
  steps.push_back(cut_at(is_punctuation, SplitBehavior::kIsolated));
  return in_order(std::move(steps));
}

std::unique_ptr<PreTokenizer> read_byte_level(const JsonValue& json, const ComponentPlace& place) {
  using ByteLevel = ByteLevelPreTokenizer;
  return std::make_unique<ByteLevel>(
      read_flag(json, "use_regex", true, place) ? ByteLevel::Words::kSplit : ByteLevel::Words::kWhole,
      read_flag(json, "add_prefix_space", true, place) ? ByteLevel::Prefix::kSpace : ByteLevel::Prefix::kNone);
}

std::unique_ptr<PreTokenizer> read_delimiter(const JsonValue& json, const ComponentPlace& place) {
  return std::make_unique<PatternPreTokenizer>(make_literal_pattern(std::u32string(1, read_character(json, "delimiter", place))),
                                               SplitBehavior::kRemoved);
}

std::unique_ptr<PreTokenizer> read_digits(const JsonValue& json, const ComponentPlace& place) {
  return cut_at(is_number,
                read_flag(json, "individual_digits", false, place) ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
}

std::unique_ptr<PreTokenizer> read_fixed_length(const JsonValue& json, const ComponentPlace& place) {
  constexpr std::size_t kUsual = 5, kMost = 1u << 20;
  const std::size_t length = json.find("length") == nullptr ? kUsual : read_count(json, "length", kMost, place);
  if (length == 0) throw Error(at(place) + " has length = 0, where 1 or more is needed");
  return std::make_unique<FixedLength>(length);
}

std::unique_ptr<PreTokenizer> read_punctuation(const JsonValue& json, const ComponentPlace& place) {
  return cut_at(is_punctuation, read_behavior(json.find("behavior"), place));
}

std::unique_ptr<PreTokenizer> read_sequence(const JsonValue& json, const ComponentPlace& place) {
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  for (const JsonValue& item : read_steps(json, "pretokenizers", place))
    if (auto step = read_pre_tokenizer(&item, {place.file, place.field, place.depth + 1})) steps.push_back(std::move(step));
  return in_order(std::move(steps));
}

std::unique_ptr<PreTokenizer> read_split(const JsonValue& json, const ComponentPlace& place) {
  using Match = PatternPreTokenizer::Match;
  return std::make_unique<PatternPreTokenizer>(read_pattern(json.find("pattern"), place),
                                               read_behavior(json.find("behavior"), place),
                                               read_flag(json, "invert", false, place) ? Match::kInverted : Match::kDelimiter);
}

using Reader = std::unique_ptr<PreTokenizer> (*)(const JsonValue&, const ComponentPlace&);

constexpr std::pair<std::string_view, Reader> kReaders[] = {
    {"BertPreTokenizer", read_bert},
    {"ByteLevel", read_byte_level},
    {"CharDelimiterSplit", read_delimiter},
    {"Digits", read_digits},
    {"FixedLength", read_fixed_length},
    {"Metaspace", [](const JsonValue& json, const ComponentPlace& place) { return make_metaspace(read_metaspace(json, place)); }},
    {"Punctuation", read_punctuation},
    {"Sequence", read_sequence},
    {"Split", read_split},
    {"Whitespace",
     [](const JsonValue&, const ComponentPlace&) -> std::unique_ptr<PreTokenizer> {
       return std::make_unique<WhitespacePreTokenizer>();
     }},
    {"WhitespaceSplit", [](const JsonValue&, const ComponentPlace&) { return cut_at(is_white_space, SplitBehavior::kRemoved); }},
};

}  // namespace

std::unique_ptr<PreTokenizer> read_pre_tokenizer(const JsonValue* json, const ComponentPlace& place) {
  if (json == nullptr || json->is(JsonValue::Type::kNull)) return nullptr;
  const std::string& type = component_type(*json, place);
  std::string known;
  for (const auto& [name, read] : kReaders) {
    if (type == name) return read(*json, place);
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  throw Error(at(place) + " has the type " + in_quotes(type, 60) + ", which is not supported (" + known + " are)");
}

}  // namespace headroom
