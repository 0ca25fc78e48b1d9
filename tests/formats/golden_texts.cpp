#include "tests/formats/golden_texts.h"

#include <filesystem>

#include "core/formats/utf8.h"

namespace headroom::testing_files {
namespace {

std::vector<std::string> strings(const JsonValue& list) {
  std::vector<std::string> result;
  for (const JsonValue& item : list.items)
    result.push_back(item.string);
  return result;
}

}  // namespace

const JsonValue& golden_tables() {
  static const JsonDocument document =
      read_json_file(std::filesystem::path(HEADROOM_SOURCE_DIR) / "tests/golden/tokenizers/tables.json", 1u << 20);
  return document.root;
}

Draw::Draw(std::uint64_t seed, std::uint64_t index) : state_((index + 1) * 0x9E3779B97F4A7C15u + seed) {
  if (state_ == 0) state_ = 1;
  for (int i = 0; i < 4; ++i)
    step();
}

std::uint64_t Draw::step() {
  state_ ^= state_ << 13;
  state_ ^= state_ >> 7;
  state_ ^= state_ << 17;
  return state_;
}

GoldenTexts::GoldenTexts(std::uint64_t seed, std::vector<std::string> specials)
    : seed_(seed),
      specials_(std::move(specials)),
      words_(strings(*golden_tables().find("words"))),
      spaces_(strings(*golden_tables().find("spaces"))),
      others_(strings(*golden_tables().find("others"))) {
  for (const JsonValue& ranges : golden_tables().find("classes")->items) {
    Class& one = classes_.emplace_back();
    for (const JsonValue& range : ranges.items) {
      one.ranges.emplace_back(static_cast<char32_t>(range.items[0].unsigned_value),
                              static_cast<char32_t>(range.items[1].unsigned_value));
      one.size += one.ranges.back().second - one.ranges.back().first + 1;
    }
  }
}

char32_t GoldenTexts::character(Draw& draw, std::size_t which) const {
  std::uint64_t at = draw.below(classes_[which].size);
  for (const auto& [first, last] : classes_[which].ranges) {
    if (at <= last - first) return first + static_cast<char32_t>(at);
    at -= last - first + 1;
  }
  return 0;
}

void GoldenTexts::add_part(Draw& draw, std::string& text) const {
  const auto pick = [&](const std::vector<std::string>& list) -> const std::string& { return list[draw.below(list.size())]; };
  const auto put = [&](std::size_t which) { append_utf8(text, character(draw, which)); };
  const std::uint64_t kind = draw.below(16);
  if (kind < 5) {
    const std::string& word = pick(words_);
    const bool is_upper = draw.below(8) == 0;
    for (const char c : word)
      text += is_upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  } else if (kind < 8) {
    const std::size_t which = draw.below(classes_.size());
    for (std::uint64_t n = 1 + draw.below(6); n > 0; --n)
      put(which);
  } else if (kind == 8) {
    for (std::uint64_t n = 1 + draw.below(4); n > 0; --n)
      put(draw.below(classes_.size()));
  } else if (kind == 9) {
    const std::string& space = pick(spaces_);
    for (std::uint64_t n = 1 + draw.below(2); n > 0; --n)
      text += space;
  } else if (kind == 10) {
    for (std::uint64_t n = 1 + draw.below(7); n > 0; --n)
      text += static_cast<char>('0' + draw.below(10));
  } else if (kind == 11) {
    text += pick(others_);
  } else if (kind == 12) {
    text += specials_.empty() ? "<none>" : pick(specials_);
  } else if (kind == 13) {
    text += static_cast<char>('a' + draw.below(26));
    for (std::uint64_t n = 1 + draw.below(3); n > 0; --n)
      put(8);  // combining marks
  } else if (kind == 14) {
    put(classes_.size() - 1);
  } else {
    for (std::uint64_t n = 1 + draw.below(5); n > 0; --n)
      put(0);
  }
}

std::string GoldenTexts::make(std::uint64_t index) const {
  Draw draw(seed_, index);
  std::string text;
  for (std::uint64_t n = draw.below(9); n > 0; --n) {
    const std::uint64_t between = draw.below(3);
    if (between == 1) text += ' ';
    if (between == 2) text += spaces_[draw.below(spaces_.size())];
    add_part(draw, text);
  }
  return text;
}

std::string WordHash::hex() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4)
    text += kDigits[value_ >> shift & 15];
  return text;
}

}  // namespace headroom::testing_files
