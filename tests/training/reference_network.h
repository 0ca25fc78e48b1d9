#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/training/network.h"

namespace headroom::test {

/// One head's probabilities over one row of the batch. Shape  probs [n_queries][n_keys], 0 where masked.
struct ReferencePicture {
  AttentionStack stack = AttentionStack::kSelf;
  std::int64_t layer = 0, head = 0, row = 0;
  std::int64_t n_queries = 0, n_keys = 0;
  std::vector<double> probs;
};

struct ReferenceRun {
  double loss = 0;  ///< sum over counted targets, nats; with a teacher: of the mixed loss
  std::int64_t n_targets = 0;
  std::vector<double> losses;  ///< [n_rows * seq]; 0 where not counted
  std::vector<double> logits;  ///< [n_rows * seq, vocab_size]
  std::vector<ReferencePicture> pictures;
};

struct ReferenceOptions {
  std::vector<HeadRef> heads_off = {};
  Distillation distillation = {};
  enum class Keep { kLoss, kAll } keep = Keep::kLoss;  ///< kLoss leaves logits and pictures empty
};

/// The whole transformer and its loss once more, in double and plain loops, row by row. It shares nothing with core/training but the
/// layout's names and the batch.
ReferenceRun run_reference(const ParameterLayout& layout, std::span<const double> parameters, const Batch& batch,
                           const ReferenceOptions& options = {});

}  // namespace headroom::test
