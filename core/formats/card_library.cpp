#include "core/formats/card_library.h"

#include <algorithm>
#include <system_error>
#include <tuple>

#include "core/formats/card_reader.h"
#include "core/formats/file.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::uint64_t kMaxCardBytes = 64u << 10;

std::string text_of(const JsonValue& root, const char* name, const std::string& where) {
  const JsonValue* value = root.find_set(name);
  if (value == nullptr || !value->is(JsonValue::Type::kString)) throw Error(where + ": " + name + " must be a text");
  return value->string;
}

LibraryCard read_library_card(const std::filesystem::path& path) {
  const std::string where = shown_path(path);
  JsonDocument document = read_json_file(path, kMaxCardBytes);
  const JsonValue* config = document.root.find_set("config");
  if (config == nullptr) throw Error(where + ": config is missing");
  LibraryCard found;
  found.id = path.stem().string();
  found.card = read_card(JsonDocument{*config, {}}, where);
  found.card.name = text_of(document.root, "name", where);
  found.card.source = text_of(document.root, "source", where);
  if (document.root.find_set("note") != nullptr) found.card.notices.push_back(text_of(document.root, "note", where));
  return found;
}

}  // namespace

std::vector<LibraryCard> read_card_library(const std::filesystem::path& folder) {
  std::vector<LibraryCard> library;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error))
    if (entry.path().extension() == ".json") library.push_back(read_library_card(entry.path()));
  if (error) throw Error(shown_path(folder) + ": the cards cannot be listed (" + error.message() + ")");
  const auto key = [](const LibraryCard& item) {
    return std::tuple(item.card.family, count_parameters(item.card).total.value_or(0), item.id);
  };
  std::sort(library.begin(), library.end(), [&](const LibraryCard& a, const LibraryCard& b) { return key(a) < key(b); });
  return library;
}

const LibraryCard* find_library_card(const std::vector<LibraryCard>& library, std::string_view id) {
  const auto found = std::find_if(library.begin(), library.end(), [&](const LibraryCard& item) { return item.id == id; });
  return found == library.end() ? nullptr : &*found;
}

}  // namespace headroom
