#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/formats/json_value.h"

namespace headroom::testing_files {

/// Random numbers that Python draws as well: xorshift64.
class Draw {
 public:
  Draw(std::uint64_t seed, std::uint64_t index);
  std::uint64_t below(std::uint64_t n) { return (step() >> 32) % n; }

 private:
  std::uint64_t step();
  std::uint64_t state_;
};

/// The texts of tests/golden/tokenizer_texts.py, from the same tables by the same draws.
class GoldenTexts {
 public:
  GoldenTexts(std::uint64_t seed, std::vector<std::string> specials);
  std::string make(std::uint64_t index) const;

 private:
  struct Class {
    std::vector<std::pair<char32_t, char32_t>> ranges;
    std::uint64_t size = 0;
  };
  char32_t character(Draw& draw, std::size_t which) const;
  void add_part(Draw& draw, std::string& text) const;

  std::uint64_t seed_;
  std::vector<std::string> specials_, words_, spaces_, others_;
  std::vector<Class> classes_;
};

/// tests/golden/tokenizers/tables.json.
const JsonValue& golden_tables();

/// FNV-1a over 32-bit words.
class WordHash {
 public:
  void add(std::uint64_t word) { value_ = (value_ ^ (word & 0xFFFFFFFF)) * 0x100000001B3u; }
  std::string hex() const;

 private:
  std::uint64_t value_ = 0xCBF29CE484222325u;
};

}  // namespace headroom::testing_files
