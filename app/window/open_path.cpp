#include "app/window/open_path.h"

#include <array>
#include <cstdlib>
#include <string_view>
#include <system_error>

#include "core/formats/file.h"
#include "core/formats/json_value.h"
#include "core/formats/model_config.h"
#include "core/formats/model_folder.h"
#include "core/formats/plain_text.h"
#include "core/formats/shards.h"
#include "core/formats/weights_plan.h"
#include "core/session/capture_source.h"
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

/// A configuration of any family, by what it says; sessions and tokenizers say none of it.
bool is_config(const fs::path& path) {
  if (path.filename() == "config.json") return true;
  if (path.extension() != ".json" || path.filename().string().ends_with(".headroom.json")) return false;
  try {
    const JsonDocument document = read_json_file(path, kMaxConfigBytes);
    const auto has = [&](const char* name) { return document.root.find(name) != nullptr; };
    return has("model_type") || has("architectures") || has("hidden_size") || has("n_embd") || has("text_config");
  } catch (const Error&) {
    return false;  // as a session it gets its sentence
  }
}

/// What cannot be run is looked at: its card, its tensors, and why.
OpenedPath open_card(const fs::path& path, const std::string& why) {
  OpenedPath opened{.kind = OpenedPath::Kind::kCard, .action = CardChosen{path.string(), ""}, .path = path, .notices = {}};
  if (!why.empty()) opened.notices.push_back(why);
  return opened;
}

bool has_weights(const fs::path& folder) { return !weight_file_names(folder).empty(); }

bool has_tensors(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (it->path().extension() == ".safetensors") return true;
  return false;
}

/// Errors  Error when a tensor is missing, of another shape than the configuration says, or no file holds any.
void check_weights(const fs::path& folder) {
  ModelParams params;
  const ConfigReading reading = read_model_config_with_notices(folder / "config.json");
  params.config = reading.config;
  const WeightFiles files(folder);
  plan_weights(files, params, reading.part);
}

OpenedPath open_model(const fs::path& folder, const fs::path& assets) {
  if (!is_file(folder / "config.json")) {
    if (has_tensors(folder)) return open_card(folder, "No config.json lies in this folder, so only its tensors can be shown");
    throw Error(escape_for_display(folder.string()) +
                ": no model lies in this folder; one has config.json, model.safetensors and tokenizer.json");
  }
  OpenedPath opened;
  opened.path = folder;
  ModelOpened action{.source = ModelSource::kFolder, .model = folder.string()};
  try {
    // Headers alone: whether every tensor is there in its shape is known before the running model is given up.
    action.shape = read_model_shape(folder);
    check_weights(folder);
  } catch (const Error& error) {
    return open_card(folder, error.what());
  }
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
  if (path.filename() == "config.json" && !has_weights(path.parent_path())) return open_card(path, "");
  if (is_capture_path(path))
    return {.kind = OpenedPath::Kind::kCapture, .action = capture_opened(path), .path = path, .notices = {}};
  if (is_model_file(path)) return open_model(path.parent_path(), assets);
  if (path.extension() == ".safetensors" || is_config(path)) return open_card(path, "");
  if (path.extension() != ".json")
    return {.kind = OpenedPath::Kind::kText, .action = TextEdited{read_plain_text(path)}, .path = path, .notices = {}};
  ParsedSession parsed = load_session(path);
  return {.kind = OpenedPath::Kind::kSession,
          .action = SessionReplaced{std::move(parsed.session)},
          .path = path,
          .notices = std::move(parsed.notices)};
}

}  // namespace headroom
