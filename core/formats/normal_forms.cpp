#include "core/formats/normal_forms.h"

#include <utf8proc.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace headroom {
namespace {

constexpr std::size_t kMaxDecomposition = 32;  // the longest in Unicode 15 has 18 code points

int combining_class(char32_t c) { return c < 0x300 ? 0 : utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class; }

std::vector<GlyphChange> decompose(const Glyphs& text, bool is_compatible) {
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | (is_compatible ? UTF8PROC_COMPAT : 0));
  std::vector<GlyphChange> parts;
  parts.reserve(text.size() + text.size() / 8);
  for (const Glyph& glyph : text) {
    if (glyph.code_point < 0x80) {
      parts.push_back({glyph.code_point, 0});
      continue;
    }
    utf8proc_int32_t buffer[kMaxDecomposition];
    int boundary = 0;
    const utf8proc_ssize_t n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(glyph.code_point), buffer,
                                                       static_cast<utf8proc_ssize_t>(kMaxDecomposition), options, &boundary);
    if (n <= 0 || n > static_cast<utf8proc_ssize_t>(kMaxDecomposition)) {
      parts.push_back({glyph.code_point, 0});
      continue;
    }
    for (utf8proc_ssize_t i = 0; i < n; ++i)
      parts.push_back({static_cast<char32_t>(buffer[i]), i == 0 ? 0 : 1});
  }
  return parts;
}

void order_marks(std::vector<GlyphChange>& parts) {
  std::vector<std::pair<int, GlyphChange>> run;
  for (std::size_t i = 0; i < parts.size();) {
    run.clear();
    std::size_t end = i;
    for (; end < parts.size(); ++end) {
      const int ccc = combining_class(parts[end].code_point);
      if (ccc == 0) break;
      run.emplace_back(ccc, parts[end]);
    }
    if (run.size() > 1) {
      std::stable_sort(run.begin(), run.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
      for (std::size_t k = 0; k < run.size(); ++k)
        parts[i + k] = run[k].second;
    }
    i = end + 1;
  }
}

/// The primary composite of a pair, or 0.
char32_t composite(char32_t a, char32_t b) {
  if (b < 0x300) return 0;  // nothing below combines with what stands before it
  utf8proc_int32_t pair[3] = {static_cast<utf8proc_int32_t>(a), static_cast<utf8proc_int32_t>(b), 0};
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  return utf8proc_normalize_utf32(pair, 2, options) == 1 ? static_cast<char32_t>(pair[0]) : 0;
}

void compose(std::vector<GlyphChange>& parts) {
  std::size_t out = 0;
  std::ptrdiff_t starter = -1;
  int last_class = 0;  // of what was kept since the starter; 0: nothing
  for (const GlyphChange part : parts) {
    const int ccc = combining_class(part.code_point);
    const bool is_adjacent = starter == static_cast<std::ptrdiff_t>(out) - 1;
    if (starter >= 0 && (is_adjacent || (last_class < ccc && last_class != 0))) {
      GlyphChange& base = parts[static_cast<std::size_t>(starter)];
      if (const char32_t c = composite(base.code_point, part.code_point); c != 0) {
        base.code_point = c;
        base.change += part.change - 1;
        continue;
      }
    }
    if (ccc == 0) starter = static_cast<std::ptrdiff_t>(out);
    last_class = ccc;
    parts[out++] = part;
  }
  parts.resize(out);
}

}  // namespace

void to_normal_form(Glyphs& text, NormalForm form) {
  if (std::all_of(text.begin(), text.end(), [](const Glyph& g) { return g.code_point < 0x80; })) return;
  std::vector<GlyphChange> parts = decompose(text, form == NormalForm::kNfkc || form == NormalForm::kNfkd);
  order_marks(parts);
  if (form == NormalForm::kNfc || form == NormalForm::kNfkc) compose(parts);
  text = changed_glyphs(text, parts);
}

}  // namespace headroom
