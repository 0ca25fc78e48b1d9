#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/session/action.h"

namespace headroom {

struct Reduced {
  Session session;
  std::string notice;  ///< why the value is not the one asked for, or what else changed; empty when nothing needs saying
};

/// The next Session after `action`. Pure: the same arguments give the same answer, nothing else changes. Always valid:
/// h, kv_heads, d_model snap to what the model can have; heads that no longer exist are forgotten.
Reduced reduce(const Session& session, const Action& action);

/// What the menu's "Undo" says, e.g. "prune L2 H3".
std::string action_text(const Action& action);
/// The same where the session before is known: a toggled head is then "prune L2 H3" or "restore L2 H3".
std::string action_text(const Session& before, const Action& action);

/// Undo and redo: a list of Sessions. Pure value; consecutive edits of one kind within a group become one step.
/// Edge  An action that changes nothing adds no step; one dragged back to where it began removes its step. The oldest steps are
///       forgotten beyond kMaxSteps, or when their sentences together pass kMaxHistoryText bytes.
class History {
 public:
  explicit History(Session first) { states_.push_back({std::move(first), "", ""}); }
  const Session& current() const { return states_[at_].session; }
  /// Applies the action. Steps with the same non-empty `group` that follow each other (a slider being dragged, typing) merge.
  /// Returns the notice.
  std::string apply(const Action& action, const std::string& group = {});
  bool can_undo() const { return at_ > 0; }
  bool can_redo() const { return at_ + 1 < states_.size(); }
  void undo();
  void redo();
  std::string undo_text() const;
  std::string redo_text() const;

 private:
  struct State {
    Session session;
    std::string text;  ///< what led here
    std::string group;
  };
  static constexpr std::size_t kMaxSteps = 500;
  static constexpr std::size_t kMaxHistoryText = 64u << 20;
  void forget_oldest();

  std::vector<State> states_;
  std::size_t at_ = 0;
  bool can_merge_ = false;  ///< false right after undo and redo: what follows is a new step
};

}  // namespace headroom
