#include "core/session/decode_times.h"

namespace headroom {
namespace {

void forget_time(StepCost& cost) {
  cost.ms = cost.attention_ms = 0;
  cost.n_runs = 0;
}

}  // namespace

std::shared_ptr<const Decoded> without_times(const Decoded& decoded) {
  auto run = std::make_shared<DecodeRun>(*decoded.run);
  for (std::shared_ptr<const DecodeStep>& step : run->steps) {
    auto timeless = std::make_shared<DecodeStep>(*step);
    forget_time(timeless->cached);
    if (timeless->whole) forget_time(*timeless->whole);
    step = std::move(timeless);
  }
  run->threads = 0;
  run->kernel.clear();
  run->cached_time = run->whole_time = run->cached_attention_time = run->whole_attention_time = std::nullopt;
  auto copy = std::make_shared<Decoded>(decoded);
  copy->run = std::move(run);
  return copy;
}

}  // namespace headroom
