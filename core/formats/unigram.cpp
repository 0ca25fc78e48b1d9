#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "core/formats/byte_trie.h"
#include "core/formats/component_json.h"
#include "core/formats/file.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::size_t kMaxEntries = 10000000;
constexpr double kUnknownPenalty = 10;  // below the least score
constexpr std::size_t kPlacesBetweenLooks = 1u << 16;

ByteTrie make_trie(const Vocabulary& vocabulary) {
  std::vector<std::pair<std::string_view, std::int32_t>> keys;
  keys.reserve(vocabulary.n_entries());
  for (const auto& [text, id] : vocabulary.entries())
    keys.emplace_back(text, id);
  return ByteTrie(std::move(keys));
}

/// 10 to the power of n, from 0 to 308.
double power_of_ten(int n) {
  static const std::array<double, 309> table = [] {
    std::array<double, 309> powers{};
    for (std::size_t i = 0; i < powers.size(); ++i) {
      const std::string text = "1e" + std::to_string(i);
      std::from_chars(text.data(), text.data() + text.size(), powers[i]);
    }
    return powers;
  }();
  return table[static_cast<std::size_t>(n)];
}

/// A score as the reference reads it: all digits that fit in 64 bits, times or over one power of ten. That can be a bit's breadth off, and ties
/// between paths are decided by such a bit.
double read_score(const JsonValue& json) {
  if (!json.is(JsonValue::Type::kFloat)) return json.number();
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t digits = 0;
  int exponent = 0;
  bool is_full = false, is_after_point = false;
  std::string_view text = json.string;
  const bool is_negative = text.starts_with('-');
  for (text.remove_prefix(is_negative ? 1 : 0); !text.empty() && (text[0] | 0x20) != 'e'; text.remove_prefix(1)) {
    if (text[0] == '.') {
      is_after_point = true;
      continue;
    }
    const auto digit = static_cast<std::uint64_t>(text[0] - '0');
    is_full = is_full || digits > (kMost - digit) / 10;
    if (!is_full) digits = digits * 10 + digit;
    if (is_full ? !is_after_point : is_after_point) exponent += is_full ? 1 : -1;
  }
  if (!text.empty()) {
    text.remove_prefix(text.size() > 1 && text[1] == '+' ? 2 : 1);
    int written = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), written).ec != std::errc()) return json.number();
    exponent += std::clamp(written, -10000, 10000);
  }
  if (exponent < -308 || exponent > 308) return json.number();
  const double value =
      exponent < 0 ? static_cast<double>(digits) / power_of_ten(-exponent) : static_cast<double>(digits) * power_of_ten(exponent);
  return is_negative ? -value : value;
}

/// The most probable way to cut a word into tokens, each of which has a log probability.
/// Source  Kudo 2018, arXiv:1804.10959, section 3.2, by Viterbi's algorithm.
class Unigram : public TokenModel {
 public:
  enum class Fallback { kNone, kBytes };
  struct Options {
    std::int32_t unknown_id = -1;
    Fallback fallback = Fallback::kNone;
  };

  Unigram(const Vocabulary& vocabulary, std::vector<double> scores, Options options)
      : vocabulary_(vocabulary), scores_(std::move(scores)), options_(options), trie_(make_trie(vocabulary_)) {
    unknown_score_ = *std::min_element(scores_.begin(), scores_.end()) - kUnknownPenalty;
    for (std::size_t byte = 0; byte < 256; ++byte) {
      static constexpr char kDigits[] = "0123456789ABCDEF";
      byte_ids_[byte] = vocabulary.id_of(std::string("<0x") + kDigits[byte / 16] + kDigits[byte % 16] + ">");
    }
  }

  std::int32_t unknown_id() const override { return options_.unknown_id; }

  void tokenize(const Glyphs& text, GlyphRange word, ModelOutput& output) const override {
    const std::string bytes = to_utf8(text, word);
    std::vector<std::uint32_t> glyph_of;  // [byte] the glyph that it belongs to
    glyph_of.reserve(bytes.size());
    for (std::size_t i = word.begin; i < word.end; ++i)
      glyph_of.resize(glyph_of.size() + utf8_length(text[i].code_point), static_cast<std::uint32_t>(i));
    const auto range_of = [&](Span span) { return GlyphRange{glyph_of[span.begin], glyph_of[span.end - 1] + std::size_t{1}}; };
    for (const Span& span : best_path(bytes, output.stop))
      put(std::string_view(bytes).substr(span.begin, span.end - span.begin), range_of(span), output);
  }

 private:
  struct Span {
    std::size_t begin, end;
  };
  struct Best {
    double score = 0;
    std::int32_t id = -1;
    std::uint32_t begin = kNowhere;  ///< of the token that ends here on the best path
  };
  static constexpr std::uint32_t kNowhere = 0xFFFFFFFF;

  /// The tokens of the best path; neighbouring unknown characters are one.
  std::vector<Span> best_path(std::string_view bytes, const std::stop_token& stop) const {
    std::vector<Best> ends_at(bytes.size() + 1);
    const auto offer = [&](std::size_t begin, std::size_t length, std::int32_t id, double score) {
      Best& best = ends_at[begin + length];
      const double total = score + ends_at[begin].score;
      if (best.begin == kNowhere || total > best.score)
        best = {total, id, static_cast<std::uint32_t>(begin)};  // ties keep the first
    };
    for (std::size_t begin = 0, n_places = 0; begin < bytes.size(); ++n_places) {
      if (n_places % kPlacesBetweenLooks == 0 && stop.stop_requested()) throw Cancelled();
      const std::size_t character = decode_utf8(bytes, begin).bytes;
      bool is_known = false;
      trie_.find_prefixes(bytes.substr(begin), [&](std::size_t length, std::int32_t id) {
        offer(begin, length, id, scores_[static_cast<std::size_t>(id)]);
        is_known = is_known || length == character;
      });
      if (!is_known) {
        if (options_.unknown_id < 0)
          throw Error(in_quotes(bytes.substr(begin, character)) + " is not in the vocabulary, which has no unk_id");
        offer(begin, character, options_.unknown_id, unknown_score_);
      }
      begin += character;
    }
    std::vector<Span> path;
    bool was_unknown = false;
    for (std::size_t end = bytes.size(); end > 0;) {
      const Best& best = ends_at[end];
      const bool is_unknown = best.id == options_.unknown_id;
      if (is_unknown && was_unknown) {
        path.back().begin = best.begin;
      } else {
        path.push_back({best.begin, end});
      }
      was_unknown = is_unknown;
      end = best.begin;
    }
    std::reverse(path.begin(), path.end());
    return path;
  }

  void put(std::string_view spelling, GlyphRange range, ModelOutput& output) const {
    if (const std::int32_t id = vocabulary_.id_of(spelling); id >= 0) {
      output.pieces.push_back({id, range, id == options_.unknown_id});
      return;
    }
    const auto byte_id = [&](char c) { return byte_ids_[static_cast<unsigned char>(c)]; };
    if (options_.fallback == Fallback::kBytes &&
        std::all_of(spelling.begin(), spelling.end(), [&](char c) { return byte_id(c) >= 0; })) {
      for (const char c : spelling)
        output.pieces.push_back({byte_id(c), range, false});
      return;
    }
    output.pieces.push_back({options_.unknown_id, range, true});
  }

  Vocabulary vocabulary_;       // the model's own words
  std::vector<double> scores_;  // [id]
  Options options_;
  ByteTrie trie_;
  double unknown_score_ = 0;
  std::array<std::int32_t, 256> byte_ids_{};
};

}  // namespace

std::unique_ptr<TokenModel> read_unigram(const JsonValue& json, const ComponentPlace& place, TokenizerParts& parts) {
  const JsonValue* list = json.find("vocab");
  if (list == nullptr || !list->is(JsonValue::Type::kArray)) throw Error(at(place) + " needs a list \"vocab\"");
  if (list->items.empty()) throw Error(at(place) + " has an empty vocab");
  if (list->items.size() > kMaxEntries)
    throw Error(at(place) + " has a vocab of " + counted(list->items.size(), "word") + ", more than the limit of " +
                with_thousands(kMaxEntries));
  std::vector<double> scores;
  scores.reserve(list->items.size());
  parts.vocabulary.reserve(list->items.size());
  for (const JsonValue& item : list->items) {
    const bool is_pair = item.is(JsonValue::Type::kArray) && item.items.size() == 2 && item.items[0].is(JsonValue::Type::kString) &&
                         item.items[1].is_number() && std::isfinite(item.items[1].number());
    if (!is_pair)
      throw Error(at(place) + ": vocab[" + std::to_string(scores.size()) + "] is " + describe(item) +
                  ", where a text and its score are needed");
    parts.vocabulary.add(item.items[0].string, static_cast<std::int32_t>(scores.size()));
    scores.push_back(read_score(item.items[1]));
  }
  Unigram::Options options;
  if (json.find_set("unk_id") != nullptr)
    options.unknown_id = static_cast<std::int32_t>(read_count(json, "unk_id", scores.size() - 1, place));
  if (read_flag(json, "byte_fallback", false, place)) options.fallback = Unigram::Fallback::kBytes;
  return std::make_unique<Unigram>(parts.vocabulary, std::move(scores), options);
}

}  // namespace headroom
