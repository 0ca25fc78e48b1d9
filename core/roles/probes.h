#pragma once

#include <cstdint>
#include <memory>

#include "core/model/params.h"

namespace headroom {

class Corpus;
class ParallelCorpus;
namespace roles_detail {
struct ProbeSet;
}

/// How much is measured. The defaults are for measuring while training.
struct ProbeOptions {
  std::int64_t rows = 48;          ///< held-out rows of the corpus, as they come: the loss is theirs
  std::int64_t length = 48;        ///< tokens of a row; of a translation its rows' own
  std::int64_t random_rows = 16;   ///< random repeated sequences
  std::int64_t most_choices = 96;  ///< of each question; a masked model reads one row for each
  /// Of each relation and question that the rows have fewer of, rows that hold one are added, in their order, from `rows` to
  /// `searched_rows`.
  std::int64_t wanted_cases = 32;
  std::int64_t searched_rows = 512;
  std::uint64_t seed = 0;

  bool operator==(const ProbeOptions&) const = default;
};
inline constexpr ProbeOptions kQuickProbes{};
/// For a final report: more of everything.
inline constexpr ProbeOptions kFullProbes{
    .rows = 320, .random_rows = 64, .most_choices = 1000, .wanted_cases = 120, .searched_rows = 1536};

/// Held-out rows, their links and questions, and held-out random repeated sequences of content words, fixed once: the same cases at
/// every step and after every change of the model, so that scores can be compared.
///
/// Threads  immutable; copies share what they hold.
class RoleProbes {
 public:
  /// Of a causal or a masked model. Errors  ShapeError when rows or length is below 1; Error when a masked model's corpus has no
  /// <mask>.
  RoleProbes(const Corpus& corpus, ModelKind kind, const ProbeOptions& options = {});
  /// Of an encoder-decoder.
  RoleProbes(const ParallelCorpus& corpus, const ProbeOptions& options = {});

  ModelKind kind() const;
  const ProbeOptions& options() const;
  /// Tokens that one measurement reads, padding included.
  std::int64_t n_tokens() const;
  const roles_detail::ProbeSet& set() const { return *set_; }

 private:
  std::shared_ptr<const roles_detail::ProbeSet> set_;
};

}  // namespace headroom
