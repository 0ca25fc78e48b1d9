#include "core/runs/timeline.h"

#include <algorithm>
#include <cmath>

#include "core/tensor/error.h"

namespace headroom {
namespace {

/// Where so many tokens lie on a scale on which states are to lie evenly.
double place(std::int64_t tokens) { return std::sqrt(static_cast<double>(std::max<std::int64_t>(0, tokens))); }

/// Small states are so many that finding one takes no time and a time line has no room for more.
constexpr std::size_t kMostStates = 512;

}  // namespace

std::shared_ptr<const KeptState> nearest_state(std::span<const std::shared_ptr<const KeptState>> states,
                                               std::optional<std::int64_t> tokens) {
  if (states.empty()) return nullptr;
  if (!tokens) return states.back();
  const auto after = std::ranges::lower_bound(states, *tokens, {}, [](const auto& state) { return state->tokens; });
  if (after == states.begin()) return *after;
  if (after == states.end()) return states.back();
  const auto before = after - 1;
  return (*after)->tokens - *tokens < *tokens - (*before)->tokens ? *after : *before;
}

void Timeline::keep(KeptState state) {
  if (!states_.empty() && states_.back()->tokens >= state.tokens)
    throw ShapeError("a state at " + std::to_string(state.tokens) + " tokens cannot be kept behind one at " +
                     std::to_string(states_.back()->tokens));
  bytes_ += state.bytes();
  states_.push_back(std::make_shared<const KeptState>(std::move(state)));
  while (states_.size() > 2 && (bytes_ > budget_bytes_ || states_.size() > kMostStates))
    thin();
}

void Timeline::thin() {
  std::size_t goes = 1;
  double least = 0;
  for (std::size_t i = 1; i + 1 < states_.size(); ++i) {
    const double gap = place(states_[i + 1]->tokens) - place(states_[i - 1]->tokens);
    if (i == 1 || gap < least) {
      goes = i;
      least = gap;
    }
  }
  bytes_ -= states_[goes]->bytes();
  states_.erase(states_.begin() + static_cast<std::ptrdiff_t>(goes));
}

bool Timeline::wants(std::int64_t tokens) const {
  if (states_.size() < 2) return states_.empty() || tokens > states_.back()->tokens;
  const double mean = (place(states_.back()->tokens) - place(states_.front()->tokens)) / static_cast<double>(states_.size() - 1);
  const std::int64_t one = states_.back()->bytes();
  const bool is_full = bytes_ + one > budget_bytes_ || states_.size() >= kMostStates;
  return tokens > states_.back()->tokens && (!is_full || place(tokens) - place(states_.back()->tokens) >= mean / 2);
}

std::vector<std::int64_t> Timeline::tokens() const {
  std::vector<std::int64_t> all;
  all.reserve(states_.size());
  for (const auto& state : states_)
    all.push_back(state->tokens);
  return all;
}

void Timeline::clear() {
  states_.clear();
  bytes_ = 0;
}

void Timeline::drop_after(std::int64_t tokens) {
  while (!states_.empty() && states_.back()->tokens > tokens) {
    bytes_ -= states_.back()->bytes();
    states_.pop_back();
  }
}

}  // namespace headroom
