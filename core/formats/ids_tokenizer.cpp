#include <algorithm>
#include <charconv>
#include <limits>

#include "core/formats/file.h"
#include "core/formats/tokenizer.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::size_t kDigits = 10;      // of the largest id
constexpr std::size_t kMostNamed = 3;    // words that a notice names
constexpr std::size_t kLook = 1u << 16;  // words between two looks at whether to stop

bool is_separator(char c) { return c == ' ' || c == ',' || c == ';' || (c >= '\t' && c <= '\r'); }

/// Every token is its own number.
class IdsTokenizer : public Tokenizer {
 public:
  explicit IdsTokenizer(std::int64_t vocab_size)
      : vocab_size_(std::clamp<std::int64_t>(vocab_size, 0, std::numeric_limits<std::int32_t>::max())) {
    spellings_.reserve(static_cast<std::size_t>(vocab_size_) * kDigits);
    for (std::int64_t id = 0; id < vocab_size_; ++id) {
      spellings_ += std::to_string(id);
      spellings_.resize(static_cast<std::size_t>(id + 1) * kDigits, ' ');
    }
  }

  std::int64_t vocab_size() const override { return vocab_size_; }
  std::string_view token_text(std::int32_t id) const override {
    if (id < 0 || id >= vocab_size_) return {};
    const std::string_view field = std::string_view(spellings_).substr(static_cast<std::size_t>(id) * kDigits, kDigits);
    return field.substr(0, field.find(' '));
  }
  std::int32_t token_id(std::string_view text) const override {
    std::int64_t id = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    const bool is_id = error == std::errc() && end == text.data() + text.size() && id >= 0 && id < vocab_size_;
    return is_id ? static_cast<std::int32_t>(id) : -1;
  }
  std::int32_t unknown_id() const override { return -1; }
  const std::vector<std::string>& load_notices() const override { return no_notices_; }

  Encoding encode(std::string_view text, std::size_t max_tokens, std::stop_token stop) const override {
    Encoding encoding;
    std::size_t n_ids = 0, n_words = 0, n_wrong = 0;
    std::string named;
    for (std::size_t begin = 0; begin < text.size();) {
      if (is_separator(text[begin])) {
        ++begin;
        continue;
      }
      if (++n_words % kLook == 0 && stop.stop_requested()) throw Cancelled();
      std::size_t end = begin + 1;
      while (end < text.size() && !is_separator(text[end]))
        ++end;
      const std::string_view word = text.substr(begin, end - begin);
      Token token;
      token.id = token_id(word);
      if (token.id < 0) {
        if (++n_wrong <= kMostNamed) named += (named.empty() ? "" : ", ") + in_quotes(word, 40);
      } else if (++n_ids <= max_tokens) {
        token.text = token_text(token.id);
        token.source = word;
        token.begin = begin;
        token.end = end;
        encoding.tokens.push_back(std::move(token));
      }
      begin = end;
    }
    if (n_wrong > 0) encoding.notices.push_back(wrong_words(n_wrong, named));
    if (n_ids > encoding.tokens.size())
      encoding.notices.push_back("The text has " + counted(n_ids, "token") + "; the first " +
                                 with_thousands(encoding.tokens.size()) + (encoding.tokens.size() == 1 ? " is" : " are") +
                                 " shown.");
    return encoding;
  }
  bool has_pair_template() const override { return false; }
  Encoding encode_pair(std::string_view, std::string_view, std::size_t, std::stop_token) const override {
    throw Error("ids written by hand have no template for a pair of texts");
  }
  std::string decode(std::span<const std::int32_t> ids, SpecialTokens) const override {
    std::string text;
    for (const std::int32_t id : ids) {
      if (token_text(id).empty()) continue;
      if (!text.empty()) text += ' ';
      text += token_text(id);
    }
    return text;
  }
  std::vector<std::string> nearest_words(std::string_view, std::size_t) const override { return {}; }

 private:
  std::string wrong_words(std::size_t n, const std::string& named) const {
    const std::string more = n > kMostNamed ? " and " + with_thousands(n - kMostNamed) + " more" : "";
    const std::string range =
        vocab_size_ == 0 ? "there are none" : "they are integers from 0 to " + std::to_string(vocab_size_ - 1);
    return named + more + (n == 1 ? " is no token id: " : " are no token ids: ") + range + ".";
  }

  std::int64_t vocab_size_;
  std::string spellings_;  // [vocab_size, kDigits], padded with spaces
  std::vector<std::string> no_notices_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_ids_tokenizer(std::int64_t vocab_size) { return std::make_unique<IdsTokenizer>(vocab_size); }

}  // namespace headroom
