#include "core/formats/capture_text.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "core/formats/byte_level.h"
#include "core/formats/json_value.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::int64_t kMaxIds = 1 << 24;

void tell_once(std::vector<std::string>& notices, std::string sentence) {
  if (std::find(notices.begin(), notices.end(), sentence) == notices.end()) notices.push_back(std::move(sentence));
}

/// One text of a list of texts, or of a list of lists.
std::optional<std::vector<std::string>> list_in_json(const std::string& json, const TextOfCapture& text, const std::string& where) {
  const JsonDocument document = parse_json(json, where);
  const JsonValue* list = &document.root;
  const bool is_nested = list->is(JsonValue::Type::kArray) && !list->items.empty() && list->items[0].is(JsonValue::Type::kArray);
  if (is_nested) {
    if (text.entry >= std::ssize(list->items)) return std::nullopt;
    list = &list->items[static_cast<std::size_t>(text.entry)];
  } else if (text.n_entries > 1) {
    throw Error(where + " is one list of tokens, but there are " + std::to_string(text.n_entries) + " texts");
  }
  if (!list->is(JsonValue::Type::kArray)) throw Error(where + " is no list of texts");
  std::vector<std::string> values;
  for (const JsonValue& item : list->items) {
    if (!item.is(JsonValue::Type::kString)) throw Error(where + " holds " + describe(item) + " among its texts");
    values.push_back(item.string);
  }
  return values;
}

/// A text kept as bytes, for what is too long for a header.
std::optional<std::string> utf8_array(const CaptureFile& file, const std::string& name) {
  const NumericArray* array = file.find(name + "_utf8");
  if (array == nullptr || array->format.bytes != 1) return std::nullopt;
  std::string text;
  for (const std::int64_t byte : array->integers(std::int64_t{64} << 20))
    text.push_back(static_cast<char>(static_cast<unsigned char>(byte)));
  return text;
}

std::optional<std::vector<std::string>> token_list(const CaptureFile& file, const TextOfCapture& text, const std::string& name) {
  const std::string where = in_quotes(name);
  if (const auto found = file.texts.find(name); found != file.texts.end()) {
    const std::vector<std::int64_t>& shape = found->second.shape;
    const std::vector<std::string>& values = found->second.values;
    if (shape.size() == 1) return values;
    if (shape.size() != 2 || text.entry >= shape[0]) return std::nullopt;
    const auto row = values.begin() + text.entry * shape[1];
    return std::vector<std::string>(row, row + shape[1]);
  }
  if (const auto found = file.metadata.find(name); found != file.metadata.end()) return list_in_json(found->second, text, where);
  if (const auto bytes = utf8_array(file, name)) return list_in_json(*bytes, text, where);
  return std::nullopt;
}

/// A row of a [n] or [batch, n] array of integers.
std::optional<std::vector<std::int64_t>> id_list(const CaptureFile& file, const TextOfCapture& text, const std::string& name) {
  const NumericArray* array = file.find(name);
  if (array == nullptr || array->rank() < 1 || array->rank() > 2 || array->format.is_float()) return std::nullopt;
  const std::vector<std::int64_t> all = array->integers(kMaxIds);
  const std::int64_t n = array->shape.back(), n_rows = std::ssize(all) / n;
  const std::int64_t row = n_rows == 1 ? 0 : text.entry;
  if (row >= n_rows) return std::nullopt;
  return std::vector<std::int64_t>(all.begin() + row * n, all.begin() + (row + 1) * n);
}

/// Both spellings of one list of tokens.
struct Names {
  std::vector<std::string> tokens, ids;
};
struct List {
  std::vector<std::string> texts;  ///< empty: none
  std::vector<std::int64_t> ids;   ///< empty: none
  std::size_t size() const { return texts.empty() ? ids.size() : texts.size(); }
};

List find_list(const CaptureFile& file, const TextOfCapture& text, const Names& names, std::vector<std::string>& notices) {
  List list;
  for (const std::string& name : names.tokens) {
    try {
      if (auto found = token_list(file, text, name); found && list.texts.empty()) list.texts = std::move(*found);
    } catch (const Error& error) {
      tell_once(notices, std::string("The list of tokens was not read: ") + error.what() + ".");
    }
  }
  for (const std::string& name : names.ids) {
    try {
      if (auto found = id_list(file, text, name); found && list.ids.empty()) list.ids = std::move(*found);
    } catch (const Error& error) {
      tell_once(notices, std::string("The ids of the tokens were not read: ") + error.what() + ".");
    }
  }
  if (list.ids.size() != list.texts.size() && !list.texts.empty() && !list.ids.empty()) {
    tell_once(notices, "The capture has " + std::to_string(list.texts.size()) + " tokens but " + std::to_string(list.ids.size()) +
                           " ids: the ids are left out.");
    list.ids.clear();
  }
  return list;
}

bool looks_special(std::string_view text) {
  if (text.size() < 3) return false;
  const bool has_angles = text.front() == '<' && text.back() == '>' && !text.starts_with("<0x");
  const bool has_brackets = text.front() == '[' && text.back() == ']' && text.size() <= 16 &&
                            std::all_of(text.begin() + 1, text.end() - 1, [](char c) { return c >= 'A' && c <= 'Z'; });
  return has_angles || has_brackets;
}

std::int32_t narrow_id(std::int64_t id) {
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(id, -1, std::numeric_limits<std::int32_t>::max()));
}

/// Tokens [begin, end) of a list; numbered where there is none.
std::vector<Token> make_tokens(const List& list, std::int64_t begin, std::int64_t end, std::int64_t first_number) {
  const bool is_byte_level = std::any_of(list.texts.begin(), list.texts.end(),
                                         [](const std::string& text) { return text.find("\u0120") != std::string::npos; });
  std::vector<Token> tokens;
  for (std::int64_t i = begin; i < end; ++i) {
    const auto at = static_cast<std::size_t>(i);
    Token token;
    if (at < list.ids.size()) token.id = narrow_id(list.ids[at]);
    if (at < list.texts.size()) {
      token.text = list.texts[at];
      token.is_special = looks_special(token.text);
      if (const auto bytes = is_byte_level ? bytes_of_spelling(token.text) : std::nullopt; bytes && !token.is_special)
        token.source = *bytes;
    } else {
      token.text = at < list.ids.size() ? "#" + std::to_string(list.ids[at]) : std::to_string(first_number + i - begin);
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

void place_in_text(const CaptureFile& file, const std::string& text, std::vector<Token>& tokens, std::int64_t first) {
  const NumericArray* offsets = file.find("offsets");
  if (text.empty() || offsets == nullptr || offsets->rank() != 2 || offsets->shape[1] != 2 || offsets->format.is_float()) return;
  if (offsets->shape[0] < first + std::ssize(tokens) || offsets->size() > kMaxIds) return;
  const std::vector<std::int64_t> places = offsets->integers(kMaxIds);
  std::vector<std::size_t> starts;  // of each code point, in which offsets count
  for (std::size_t at = 0; at < text.size(); at += decode_utf8(text, at).bytes)
    starts.push_back(at);
  starts.push_back(text.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::size_t at = 2 * (static_cast<std::size_t>(first) + i);
    const std::int64_t begin = places[at], end = places[at + 1];
    if (begin < 0 || end < begin || end >= std::ssize(starts)) continue;
    tokens[i].begin = starts[static_cast<std::size_t>(begin)];
    tokens[i].end = starts[static_cast<std::size_t>(end)];
    if (tokens[i].source.empty()) tokens[i].source = text.substr(tokens[i].begin, tokens[i].end - tokens[i].begin);
  }
}

std::vector<std::int32_t> ids_of(const std::vector<Token>& tokens) {
  std::vector<std::int32_t> ids;
  for (const Token& token : tokens)
    ids.push_back(token.id);
  return ids;
}

}  // namespace

std::string layer_key(std::string_view stem, std::int64_t layer) {
  std::string digits = std::to_string(layer);
  if (digits.size() < 3) digits.insert(0, 3 - digits.size(), '0');
  return std::string(stem) + "." + digits;
}

CaptureWindow real_tokens(const CaptureFile& file, const TextOfCapture& text, std::vector<std::string>& notices) {
  CaptureWindow window{.q_end = text.seq_q, .k_end = text.seq_k};
  const bool has_own = text.stack == AttentionStack::kSelf && text.has_other_stacks;
  const auto mask = id_list(file, text, has_own ? "decoder_attention_mask" : "attention_mask");
  if (!mask || std::all_of(mask->begin(), mask->end(), [](std::int64_t real) { return real != 0; })) return window;
  const auto begin = std::find_if(mask->begin(), mask->end(), [](std::int64_t real) { return real != 0; });
  const auto end = std::find(begin, mask->end(), 0);
  const bool is_one_piece = begin != mask->end() && std::all_of(end, mask->end(), [](std::int64_t real) { return real == 0; });
  const bool is_of_keys = std::ssize(*mask) == text.seq_k;
  if (!is_one_piece || !is_of_keys) {
    tell_once(notices, is_of_keys ? "The attention_mask has holes: all tokens are shown, padding too."
                                  : "The attention_mask is of another length than the keys: all tokens are shown, padding too.");
    return window;
  }
  window.k_begin = begin - mask->begin();
  window.k_end = end - mask->begin();
  if (text.stack != AttentionStack::kCross && text.seq_q == text.seq_k) {
    window.q_begin = window.k_begin;
    window.q_end = window.k_end;
  }
  const std::int64_t n = text.seq_k - window.seq_k();
  notices.push_back(counted(static_cast<std::uint64_t>(n), "token") + " of padding (attention_mask) " + (n == 1 ? "is" : "are") +
                    " left out.");
  return window;
}

CaptureTokens read_tokens(const CaptureFile& file, const TextOfCapture& text, const CaptureWindow& window,
                          std::vector<std::string>& notices) {
  const bool is_cross = text.stack == AttentionStack::kCross;
  const bool is_encoder = text.stack == AttentionStack::kEncoder && text.has_other_stacks;
  const bool has_decoder_ids = file.find("decoder_input_ids") != nullptr;
  const Names encoder{{"key_tokens", "encoder_tokens"},
                      has_decoder_ids ? std::vector<std::string>{"key_ids", "encoder_input_ids", "input_ids"}
                                      : std::vector<std::string>{"key_ids", "encoder_input_ids"}};
  const Names decoder{{"decoder_tokens", "tokens"},
                      has_decoder_ids ? std::vector<std::string>{"decoder_input_ids"} : std::vector<std::string>{"input_ids"}};
  const List queries = find_list(file, text, is_encoder ? encoder : decoder, notices);
  CaptureTokens found;
  if (const auto text_found = file.metadata.find("text"); text_found != file.metadata.end() && text.n_entries == 1)
    found.text = text_found->second;
  if (const auto bytes = utf8_array(file, "text"); bytes && found.text.empty() && text.n_entries == 1) found.text = *bytes;

  // Keys that are the queries' own tokens, with those before them: a cache's.
  const bool has_cache = !is_cross && text.seq_k != text.seq_q;
  const auto n_queries = static_cast<std::int64_t>(queries.size());
  const bool counts_keys = has_cache && n_queries == text.seq_k && text.query_start + text.seq_q <= text.seq_k;
  const std::int64_t first = window.q_begin + (counts_keys ? text.query_start : 0);
  const bool fits = counts_keys || n_queries == text.seq_q;
  if (n_queries > 0 && !fits)
    notices.push_back("The capture names " + counted(queries.size(), "token") + ", but its attention has " +
                      std::to_string(text.seq_q) + (text.seq_q == 1 ? " query" : " queries") + ": rows are shown by their numbers.");
  if (n_queries == 0) notices.push_back("The capture names no tokens: they are shown by their numbers.");
  const List none;
  found.tokens =
      make_tokens(fits ? queries : none, first, first + window.seq_q(), window.q_begin + (has_cache ? text.query_start : 0));
  if (fits) place_in_text(file, found.text, found.tokens, first);
  found.ids = ids_of(found.tokens);
  if (!is_cross && !has_cache) return found;

  const List keys = counts_keys ? queries : find_list(file, text, encoder, notices);
  const bool keys_fit = static_cast<std::int64_t>(keys.size()) == text.seq_k;
  if (keys.size() > 0 && !keys_fit)
    notices.push_back("The capture names " + counted(keys.size(), "key token") + ", but its attention has " +
                      counted(static_cast<std::uint64_t>(text.seq_k), "key") + ": columns are shown by their numbers.");
  if (keys.size() == 0) notices.push_back("The capture does not name the keys' tokens: columns are shown by their numbers.");
  found.key_tokens = make_tokens(keys_fit ? keys : none, window.k_begin, window.k_end, window.k_begin);
  found.key_ids = ids_of(found.key_tokens);
  return found;
}

}  // namespace headroom
