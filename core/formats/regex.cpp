#include "core/formats/regex.h"

#include "core/formats/file.h"
#include "core/tensor/error.h"

#ifdef HEADROOM_ICU
#include <unicode/uregex.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace headroom {
namespace {

// ICU counts time in steps of about a millisecond, over all matches in a text: so the same text fails everywhere or nowhere. A usual pattern
// takes one step for some 3,000 code units.
constexpr std::int32_t kMaxSteps = 1000;
constexpr std::int32_t kUnitsPerMoreStep = 256;
constexpr std::int32_t kMaxStackBytes = 8 << 20;

struct Closer {
  void operator()(URegularExpression* regex) const { uregex_close(regex); }
};
using Handle = std::unique_ptr<URegularExpression, Closer>;

UBool goes_on(const void* stop, std::int32_t) { return !static_cast<const std::stop_token*>(stop)->stop_requested(); }

void append_utf16(std::vector<UChar>& units, char32_t c) {
  if (c < 0x10000) {
    units.push_back(static_cast<UChar>(c));
  } else {
    units.push_back(static_cast<UChar>(0xD800 + ((c - 0x10000) >> 10)));
    units.push_back(static_cast<UChar>(0xDC00 + ((c - 0x10000) & 0x3FF)));
  }
}

}  // namespace

struct Regex::Compiled {
  Handle handle;
  std::string name;  // for messages
};

Regex::Regex(std::string_view expression, const std::string& place) : compiled_(std::make_unique<Compiled>()) {
  compiled_->name = place + ": the pattern " + in_quotes(expression, 80);
  if (expression.empty()) expression = "(?:)";  // ICU takes no empty one
  std::size_t n_invalid = 0;
  std::vector<UChar> units;
  for (const Glyph& glyph : to_glyphs(expression, n_invalid))
    append_utf16(units, glyph.code_point);
  UErrorCode status = U_ZERO_ERROR;
  UParseError where{};
  compiled_->handle.reset(uregex_open(units.data(), static_cast<std::int32_t>(units.size()), UREGEX_MULTILINE, &where, &status));
  if (U_FAILURE(status))
    throw Error(compiled_->name + " is no valid regular expression at character " + std::to_string(where.offset) + " (" +
                u_errorName(status) + ")");
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

void Regex::find_all(const Glyphs& text, GlyphRange part, const std::function<void(GlyphRange)>& on_match,
                     const std::stop_token& stop) const {
  std::vector<UChar> units;
  std::vector<std::uint32_t> glyph_of;  // [unit] the glyph that it begins or belongs to; one more at the end
  units.reserve(part.end - part.begin);
  glyph_of.reserve(part.end - part.begin + 1);
  for (std::size_t i = part.begin; i < part.end; ++i) {
    append_utf16(units, text[i].code_point);
    glyph_of.resize(units.size(), static_cast<std::uint32_t>(i));
  }
  glyph_of.push_back(static_cast<std::uint32_t>(part.end));

  UErrorCode status = U_ZERO_ERROR;
  const Handle regex(uregex_clone(compiled_->handle.get(), &status));
  uregex_setTimeLimit(regex.get(), kMaxSteps + static_cast<std::int32_t>(units.size()) / kUnitsPerMoreStep, &status);
  uregex_setStackLimit(regex.get(), kMaxStackBytes, &status);
  uregex_setMatchCallback(regex.get(), goes_on, &stop, &status);
  static constexpr UChar kNothing[1] = {0};
  uregex_setText(regex.get(), units.empty() ? kNothing : units.data(), static_cast<std::int32_t>(units.size()), &status);
  std::int32_t last_end = -1;
  while (uregex_findNext(regex.get(), &status)) {
    const std::int32_t begin = uregex_start(regex.get(), 0, &status), end = uregex_end(regex.get(), 0, &status);
    if (begin == end && begin == last_end) continue;
    last_end = end;
    on_match({glyph_of[static_cast<std::size_t>(begin)], glyph_of[static_cast<std::size_t>(end)]});
  }
  if (stop.stop_requested()) throw Cancelled();
  if (status == U_REGEX_TIME_OUT || status == U_REGEX_STOPPED_BY_CALLER)
    throw Error(compiled_->name + " takes too long on this text");
  if (status == U_REGEX_STACK_OVERFLOW) throw Error(compiled_->name + " nests too deep on this text");
  if (U_FAILURE(status)) throw Error(compiled_->name + " failed (" + u_errorName(status) + ")");
}

}  // namespace headroom

#else

namespace headroom {

struct Regex::Compiled {};

Regex::Regex(std::string_view expression, const std::string& place) {
  throw Error(place + ": the pattern " + in_quotes(expression, 80) + " needs ICU, without which this program was built");
}
Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
void Regex::find_all(const Glyphs&, GlyphRange, const std::function<void(GlyphRange)>&, const std::stop_token&) const {}

}  // namespace headroom

#endif
