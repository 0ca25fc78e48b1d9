#pragma once

#include <span>
#include <string>

#include "app/views/context.h"
#include "app/widgets/input.h"

namespace headroom {

/// One thing that the program can do. Menus, keys and the cheat sheet all read this list, so they cannot drift apart.
struct CommandInfo {
  const char* id;  ///< "file/save"; the part before '/' is its group
  const char* label;
  const char* help;  ///< one sentence: tooltip and cheat sheet
  KeyChord keys;
  void (*run)(const Frame&);
  bool (*is_enabled)(const Frame&) = nullptr;         ///< null: always
  bool (*is_checked)(const Frame&) = nullptr;         ///< null: no check mark
  std::string (*live_label)(const Frame&) = nullptr;  ///< null: label
  bool is_repeatable = false;                         ///< repeats while the key is held

  bool enabled(const Frame& frame) const { return is_enabled == nullptr || is_enabled(frame); }
};

std::span<const CommandInfo> all_commands();
/// Errors  null when no command has this id.
const CommandInfo* find_command(std::string_view id);

/// Gestures and keys that are no commands, for the cheat sheet.
struct Gesture {
  const char* keys;
  const char* help;
};
std::span<const Gesture> all_gestures();

/// Runs the commands whose keys went down in this frame.
void run_shortcuts(const Frame& frame);

// Shared with buttons and dialogs.
void open_dialog(const Frame& frame, DialogKind kind);
void change_ui_scale(const Frame& frame, double factor);
const char* colormap_label(ColorMapName map);

}  // namespace headroom
