#include "core/corpus/reader.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "core/corpus/machine-inl.h"

namespace headroom {
namespace {

constexpr WordId kAnyWord = -3;

/// Tries branch after branch: choices are remembered on a path, and each run takes the last one's next option. A choice that is at once a
/// word takes only the options that say the word that was read.
class BranchDriver {
 public:
  explicit BranchDriver(WordId wanted) : wanted_(wanted) {}

  void begin() {
    at_ = 0;
    probability_ = 1;
  }
  double probability() const { return probability_; }
  /// To the next branch; false when all were tried.
  bool advance() {
    while (!path_.empty()) {
      Level& level = path_.back();
      if (++level.current < level.end) return true;
      options_.resize(level.begin);
      path_.pop_back();
    }
    return false;
  }

  int pick(std::span<const float> weights, float total) {
    return choose(weights.size(), [&](std::size_t i) { return static_cast<double>(weights[i]) / total; });
  }
  int pick_uniform(int n) {
    return choose(static_cast<std::size_t>(n), [&](std::size_t) { return 1.0 / n; });
  }
  bool flip(float share) {
    return choose(2, [&](std::size_t i) { return i == 0 ? 1.0 - share : static_cast<double>(share); }) == 1;
  }
  int pick_word(std::span<const float> weights, std::span<const WordId> words, float total) {
    return choose_word(words, [&](std::size_t i) { return static_cast<double>(weights[i]) / total; });
  }
  int pick_word_uniform(std::span<const WordId> words) {
    return choose_word(words, [&](std::size_t) { return 1.0 / static_cast<double>(words.size()); });
  }
  int pick_fresh(std::span<const WordId> pool, std::span<const WordId> used) {
    return choose_word(pool, [&](std::size_t i) {
      return std::find(used.begin(), used.end(), pool[i]) != used.end() ? 0.0
                                                                        : 1.0 / static_cast<double>(pool.size() - used.size());
    });
  }

  void said(const RuleItem&, const MachineState&, const SaidWord&) {}
  void linked(const RuleItem&, const MachineState&) {}
  void phrase_began(Phrase) {}
  void phrase_ended() {}
  void listed(const MachineState&) {}
  void said_again(const MachineState&, std::size_t, bool) {}
  void remembering() {}
  void repeated(const MachineState&, std::size_t) {}

 private:
  struct Option {
    int index;
    double probability;
  };
  struct Level {
    std::size_t begin, end, current;  // into options_
  };

  template <class Probability>
  int choose(std::size_t n, Probability probability) {
    if (at_ == path_.size()) {
      const std::size_t begin = options_.size();
      for (std::size_t i = 0; i < n; ++i)
        if (const double p = probability(i); p > 0) options_.push_back({static_cast<int>(i), p});
      path_.push_back({begin, options_.size(), begin});
    }
    return take();
  }
  template <class Probability>
  int choose_word(std::span<const WordId> words, Probability probability) {
    if (wanted_ == kAnyWord) return choose(words.size(), probability);
    if (at_ == path_.size()) {
      const std::size_t begin = options_.size();
      for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] != wanted_) continue;
        if (const double p = probability(i); p > 0) options_.push_back({static_cast<int>(i), p});
      }
      if (options_.size() == begin) return -1;
      path_.push_back({begin, options_.size(), begin});
    }
    return take();
  }
  int take() {
    const Option& option = options_[path_[at_++].current];
    probability_ *= option.probability;
    return option.index;
  }

  WordId wanted_;
  std::vector<Level> path_;
  std::vector<Option> options_;
  std::size_t at_ = 0;
  double probability_ = 1;
};

/// Every branch of a state that says `wanted`: take(word, state after it, probability).
template <class Take>
void each_branch(const Grammar& grammar, const MachineState& from, WordId wanted, Take take) {
  BranchDriver driver(wanted);
  do {
    MachineState state = from;
    driver.begin();
    const WordId word = MachineRun<BranchDriver>(grammar, state, driver).next_word();
    if (word != kNoWord) take(word, state, driver.probability());
  } while (driver.advance());
}

}  // namespace

Reader::Reader(const Grammar& grammar, std::int16_t rule) : grammar_(grammar), rule_(rule) {
  open_.resize(1);
  open_[0].state.begin(rule);
}

double Reader::read(WordId word) {
  const bool is_bos = word == grammar_.lexicon.bos;
  if (is_bos && !has_begun_) {
    has_begun_ = true;
    return 0;
  }
  has_begun_ = true;
  const WordId wanted = is_bos ? kEndOfRule : word;
  next_.clear();
  double sum = 0;
  for (const Way& way : open_)
    each_branch(grammar_, way.state, wanted, [&](WordId found, const MachineState& state, double probability) {
      if (found != wanted) return;
      sum += way.probability * probability;
      if (!is_bos) next_.push_back({state, way.probability * probability});
    });
  if (is_bos || sum <= 0) {
    open_.resize(1);
    open_[0].probability = 1;
    open_[0].state.begin(rule_);
    has_begun_ = is_bos;
    return sum > 0 ? -std::log(sum) : std::numeric_limits<double>::infinity();
  }
  for (Way& way : next_)
    way.probability /= sum;
  std::swap(open_, next_);
  return std::max(0.0, -std::log(sum));
}

std::vector<double> Reader::next() const {
  std::vector<double> probabilities(grammar_.lexicon.words.size(), 0.0);
  for (const Way& way : open_)
    each_branch(grammar_, way.state, kAnyWord, [&](WordId found, const MachineState&, double probability) {
      const WordId word = found == kEndOfRule ? grammar_.lexicon.bos : found;
      probabilities[static_cast<std::size_t>(word)] += way.probability * probability;
    });
  return probabilities;
}

}  // namespace headroom
