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
  std::int64_t rows = 64;          ///< held-out rows of the corpus
  std::int64_t length = 48;        ///< tokens of a row; of a translation its rows' own
  std::int64_t random_rows = 16;   ///< random repeated sequences
  std::int64_t most_choices = 96;  ///< of each question; a masked model reads one row for each
  std::uint64_t seed = 0;

  bool operator==(const ProbeOptions&) const = default;
};
inline constexpr ProbeOptions kQuickProbes{};
/// For a final report: five times the cases.
inline constexpr ProbeOptions kFullProbes{.rows = 320, .length = 48, .random_rows = 64, .most_choices = 1000, .seed = 0};

/// Held-out rows, their links and questions, and held-out random repeated sequences of content words, fixed once: the same cases at
/// every step and after every change of the model, so that scores can be compared.
///
/// Threads  immutable; copies share what they hold.
class RoleProbes {
 public:
  /// Of a causal or a masked model. Errors  ShapeError when rows or length is below 1; Error when a masked model's corpus has no <mask>.
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
