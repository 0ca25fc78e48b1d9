#include "core/formats/npy_literal.h"

#include <limits>

#include "core/formats/file.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::size_t kMaxDimensions = 64;

class Reader {
 public:
  Reader(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  NpyDictionary read() {
    NpyDictionary found;
    bool has_descr = false, has_order = false, has_shape = false;
    expect('{');
    while (peek() != '}') {
      const std::string key = quoted();
      expect(':');
      if (key == "descr") {
        once(has_descr, key);
        if (peek() == '[') fail("a structured type, of records; arrays of plain numbers are read");
        found.descr = quoted();
      } else if (key == "fortran_order") {
        once(has_order, key);
        found.is_fortran_order = truth();
      } else if (key == "shape") {
        once(has_shape, key);
        found.shape = tuple();
      } else {
        fail("the key " + in_quotes(key) + ", which no .npy header has");
      }
      if (peek() == ',') {
        ++at_;
      } else if (peek() != '}') {
        fail("no comma or closing brace");
      }
    }
    ++at_;
    skip_space();
    if (at_ != text_.size()) fail("more after the dictionary");
    if (!has_descr || !has_order || !has_shape)
      throw Error(where_ + ": its header lacks " + (!has_descr ? "descr" : !has_order ? "fortran_order" : "shape"));
    return found;
  }

 private:
  [[noreturn]] void fail(const std::string& found) const {
    throw Error(where_ + ": its header has " + found + " at byte " + std::to_string(at_));
  }
  void once(bool& seen, const std::string& key) const {
    if (seen) fail("the key " + in_quotes(key) + " twice");
    seen = true;
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }
  /// The next character that is no space; NUL at the end.
  char peek() {
    skip_space();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  void expect(char c) {
    if (peek() != c) fail(std::string("something else than ") + c);
    ++at_;
  }
  std::string quoted() {
    const char mark = peek();
    if (mark != '\'' && mark != '"') fail("something else than a quoted text");
    const std::size_t begin = ++at_;
    while (at_ < text_.size() && text_[at_] != mark) {
      if (text_[at_] == '\\') fail("an escaped character");
      ++at_;
    }
    if (at_ >= text_.size()) fail("a text without an end");
    return std::string(text_.substr(begin, at_++ - begin));
  }
  bool truth() {
    skip_space();
    for (const bool value : {true, false}) {
      const std::string_view word = value ? "True" : "False";
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return value;
      }
    }
    fail("something else than True or False");
  }
  std::vector<std::int64_t> tuple() {
    std::vector<std::int64_t> dims;
    expect('(');
    while (peek() != ')') {
      if (dims.size() >= kMaxDimensions) fail("too many dimensions");
      dims.push_back(number());
      if (peek() == ',') {
        ++at_;
      } else if (peek() != ')') {
        fail("no comma or closing bracket");
      }
    }
    ++at_;
    return dims;
  }
  std::int64_t number() {
    const std::size_t begin = at_;
    std::int64_t value = 0;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      const bool is_too_large = __builtin_mul_overflow(value, std::int64_t{10}, &value) ||
                                __builtin_add_overflow(value, std::int64_t{text_[at_] - '0'}, &value);
      if (is_too_large) fail("a dimension that does not fit 63 bits");
      ++at_;
    }
    if (at_ == begin) fail("something else than a whole number");
    if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // Python 2 wrote long integers so
    return value;
  }

  std::string_view text_;
  const std::string& where_;
  std::size_t at_ = 0;
};

}  // namespace

NpyDictionary read_npy_literal(std::string_view text, const std::string& where) { return Reader(text, where).read(); }

}  // namespace headroom
