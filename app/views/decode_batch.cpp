#include <imgui.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <span>
#include <string>

#include "app/views/bar_flow.h"
#include "app/views/decode.h"
#include "app/widgets/controls.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

constexpr std::array<std::int64_t, 15> kRequests{1, 2, 4, 8, 16, 32, 48, 64, 96, 128, 200, 300, 500, 1000, 4000};
constexpr std::array<std::int64_t, 21> kMemoryKib{256,     512,     1024,    2048,     3072,     4096,     6144,
                                                  8192,    12288,   16384,   32768,    65536,    131072,   262144,
                                                  1048576, 4194304, 8388608, 16777216, 33554432, 50331648, 83886080};
constexpr std::array<std::int64_t, 15> kLongest{16, 32, 64, 96, 128, 192, 256, 384, 512, 1024, 2048, 4096, 8192, 32768, 131072};
constexpr std::array<std::int64_t, 20> kLengths{1,  2,   4,   8,   12,  16,  24,  32,   48,   64,
                                                96, 128, 160, 192, 256, 384, 512, 1024, 2048, 4096};
constexpr std::array<std::int64_t, 16> kShared{0, 1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 512, 1024};
constexpr std::array<std::int64_t, 13> kArrivals{0, 1, 2, 5, 10, 20, 30, 50, 80, 100, 200, 500, 1000};  // in 100 steps
constexpr std::array<std::int64_t, 12> kSeeds{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

std::string memory_text(double mib) {
  if (mib >= 1024) return compact(mib / 1024, 3) + " GiB";
  return mib >= 1 ? compact(mib, 3) + " MiB" : compact(mib * 1024, 3) + " KiB";
}

void set(const Frame& frame, const BatchPlan& plan, const char* group) { frame.send(BatchPlanSet{plan}, group); }

struct PlanNumber {
  const char* name;
  const char* label;
  const char* tooltip;
  std::span<const std::int64_t> values;
  std::string shown;
};
/// What was asked for, when it was.
std::optional<std::int64_t> plan_slider(const Frame& frame, const PlanNumber& what, std::int64_t now) {
  gap(frame.look, 3);
  return value_slider(frame.look, {.name = what.name,
                                   .label = what.label,
                                   .tooltip = what.tooltip,
                                   .values = what.values,
                                   .value = now,
                                   .shown = what.shown,
                                   .label_width = 92,
                                   .value_width = 84});
}
std::string tokens_text(std::int64_t n) { return count_text(n) + (n == 1 ? " token" : " tokens"); }

void tokens(const Frame& frame, PlanNumber what, std::int64_t BatchPlan::*field) {
  BatchPlan plan = frame.session.batch;
  what.shown = tokens_text(plan.*field);
  if (const auto value = plan_slider(frame, what, plan.*field)) {
    plan.*field = *value;
    set(frame, plan, what.name);
  }
}

void who_comes(const Frame& frame) {
  BatchPlan plan = frame.session.batch;
  if (const auto n = plan_slider(frame,
                                 {"batch/requests", "requests",
                                  "Requests\nHow many texts are asked for, each with a prompt and an answer of its own length.",
                                  kRequests, count_text(plan.n_requests)},
                                 plan.n_requests)) {
    plan.n_requests = *n;
    set(frame, plan, "batch/requests");
  }
  const auto in_100_steps = static_cast<std::int64_t>(std::llround(plan.arrivals * 100));
  if (const auto n = plan_slider(
          frame,
          {"batch/arrivals", "arrive",
           "Arrivals\nAll at the first step, or one after another as chance brings them (a Poisson process): so many a step on "
           "average. The number that is typed is of 100 steps.",
           kArrivals, plan.arrivals > 0 ? compact(plan.arrivals, 3) + " a step" : "all at once"},
          in_100_steps)) {
    plan.arrivals = static_cast<double>(*n) / 100;
    set(frame, plan, "batch/arrivals");
  }
  tokens(frame,
         {"batch/prompt_least", "prompt from", "Shortest prompt\nEach length from this one to the longest is as likely.", kLengths,
          ""},
         &BatchPlan::prompt_least);
  tokens(
      frame,
      {"batch/prompt_most", "prompt to",
       "Longest prompt\nA prompt is read whole in the step that admits its request, so it needs its memory at once.", kLengths, ""},
      &BatchPlan::prompt_most);
  tokens(frame,
         {"batch/answer_least", "answer from", "Shortest answer\nEach length from this one to the longest is as likely.", kLengths,
          ""},
         &BatchPlan::answer_least);
  tokens(frame,
         {"batch/answer_most", "answer to",
          "Longest answer\nNobody knows beforehand how long an answer gets: that is why room for the longest is reserved, or pages "
          "are taken as it grows.",
          kLengths, ""},
         &BatchPlan::answer_most);
  tokens(frame,
         {"batch/shared_prefix", "begin alike",
          "Shared beginning\nTokens that all prompts begin with, such as the same instructions. Pages of them lie in memory once, "
          "whoever reads them; stretches share nothing.",
          kShared, ""},
         &BatchPlan::shared_prefix);
  if (const auto seed =
          plan_slider(frame,
                      {"batch/seed", "seed", "Seed\nLengths and arrivals are drawn from it: the same seed, the same requests.",
                       kSeeds, std::to_string(plan.seed)},
                      static_cast<std::int64_t>(plan.seed))) {
    plan.seed = static_cast<std::uint64_t>(std::max<std::int64_t>(*seed, 0));
    set(frame, plan, "batch/seed");
  }
}

void memory(const Frame& frame) {
  BatchPlan plan = frame.session.batch;
  const auto kib = static_cast<std::int64_t>(std::llround(plan.memory_mib * 1024));
  if (const auto value =
          plan_slider(frame,
                      {"batch/memory", "for K and V",
                       "Memory for keys and values\nWhat a machine has beside the parameters. The bundled models are tiny, "
                       "and so is the memory they need; the ratio is what carries over. The number that is typed is of KiB.",
                       kMemoryKib, memory_text(plan.memory_mib)},
                      kib)) {
    plan.memory_mib = static_cast<double>(*value) / 1024;
    set(frame, plan, "batch/memory");
  }
  tokens(frame,
         {"batch/max_tokens", "longest text",
          "Longest text\nPrompt and answer together never get longer. This is what is reserved for each request when its memory is "
          "one "
          "stretch.",
          kLongest, ""},
         &BatchPlan::max_tokens);
  decode_page_rows(frame);
  decode_type_form(frame);
}

const BatchRun* run_of(const Frame& frame) {
  const Batched* batch = frame.model.decode.batch.get();
  return batch == nullptr ? nullptr : batch->run.get();
}

std::int64_t last_step(const BatchRun& run) {
  return std::max<std::int64_t>(0, static_cast<std::int64_t>(std::max(run.contiguous.steps.size(), run.paged.steps.size())) - 1);
}

/// The step with the most in memory, of pages.
std::int64_t fullest_step(const BatchRun& run) {
  const auto fullest = std::ranges::max_element(run.paged.steps, {}, &BatchStep::used);
  return fullest == run.paged.steps.end() ? 0 : fullest - run.paged.steps.begin();
}

void step_controls(const Frame& frame, BarFlow& flow) {
  const BatchRun* run = run_of(frame);
  if (run == nullptr) return;
  const Look& look = frame.look;
  const std::int64_t last = last_step(*run), step = std::clamp<std::int64_t>(frame.session.view.batch_step, 0, last);
  std::vector<std::int64_t>& steps = frame.state.decode.batch_steps;
  if (std::ssize(steps) != last + 1) {
    steps.resize(static_cast<std::size_t>(last) + 1);
    std::iota(steps.begin(), steps.end(), std::int64_t{0});
  }
  const auto width = static_cast<float>(std::clamp<double>(flow.rest(), look.px(220), look.px(460)));
  flow.next(width);
  const std::string shown = count_text(step) + " of " + count_text(last);
  if (const auto value =
          value_slider(look, {.name = "batch/step",
                              .label = "step",
                              .tooltip = "Step (Left, Right)\nThe step whose pages and numbers are shown. A click into a plot "
                                         "chooses one, too.",
                              .values = steps,
                              .value = step,
                              .shown = shown,
                              .label_width = 36,
                              .value_width = 96,
                              .width = width}))
    frame.send(BatchStepSet{*value}, "batch step");
  const char* label = "Fullest step";
  flow.next(button_width(look, label));
  if (button(look,
             {.name = "batch/fullest", .label = label, .tooltip = "Fullest step\nThe one in which pages hold the most tokens."}))
    frame.send(BatchStepSet{fullest_step(*run)}, "batch step");
}

}  // namespace

void step_batch(const Frame& frame, int steps) {
  const BatchRun* run = run_of(frame);
  if (run == nullptr) return;
  const std::int64_t last = last_step(*run);
  const std::int64_t step = std::clamp<std::int64_t>(std::min(frame.session.view.batch_step, last) + steps, 0, last);
  if (step != frame.session.view.batch_step) frame.send(BatchStepSet{step}, "batch step");
}

void decode_batch_rail(const Frame& frame) {
  const Look& look = frame.look;
  heading(look, "REQUESTS");
  decode_button(frame,
                {.name = "batch/run",
                 .label = "Run",
                 .tooltip = "Run (Enter)\nSimulates these requests until all are done: in a memory in which each reserves room for "
                            "the longest text, and in one with pages. No token is computed.",
                 .part = DecodePart::kBatch,
                 .command = RunBatch{}});
  gap(look, 6);
  who_comes(frame);
  rule(look);
  heading(look, "MEMORY");
  memory(frame);
  gap(look, 8);
}

double decode_batch_bar(const Frame& frame, const Rect& area) {
  BarFlow flow(frame.look, area);
  step_controls(frame, flow);
  decode_progress(frame, flow, DecodePart::kBatch);
  return flow.height();
}

}  // namespace headroom
