#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/corpus/corpus.h"
#include "core/model/params.h"
#include "core/training/network.h"

namespace headroom {

/// What the cases of a role are taken from.
enum class RoleCases {
  kRelation,       ///< links of one relation in held-out rows of the corpus
  kAlignment,      ///< links from a word of a translation to the source word that it stands for
  kPreviousToken,  ///< every token but the first; of a causal or masked model, of random repeated sequences
  kNextToken,      ///< every token but the last, likewise
  kFirstToken,     ///< every token but the first of held-out rows
  kInduction,      ///< random repeated sequences: tokens that stand right after an earlier mention of the token that is read
  kDuplicate,      ///< random repeated sequences: earlier mentions of the token that is read
};

/// Where a link is read. kQuery: at the word that it begins at. kBefore: at the position that is to produce this word. kKey:
/// backwards, from the word that it points at; only a model that looks both ways can.
enum class RoleAt { kQuery, kBefore, kKey };

/// kStrongest: the share of cases in which the largest probability of the row falls on a right word. kProbability: the mean
/// probability on right words.
enum class RoleMeasure { kStrongest, kProbability };

/// Something that a head may do, with what it takes to say that it does.
struct Role {
  std::string id;          ///< "subject": stable, used in JSON
  std::string name;        ///< "verb → subject across a distractor"
  std::string definition;  ///< one sentence: what is looked at from where, and how it is counted
  std::string looks_at;    ///< "the subject": as in "L1 H0 looks at the subject"
  AttentionStack stack = AttentionStack::kSelf;
  RoleCases cases = RoleCases::kRelation;
  Relation relation{};  ///< of kRelation
  RoleAt at = RoleAt::kQuery;
  RoleMeasure measure = RoleMeasure::kStrongest;
  double threshold = 0.8;  ///< a head has the role only at or above it
  /// Whether a head that always looks the same number of tokens away is what the score is compared with. Not so where the role
  /// itself is a distance (previous token) or a place (first token).
  bool has_baseline = true;
};

/// A score must be above the fixed offset's by this much to name a head.
inline constexpr double kBaselineMargin = 0.1;
/// Where a fixed offset is right this often, the relation stands at a fixed distance: attending to it shows no more than a
/// position, and names no head.
inline constexpr double kFixedDistance = 0.8;
/// Fewer cases than this name no head.
inline constexpr std::int64_t kFewestCases = 10;

/// All roles that are measured in a model of this kind, in the order in which they are shown. The same objects at every call.
std::span<const Role> roles(ModelKind kind);
/// Null when there is no role of that id.
const Role* find_role(ModelKind kind, std::string_view id);

}  // namespace headroom
