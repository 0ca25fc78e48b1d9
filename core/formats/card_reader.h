#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "core/cost/card.h"
#include "core/formats/json_value.h"

namespace headroom {

/// A model's card from its config.json, of any family: what the file tells in either dialect, what it does not (ModelCard::missing), and
/// what keeps the model from being run (not_run). A text_config inside is gone into once. No parameter is needed.
/// Errors  Error beginning with `where`, naming the field, for what no model can be: no object, 0 heads, heads that K/V heads do not
///         divide, negative or fractional sizes, two spellings that differ, a window of 0, a rotary factor of 0.
ModelCard read_card(const JsonDocument& document, const std::string& where);
/// The same of JSON text, at most kMaxConfigBytes (model_config.h).
ModelCard read_card_text(std::string_view text, const std::string& where);
/// The same of a file; the card is named after it.
ModelCard read_card_file(const std::filesystem::path& config_json);

}  // namespace headroom
