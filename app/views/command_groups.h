#pragma once

#include <span>

#include "app/views/commands.h"

namespace headroom {

// The commands, a file a group; all_commands() has them in this order.
std::span<const CommandInfo> file_and_edit_commands();
std::span<const CommandInfo> stage_commands();  ///< what the stage and the panel below it show
std::span<const CommandInfo> train_and_speed_commands();
std::span<const CommandInfo> decode_commands();
std::span<const CommandInfo> picture_commands();  ///< colours, zoom, size of the interface
std::span<const CommandInfo> move_and_model_commands();

}  // namespace headroom
