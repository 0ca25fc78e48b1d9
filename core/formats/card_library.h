#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/cost/card.h"

namespace headroom {

/// A well-known model: its card's name and numbers, where they are from, and the configuration that they were read from.
struct LibraryCard {
  std::string id;  ///< the file's name without ".json": "llama-2-70b"
  ModelCard card;
};

/// Every card of a folder, by family and then by size. A card is one JSON object: name, source, config as in config.json, note if any.
/// Errors  Error naming the file that is none.
std::vector<LibraryCard> read_card_library(const std::filesystem::path& folder);

/// nullptr when there is none.
const LibraryCard* find_library_card(const std::vector<LibraryCard>& library, std::string_view id);

}  // namespace headroom
