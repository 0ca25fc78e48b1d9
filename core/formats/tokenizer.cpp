#include "core/formats/tokenizer.h"

#include <algorithm>

#include "core/formats/file.h"
#include "core/formats/nearest_words.h"
#include "core/formats/tokenizer_pipeline.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// Words that are read between two looks at whether to stop: less than a millisecond's.
constexpr std::size_t kWordsBetweenLooks = 1024;
constexpr std::size_t kMaxTextBytes = 16u << 20;  // offsets are 32 bits and a glyph takes 12 bytes

/// added tokens (raw) -> normalizer -> added tokens (normalized) -> pre-tokenizer -> model -> template.
class PipelineTokenizer : public Tokenizer {
 public:
  explicit PipelineTokenizer(TokenizerParts parts) : parts_(std::move(parts)) {
    for (const AddedToken& token : parts_.added) {
      std::u32string spelling = to_utf32(token.content);
      if (token.is_normalized && parts_.normalizer) {
        std::size_t n_invalid = 0;
        Glyphs glyphs = to_glyphs(token.content, n_invalid);
        parts_.normalizer->normalize(glyphs);
        spelling.clear();
        for (const Glyph& glyph : glyphs)
          spelling.push_back(glyph.code_point);
      }
      (token.is_normalized ? normalized_added_ : raw_added_).add(spelling, token);
      if (token.is_special) special_ids_.push_back(token.id);
    }
  }

  std::int64_t vocab_size() const override { return parts_.vocabulary.size(); }
  std::string_view token_text(std::int32_t id) const override { return parts_.vocabulary.text_of(id); }
  std::int32_t token_id(std::string_view text) const override { return parts_.vocabulary.id_of(text); }
  std::int32_t unknown_id() const override { return parts_.model->unknown_id(); }
  const std::vector<std::string>& load_notices() const override { return parts_.notices; }

  Encoding encode(std::string_view text, std::size_t max_tokens, std::stop_token stop) const override;
  bool has_pair_template() const override { return false; }
  Encoding encode_pair(std::string_view, std::string_view, std::size_t, std::stop_token) const override {
    throw Error("this tokenizer has no template for a pair of texts");
  }
  std::string decode(std::span<const std::int32_t> ids, SpecialTokens specials) const override;
  std::vector<std::string> nearest_words(std::string_view word, std::size_t n) const override;

 private:
  struct Output;
  void encode_words(const Glyphs& text, Output& output) const;

  TokenizerParts parts_;
  AddedTokenFinder raw_added_;
  AddedTokenFinder normalized_added_;
  std::vector<std::int32_t> special_ids_;
};

/// Gathers tokens up to the limit and counts all.
struct PipelineTokenizer::Output {
  std::string_view text;
  const Vocabulary& vocabulary;
  std::size_t max_tokens;
  std::stop_token stop;
  std::vector<Token> tokens;
  std::uint64_t n_all = 0;
  std::vector<GlyphRange> words;  // scratch
  std::vector<Piece> pieces;      // scratch

  bool is_full() const { return tokens.size() >= max_tokens; }

  void add(const Glyphs& glyphs, const Piece& piece, bool is_special) {
    ++n_all;
    if (is_full()) return;
    Token token;
    token.id = piece.id;
    token.text = vocabulary.text_of(piece.id);
    token.begin = text.size();
    for (std::size_t i = piece.range.begin; i < piece.range.end;
         ++i) {  // normal forms reorder marks, so the ends need not be outermost
      token.begin = std::min<std::size_t>(token.begin, glyphs[i].begin);
      token.end = std::max<std::size_t>(token.end, glyphs[i].end);
    }
    token.source = text.substr(token.begin, token.end - token.begin);
    token.is_special = is_special;
    token.is_unknown = piece.is_unknown;
    tokens.push_back(std::move(token));
  }
  void add(const TokenTemplate::Special& special, std::size_t position) {
    ++n_all;
    if (is_full()) return;
    Token token;
    token.id = special.id;
    token.text = special.text;
    token.begin = token.end = position;
    token.is_special = true;
    tokens.push_back(std::move(token));
  }
};

Glyphs slice(const Glyphs& text, GlyphRange range) {
  return {text.begin() + static_cast<std::ptrdiff_t>(range.begin), text.begin() + static_cast<std::ptrdiff_t>(range.end)};
}

/// `text` is a normalized stretch between added tokens.
void PipelineTokenizer::encode_words(const Glyphs& text, Output& output) const {
  output.words.clear();
  const GlyphRange all{0, text.size()};
  if (parts_.pre_tokenizer) {
    parts_.pre_tokenizer->split(text, all, output.words);
  } else if (!text.empty()) {
    output.words.push_back(all);
  }
  std::size_t n_words = 0;
  for (const GlyphRange& word : output.words) {
    if (++n_words % kWordsBetweenLooks == 0 && output.stop.stop_requested()) throw Cancelled();
    output.pieces.clear();
    parts_.model->tokenize(text, word, output.pieces);
    for (const Piece& piece : output.pieces)
      output.add(text, piece, false);
  }
}

Encoding PipelineTokenizer::encode(std::string_view text, std::size_t max_tokens, std::stop_token stop) const {
  Encoding encoding;
  if (text.size() > kMaxTextBytes) {
    std::size_t end = kMaxTextBytes;  // not through a code point
    while (end > kMaxTextBytes - 3 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
      --end;
    encoding.notices.push_back("The text has " + counted(text.size(), "byte") + "; the first " + with_thousands(end) +
                               " are read.");
    text = text.substr(0, end);
  }
  std::size_t n_invalid = 0;
  Glyphs glyphs = to_glyphs(text, n_invalid);
  if (n_invalid > 0)
    encoding.notices.push_back(counted(n_invalid, "byte") + " of invalid UTF-8 " + (n_invalid == 1 ? "was" : "were") +
                               " replaced.");

  Output output{text, parts_.vocabulary, max_tokens, std::move(stop), {}, 0, {}, {}};
  for (const TokenTemplate::Special& special : parts_.post.before)
    output.add(special, 0);
  const std::vector<AddedMatch> raw_matches = raw_added_.find(glyphs);
  for (const AddedMatch& raw : raw_matches) {
    if (raw.token != nullptr) {
      output.add(glyphs, {raw.token->id, raw.range, false}, raw.token->is_special);
      continue;
    }
    Glyphs stretch = slice(glyphs, raw.range);
    if (parts_.normalizer) parts_.normalizer->normalize(stretch);
    if (normalized_added_.empty()) {
      encode_words(stretch, output);
      continue;
    }
    for (const AddedMatch& match : normalized_added_.find(stretch)) {
      if (match.token != nullptr) {
        output.add(stretch, {match.token->id, match.range, false}, match.token->is_special);
      } else {
        encode_words(slice(stretch, match.range), output);
      }
    }
  }
  for (const TokenTemplate::Special& special : parts_.post.after)
    output.add(special, text.size());

  encoding.tokens = std::move(output.tokens);
  if (output.n_all > encoding.tokens.size())
    encoding.notices.push_back("The text has " + counted(output.n_all, "token") + "; the first " +
                               with_thousands(encoding.tokens.size()) + (encoding.tokens.size() == 1 ? " is" : " are") + " shown.");
  return encoding;
}

std::string PipelineTokenizer::decode(std::span<const std::int32_t> ids, SpecialTokens specials) const {
  std::string text;
  for (const std::int32_t id : ids) {
    const bool is_special = std::find(special_ids_.begin(), special_ids_.end(), id) != special_ids_.end();
    if (token_text(id).empty() || (is_special && specials == SpecialTokens::kLeftOut)) continue;
    if (!text.empty()) text += ' ';
    text += token_text(id);
  }
  return text;
}

std::vector<std::string> PipelineTokenizer::nearest_words(std::string_view word, std::size_t n) const {
  if (word.size() > 4 * kMaxNearestWordLength) return {};
  std::size_t n_invalid = 0;
  Glyphs glyphs = to_glyphs(word, n_invalid);
  if (parts_.normalizer) parts_.normalizer->normalize(glyphs);
  std::u32string spelling;
  for (const Glyph& glyph : glyphs)
    spelling.push_back(glyph.code_point);
  return find_nearest_words(spelling, parts_.vocabulary, special_ids_, n);
}

}  // namespace

Glyphs to_glyphs(std::string_view text, std::size_t& n_invalid_bytes) {
  Glyphs glyphs;
  glyphs.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const Utf8Step step = decode_utf8(text, i);
    glyphs.push_back({step.code_point, static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i + step.bytes)});
    if (!step.is_valid) n_invalid_bytes += step.bytes;
    i += step.bytes;
  }
  return glyphs;
}

std::vector<std::int32_t> Tokenizer::ids_of_words(std::string_view line) const {
  std::vector<std::int32_t> ids;
  while (!line.empty()) {
    const std::size_t space = line.find(' ');
    const std::string_view word = line.substr(0, space);
    line = space == std::string_view::npos ? std::string_view{} : line.substr(space + 1);
    if (word.empty()) continue;
    std::int32_t id = token_id(word);
    if (id < 0) id = unknown_id();
    if (id < 0) throw Error("the word " + in_quotes(word, 60) + " is not in the vocabulary");
    ids.push_back(id);
  }
  return ids;
}

std::unique_ptr<Tokenizer> make_pipeline_tokenizer(TokenizerParts parts) {
  return std::make_unique<PipelineTokenizer>(std::move(parts));
}

}  // namespace headroom
