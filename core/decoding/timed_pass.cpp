#include "core/decoding/timed_pass.h"

#include <chrono>
#include <utility>

#include "core/tensor/error.h"
#include "core/tensor/work_count.h"

namespace headroom {

const Tensor& timed_run(DecoderPass& pass, const DecoderPass::Rows& rows, AttentionLayer& attention, StepCost& cost,
                        std::stop_token stop) {
  const WorkScope scope;
  const auto begin = std::chrono::steady_clock::now();
  const Tensor& logits = pass.run(rows, attention, std::move(stop));
  const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  if (cost.n_runs == 0) {
    const WorkCount& work = scope.count();
    cost.n_rows = std::ssize(rows.ids);
    cost.attention_flops = work.attention_flops;
    cost.flops = work.linear_flops + work.attention_flops;
    cost.attention_bytes = work.kv_bytes + work.query_bytes + work.score_bytes;
    cost.bytes = work.weight_bytes + work.row_bytes + cost.attention_bytes;
  }
  if (cost.n_runs++ == 0 || ms < cost.ms) {
    cost.ms = ms;
    cost.attention_ms = pass.attention_ms();
  }
  return logits;
}

void check_cached_decoding(const DecodeSource& from, const KvCacheOptions& options) {
  if (const auto problem = validate(options)) throw Error(*problem);
  if (const auto problem = find_cache_problem(from.params.config, decoder_mask(from))) throw Error(*problem);
}

}  // namespace headroom
