#pragma once

#include <cstdint>
#include <vector>

#include "core/runs/trainer.h"
#include "core/tensor/parallel.h"
#include "core/training/batch.h"

namespace headroom {

/// The batches of a plan in order, made some passes ahead on all threads of the pool: rows are pure functions of their index, so nothing but
/// time depends on it.
class BatchFeed {
 public:
  BatchFeed(const TrainPlan& plan, const TrainMaterial& material, ThreadPool& pool)
      : plan_(plan), material_(material), pool_(pool) {}

  /// Batch of pass `pass` (from 0; a step has plan.accumulation of them). Valid until a pass before or far behind it is asked for.
  Batch& at(std::int64_t pass);
  /// The same batch, made anew.
  Batch make(std::int64_t pass) const;

 private:
  const TrainPlan& plan_;
  const TrainMaterial& material_;
  ThreadPool& pool_;
  std::int64_t first_ = 0;
  std::vector<Batch> ready_;
};

/// What counts as seen: every token of a row; of a translation the words of both sides that are no padding.
std::int64_t seen_tokens(const Batch& batch);
std::int64_t counted_targets(const Batch& batch);

}  // namespace headroom
