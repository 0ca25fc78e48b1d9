#include <utf8proc.h>

#include <algorithm>

#include "core/formats/file.h"
#include "core/formats/tokenizer_pipeline.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr int kMaxSequenceDepth = 8;
constexpr std::size_t kMaxDecomposition = 32;  // the longest in Unicode 15 has 18 code points

class Lowercase : public Normalizer {
 public:
  void normalize(Glyphs& text) const override {
    // U+0130 is the one code point whose lower case is two.
    if (std::none_of(text.begin(), text.end(), [](const Glyph& g) { return g.code_point == 0x130; })) {
      for (Glyph& glyph : text)
        glyph.code_point = lower(glyph.code_point);
      return;
    }
    Glyphs result;
    result.reserve(text.size() + 16);
    for (const Glyph& glyph : text) {
      if (glyph.code_point == 0x130) {
        result.push_back({U'i', glyph.begin, glyph.end});
        result.push_back({0x307, glyph.begin, glyph.end});
      } else {
        result.push_back({lower(glyph.code_point), glyph.begin, glyph.end});
      }
    }
    text = std::move(result);
  }

 private:
  static char32_t lower(char32_t c) {
    if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 0x20 : c;
    return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
  }
};

enum class Form { kComposed, kDecomposed };
enum class Mapping { kCanonical, kCompatible };

/// The four normal forms of UAX #15. A composed code point stands for the bytes of all its parts.
class NormalForm : public Normalizer {
 public:
  NormalForm(Form form, Mapping mapping) : form_(form), mapping_(mapping) {}

  void normalize(Glyphs& text) const override {
    if (std::all_of(text.begin(), text.end(), [](const Glyph& g) { return g.code_point < 0x80; })) return;
    Glyphs parts = decompose(text);
    order_marks(parts);
    if (form_ == Form::kComposed) compose(parts);
    text = std::move(parts);
  }

 private:
  Glyphs decompose(const Glyphs& text) const {
    const auto options =
        static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | (mapping_ == Mapping::kCompatible ? UTF8PROC_COMPAT : 0));
    Glyphs parts;
    parts.reserve(text.size() + text.size() / 8);
    for (const Glyph& glyph : text) {
      utf8proc_int32_t buffer[kMaxDecomposition];
      int boundary = 0;
      const utf8proc_ssize_t n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(glyph.code_point), buffer,
                                                         static_cast<utf8proc_ssize_t>(kMaxDecomposition), options, &boundary);
      if (n <= 0 || n > static_cast<utf8proc_ssize_t>(kMaxDecomposition)) {
        parts.push_back(glyph);
        continue;
      }
      for (utf8proc_ssize_t i = 0; i < n; ++i)
        parts.push_back({static_cast<char32_t>(buffer[i]), glyph.begin, glyph.end});
    }
    return parts;
  }

  static int combining_class(char32_t c) {
    return c < 0x300 ? 0 : utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
  }

  static void order_marks(Glyphs& parts) {
    for (std::size_t i = 0; i < parts.size();) {
      if (combining_class(parts[i].code_point) == 0) {
        ++i;
        continue;
      }
      std::size_t end = i + 1;
      while (end < parts.size() && combining_class(parts[end].code_point) != 0)
        ++end;
      std::stable_sort(
          parts.begin() + static_cast<std::ptrdiff_t>(i), parts.begin() + static_cast<std::ptrdiff_t>(end),
          [](const Glyph& a, const Glyph& b) { return combining_class(a.code_point) < combining_class(b.code_point); });
      i = end;
    }
  }

  /// The primary composite of a pair, or 0.
  static char32_t composite(char32_t a, char32_t b) {
    if (b < 0x300) return 0;  // nothing below combines with what stands before it
    utf8proc_int32_t pair[3] = {static_cast<utf8proc_int32_t>(a), static_cast<utf8proc_int32_t>(b), 0};
    const auto options = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    return utf8proc_normalize_utf32(pair, 2, options) == 1 ? static_cast<char32_t>(pair[0]) : 0;
  }

  static void compose(Glyphs& parts) {
    std::size_t out = 0;
    std::ptrdiff_t starter = -1;
    int last_class = 0;  // of what was kept since the starter; 0: nothing
    for (const Glyph glyph : parts) {
      const int ccc = combining_class(glyph.code_point);
      const bool is_adjacent = starter == static_cast<std::ptrdiff_t>(out) - 1;
      if (starter >= 0 && (is_adjacent || (last_class < ccc && last_class != 0))) {
        Glyph& base = parts[static_cast<std::size_t>(starter)];
        if (const char32_t c = composite(base.code_point, glyph.code_point); c != 0) {
          base.code_point = c;
          base.begin = std::min(base.begin, glyph.begin);
          base.end = std::max(base.end, glyph.end);
          continue;
        }
      }
      if (ccc == 0) starter = static_cast<std::ptrdiff_t>(out);
      last_class = ccc;
      parts[out++] = glyph;
    }
    parts.resize(out);
  }

  Form form_;
  Mapping mapping_;
};

class StripAccents : public Normalizer {
 public:
  void normalize(Glyphs& text) const override {
    std::erase_if(text, [](const Glyph& g) { return is_mark(g.code_point); });
  }
};

class NormalizerSequence : public Normalizer {
 public:
  explicit NormalizerSequence(std::vector<std::unique_ptr<Normalizer>> steps) : steps_(std::move(steps)) {}
  void normalize(Glyphs& text) const override {
    for (const auto& step : steps_)
      step->normalize(text);
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> steps_;
};

}  // namespace

std::unique_ptr<Normalizer> read_normalizer(const JsonValue* json, const ComponentPlace& place) {
  if (json == nullptr || json->is(JsonValue::Type::kNull)) return nullptr;
  const std::string& type = component_type(*json, place);
  if (type == "Lowercase") return std::make_unique<Lowercase>();
  if (type == "NFC") return std::make_unique<NormalForm>(Form::kComposed, Mapping::kCanonical);
  if (type == "NFD") return std::make_unique<NormalForm>(Form::kDecomposed, Mapping::kCanonical);
  if (type == "NFKC") return std::make_unique<NormalForm>(Form::kComposed, Mapping::kCompatible);
  if (type == "NFKD") return std::make_unique<NormalForm>(Form::kDecomposed, Mapping::kCompatible);
  if (type == "StripAccents") return std::make_unique<StripAccents>();
  if (type == "Sequence") {
    const JsonValue* list = json->find("normalizers");
    if (list == nullptr || !list->is(JsonValue::Type::kArray) || place.depth >= kMaxSequenceDepth)
      throw Error(place.file + ": " + place.field + " of type \"Sequence\" needs a list \"normalizers\", at most " +
                  std::to_string(kMaxSequenceDepth) + " deep");
    std::vector<std::unique_ptr<Normalizer>> steps;
    for (const JsonValue& item : list->items)
      if (auto step = read_normalizer(&item, {place.file, place.field, place.depth + 1})) steps.push_back(std::move(step));
    return std::make_unique<NormalizerSequence>(std::move(steps));
  }
  throw Error(place.file + ": " + place.field + " has the type " + in_quotes(type, 60) +
              ", which is not supported (Lowercase, NFC, NFD, NFKC, NFKD, StripAccents, Sequence are)");
}

}  // namespace headroom
