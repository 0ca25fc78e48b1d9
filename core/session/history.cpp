#include "core/session/reduce.h"

namespace headroom {

std::string History::apply(const Action& action, const std::string& group) {
  Reduced next = reduce(current(), action);
  if (next.session == current()) return next.notice;
  std::string text = action_text(current(), action);
  const bool merges = can_merge_ && at_ > 0 && !can_redo() && !group.empty() && states_[at_].group == group;
  can_merge_ = true;
  if (merges) {
    // Dragged back to where it began: then there is nothing to undo.
    if (next.session == states_[at_ - 1].session) {
      states_.pop_back();
      --at_;
      return next.notice;
    }
    states_[at_] = {std::move(next.session), std::move(text), group};
    forget_oldest();
    return next.notice;
  }
  states_.resize(at_ + 1, states_.front());
  states_.push_back({std::move(next.session), std::move(text), group});
  ++at_;
  forget_oldest();
  return next.notice;
}

void History::forget_oldest() {
  // Steps that follow each other mostly share one text, which is held once.
  const auto bytes_of = [&](std::size_t i) {
    const SharedText& text = states_[i].session.compute.text;
    const bool is_held_later = i + 1 < states_.size() && text.is_copy_of(states_[i + 1].session.compute.text);
    return is_held_later ? 0 : text.size();
  };
  std::size_t text_bytes = 0;
  for (std::size_t i = 0; i < states_.size(); ++i)
    text_bytes += bytes_of(i);
  std::size_t n = 0;
  while (n < at_ && (at_ - n > kMaxSteps || text_bytes > kMaxHistoryText)) {
    text_bytes -= bytes_of(n);
    ++n;
  }
  states_.erase(states_.begin(), states_.begin() + static_cast<std::ptrdiff_t>(n));
  at_ -= n;
}

void History::undo() {
  if (can_undo()) --at_;
  can_merge_ = false;
}

void History::redo() {
  if (can_redo()) ++at_;
  can_merge_ = false;
}

std::string History::undo_text() const { return can_undo() ? states_[at_].text : ""; }
std::string History::redo_text() const { return can_redo() ? states_[at_ + 1].text : ""; }

}  // namespace headroom
