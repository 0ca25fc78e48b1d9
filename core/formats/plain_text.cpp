#include "core/formats/plain_text.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>

#include "core/formats/file.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

struct ByteOrderMark {
  std::string_view bytes;
  const char* encoding;
};
// UTF-32's little-endian mark begins with UTF-16's, so it is looked for first.
constexpr std::array<ByteOrderMark, 4> kForeignMarks{
    {{{"\xFF\xFE\0\0", 4}, "UTF-32"}, {{"\0\0\xFE\xFF", 4}, "UTF-32"}, {{"\xFF\xFE", 2}, "UTF-16"}, {{"\xFE\xFF", 2}, "UTF-16"}}};
constexpr std::string_view kUtf8Mark = "\xEF\xBB\xBF";

/// "byte 1,234 (line 17)", counted from 0 and from 1.
std::string place_of(std::string_view bytes, std::size_t at) {
  const auto line = 1 + std::count(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(at), '\n');
  return "byte " + with_thousands(at) + " (line " + with_thousands(static_cast<std::uint64_t>(line)) + ")";
}

void take_carriage_returns(std::string& text) {
  const std::size_t first = text.find('\r');
  if (first == std::string::npos) return;
  std::size_t to = first;
  for (std::size_t i = first; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    text[to++] = text[i] == '\r' ? '\n' : text[i];
  }
  text.resize(to);
}

}  // namespace

std::string plain_text(std::string bytes, const std::string& name) {
  for (const ByteOrderMark& mark : kForeignMarks) {
    if (std::string_view(bytes).starts_with(mark.bytes))
      throw Error(name + ": is written in " + mark.encoding + "; save it as UTF-8 and open it again");
  }
  if (const std::size_t nul = bytes.find('\0'); nul != std::string::npos)
    throw Error(name + ": is no text: " + place_of(bytes, nul) + " is a NUL");
  if (const auto invalid = find_invalid_utf8(bytes)) {
    std::array<char, 8> hex{};
    std::snprintf(hex.data(), hex.size(), "0x%02X", static_cast<unsigned>(static_cast<unsigned char>(bytes[*invalid])));
    throw Error(name + ": " + place_of(bytes, *invalid) + " is " + hex.data() +
                ", which is no UTF-8; save it as UTF-8 and open it again");
  }
  if (bytes.starts_with(kUtf8Mark)) bytes.erase(0, kUtf8Mark.size());
  take_carriage_returns(bytes);
  if (bytes.find_first_not_of(" \n\t") == std::string::npos) throw Error(name + ": holds no text");
  return bytes;
}

std::string read_plain_text(const std::filesystem::path& path) {
  return plain_text(read_text_file(path, kMaxPlainTextBytes), shown_path(path));
}

}  // namespace headroom
