#pragma once

#include <string>
#include <string_view>

namespace headroom {

/// A to Z as small letters, every other byte as it is: of names and file endings, not of texts.
inline std::string lower_ascii(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

}  // namespace headroom
