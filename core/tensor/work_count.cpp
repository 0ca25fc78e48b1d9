#include "core/tensor/work_count.h"

namespace headroom {
namespace {

thread_local WorkScope* innermost = nullptr;

}  // namespace

WorkCount& WorkCount::operator+=(const WorkCount& other) {
  linear_flops += other.linear_flops;
  weight_bytes += other.weight_bytes;
  row_bytes += other.row_bytes;
  attention_flops += other.attention_flops;
  kv_bytes += other.kv_bytes;
  query_bytes += other.query_bytes;
  score_bytes += other.score_bytes;
  return *this;
}

WorkScope::WorkScope() : outer_(innermost) { innermost = this; }
WorkScope::~WorkScope() { innermost = outer_; }

void record_work(const WorkCount& done) {
  for (WorkScope* scope = innermost; scope != nullptr; scope = scope->outer_)
    scope->count_ += done;
}

}  // namespace headroom
