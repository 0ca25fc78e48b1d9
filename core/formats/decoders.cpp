#include <algorithm>
#include <array>
#include <utility>

#include "core/formats/byte_level.h"
#include "core/formats/component_json.h"
#include "core/formats/file.h"
#include "core/formats/metaspace.h"
#include "core/formats/text_pattern.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::size_t kMostStripped = 1u << 20;

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t i = text.find(from); !from.empty() && i != std::string::npos; i = text.find(from, i + to.size()))
    text.replace(i, from.size(), to);
  return text;
}

class ByteLevelDecoder : public Decoder {
 public:
  void decode(std::vector<std::string>& tokens) const override {
    std::string bytes;
    for (const std::string& token : tokens) {
      const auto spelled = bytes_of_spelling(token);
      bytes += spelled ? *spelled : token;
    }
    tokens = {to_utf8(to_utf32(bytes))};  // what is no UTF-8 becomes U+FFFD
  }
};

class WordPieceDecoder : public Decoder {
 public:
  enum class Cleanup { kNo, kYes };
  WordPieceDecoder(std::string prefix, Cleanup cleanup) : prefix_(std::move(prefix)), cleanup_(cleanup) {}
  void decode(std::vector<std::string>& tokens) const override {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      std::string& token = tokens[i];
      if (i > 0) token = token.starts_with(prefix_) ? token.substr(prefix_.size()) : " " + token;
      if (cleanup_ == Cleanup::kYes) token = cleaned(std::move(token));
    }
  }

 private:
  /// English without the spaces that the tokenizer put before signs and endings.
  static std::string cleaned(std::string text) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kRules = {{{" .", "."},
                                                                                              {" ?", "?"},
                                                                                              {" !", "!"},
                                                                                              {" ,", ","},
                                                                                              {" ' ", "'"},
                                                                                              {" n't", "n't"},
                                                                                              {" 'm", "'m"},
                                                                                              {" do not", " don't"},
                                                                                              {" 's", "'s"},
                                                                                              {" 've", "'ve"},
                                                                                              {" 're", "'re"}}};
    for (const auto& [from, to] : kRules)
      text = replaced(std::move(text), from, to);
    return text;
  }

  std::string prefix_;
  Cleanup cleanup_;
};

class MetaspaceDecoder : public Decoder {
 public:
  explicit MetaspaceDecoder(const MetaspaceOptions& options) : options_(options) {}
  void decode(std::vector<std::string>& tokens) const override {
    const std::string space = to_utf8(std::u32string(1, options_.replacement));
    const bool drops_first = options_.prepend != MetaspaceOptions::Prepend::kNever;
    for (std::size_t i = 0; i < tokens.size(); ++i)
      tokens[i] = replaced(std::move(tokens[i]), space, i == 0 && drops_first ? "" : " ");
  }

 private:
  MetaspaceOptions options_;
};

/// Words that end with a suffix, "</w>".
class SuffixDecoder : public Decoder {
 public:
  explicit SuffixDecoder(std::string suffix) : suffix_(std::move(suffix)) {}
  void decode(std::vector<std::string>& tokens) const override {
    for (std::size_t i = 0; i < tokens.size(); ++i)
      tokens[i] = replaced(std::move(tokens[i]), suffix_, i + 1 == tokens.size() ? "" : " ");
  }

 private:
  std::string suffix_;
};

/// Runs of <0xE2> become the text that those bytes are, or one U+FFFD each.
class ByteFallbackDecoder : public Decoder {
 public:
  void decode(std::vector<std::string>& tokens) const override {
    std::vector<std::string> result;
    std::string bytes;
    const auto flush = [&] {
      if (bytes.empty()) return;
      if (!find_invalid_utf8(bytes)) {
        result.push_back(bytes);
      } else {
        result.insert(result.end(), bytes.size(), to_utf8(std::u32string(1, kReplacementCharacter)));
      }
      bytes.clear();
    };
    for (std::string& token : tokens) {
      if (const int byte = byte_of(token); byte >= 0) {
        bytes.push_back(static_cast<char>(byte));
        continue;
      }
      flush();
      result.push_back(std::move(token));
    }
    flush();
    tokens = std::move(result);
  }

 private:
  static int digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
  }
  static int byte_of(std::string_view token) {
    if (token.size() != 6 || !token.starts_with("<0x") || !token.ends_with('>')) return -1;
    const int high = digit(token[3]), low = digit(token[4]);
    return high < 0 || low < 0 ? -1 : 16 * high + low;
  }
};

class FuseDecoder : public Decoder {
 public:
  void decode(std::vector<std::string>& tokens) const override {
    std::string text;
    for (const std::string& token : tokens)
      text += token;
    tokens = {std::move(text)};
  }
};

/// Takes up to so many of a character from each token's ends.
class StripDecoder : public Decoder {
 public:
  struct Ends {
    std::size_t left, right;
  };
  StripDecoder(char32_t character, Ends ends) : character_(character), ends_(ends) {}
  void decode(std::vector<std::string>& tokens) const override {
    for (std::string& token : tokens) {
      const std::u32string text = to_utf32(token);
      std::size_t begin = 0, end = text.size();
      while (begin < std::min(ends_.left, text.size()) && text[begin] == character_)
        ++begin;
      while (end > begin && text.size() - end < ends_.right && text[end - 1] == character_)
        --end;
      if (begin > 0 || end < text.size()) token = to_utf8(text.substr(begin, end - begin));
    }
  }

 private:
  char32_t character_;
  Ends ends_;
};

class ReplaceDecoder : public Decoder {
 public:
  ReplaceDecoder(std::unique_ptr<TextPattern> pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void decode(std::vector<std::string>& tokens) const override {
    std::vector<PatternPiece> pieces;
    for (std::string& token : tokens) {
      std::size_t n_invalid = 0;
      const Glyphs glyphs = to_glyphs(token, n_invalid);
      pieces.clear();
      pattern_->find(glyphs, {0, glyphs.size()}, pieces, {});
      std::string text;
      for (const PatternPiece& piece : pieces)
        text += piece.is_match ? content_ : to_utf8(glyphs, piece.range);
      token = std::move(text);
    }
  }

 private:
  std::unique_ptr<TextPattern> pattern_;
  std::string content_;
};

class DecoderSequence : public Decoder {
 public:
  explicit DecoderSequence(std::vector<std::unique_ptr<Decoder>> steps) : steps_(std::move(steps)) {}
  void decode(std::vector<std::string>& tokens) const override {
    for (const auto& step : steps_)
      step->decode(tokens);
  }

 private:
  std::vector<std::unique_ptr<Decoder>> steps_;
};

std::unique_ptr<Decoder> read_sequence(const JsonValue& json, const ComponentPlace& place) {
  std::vector<std::unique_ptr<Decoder>> steps;
  for (const JsonValue& item : read_steps(json, "decoders", place))
    if (auto step = read_decoder(&item, {place.file, place.field, place.depth + 1})) steps.push_back(std::move(step));
  return std::make_unique<DecoderSequence>(std::move(steps));
}

}  // namespace

std::unique_ptr<Decoder> read_decoder(const JsonValue* json, const ComponentPlace& place) {
  if (json == nullptr || json->is(JsonValue::Type::kNull)) return nullptr;
  const std::string& type = component_type(*json, place);
  if (type == "ByteLevel") return std::make_unique<ByteLevelDecoder>();
  if (type == "ByteFallback") return std::make_unique<ByteFallbackDecoder>();
  if (type == "Fuse") return std::make_unique<FuseDecoder>();
  if (type == "Metaspace") return std::make_unique<MetaspaceDecoder>(read_metaspace(*json, place));
  if (type == "BPEDecoder") return std::make_unique<SuffixDecoder>(read_text(*json, "suffix", place));
  if (type == "WordPiece")
    return std::make_unique<WordPieceDecoder>(read_text(*json, "prefix", place), read_flag(*json, "cleanup", true, place)
                                                                                     ? WordPieceDecoder::Cleanup::kYes
                                                                                     : WordPieceDecoder::Cleanup::kNo);
  if (type == "Strip")
    return std::make_unique<StripDecoder>(
        read_character(*json, "content", place),
        StripDecoder::Ends{read_count(*json, "start", kMostStripped, place), read_count(*json, "stop", kMostStripped, place)});
  if (type == "Replace")
    return std::make_unique<ReplaceDecoder>(read_pattern(json->find("pattern"), place), read_text(*json, "content", place));
  if (type == "Sequence") return read_sequence(*json, place);
  throw Error(
      at(place) + " has the type " + in_quotes(type, 60) +
      ", which is not supported (BPEDecoder, ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Sequence, Strip, WordPiece are)");
}

}  // namespace headroom
