#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/formats/config_reader.h"

namespace headroom {

/// config.json's layer_types, one for each layer; empty when it has none.
/// Errors  Error when there are more or fewer than layers, or one is of another kind than "full_attention" and "sliding_attention".
std::vector<std::string> read_layer_types(const ConfigReader& reader, std::int64_t n_layers);

/// Which layers of a family have config.json's sliding_window.
enum class WindowRule {
  kNone,       ///< none, whatever it says
  kAll,        ///< all (Mistral)
  kLate,       ///< those from max_window_layers on, and none without use_sliding_window (Qwen2)
  kEveryOther  ///< the first, third ... (Gemma 2)
};

/// What a family does about windows: layer_types decides where it is there and the family reads it (kLate, kEveryOther).
struct WindowDialect {
  WindowRule rule = WindowRule::kNone;
  std::int64_t absent = 0;  ///< the window when sliding_window is absent; null always means none; 0: none
};

/// ModelConfig::windows. Errors  Error when sliding_window is below 1, or layer_types wants windows that the family does not have.
std::vector<std::int64_t> read_windows(const ConfigReader& reader, const WindowDialect& dialect, std::int64_t n_layers);

}  // namespace headroom
