#include "core/formats/char_classes.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <utility>

namespace headroom {
namespace {

utf8proc_category_t category_of(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

CharClass class_of(char32_t c) {
  if (is_white_space(c)) return CharClass::kSpace;
  if (is_letter(c)) return CharClass::kLetter;
  return is_number(c) ? CharClass::kNumber : CharClass::kOther;
}

}  // namespace

bool is_letter(char32_t c) {
  const utf8proc_category_t category = category_of(c);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool is_number(char32_t c) {
  const utf8proc_category_t category = category_of(c);
  return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

bool is_nonspacing_mark(char32_t c) { return category_of(c) == UTF8PROC_CATEGORY_MN; }

bool is_control(char32_t c) {
  const utf8proc_category_t category = category_of(c);
  return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_CO;
}

bool is_chinese_character(char32_t c) {
  static constexpr std::pair<char32_t, char32_t> kBlocks[] = {{0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},
                                                              {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F},
                                                              {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F}};
  return std::any_of(std::begin(kBlocks), std::end(kBlocks),
                     [c](const auto& block) { return c >= block.first && c <= block.second; });
}

CharClass char_class(char32_t c) {
  static const std::array<CharClass, 128> table = [] {
    std::array<CharClass, 128> classes{};
    for (char32_t ascii = 0; ascii < 128; ++ascii)
      classes[ascii] = class_of(ascii);
    return classes;
  }();
  return c < 128 ? table[c] : class_of(c);
}

}  // namespace headroom
