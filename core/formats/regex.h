#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "core/formats/glyphs.h"

namespace headroom {

/// A regular expression in ICU's syntax, in which ^ and $ match at every line. Safe to use from several threads.
class Regex {
 public:
  /// `place` begins each message. Errors  Error when it is no valid expression, or this build has no ICU.
  Regex(std::string_view expression, const std::string& place);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  /// Calls on_match for each match in `part` of the text, which it sees as a text of its own. An empty match right after another is left out.
  /// Errors  Error when it takes too long or nests too deep; Cancelled.
  void find_all(const Glyphs& text, GlyphRange part, const std::function<void(GlyphRange)>& on_match,
                const std::stop_token& stop) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace headroom
