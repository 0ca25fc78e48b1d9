#include "core/formats/tokenizer.h"

#include <algorithm>
#include <unordered_set>

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

/// The tokens of one text, before the template puts others around them: those up to the limit, and how many there are.
struct TextTokens {
  std::string_view text;
  std::int32_t part = 0;
  std::vector<Token> tokens;
  std::uint64_t n_all = 0;
};

/// What was found on the way that a person should know.
struct Findings {
  std::uint64_t n_invalid_bytes = 0;
  std::uint64_t n_dropped = 0;
};

/// added tokens (raw) -> normalizer -> added tokens (normalized) -> pre-tokenizer -> model -> template.
class PipelineTokenizer : public Tokenizer {
 public:
  explicit PipelineTokenizer(TokenizerParts parts) : parts_(std::move(parts)) {
    for (const AddedToken& token : parts_.added) {
      std::u32string spelling = to_utf32(token.content);
      if (token.is_normalized && parts_.normalizer) {
        spelling = normalized(token.content);
        if (const std::string text = to_utf8(spelling); text != token.content) normalized_spellings_[token.id] = text;
      }
      (token.is_normalized ? normalized_added_ : raw_added_).add(spelling, token);
      if (token.is_special) special_ids_.insert(token.id);
    }
  }

  std::int64_t vocab_size() const override { return parts_.vocabulary.size(); }
  std::string_view token_text(std::int32_t id) const override { return parts_.vocabulary.text_of(id); }
  std::int32_t token_id(std::string_view text) const override { return parts_.vocabulary.id_of(text); }
  std::int32_t unknown_id() const override { return parts_.model->unknown_id(); }
  const std::vector<std::string>& load_notices() const override { return parts_.notices; }
  bool has_pair_template() const override { return !parts_.post.pair.empty(); }

  Encoding encode(std::string_view text, std::size_t max_tokens, std::stop_token stop) const override;
  Encoding encode_pair(std::string_view first, std::string_view second, std::size_t max_tokens,
                       std::stop_token stop) const override;
  std::string decode(std::span<const std::int32_t> ids, SpecialTokens specials) const override;
  std::vector<std::string> nearest_words(std::string_view word, std::size_t n) const override;

 private:
  struct Run;
  std::u32string normalized(std::string_view text) const;
  void encode_words(Glyphs stretch, Run& run) const;
  TextTokens encode_text(std::string_view text, std::int32_t part, Run& run) const;
  static Encoding assemble(const std::vector<TokenTemplate::Item>& items, std::vector<TextTokens> parts, const Run& run);

  TokenizerParts parts_;
  AddedTokenFinder raw_added_;
  AddedTokenFinder normalized_added_;
  std::unordered_set<std::int32_t> special_ids_;
  std::unordered_map<std::int32_t, std::string> normalized_spellings_;  // of added tokens, which decoders read
};

/// One call of encode.
struct PipelineTokenizer::Run {
  const TokenizerParts& parts;
  std::size_t max_tokens;
  std::stop_token stop;
  Encoding encoding;
  Findings findings;
  ModelOutput output;  // scratch
  TextTokens text;     // in the making

  /// `added` is the added token that the piece is, or nullptr.
  void add(const Glyphs& glyphs, const Piece& piece, const AddedToken* added) {
    const std::uint64_t index = text.n_all++;
    if (text.tokens.size() >= max_tokens) return;
    Token token;
    token.id = piece.id;
    token.text = parts.vocabulary.text_of(piece.id);
    token.begin = glyphs[piece.range.begin].begin;
    token.end = std::max<std::size_t>(token.begin, glyphs[piece.range.end - 1].end);
    if (parts.post.trim != TokenTemplate::Trim::kNone)
      trim(added == nullptr ? token.text : to_utf8(glyphs, piece.range), index, token);
    token.source = text.text.substr(token.begin, token.end - token.begin);
    token.part = text.part;
    token.is_special = added != nullptr && added->is_special;
    token.is_unknown = piece.is_unknown;
    text.tokens.push_back(std::move(token));
  }

  /// Leaves out the spaces at both ends of what the token was made of; offsets move by characters.
  void trim(std::string_view spelling, std::uint64_t index, Token& token) const {
    const std::u32string letters = to_utf32(spelling);
    const auto is_space = [](char32_t c) { return c == U'\u0120' || is_white_space(c); };  // the byte-level space
    std::size_t n_leading = 0, n_trailing = 0;
    while (n_leading < letters.size() && is_space(letters[n_leading]))
      ++n_leading;
    while (n_trailing < letters.size() && is_space(letters[letters.size() - 1 - n_trailing]))
      ++n_trailing;
    const bool is_first = index == 0 || token.begin == 0;
    if (n_leading == 1 && is_first && parts.post.trim == TokenTemplate::Trim::kAddedSpaceKept) n_leading = 0;
    for (; n_leading > 0 && token.begin < token.end; --n_leading)
      token.begin += decode_utf8(text.text, token.begin).bytes;
    token.begin = std::min(token.begin, token.end);
    if (n_trailing > characters_before(token.end, n_trailing)) return;
    for (; n_trailing > 0 && token.end > token.begin; --n_trailing)
      do
        --token.end;
      while (token.end > token.begin && (static_cast<unsigned char>(text.text[token.end]) & 0xC0) == 0x80);
  }
  /// How many characters there are before a place, counted up to `enough`.
  std::size_t characters_before(std::size_t end, std::size_t enough) const {
    std::size_t n = 0;
    for (std::size_t i = 0; i < end && n < enough; ++n)
      i += decode_utf8(text.text, i).bytes;
    return n;
  }
};

std::u32string PipelineTokenizer::normalized(std::string_view text) const {
  std::size_t n_invalid = 0;
  Glyphs glyphs = to_glyphs(text, n_invalid);
  if (parts_.normalizer) parts_.normalizer->normalize(glyphs, {});
  std::u32string spelling;
  for (const Glyph& glyph : glyphs)
    spelling.push_back(glyph.code_point);
  return spelling;
}

Glyphs slice(const Glyphs& text, GlyphRange range) {
  return {text.begin() + static_cast<std::ptrdiff_t>(range.begin), text.begin() + static_cast<std::ptrdiff_t>(range.end)};
}

/// `stretch` is a normalized text between added tokens.
void PipelineTokenizer::encode_words(Glyphs stretch, Run& run) const {
  if (stretch.empty()) return;
  WordText words{std::move(stretch), {}};
  words.words.push_back({0, words.glyphs.size()});
  if (parts_.pre_tokenizer) parts_.pre_tokenizer->apply(words, run.stop);
  std::size_t n_words = 0;
  for (const GlyphRange& word : words.words) {
    if (n_words++ % kWordsBetweenLooks == 0 && run.stop.stop_requested()) throw Cancelled();
    run.output.pieces.clear();
    parts_.model->tokenize(words.glyphs, word, run.output);
    for (const Piece& piece : run.output.pieces)
      run.add(words.glyphs, piece, nullptr);
  }
}

TextTokens PipelineTokenizer::encode_text(std::string_view text, std::int32_t part, Run& run) const {
  if (text.size() > kMaxTextBytes) {
    std::size_t end = kMaxTextBytes;  // not through a code point
    while (end > kMaxTextBytes - 3 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
      --end;
    run.encoding.notices.push_back("The text has " + counted(text.size(), "byte") + "; the first " + with_thousands(end) +
                                   " are read.");
    text = text.substr(0, end);
  }
  if (run.stop.stop_requested()) throw Cancelled();
  run.text = {text, part, {}, 0};
  std::size_t n_invalid = 0;
  const Glyphs glyphs = to_glyphs(text, n_invalid);
  run.findings.n_invalid_bytes += n_invalid;
  for (const AddedMatch& raw : raw_added_.find(glyphs)) {
    if (raw.token != nullptr) {
      run.add(glyphs, {raw.token->id, raw.range, false}, raw.token);
      continue;
    }
    Glyphs stretch = slice(glyphs, raw.range);
    if (parts_.normalizer) parts_.normalizer->normalize(stretch, run.stop);
    if (normalized_added_.empty()) {
      encode_words(std::move(stretch), run);
      continue;
    }
    for (const AddedMatch& match : normalized_added_.find(stretch)) {
      if (match.token != nullptr) {
        run.add(stretch, {match.token->id, match.range, false}, match.token);
      } else {
        encode_words(slice(stretch, match.range), run);
      }
    }
  }
  return std::move(run.text);
}

/// The texts' tokens and the special ones around them, up to the limit, with all notices.
Encoding PipelineTokenizer::assemble(const std::vector<TokenTemplate::Item>& items, std::vector<TextTokens> parts, const Run& run) {
  Encoding encoding = run.encoding;
  std::uint64_t n_all = 0;
  const auto put = [&](Token token, std::int32_t type) {
    if (encoding.tokens.size() >= run.max_tokens) return;
    token.type = type;
    encoding.tokens.push_back(std::move(token));
  };
  const TextTokens* around = parts.data();  // the text that a special token stands beside, and whether before or after it
  std::size_t place = 0;
  for (const TokenTemplate::Item& item : items) {
    if (item.part >= 0) {
      TextTokens& text = parts[static_cast<std::size_t>(item.part)];
      for (Token& token : text.tokens)
        put(std::move(token), item.type);
      n_all += text.n_all;
      around = &text;
      place = text.text.size();
      continue;
    }
    for (const TokenTemplate::Special& special : item.specials) {
      Token token;
      token.id = special.id;
      token.text = special.text;
      token.part = around->part;
      token.begin = token.end = place;
      token.is_special = true;
      put(std::move(token), item.type);
      ++n_all;
    }
  }
  const auto tell = [&](std::uint64_t n, const char* noun, const char* after) {
    if (n > 0) encoding.notices.push_back(counted(n, noun) + after);
  };
  const Findings& found = run.findings;
  tell(found.n_invalid_bytes, "byte",
       found.n_invalid_bytes == 1 ? " of invalid UTF-8 was replaced." : " of invalid UTF-8 were replaced.");
  tell(found.n_dropped, "character",
       found.n_dropped == 1 ? " for which the vocabulary has no token was left out."
                            : " for which the vocabulary has no token were left out.");
  if (n_all > encoding.tokens.size())
    encoding.notices.push_back("The text has " + counted(n_all, "token") + "; the first " + with_thousands(encoding.tokens.size()) +
                               (encoding.tokens.size() == 1 ? " is" : " are") + " shown.");
  return encoding;
}

Encoding PipelineTokenizer::encode(std::string_view text, std::size_t max_tokens, std::stop_token stop) const {
  Run run{parts_, max_tokens, stop, {}, {}, {{}, 0, stop}, {}};
  std::vector<TextTokens> parts;
  parts.push_back(encode_text(text, 0, run));
  run.findings.n_dropped = run.output.n_dropped;
  return assemble(parts_.post.single, std::move(parts), run);
}

Encoding PipelineTokenizer::encode_pair(std::string_view first, std::string_view second, std::size_t max_tokens,
                                        std::stop_token stop) const {
  if (!has_pair_template()) throw Error("this tokenizer has no template for a pair of texts");
  Run run{parts_, max_tokens, stop, {}, {}, {{}, 0, stop}, {}};
  std::vector<TextTokens> parts;
  parts.push_back(encode_text(first, 0, run));
  parts.push_back(encode_text(second, 1, run));
  run.findings.n_dropped = run.output.n_dropped;
  return assemble(parts_.post.pair, std::move(parts), run);
}

std::string PipelineTokenizer::decode(std::span<const std::int32_t> ids, SpecialTokens specials) const {
  std::vector<std::string> tokens;
  for (const std::int32_t id : ids) {
    if (specials == SpecialTokens::kLeftOut && special_ids_.contains(id)) continue;
    const auto spelled = normalized_spellings_.find(id);
    const std::string_view text = spelled != normalized_spellings_.end() ? std::string_view(spelled->second) : token_text(id);
    if (!text.empty()) tokens.emplace_back(text);
  }
  std::string text;
  if (parts_.decoder) parts_.decoder->decode(tokens);
  for (const std::string& token : tokens) {
    if (!parts_.decoder && !text.empty()) text += ' ';
    text += token;
  }
  return text;
}

std::vector<std::string> PipelineTokenizer::nearest_words(std::string_view word, std::size_t n) const {
  if (word.size() > 4 * kMaxNearestWordLength) return {};
  const std::vector<std::int32_t> left_out(special_ids_.begin(), special_ids_.end());
  return find_nearest_words(normalized(word), parts_.vocabulary, left_out, n);
}

}  // namespace

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
