#pragma once

#include <optional>
#include <string>

#include "core/formats/json_value.h"

namespace headroom {

/// The language model inside the configuration of a model that also reads pictures, where it is computed like any other of its family and
/// reads text as it does by itself: LLaVA and its kin, Mistral 3. One level deep. A tied output that the outer configuration alone tells of
/// is told here too.
/// Returns  Nothing for other models; whose text model needs more than its own family says is among them.
std::optional<JsonValue> find_inner_model(const JsonValue& root);
/// The member that holds it.
inline constexpr const char* kInnerModel = "text_config";

}  // namespace headroom
