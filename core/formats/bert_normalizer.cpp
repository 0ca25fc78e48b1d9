#include <algorithm>

#include "core/formats/char_classes.h"
#include "core/formats/component_json.h"
#include "core/formats/normal_forms.h"
#include "core/formats/rewrite.h"

namespace headroom {
namespace {

bool is_line_space(char32_t c) { return c == U'\t' || c == U'\n' || c == U'\r'; }

/// Leaves out NUL, U+FFFD and controls; every white space becomes a space.
void clean(Glyphs& text) {
  std::erase_if(text, [](const Glyph& glyph) {
    const char32_t c = glyph.code_point;
    return c == 0 || c == kReplacementCharacter || (!is_line_space(c) && is_control(c));
  });
  for (Glyph& glyph : text)
    if (is_white_space(glyph.code_point)) glyph.code_point = U' ';
}

void put_spaces_around_chinese(Glyphs& text) {
  const auto n = std::count_if(text.begin(), text.end(), [](const Glyph& g) { return is_chinese_character(g.code_point); });
  if (n == 0) return;
  Glyphs result;
  result.reserve(text.size() + 2 * static_cast<std::size_t>(n));
  for (const Glyph& glyph : text) {
    const bool is_chinese = is_chinese_character(glyph.code_point);
    if (is_chinese) result.push_back({U' ', glyph.begin, glyph.end});
    result.push_back(glyph);
    if (is_chinese) result.push_back({U' ', glyph.begin, glyph.end});
  }
  text = std::move(result);
}

void strip_accents(Glyphs& text) {
  to_normal_form(text, NormalForm::kNfd);
  std::erase_if(text, [](const Glyph& glyph) { return is_nonspacing_mark(glyph.code_point); });
}

enum class Step { kNo, kYes };

/// What BERT does to a text before it is cut.
class BertNormalizer : public Normalizer {
 public:
  struct Steps {
    Step clean, chinese, accents, lower;
  };
  explicit BertNormalizer(Steps steps) : steps_(steps) {}
  void normalize(Glyphs& text, const std::stop_token&) const override {
    if (steps_.clean == Step::kYes) clean(text);
    if (steps_.chinese == Step::kYes) put_spaces_around_chinese(text);
    if (steps_.accents == Step::kYes) strip_accents(text);
    if (steps_.lower == Step::kYes) to_lower_case(text);
  }

 private:
  Steps steps_;
};

}  // namespace

std::unique_ptr<Normalizer> read_bert_normalizer(const JsonValue& json, const ComponentPlace& place) {
  const auto step = [&](const char* name, Step fallback) {
    return read_flag(json, name, fallback == Step::kYes, place) ? Step::kYes : Step::kNo;
  };
  const Step lower = step("lowercase", Step::kYes);
  // strip_accents that is null follows lowercase.
  return std::make_unique<BertNormalizer>(BertNormalizer::Steps{
      step("clean_text", Step::kYes), step("handle_chinese_chars", Step::kYes), step("strip_accents", lower), lower});
}

}  // namespace headroom
