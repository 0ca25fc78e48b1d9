#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/session/action.h"

namespace headroom {

/// What a path turned out to be.
struct OpenedPath {
  enum class Kind { kModel, kSession, kText, kCard, kCapture } kind = Kind::kModel;
  Action action;                     ///< ModelOpened, SessionReplaced, TextEdited or CardChosen
  std::filesystem::path path;        ///< absolute: the model's folder; the session's, text's or capture's file; what the card is of
  std::vector<std::string> notices;  ///< sentences for the person
};
/// A model folder (or a file inside one), a session file (*.json) or a text file (any other), told apart by what lies there. What describes a
/// model that cannot be run - a config.json alone, a folder of another family, quantised or not whole, tensors alone - is opened as a card,
/// with the sentence that says why. A *.safetensors, *.npz or *.npy file that holds attention is a capture. A folder among the
/// bundled models is opened as that model, so that sessions with it open on any machine.
/// Errors  Error with one sentence when it is none of these, or cannot be read.
OpenedPath open_path(const std::filesystem::path& path, const std::filesystem::path& assets);

/// "~/x" and "~" under the home folder; anything else as it is.
std::filesystem::path expand_home(const std::filesystem::path& path);

}  // namespace headroom
