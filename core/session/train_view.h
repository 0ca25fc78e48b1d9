#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/model/shape.h"
#include "core/model/surgery.h"
#include "core/session/shared_text.h"

namespace headroom {

/// What the Train stage shows of the heads: every one small, or the chosen one large.
enum class TrainHeads { kAll, kOne };

// Limits of what a TrainView can hold. Values outside are brought to the nearest end.
inline constexpr std::size_t kMaxWatchedBytes = 2048;
inline constexpr double kLeastTrainSpeed = 0.01;
inline constexpr std::size_t kMaxHiddenRoles = 64;
inline constexpr std::size_t kMaxTrainIdBytes = 40;  ///< of a role and of an experiment: lower-case letters, digits, '_' and '-'

/// How a training run is looked at. Changing any of it trains nothing; times are tokens seen, so that the same plan shows the same again.
struct TrainView {
  SharedText sentence = "the cats near the dog were hungry .";  ///< watched; of a translation: the English side
  AttentionStack stack{};                                       ///< of the shown heads; kSelf at first
  std::optional<HeadRef> head;                                  ///< the chosen one, in that stack
  TrainHeads heads = TrainHeads::kAll;
  std::optional<std::int64_t> at;         ///< the state looked at; nothing: the newest, as it trains
  std::optional<std::int64_t> compared;   ///< the state that it is compared with: heads are drawn as differences
  std::vector<std::string> hidden_roles;  ///< ids of roles whose curves are not drawn; ascending, no duplicates
  std::string experiment;                 ///< id of the chosen experiment; empty: none
  double speed = 1;                       ///< share of the processors' time that training takes, in [0.01, 1]

  bool operator==(const TrainView&) const = default;
};

}  // namespace headroom
