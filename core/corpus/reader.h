#pragma once

#include <cstdint>
#include <vector>

#include "core/corpus/machine.h"

namespace headroom {

/// Reads words and knows the exact probability of each, given the words before: it follows every way in which the grammar can have said
/// them at once. After "the" it does not know which noun comes, so it holds them all; after "the cat" it holds one.
///
/// Exact  p(word | words before) = Σ over derivations of both / Σ over derivations of the words before, in double; no derivation is left
///        out. Where two derivations give the same words (a favourite place that is also drawn at random is one derivation; two groups of
///        a list without commas may be cut in several ways) both are counted.
class Reader {
 public:
  /// `rule`: what the text begins with.
  Reader(const Grammar& grammar, std::int16_t rule);
  /// -log p of the next word, nats; infinite when the grammar cannot say it here (then the reader begins anew at a <bos>).
  /// <bos> is read where a document ends; the first one is certain.
  double read(WordId word);
  /// The probability of every word as the next one; kEndOfRule's is that of <bos>.
  std::vector<double> next() const;
  /// How many ways to have said the words so far are still open.
  std::size_t n_open() const { return open_.size(); }

 private:
  struct Way {
    MachineState state;
    double probability = 1;
  };
  const Grammar& grammar_;
  std::int16_t rule_;
  std::vector<Way> open_, next_;
  bool has_begun_ = false;
};

}  // namespace headroom
