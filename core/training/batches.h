#pragma once

#include <cstdint>

#include "core/training/batch.h"

namespace headroom {

class Corpus;
class ParallelCorpus;
enum class Stream;

/// Which rows of a corpus make one batch. The next batch of a run begins at first + n_rows, so training goes on anywhere.
struct BatchRows {
  Stream stream{};
  std::uint64_t seed = 0;
  std::int64_t first = 0;
  std::int64_t n_rows = 0;
};

struct CausalOptions {
  std::int64_t length = 48;  ///< tokens of a row
  double unknown_share =
      0.02;  ///< of the inputs that are replaced by <unk>, where the corpus has one; 0 for rows that are measured
};

struct MaskedOptions {
  std::int64_t length = 48;
  double unknown_share = 0.02;  ///< of the inputs that are not asked for
  double chosen_share = 0.35;   ///< of the tokens that are asked for
  double masked_share = 0.8;    ///< of the chosen: shown as <mask>
  double random_share = 0.1;    ///< of the chosen: shown as another word; the others are shown as they are
};

struct ParallelOptions {
  double unknown_share = 0.02;  ///< of the source words that are replaced by <unk>, and then also in the target
};

// All of them are pure functions of their arguments: random numbers are hashes of the seed, the stream, the row's index and the position, so
// that the same rows come in whatever batch and on whatever thread they are made.
// Errors  ShapeError when n_rows or length is below 1 or a share is outside [0, 1]; Error when the corpus lacks a token that is needed.
// Threads  any; corpora are immutable.

/// A model that reads on: inputs are the row, the target of a position is the token after it (the true one, also where its input is <unk>);
/// the last position has none. The row's first token is never replaced.
Batch causal_batch(const Corpus& corpus, const BatchRows& rows, const CausalOptions& options = {});

/// A model that fills gaps: of each row some tokens are chosen, at least one, never a special one; only they have a target.
/// Source  Devlin et al. 2019, arXiv:1810.04805, section 3.1 (with a larger share, which teaches faster).
Batch masked_batch(const Corpus& corpus, const BatchRows& rows, const MaskedOptions& options = {});

/// A model that translates: sources padded with <pad> to the longest of the batch, inputs <bos> and the target, targets the target
/// and <eos>; positions behind it have no target.
Batch parallel_batch(const ParallelCorpus& corpus, const BatchRows& rows, const ParallelOptions& options = {});

}  // namespace headroom
