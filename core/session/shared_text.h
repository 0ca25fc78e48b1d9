#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace headroom {

/// A text that Sessions, undo steps and Snapshots share: a copy costs nothing, and copies of one text compare without looking at a letter.
/// Never changed in place: another text is another value.
class SharedText {
 public:
  SharedText() = default;
  SharedText(std::string text) : text_(text.empty() ? nullptr : std::make_shared<const std::string>(std::move(text))) {}
  SharedText(const char* text) : SharedText(std::string(text)) {}

  const std::string& str() const { return text_ ? *text_ : no_text(); }
  operator const std::string&() const { return str(); }
  operator std::string_view() const { return str(); }
  std::size_t size() const { return text_ ? text_->size() : 0; }
  bool empty() const { return size() == 0; }
  /// Both are copies of one value. Equal texts made apart are not.
  bool is_copy_of(const SharedText& other) const { return text_ == other.text_; }

  friend bool operator==(const SharedText& a, const SharedText& b) { return a.is_copy_of(b) || a.str() == b.str(); }
  friend bool operator==(const SharedText& a, const std::string& b) { return a.str() == b; }
  friend bool operator==(const SharedText& a, std::string_view b) { return a.str() == b; }
  friend bool operator==(const SharedText& a, const char* b) { return a.str() == b; }

 private:
  static const std::string& no_text();

  std::shared_ptr<const std::string> text_;  ///< null: empty
};

}  // namespace headroom
