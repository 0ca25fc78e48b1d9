#include <algorithm>
#include <cmath>

#include "core/attention/counter_hash.h"
#include "core/kv_cache/batch_run.h"

namespace headroom {
namespace {

enum class Draw : std::uint32_t { kPrompt, kAnswer, kArrival };

struct Source {
  std::uint64_t seed = 1;
  std::uint32_t request = 0;

  std::uint32_t bits(Draw what) const { return counter_hash(seed, {request, static_cast<std::uint32_t>(what)}); }
  /// Each number of [least, most] as likely, but for one in 4,000.
  std::int64_t between(Draw what, std::int64_t least, std::int64_t most) const {
    const auto n = static_cast<std::uint64_t>(most - least + 1);
    return least + static_cast<std::int64_t>((n * bits(what)) >> 32U);
  }
};

}  // namespace

std::vector<BatchRequest> draw_requests(const BatchPlan& plan) {
  std::vector<BatchRequest> requests;
  double time = 0;
  for (std::int64_t i = 0; i < plan.n_requests; ++i) {
    const Source source{plan.seed, static_cast<std::uint32_t>(i)};
    if (plan.arrivals > 0) {
      // The time between two arrivals of a Poisson process is exponential.
      const double uniform = (static_cast<double>(source.bits(Draw::kArrival)) + 0.5) / 4294967296.0;
      time = std::min(time - std::log(uniform) / plan.arrivals, static_cast<double>(kMostBatchSteps));
    }
    requests.push_back({static_cast<std::int64_t>(time), source.between(Draw::kPrompt, plan.prompt_least, plan.prompt_most),
                        source.between(Draw::kAnswer, plan.answer_least, plan.answer_most)});
  }
  return requests;
}

std::vector<std::string> batch_assumptions(const BatchPlan& plan) {
  std::vector<std::string> text{
      "A step gives every running request one token, however many run: the time of a step is not modelled.",
      "A prompt is read whole in the step that admits its request, which also gives the first token of the answer.",
      "Lengths are drawn evenly between their least and their most, and the length of an answer is not known beforehand.",
      "Requests are admitted in the order they came; none overtakes the first of the queue.",
      "A contiguous cache reserves " + std::to_string(plan.max_tokens) +
          " tokens for each request; a paged one admits a request when there are pages for its prompt and one token more.",
      "When no page is left for the next token, the request admitted last gives its pages back and waits at the front of the "
      "queue; "
      "later it reads its prompt and what it had written again, in one step.",
      "The memory is for keys and values alone, and tables that find pages take none of it."};
  if (plan.shared_prefix > 0) {
    text.push_back("Whole pages of the first " + std::to_string(plan.shared_prefix) +
                   " tokens are shared by all that run, and are freed when nobody runs; contiguous caches share nothing.");
  }
  text.push_back(plan.arrivals > 0 ? "Requests arrive as a Poisson process drawn from the seed, one after another whatever happens."
                                   : "All requests are there at the first step.");
  return text;
}

}  // namespace headroom
