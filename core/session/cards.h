#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/formats/card_library.h"
#include "core/formats/tensor_listing.h"
#include "core/session/session.h"

namespace headroom {

/// A card as View::card names it: the open model's, one of the library, a file's or folder's, or pasted JSON.
struct ShownCard {
  std::string from;  ///< as View::card
  ModelCard card;    ///< without a configuration only its name
  bool has_config = false;
  std::string problem;  ///< why no configuration could be read, one sentence
  std::string not_run;  ///< why the model is not run here, one sentence; empty when nothing forbids it, or of a card without files
  std::shared_ptr<const TensorListing> tensors;  ///< of what lies there; null where there is nothing to look into
};

/// What the Card stage shows, read from files: kept beside the session, never in it.
struct CardState {
  std::shared_ptr<const std::vector<LibraryCard>> library;
  std::string library_problem;                     ///< one sentence when it could not be read
  std::shared_ptr<const ShownCard> shown, beside;  ///< null: not read yet; beside: none asked for
  bool is_reading = false;

  bool operator==(const CardState&) const = default;
};

inline constexpr const char* kLibraryPrefix = "card:";  ///< of View::card for a card of the library
/// Longest configuration that is kept in a session when it was pasted.
inline constexpr std::size_t kMaxPastedConfig = 64u << 10;

/// What of a session decides what its cards are read from; equal strings need no new reading.
std::string card_key(const Session& session);

/// Reads the library (unless `known` has it) and the session's cards. Reads files: call it off the interface's thread.
/// Never throws for what lies there; what is wrong is in the answer.
CardState read_cards(const Session& session, const std::filesystem::path& assets, const CardState& known = {});

/// One card, named as View::card names it; "" is the model of `compute`. Reads files. Never throws: what is
/// wrong is in the answer.
std::shared_ptr<const ShownCard> read_shown_card(const std::string& from, const Compute& compute,
                                                 const std::filesystem::path& assets, const std::vector<LibraryCard>& library);

/// Tokens that a card's figures are computed for: View::kv_context, else the card's own context, else 2,048.
std::int64_t card_context(const View& view, const ModelCard& card);

}  // namespace headroom
