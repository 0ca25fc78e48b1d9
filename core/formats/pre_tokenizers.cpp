#include <algorithm>
#include <utility>

#include "core/formats/byte_level.h"
#include "core/formats/file.h"
#include "core/formats/tokenizer_pipeline.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr int kMaxSequenceDepth = 8;

/// Runs of word characters, and runs of what is neither that nor white space: \w+|[^\w\s]+
class WhitespacePreTokenizer : public PreTokenizer {
 public:
  void split(const Glyphs& text, GlyphRange part, std::vector<GlyphRange>& words) const override {
    for (std::size_t i = part.begin; i < part.end;) {
      const Class first = class_of(text[i].code_point);
      std::size_t end = i + 1;
      while (end < part.end && class_of(text[end].code_point) == first)
        ++end;
      if (first != Class::kSpace) words.push_back({i, end});
      i = end;
    }
  }

 private:
  enum class Class { kWord, kSpace, kOther };
  static Class class_of(char32_t c) {
    if (is_word_character(c)) return Class::kWord;
    return is_white_space(c) ? Class::kSpace : Class::kOther;
  }
};

enum class Delimiter { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

/// Cuts at every code point that `is_delimiter` picks; what becomes of it is the behaviour.
class DelimiterPreTokenizer : public PreTokenizer {
 public:
  DelimiterPreTokenizer(bool (*is_delimiter)(char32_t), Delimiter behavior) : is_delimiter_(is_delimiter), behavior_(behavior) {}

  void split(const Glyphs& text, GlyphRange part, std::vector<GlyphRange>& words) const override {
    std::size_t start = part.begin;  // of the word that is being gathered
    const auto flush = [&](std::size_t end) {
      if (start < end) words.push_back({start, end});
      start = end;
    };
    for (std::size_t i = part.begin; i < part.end; ++i) {
      const bool is_cut = is_delimiter_(text[i].code_point);
      switch (behavior_) {
        case Delimiter::kRemoved:
          if (!is_cut) break;
          flush(i);
          start = i + 1;
          break;
        case Delimiter::kIsolated:
          if (!is_cut) break;
          flush(i);
          flush(i + 1);
          break;
        case Delimiter::kMergedWithPrevious:
          // Only the first delimiter of a run goes with the word before it; the others stand alone.
          if (is_cut) flush(i + 1);
          break;
        case Delimiter::kMergedWithNext:
          if (is_cut) flush(i);
          break;
        case Delimiter::kContiguous:
          if (i > part.begin && is_cut != is_delimiter_(text[i - 1].code_point)) flush(i);
          break;
      }
    }
    flush(part.end);
  }

 private:
  bool (*is_delimiter_)(char32_t);
  Delimiter behavior_;
};

enum class Words { kSplit, kWhole };

/// Words as GPT-2 cuts them, or the text as one word; either way the model reads bytes.
class ByteLevelPreTokenizer : public PreTokenizer {
 public:
  explicit ByteLevelPreTokenizer(Words words) : words_(words) {}

  void split(const Glyphs& text, GlyphRange part, std::vector<GlyphRange>& words) const override {
    if (words_ == Words::kSplit) return split_byte_level(text, part, words);
    if (part.begin < part.end) words.push_back(part);
  }
  bool makes_bytes() const override { return true; }

 private:
  Words words_;
};

class PreTokenizerSequence : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(std::vector<std::unique_ptr<PreTokenizer>> steps) : steps_(std::move(steps)) {}

  void split(const Glyphs& text, GlyphRange part, std::vector<GlyphRange>& words) const override {
    std::vector<GlyphRange> parts{part}, next;
    for (const auto& step : steps_) {
      next.clear();
      for (const GlyphRange& range : parts)
        step->split(text, range, next);
      parts.swap(next);
    }
    words.insert(words.end(), parts.begin(), parts.end());
  }
  bool makes_bytes() const override { return !steps_.empty() && steps_.back()->makes_bytes(); }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> steps_;
};

Delimiter read_behavior(const JsonValue& json, const ComponentPlace& place) {
  static constexpr std::pair<const char*, Delimiter> kNames[] = {{"Removed", Delimiter::kRemoved},
                                                                 {"Isolated", Delimiter::kIsolated},
                                                                 {"MergedWithPrevious", Delimiter::kMergedWithPrevious},
                                                                 {"MergedWithNext", Delimiter::kMergedWithNext},
                                                                 {"Contiguous", Delimiter::kContiguous}};
  const JsonValue* value = json.find("behavior");
  if (value == nullptr) return Delimiter::kIsolated;
  for (const auto& [name, behavior] : kNames)
    if (value->is(JsonValue::Type::kString) && value->string == name) return behavior;
  throw Error(place.file + ": " + place.field + " has the behavior " + describe(*value) +
              ", which is none of Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous");
}

}  // namespace

std::unique_ptr<PreTokenizer> read_pre_tokenizer(const JsonValue* json, const ComponentPlace& place) {
  if (json == nullptr || json->is(JsonValue::Type::kNull)) return nullptr;
  const std::string& type = component_type(*json, place);
  if (type == "Whitespace") return std::make_unique<WhitespacePreTokenizer>();
  if (type == "WhitespaceSplit") return std::make_unique<DelimiterPreTokenizer>(is_white_space, Delimiter::kRemoved);
  if (type == "Punctuation") return std::make_unique<DelimiterPreTokenizer>(is_punctuation, read_behavior(*json, place));
  if (type == "ByteLevel") {
    if (read_flag(*json, "add_prefix_space", true, place))
      throw Error(place.file + ": " + place.field + " has add_prefix_space = true, which is not supported");
    return std::make_unique<ByteLevelPreTokenizer>(read_flag(*json, "use_regex", true, place) ? Words::kSplit : Words::kWhole);
  }
  if (type == "Sequence") {
    const JsonValue* list = json->find("pretokenizers");
    if (list == nullptr || !list->is(JsonValue::Type::kArray) || place.depth >= kMaxSequenceDepth)
      throw Error(place.file + ": " + place.field + " of type \"Sequence\" needs a list \"pretokenizers\", at most " +
                  std::to_string(kMaxSequenceDepth) + " deep");
    std::vector<std::unique_ptr<PreTokenizer>> steps;
    for (const JsonValue& item : list->items) {
      auto step = read_pre_tokenizer(&item, {place.file, place.field, place.depth + 1});
      if (step == nullptr) continue;
      if (!steps.empty() && steps.back()->makes_bytes())
        throw Error(place.file + ": " + place.field + " has a step after ByteLevel, which is not supported");
      steps.push_back(std::move(step));
    }
    return std::make_unique<PreTokenizerSequence>(std::move(steps));
  }
  throw Error(place.file + ": " + place.field + " has the type " + in_quotes(type, 60) +
              ", which is not supported (Whitespace, WhitespaceSplit, Punctuation, ByteLevel, Sequence are)");
}

}  // namespace headroom
