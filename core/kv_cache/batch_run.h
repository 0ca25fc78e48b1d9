#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/kv_cache/batch_plan.h"
#include "core/kv_cache/options.h"
#include "core/kv_cache/page_pool.h"

namespace headroom {

/// One request of a batch, as it was drawn.
struct BatchRequest {
  std::int64_t arrival = 0;  ///< step, from 0
  std::int64_t prompt = 1;   ///< tokens, the shared beginning among them
  std::int64_t answer = 1;   ///< tokens

  /// Tokens whose keys and values are kept at most: the last token of the answer is never read.
  std::int64_t most_held() const { return prompt + answer - 1; }
  bool operator==(const BatchRequest&) const = default;
};
/// In the order of their arrival. Drawn from plan.seed, the same on every machine.
std::vector<BatchRequest> draw_requests(const BatchPlan& plan);

/// One step, while its tokens are computed: what it finishes is still in memory. Bytes are counted.
struct BatchStep {
  std::int64_t n_running = 0;    ///< requests that get a token
  std::int64_t n_waiting = 0;    ///< that have arrived and do not run
  std::int64_t n_finished = 0;   ///< in all steps so far, this one among them
  std::int64_t n_admitted = 0;   ///< in this step
  std::int64_t n_preempted = 0;  ///< in this step: put back into the queue because there was no page left
  std::int64_t reserved = 0;     ///< bytes of pages in use
  std::int64_t used = 0;         ///< bytes of tokens, those that requests share once
  std::int64_t shared = 0;       ///< bytes that sharing saves: what the other copies would take

  std::int64_t wasted() const { return reserved - used; }
  bool operator==(const BatchStep&) const = default;
};

/// A request in memory, from the step that admits it to the one before it leaves.
struct BatchStint {
  std::int64_t request = 0;
  std::int64_t first_step = 0, last_step = -1;  ///< both are run
  std::int64_t n_tokens = 0;                    ///< held in its first step; each further step holds one more
  std::vector<PageId> pages;                    ///< those of its tokens, in order, up to the last step

  std::int64_t n_tokens_at(std::int64_t step) const { return n_tokens + step - first_step; }
};

/// The batch with one way to lay memory out. Contiguous reservation is one page of max_tokens for each request.
struct BatchSide {
  CacheLayout layout = CacheLayout::kContiguous;
  std::int64_t page_rows = 1;   ///< tokens of a page
  std::int64_t page_bytes = 0;  ///< of keys and values
  std::int64_t n_pages = 0;     ///< that the memory holds
  std::vector<BatchStep> steps;
  std::vector<BatchStint> stints;  ///< in the order of admission

  std::int64_t n_finished = 0, n_preempted = 0;
  std::int64_t n_refused = 0;     ///< requests that would not fit alone
  std::int64_t most_running = 0;  ///< at once: how many fit
  double mean_running = 0;        ///< over the steps
  double mean_wait = 0;           ///< steps from arrival to first admission, of those that were admitted
  double mean_used = 0;           ///< share of reserved bytes that hold tokens, over the steps that reserve any
  double tokens_per_step = 0;     ///< of answers
  std::string ended_early;        ///< why requests were left, one sentence; empty: none were
};

struct BatchRun {
  BatchPlan plan;
  std::int64_t token_bytes = 0;  ///< of one token, all layers
  std::vector<BatchRequest> requests;
  BatchSide contiguous, paged;

  const BatchSide& side(CacheLayout layout) const { return layout == CacheLayout::kContiguous ? contiguous : paged; }
};

struct BatchJob {
  BatchPlan plan;                ///< settled
  std::int64_t token_bytes = 1;  ///< as token_bytes()
  std::int64_t page_rows = 16;
  std::stop_token stop;
  std::function<void(double share)> progress;  ///< in [0, 1]; may be empty
};

inline constexpr std::int64_t kMostBatchSteps = 200'000;

/// Runs the same requests twice: with a stretch of max_tokens reserved for each, and with pages. Simulated: pages are handed out, shared and
/// given back by a PagePool, but no token is computed.
/// Errors  Error for values that settle() would change, and for pages or tokens of no bytes; Cancelled.
BatchRun run_batch(const BatchJob& job);

/// A page in use.
struct BatchPage {
  PageId page = 0;
  std::int64_t request = 0;  ///< that holds it; of several the one admitted first
  std::int64_t rows_used = 0;
  std::int64_t n_sharers = 1;

  bool operator==(const BatchPage&) const = default;
};
/// The pages of a step, ascending. Beyond the last step: those of the last one.
std::vector<BatchPage> batch_pages(const BatchSide& side, std::int64_t step);

/// What the simulation takes for granted, a sentence each.
std::vector<std::string> batch_assumptions(const BatchPlan& plan);

}  // namespace headroom
