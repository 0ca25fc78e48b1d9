#pragma once

#include <algorithm>
#include <span>

#include "core/corpus/machine-inl.h"
#include "core/corpus/random.h"
#include "core/corpus/trace.h"

namespace headroom {

/// Draws at random; `trace` writes down what is known of each word, or is null.
class Sampler {
 public:
  Sampler(RowRandom& random, Trace* trace) : random_(random), trace_(trace) {}

  int pick(std::span<const float> weights, float total) {
    float left = random_.unit() * total;
    int last = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (weights[i] <= 0) continue;
      last = static_cast<int>(i);
      left -= weights[i];
      if (left < 0) break;
    }
    return last;
  }
  int pick_word(std::span<const float> weights, std::span<const WordId>, float total) { return pick(weights, total); }
  int pick_uniform(int n) { return static_cast<int>(random_.below(static_cast<std::uint32_t>(n))); }
  int pick_word_uniform(std::span<const WordId> words) { return pick_uniform(static_cast<int>(words.size())); }
  bool flip(float share) { return random_.unit() < share; }
  int pick_fresh(std::span<const WordId> pool, std::span<const WordId> used) {
    for (;;) {
      const int drawn = pick_uniform(static_cast<int>(pool.size()));
      if (std::find(used.begin(), used.end(), pool[static_cast<std::size_t>(drawn)]) == used.end()) return drawn;
    }
  }

  void said(const RuleItem& item, const MachineState& state, const SaidWord& word) {
    if (trace_ != nullptr) trace_->said(item, state, word);
  }
  void linked(const RuleItem& item, const MachineState& state) {
    if (trace_ != nullptr) trace_->linked(item, state);
  }
  void phrase_began(Phrase phrase) {
    if (trace_ != nullptr) trace_->phrase_began(phrase);
  }
  void phrase_ended() {
    if (trace_ != nullptr) trace_->phrase_ended();
  }
  void listed(const MachineState& state) {
    if (trace_ != nullptr) trace_->listed(state);
  }
  void said_again(const MachineState& state, std::size_t at, bool is_certain) {
    if (trace_ != nullptr) trace_->said_again(state, at, is_certain);
  }
  void remembering() {
    if (trace_ != nullptr) trace_->remembering();
  }
  void repeated(const MachineState& state, std::size_t at) {
    if (trace_ != nullptr) trace_->repeated(state, at);
  }

 private:
  RowRandom& random_;
  Trace* trace_ = nullptr;
};

}  // namespace headroom
