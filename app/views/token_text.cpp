#include "app/views/token_text.h"

#include <vector>

namespace headroom {

std::string token_line(const Token& token, FontFace face, std::size_t most_characters) {
  const std::string text = display_token(token);
  std::vector<std::size_t> starts;
  for (std::size_t at = 0; at < text.size(); at += character_bytes(text, at))
    starts.push_back(at);
  if (starts.size() <= most_characters) return imgui_drawable(text, face);
  const std::size_t half = (most_characters - 1) / 2;
  return imgui_drawable(text.substr(0, starts[half]) + "…" + text.substr(starts[starts.size() - half]), face);
}

}  // namespace headroom
