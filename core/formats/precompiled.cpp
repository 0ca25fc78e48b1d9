#include <utf8proc.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/formats/component_json.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::size_t kMaxMapBytes = 64u << 20;
constexpr std::size_t kShortGrapheme = 6;  // longer ones are looked up code point by code point

/// The bytes of standard base64 with padding. Errors  Error.
std::string decode_base64(const std::string& text, const std::string& name) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::array<int, 256> values{};
  values.fill(-1);
  for (std::size_t i = 0; i < kDigits.size(); ++i)
    values[static_cast<unsigned char>(kDigits[i])] = static_cast<int>(i);
  std::size_t n = text.size();
  while (n > 0 && text.size() - n < 2 && text[n - 1] == '=')
    --n;
  std::string bytes;
  bytes.reserve(n / 4 * 3 + 3);
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const int value = values[static_cast<unsigned char>(text[i])];
    if (value < 0) throw Error(name + " is no base64 at character " + std::to_string(i));
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    if (i % 4 != 0) bytes.push_back(static_cast<char>(static_cast<unsigned char>(bits >> (6 - 2 * (i % 4)))));
  }
  if (text.size() % 4 != 0 || n % 4 == 1) throw Error(name + " is no base64: it has " + counted(text.size(), "character"));
  return bytes;
}

/// A map from short byte strings to replacements: a double-array trie whose values are places in a text of NUL-ended replacements.
/// Source  Kudo and Richardson 2018, arXiv:1808.06226 (the precompiled normalisation rules); Yata's double-array layout: bits 0..7 a unit's
/// label, bit 8 whether it ends a key, bits 10..30 the offset of its children, shifted by 8 when bit 9 is set.
class CharacterMap {
 public:
  CharacterMap(std::string_view bytes, const std::string& name) {
    const auto word = [&](std::size_t at) {
      std::uint32_t value = 0;
      for (std::size_t i = 0; i < 4; ++i)
        value |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
      return value;
    };
    if (bytes.size() < 4) throw Error(name + " has " + counted(bytes.size(), "byte") + ", too few for its trie's size");
    const std::size_t trie_bytes = word(0);
    if (trie_bytes > bytes.size() - 4)
      throw Error(name + " says that its trie has " + counted(trie_bytes, "byte") + ", but only " +
                  with_thousands(bytes.size() - 4) + " follow");
    if (trie_bytes == 0 || trie_bytes % 4 != 0)
      throw Error(name + " has a trie of " + counted(trie_bytes, "byte") + ", where a multiple of 4 above 0 is needed");
    for (std::size_t i = 0; i < trie_bytes; i += 4)
      units_.push_back(word(4 + i));
    replacements_ = bytes.substr(4 + trie_bytes);
    if (const auto invalid = find_invalid_utf8(replacements_))
      throw Error(name + " has replacements that are no UTF-8 at byte " + std::to_string(4 + trie_bytes + *invalid));
    check(name);
  }

  /// What the key's shortest prefix in the map becomes, or nullptr. The caller replaces the whole key by it, as the reference does.
  const char* find(std::string_view key) const {
    std::size_t at = offset(units_[0]);
    for (const char c : key) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte == 0) return nullptr;
      at ^= byte;
      if (at >= units_.size() || label(units_[at]) != byte) return nullptr;
      const std::uint32_t unit = units_[at];
      at ^= offset(unit);
      if (has_value(unit)) return replacements_.c_str() + (units_[at] & kValueMask);
    }
    return nullptr;
  }

 private:
  static constexpr std::uint32_t kValueMask = 0x7FFFFFFF;
  static bool has_value(std::uint32_t unit) { return (unit >> 8 & 1) != 0; }
  static std::uint32_t label(std::uint32_t unit) { return unit & 0x800000FF; }
  static std::size_t offset(std::uint32_t unit) { return static_cast<std::size_t>(unit >> 10) << ((unit & 0x200) >> 6); }

  /// Walks everything that a key can reach: a value must lie in the trie and its replacement in the text.
  void check(const std::string& name) const {
    std::vector<bool> seen(units_.size());
    std::vector<std::size_t> open{0};
    seen[0] = true;
    while (!open.empty()) {
      const std::size_t node = open.back();
      open.pop_back();
      const std::size_t children = node ^ offset(units_[node]);
      if (node != 0 && has_value(units_[node])) {
        if (children >= units_.size())
          throw Error(name + " has a trie that points to unit " + std::to_string(children) + " of " +
                      std::to_string(units_.size()));
        const std::size_t place = units_[children] & kValueMask;
        if (place >= replacements_.size() || replacements_.find('\0', place) == std::string::npos)
          throw Error(name + " has a replacement at byte " + std::to_string(place) + " of " + std::to_string(replacements_.size()));
        if (place > 0 && (static_cast<unsigned char>(replacements_[place]) & 0xC0) == 0x80)
          throw Error(name + " has a replacement that begins inside a character, at byte " + std::to_string(place));
      }
      for (std::size_t byte = 1; byte < 256; ++byte) {
        const std::size_t child = children ^ byte;
        if (child >= units_.size() || label(units_[child]) != byte || seen[child]) continue;
        seen[child] = true;
        open.push_back(child);
      }
    }
  }

  std::vector<std::uint32_t> units_;
  std::string replacements_;
};

/// The rules of a SentencePiece model, e.g. its own NFKC.
class Precompiled : public Normalizer {
 public:
  explicit Precompiled(CharacterMap map) : map_(std::move(map)) {}

  void normalize(Glyphs& text, const std::stop_token& stop) const override {
    std::vector<GlyphChange> changes;
    changes.reserve(text.size());
    bool is_changed = false;
    std::string key;
    for (std::size_t begin = 0; begin < text.size();) {
      if ((begin & 0xFFFF) == 0 && stop.stop_requested()) throw Cancelled();
      const std::size_t end = end_of_grapheme(text, begin);
      key = to_utf8(text, {begin, end});
      const char* whole = key.size() < kShortGrapheme ? map_.find(key) : nullptr;
      if (whole != nullptr) {
        replace(changes, end - begin, whole);
        is_changed = true;
      }
      for (std::size_t i = begin; i < end && whole == nullptr; ++i) {
        const char* part = map_.find(to_utf8(text, {i, i + 1}));
        if (part != nullptr) {
          replace(changes, 1, part);
          is_changed = true;
        } else {
          changes.push_back({text[i].code_point, 0});
        }
      }
      begin = end;
    }
    if (is_changed) text = changed_glyphs(text, changes);
  }

 private:
  static std::size_t end_of_grapheme(const Glyphs& text, std::size_t begin) {
    utf8proc_int32_t state = 0;
    std::size_t end = begin + 1;
    while (end < text.size() && !utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(text[end - 1].code_point),
                                                                  static_cast<utf8proc_int32_t>(text[end].code_point), &state))
      ++end;
    return end;
  }

  /// n_old code points become the replacement: the last ones are new, or what was last takes the rest away.
  static void replace(std::vector<GlyphChange>& changes, std::size_t n_old, const char* replacement) {
    const std::u32string text = to_utf32(replacement);
    for (const char32_t c : text)
      changes.push_back({c, 0});
    const std::size_t n_new = text.size();
    for (std::size_t i = 0; i + n_old < n_new; ++i)
      changes[changes.size() - 1 - i].change = 1;
    if (n_new < n_old && !changes.empty()) changes.back().change -= static_cast<std::int32_t>(n_old - n_new);
  }

  CharacterMap map_;
};

}  // namespace

std::unique_ptr<Normalizer> read_precompiled(const JsonValue& json, const ComponentPlace& place) {
  const std::string& text = read_text(json, "precompiled_charsmap", place);
  const std::string name = at(place) + ": precompiled_charsmap";
  if (text.size() > kMaxMapBytes)
    throw Error(name + " has " + counted(text.size(), "byte") + ", more than the limit of " + with_thousands(kMaxMapBytes));
  return std::make_unique<Precompiled>(CharacterMap(decode_base64(text, name), name));
}

}  // namespace headroom
