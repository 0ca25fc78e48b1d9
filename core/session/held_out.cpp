#include "core/session/held_out.h"

#include <nlohmann/json.hpp>
#include <string>

#include "core/formats/file.h"
#include "core/tensor/error.h"

namespace headroom {

std::optional<HeldOutText> read_held_out_text(const std::filesystem::path& assets, const Tokenizer& tokenizer) {
  constexpr std::uint64_t kMaxBytes = 64u << 20;
  const std::filesystem::path description = assets / "text" / "heldout-grammar.json";
  const auto json = nlohmann::json::parse(read_text_file(description, kMaxBytes), nullptr, false);
  const auto is_described = [&] {
    return json.is_object() && json.contains("text") && json["text"].is_string() && json.contains("floor_nats_per_token") &&
           json["floor_nats_per_token"].is_number();
  };
  if (!is_described()) throw Error(description.string() + ": \"text\" and \"floor_nats_per_token\" would be right.");
  HeldOutText text;
  text.floor = json["floor_nats_per_token"].get<double>();
  // Only the file's name counts: a description cannot point out of its folder.
  const std::filesystem::path name = std::filesystem::path(json["text"].get<std::string>()).filename();
  const std::string lines = read_text_file(assets / "text" / name, kMaxBytes);
  std::size_t begin = 0;
  while (begin < lines.size()) {
    std::size_t end = lines.find('\n', begin);
    if (end == std::string::npos) end = lines.size();
    const std::string_view line = std::string_view(lines).substr(begin, end - begin);
    begin = end + 1;
    for (std::size_t word = 0; word < line.size();) {
      const std::size_t space = std::min(line.find(' ', word), line.size());
      if (space > word && tokenizer.token_id(line.substr(word, space - word)) < 0) return std::nullopt;
      word = space + 1;
    }
    std::vector<std::int32_t> ids = tokenizer.ids_of_words(line);
    if (ids.size() < 2) continue;
    text.n_tokens += static_cast<std::int64_t>(ids.size()) - 1;
    text.rows.push_back(std::move(ids));
  }
  if (text.rows.empty()) return std::nullopt;
  return text;
}

}  // namespace headroom
