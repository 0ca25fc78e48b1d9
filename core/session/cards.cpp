#include "core/session/cards.h"

#include <algorithm>
#include <new>
#include <system_error>

#include "core/formats/card_reader.h"
#include "core/formats/file.h"
#include "core/formats/model_config.h"
#include "core/formats/model_folder.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

fs::path folder_of_model(const Compute& compute, const fs::path& assets) {
  return compute.model_source == ModelSource::kBundled ? assets / "models" / compute.model : fs::path(compute.model);
}

/// Why the program cannot compute with what the configuration describes; "" when it can.
std::string why_not_run(const ModelCard& card, const fs::path& config) {
  if (!card.not_run.empty()) return shown_path(config) + ": " + card.not_run;
  try {
    read_model_config_with_notices(config);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// A folder, a *.safetensors file or a config.json, whichever of them there is.
void read_path(const fs::path& path, ShownCard& shown) {
  std::error_code error;
  const bool is_folder = fs::is_directory(path, error);
  const bool is_tensors = !is_folder && path.extension() == ".safetensors";
  const fs::path folder = is_folder ? path : path.parent_path();
  const fs::path config = is_folder || is_tensors ? folder / "config.json" : path;
  shown.card.name = is_folder || !is_tensors ? shown_path(is_folder ? path.filename() : path) : shown_path(path.filename());
  if (!fs::exists(path, error)) throw Error(shown_path(path) + ": there is no such file or folder");
  if (is_folder || is_tensors) shown.tensors = std::make_shared<const TensorListing>(list_tensors(path));
  if (!is_file(config) && is_tensors) throw Error("No config.json lies beside this file: shapes are known, heads are not.");
  const std::string name = shown.card.name;
  shown.card = read_card_file(config);
  shown.card.name = name;
  shown.has_config = true;
  shown.not_run = why_not_run(shown.card, config);
  if (shown.not_run.empty() && shown.tensors && !shown.tensors->problem.empty()) shown.not_run = shown.tensors->problem;
}

}  // namespace

std::shared_ptr<const ShownCard> read_shown_card(const std::string& from, const Compute& compute, const fs::path& assets,
                                                 const std::vector<LibraryCard>& library) {
  auto shown = std::make_shared<ShownCard>();
  shown->from = from;
  try {
    if (from.starts_with(kLibraryPrefix)) {
      const std::string id = from.substr(std::string_view(kLibraryPrefix).size());
      shown->card.name = escape_for_display(id);
      const LibraryCard* found = find_library_card(library, id);
      if (found == nullptr) throw Error("There is no card named " + in_quotes(id) + " in the library.");
      shown->card = found->card;
      shown->has_config = true;
    } else if (from.starts_with('{')) {
      shown->card.name = "the pasted configuration";
      shown->card = read_card_text(from, "the pasted configuration");
      shown->has_config = true;
    } else if (from.empty() && compute.model_source == ModelSource::kCapture) {
      shown->card.name = escape_for_display(fs::path(compute.model).filename().native());
      throw Error(
          "A capture holds attentions and no configuration: choose a card of the library, or open or paste the model's "
          "config.json.");
    } else {
      read_path(from.empty() ? folder_of_model(compute, assets) : fs::path(from), *shown);
      if (from.empty()) shown->card.name = escape_for_display(fs::path(compute.model).filename().native());
    }
  } catch (const std::bad_alloc&) {
    shown->problem = "Reading it needs more memory than there is.";
  } catch (const std::exception& error) {
    shown->problem = error.what();
  }
  return shown;
}

std::string card_key(const Session& session) {
  const bool needs_model = session.view.card.empty();
  const std::string model =
      needs_model ? (session.compute.model_source == ModelSource::kBundled ? "bundled " : "folder ") + session.compute.model : "";
  return session.view.card + '\n' + session.view.card_beside + '\n' + model;
}

CardState read_cards(const Session& session, const fs::path& assets, const CardState& known) {
  CardState state{.library = known.library, .library_problem = known.library_problem};
  if (!state.library) {
    auto library = std::make_shared<std::vector<LibraryCard>>();
    try {
      *library = read_card_library(assets / "cards");
    } catch (const std::exception& error) {
      state.library_problem = error.what();
    }
    state.library = library;
  }
  state.shown = read_shown_card(session.view.card, session.compute, assets, *state.library);
  if (!session.view.card_beside.empty())
    state.beside = read_shown_card(session.view.card_beside, session.compute, assets, *state.library);
  return state;
}

std::int64_t card_context(const View& view, const ModelCard& card) {
  constexpr std::int64_t kUsual = 2048;
  return std::clamp<std::int64_t>(view.kv_context > 0 ? view.kv_context : card.context.value_or(kUsual), 1, kMaxCardContext);
}

}  // namespace headroom
