#pragma once

#include <string>
#include <vector>

#include "core/attention/backend.h"

namespace headroom {

/// An attention call of a well-known size.
struct KnownShape {
  std::string name;  ///< "GPT-2, 1024 tokens, causal"
  AttentionConfig config;
};
/// BERT-base at 128 tokens; GPT-2 at 1024; grouped heads (32 over 8, d_head 128) at 1024; 4096 tokens; one query over 4096 cached keys.
std::vector<KnownShape> known_shapes();

/// Floating-point operations of a call: 4 * d_head for each head and visible pair (a multiply-add counts two).
double attention_flops(const AttentionConfig& config);

struct AttentionMeasurement {
  double ms = 0;             ///< median of the runs
  double largest_error = 0;  ///< |out - reference| on the same heads over at most 48 tokens, checked before anything is timed
  int n_runs = 0;
};
/// Runs on fixed pseudo-random values for about `seconds` (at least three runs, after one to warm up).
/// Errors  Error when the backend disagrees with the reference by more than 1e-4: a wrong kernel is not timed.
AttentionMeasurement measure_attention(AttentionBackend& backend, const AttentionConfig& config, double seconds);

}  // namespace headroom
