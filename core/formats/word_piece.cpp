#include <algorithm>
#include <string>
#include <vector>

#include "core/formats/component_json.h"
#include "core/formats/file.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::size_t kMaxWord = 1000000;

/// A word is cut from the left into the longest pieces of the vocabulary; when that fails anywhere, all of it is one unknown token.
/// Source  Schuster and Nakajima 2012; Wu et al. 2016, arXiv:1609.08144.
class WordPiece : public TokenModel {
 public:
  struct Options {
    std::string unknown = "[UNK]";
    std::string prefix = "##";      ///< of a piece that does not begin its word
    std::size_t max_letters = 100;  ///< a longer word is unknown
  };
  WordPiece(const Vocabulary& vocabulary, Options options) : vocabulary_(vocabulary), options_(std::move(options)) {}

  std::int32_t unknown_id() const override { return vocabulary_.id_of(options_.unknown); }

  void tokenize(const Glyphs& text, GlyphRange word, ModelOutput& output) const override {
    const std::size_t n_before = output.pieces.size();
    if (word.end - word.begin <= options_.max_letters && cut(text, word, output)) return;
    output.pieces.resize(n_before);
    const std::int32_t id = unknown_id();
    if (id < 0)
      throw Error("the word " + in_quotes(to_utf8(text, word), 60) + " is not in the vocabulary, and neither is its unk_token " +
                  in_quotes(options_.unknown, 60));
    output.pieces.push_back({id, word, true});
  }

 private:
  bool cut(const Glyphs& text, GlyphRange word, ModelOutput& output) const {
    std::string spelling;
    std::vector<std::size_t> ends;  // bytes of the spelling up to and with each letter
    for (std::size_t begin = word.begin; begin < word.end;) {
      spelling = begin > word.begin ? options_.prefix : std::string();
      ends.clear();
      for (std::size_t i = begin; i < word.end && spelling.size() <= vocabulary_.longest(); ++i) {
        append_utf8(spelling, text[i].code_point);
        ends.push_back(spelling.size());
      }
      std::size_t n = ends.size();
      std::int32_t id = -1;
      while (n > 0 && (id = vocabulary_.id_of(std::string_view(spelling).substr(0, ends[n - 1]))) < 0)
        --n;
      if (n == 0) return false;
      output.pieces.push_back({id, {begin, begin + n}, id == unknown_id()});
      begin += n;
    }
    return true;
  }

  Vocabulary vocabulary_;  // the model's own words
  Options options_;
};

}  // namespace

std::unique_ptr<TokenModel> read_word_piece(const JsonValue& json, const ComponentPlace& place, TokenizerParts& parts) {
  WordPiece::Options options;
  if (json.find_set("unk_token") != nullptr) options.unknown = read_text(json, "unk_token", place);
  if (json.find_set("continuing_subword_prefix") != nullptr) options.prefix = read_text(json, "continuing_subword_prefix", place);
  if (json.find_set("max_input_chars_per_word") != nullptr)
    options.max_letters = read_count(json, "max_input_chars_per_word", kMaxWord, place);
  parts.vocabulary = read_vocabulary(json, place);
  return std::make_unique<WordPiece>(parts.vocabulary, std::move(options));
}

}  // namespace headroom
