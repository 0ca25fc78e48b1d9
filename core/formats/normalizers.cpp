#include <utf8proc.h>

#include <algorithm>
#include <utility>

#include "core/formats/byte_level.h"
#include "core/formats/char_classes.h"
#include "core/formats/component_json.h"
#include "core/formats/file.h"
#include "core/formats/normal_forms.h"
#include "core/formats/rewrite.h"
#include "core/formats/text_pattern.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// A rewriting that needs nothing but the text.
class SimpleNormalizer : public Normalizer {
 public:
  explicit SimpleNormalizer(void (*work)(Glyphs&)) : work_(work) {}
  void normalize(Glyphs& text, const std::stop_token&) const override { work_(text); }

 private:
  void (*work_)(Glyphs&);
};

class Prepend : public Normalizer {
 public:
  explicit Prepend(std::u32string text) : text_(std::move(text)) {}
  void normalize(Glyphs& text, const std::stop_token&) const override { put_before(text, text_); }

 private:
  std::u32string text_;
};

enum class Sides { kNone, kLeft, kRight, kBoth };

class Strip : public Normalizer {
 public:
  explicit Strip(Sides sides) : sides_(sides) {}
  void normalize(Glyphs& text, const std::stop_token&) const override {
    const auto is_kept = [](const Glyph& glyph) { return !is_white_space(glyph.code_point); };
    if (sides_ == Sides::kRight || sides_ == Sides::kBoth)
      text.erase(std::find_if(text.rbegin(), text.rend(), is_kept).base(), text.end());
    if (sides_ == Sides::kLeft || sides_ == Sides::kBoth) text.erase(text.begin(), std::find_if(text.begin(), text.end(), is_kept));
  }

 private:
  Sides sides_;
};

/// Puts `content` wherever the pattern matches; it stands for the bytes of the last character that it replaces.
class Replace : public Normalizer {
 public:
  Replace(std::unique_ptr<TextPattern> pattern, std::u32string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  void normalize(Glyphs& text, const std::stop_token& stop) const override {
    std::vector<PatternPiece> pieces;
    pattern_->find(text, {0, text.size()}, pieces, stop);
    if (std::none_of(pieces.begin(), pieces.end(), [](const PatternPiece& piece) { return piece.is_match; })) return;
    Glyphs result;
    result.reserve(text.size());
    for (const PatternPiece& piece : pieces) {
      if (!piece.is_match) {
        result.insert(result.end(), text.begin() + static_cast<std::ptrdiff_t>(piece.range.begin),
                      text.begin() + static_cast<std::ptrdiff_t>(piece.range.end));
        continue;
      }
      Glyph place{0, text[0].begin, text[0].begin};
      if (piece.range.end > 0) place = text[piece.range.end - 1];
      for (const char32_t c : content_)
        result.push_back({c, place.begin, place.end});
    }
    text = std::move(result);
  }

 private:
  std::unique_ptr<TextPattern> pattern_;
  std::u32string content_;
};

class NormalizerSequence : public Normalizer {
 public:
  explicit NormalizerSequence(std::vector<std::unique_ptr<Normalizer>> steps) : steps_(std::move(steps)) {}
  void normalize(Glyphs& text, const std::stop_token& stop) const override {
    for (const auto& step : steps_) {
      if (stop.stop_requested()) throw Cancelled();
      step->normalize(text, stop);
    }
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> steps_;
};

template <NormalForm form>
void normal_form(Glyphs& text) {
  to_normal_form(text, form);
}

void strip_accents(Glyphs& text) {
  std::erase_if(text, [](const Glyph& glyph) { return is_mark(glyph.code_point); });
}

bool is_left_out_by_nmt(char32_t c) {
  return (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
}

bool is_space_to_nmt(char32_t c) {
  return c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 || (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 ||
         c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
}

void clean_as_nmt(Glyphs& text) {
  std::erase_if(text, [](const Glyph& glyph) { return is_left_out_by_nmt(glyph.code_point); });
  for (Glyph& glyph : text)
    if (is_space_to_nmt(glyph.code_point)) glyph.code_point = U' ';
}

std::unique_ptr<Normalizer> simple(void (*work)(Glyphs&)) { return std::make_unique<SimpleNormalizer>(work); }

std::unique_ptr<Normalizer> read_strip(const JsonValue& json, const ComponentPlace& place) {
  const bool left = read_flag(json, "strip_left", true, place), right = read_flag(json, "strip_right", true, place);
  return std::make_unique<Strip>(left && right ? Sides::kBoth : left ? Sides::kLeft : right ? Sides::kRight : Sides::kNone);
}

std::unique_ptr<Normalizer> read_replace(const JsonValue& json, const ComponentPlace& place) {
  return std::make_unique<Replace>(read_pattern(json.find("pattern"), place), to_utf32(read_text(json, "content", place)));
}

std::unique_ptr<Normalizer> read_sequence(const JsonValue& json, const ComponentPlace& place) {
  std::vector<std::unique_ptr<Normalizer>> steps;
  for (const JsonValue& item : read_steps(json, "normalizers", place))
    if (auto step = read_normalizer(&item, {place.file, place.field, place.depth + 1})) steps.push_back(std::move(step));
  return std::make_unique<NormalizerSequence>(std::move(steps));
}

using Reader = std::unique_ptr<Normalizer> (*)(const JsonValue&, const ComponentPlace&);

constexpr std::pair<std::string_view, Reader> kReaders[] = {
    {"BertNormalizer", read_bert_normalizer},
    {"ByteLevel", [](const JsonValue&, const ComponentPlace&) { return simple(spell_bytes); }},
    {"Lowercase", [](const JsonValue&, const ComponentPlace&) { return simple(to_lower_case); }},
    {"NFC", [](const JsonValue&, const ComponentPlace&) { return simple(normal_form<NormalForm::kNfc>); }},
    {"NFD", [](const JsonValue&, const ComponentPlace&) { return simple(normal_form<NormalForm::kNfd>); }},
    {"NFKC", [](const JsonValue&, const ComponentPlace&) { return simple(normal_form<NormalForm::kNfkc>); }},
    {"NFKD", [](const JsonValue&, const ComponentPlace&) { return simple(normal_form<NormalForm::kNfkd>); }},
    {"Nmt", [](const JsonValue&, const ComponentPlace&) { return simple(clean_as_nmt); }},
    {"Precompiled", read_precompiled},
    {"Prepend",
     [](const JsonValue& json, const ComponentPlace& place) -> std::unique_ptr<Normalizer> {
       return std::make_unique<Prepend>(to_utf32(read_text(json, "prepend", place)));
     }},
    {"Replace", read_replace},
    {"Sequence", read_sequence},
    {"Strip", read_strip},
    {"StripAccents", [](const JsonValue&, const ComponentPlace&) { return simple(strip_accents); }},
};

}  // namespace

std::unique_ptr<Normalizer> read_normalizer(const JsonValue* json, const ComponentPlace& place) {
  if (json == nullptr || json->is(JsonValue::Type::kNull)) return nullptr;
  const std::string& type = component_type(*json, place);
  std::string known;
  for (const auto& [name, read] : kReaders) {
    if (type == name) return read(*json, place);
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  throw Error(at(place) + " has the type " + in_quotes(type, 60) + ", which is not supported (" + known + " are)");
}

}  // namespace headroom
