#include "app/window/open_path.h"

#include <array>
#include <cstdlib>
#include <string_view>
#include <system_error>

#include "core/formats/file.h"
#include "core/formats/plain_text.h"
#include "core/session/engine.h"
#include "core/session/session_json.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

/// A file that belongs to a model stands for its folder.
bool is_model_file(const fs::path& path) {
  const std::string name = path.filename().string();
  const bool has_model_name = name == "config.json" || name == "tokenizer.json" || path.extension() == ".safetensors";
  return has_model_name && is_file(path.parent_path() / "config.json");
}

OpenedPath open_model(const fs::path& folder, const fs::path& assets) {
  if (!is_file(folder / "config.json")) {
    throw Error(escape_for_display(folder.string()) +
                ": no model lies in this folder; one has config.json, model.safetensors and tokenizer.json");
  }
  OpenedPath opened;
  opened.path = folder;
  ModelOpened action{.source = ModelSource::kFolder, .model = folder.string(), .shape = read_model_shape(folder)};
  std::error_code error;
  if (fs::equivalent(folder.parent_path(), assets / "models", error) && !error) {
    action.source = ModelSource::kBundled;
    action.model = folder.filename().string();
  }
  opened.action = action;
  return opened;
}

}  // namespace

fs::path expand_home(const fs::path& path) {
  const std::string text = path.string();
  const char* home = std::getenv("HOME");
  if (home == nullptr || (text != "~" && !text.starts_with("~/"))) return path;
  return text == "~" ? fs::path(home) : fs::path(home) / text.substr(2);
}

OpenedPath open_path(const fs::path& given, const fs::path& assets) {
  std::error_code error;
  fs::path path = fs::absolute(expand_home(given), error).lexically_normal();
  if (error) path = given;
  if (!path.has_filename()) path = path.parent_path();  // "folder/" is "folder"
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    const std::string why = error && error != std::errc::no_such_file_or_directory ? " (" + error.message() + ")" : "";
    throw Error(escape_for_display(path.string()) + ": there is no such file or folder" + why);
  }
  if (fs::is_directory(status)) return open_model(path, assets);
  if (is_model_file(path)) return open_model(path.parent_path(), assets);
  if (path.extension() != ".json")
    return {.kind = OpenedPath::Kind::kText, .action = TextEdited{read_plain_text(path)}, .path = path, .notices = {}};
  ParsedSession parsed = load_session(path);
  return {.kind = OpenedPath::Kind::kSession,
          .action = SessionReplaced{std::move(parsed.session)},
          .path = path,
          .notices = std::move(parsed.notices)};
}

}  // namespace headroom
