#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/analysis/head_metrics.h"
#include "core/model/surgery.h"
#include "core/session/session.h"

namespace headroom {

using HeadsMetrics = std::vector<std::vector<HeadMetrics>>;  ///< [n_layers][n_heads]

/// Heads of the overview that stand together, under a heading.
struct HeadsGroup {
  std::string title;  ///< "" for heads without a heading
  std::vector<HeadRef> heads;
};

/// Which heads the overview shows, in which order.
struct HeadsOrder {
  std::vector<HeadsGroup> groups;  ///< none is empty
  std::size_t n_shown = 0, n_all = 0;
  bool is_grid = false;  ///< all heads in the model's order: a row a layer
  std::string problem;   ///< one sentence on a search that says nothing; its terms then count for nothing

  std::vector<HeadRef> heads() const;  ///< of all groups
};

/// Filter and search first, then groups, each in the view's order. Removed heads come last; a head that no pattern names is in the group
/// "no pattern".
HeadsOrder order_heads(const View& view, const HeadsMetrics& heads);

/// A search: words that must all fit. "L3", "L3-5", "H0" name layers and heads, "3.5" one head, "previous", "first", "self", "broadcast" the
/// pattern that names a head, "unnamed" none, "pruned"; "previous>0.4" and "entropy<0.2" a score and the entropy as a share of the largest.
class HeadSearch {
 public:
  explicit HeadSearch(std::string_view text);
  bool fits(const HeadRef& head, const HeadMetrics& metrics) const;
  /// One sentence on the first word that says nothing; empty when there is none.
  const std::string& problem() const { return problem_; }

 private:
  struct Term {
    enum class Kind { kLayer, kHead, kBoth, kPattern, kUnnamed, kPruned, kScore, kEntropy } kind = Kind::kLayer;
    std::int64_t low = 0, high = 0;
    HeadPattern pattern = HeadPattern::kPreviousToken;
    double limit = 0;
    bool is_above = true;
  };
  static bool read(std::string_view word, Term& term);
  static bool fits(const Term& term, const HeadRef& head, const HeadMetrics& metrics);

  std::vector<Term> terms_;
  std::string problem_;
};

/// How much of a pattern a head shows, 0 to 1, whatever names it.
double score_of(const HeadMetrics& metrics, HeadPattern pattern);

/// The pattern that a sort is by; none of the model's order and of entropy.
std::optional<HeadPattern> pattern_of(HeadSort sort);

}  // namespace headroom
