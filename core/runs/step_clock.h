#pragma once

#include <algorithm>

namespace headroom {

/// Seconds that work took. A step that seems to take very much longer than those before it was interrupted (the machine slept, the program was
/// stopped) and counts as one of them.
class StepClock {
 public:
  void add(double seconds) {
    const bool is_gap = typical_ > 0 && seconds > kLeastGap && seconds > kGapFactor * typical_;
    const double counted = is_gap ? typical_ : std::max(0.0, seconds);
    typical_ = typical_ > 0 ? 0.9 * typical_ + 0.1 * counted : counted;
    total_ += counted;
  }
  double total() const { return total_; }
  double typical() const { return typical_; }

 private:
  static constexpr double kLeastGap = 1, kGapFactor = 20;
  double total_ = 0, typical_ = 0;
};

/// Lets work that is done again and again (measuring, drawing) take no more than a share of the training time, however long it takes once.
class CostBudget {
 public:
  explicit CostBudget(double share) : share_(share) {}
  /// Whether doing it once more keeps within the share of so many seconds of training.
  bool affords(double training_seconds) const { return clock_.total() + clock_.typical() <= share_ * training_seconds; }
  void spend(double seconds) { clock_.add(seconds); }
  double spent() const { return clock_.total(); }
  double typical() const { return clock_.typical(); }

 private:
  double share_ = 0;
  StepClock clock_;
};

}  // namespace headroom
