#include "core/formats/metaspace.h"

#include <utility>

#include "core/formats/text_pattern.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

class Metaspace : public PreTokenizer {
 public:
  explicit Metaspace(const MetaspaceOptions& options)
      : options_(options), pattern_(make_literal_pattern(std::u32string(1, options.replacement))) {}

  void apply(WordText& text, const std::stop_token& stop) const override {
    WordText result;
    result.glyphs.reserve(text.glyphs.size() + text.words.size());
    std::vector<PatternPiece> pieces;
    for (const GlyphRange& word : text.words) {
      const std::size_t begin = result.glyphs.size();
      const Glyph& first = text.glyphs[word.begin];
      if (first.code_point != U' ' && first.code_point != options_.replacement && is_prepended(first))
        result.glyphs.push_back({options_.replacement, first.begin, first.end});
      for (std::size_t i = word.begin; i < word.end; ++i) {
        result.glyphs.push_back(text.glyphs[i]);
        if (text.glyphs[i].code_point == U' ') result.glyphs.back().code_point = options_.replacement;
      }
      const GlyphRange whole{begin, result.glyphs.size()};
      if (options_.words == MetaspaceOptions::Words::kWhole) {
        result.words.push_back(whole);
        continue;
      }
      pieces.clear();
      pattern_->find(result.glyphs, whole, pieces, stop);
      join_pieces(pieces, SplitBehavior::kMergedWithNext, result.words);
    }
    text = std::move(result);
  }

 private:
  bool is_prepended(const Glyph& first) const {
    return options_.prepend == MetaspaceOptions::Prepend::kAlways ||
           (options_.prepend == MetaspaceOptions::Prepend::kFirst && first.begin == 0);
  }

  MetaspaceOptions options_;
  std::unique_ptr<TextPattern> pattern_;
};

}  // namespace

MetaspaceOptions read_metaspace(const JsonValue& json, const ComponentPlace& place) {
  using Prepend = MetaspaceOptions::Prepend;
  MetaspaceOptions options;
  options.replacement = read_character(json, "replacement", place);
  const JsonValue* scheme = json.find_set("prepend_scheme");
  if (scheme != nullptr) {
    const std::string& name = read_text(json, "prepend_scheme", place);
    if (name != "always" && name != "first" && name != "never")
      throw Error(at(place) + " has prepend_scheme = " + describe(*scheme) + ", which is none of always, first, never");
    options.prepend = name == "always" ? Prepend::kAlways : name == "first" ? Prepend::kFirst : Prepend::kNever;
  }
  if (!read_flag(json, "add_prefix_space", true, place)) {
    if (scheme != nullptr && options.prepend != Prepend::kNever)
      throw Error(at(place) + " has add_prefix_space = false, but prepend_scheme = " + describe(*scheme));
    options.prepend = Prepend::kNever;
  }
  options.words = read_flag(json, "split", true, place) ? MetaspaceOptions::Words::kSplit : MetaspaceOptions::Words::kWhole;
  return options;
}

std::unique_ptr<PreTokenizer> make_metaspace(const MetaspaceOptions& options) { return std::make_unique<Metaspace>(options); }

}  // namespace headroom
