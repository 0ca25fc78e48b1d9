#include "core/speed/linear_run.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

#include "core/attention/linear_attention.h"
#include "core/speed/problem.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr double kLargestError = 1e-4;

LinearAttentionOutputs outputs_of(AttentionProblem& problem, AttentionWork* work = nullptr) {
  return {.out = problem.outputs().out, .normaliser = {}, .work = work};
}

double error_against_reference(LinearAttention& attention, const AttentionConfig& config) {
  AttentionProblem ours(config), theirs(config);
  attention.run(config, ours.inputs(), outputs_of(ours));
  linear_attention_reference(config, theirs.inputs(), outputs_of(theirs));
  double largest = 0;
  for (std::size_t i = 0; i < ours.out().size(); ++i) {
    const double error = std::abs(double{ours.out()[i]} - double{theirs.out()[i]});
    if (std::isnan(error)) return error;
    largest = std::max(largest, error);
  }
  return largest;
}

}  // namespace

LinearRun prepare_linear_attention(const AttentionConfig& config, ThreadPool& pool, std::stop_token stop) {
  if (const Support support = LinearAttention::supports(config); !support.ok) {
    throw Error("linear attention cannot run this shape: " + support.reason);
  }
  const auto attention = std::make_shared<LinearAttention>(pool);
  LinearRun run;
  run.largest_error = error_against_reference(*attention, small_sibling(config));
  if (!(run.largest_error <= kLargestError)) {
    throw Error("linear attention differs from its reference by " + std::to_string(run.largest_error) + ": it was not timed");
  }
  const auto problem = std::make_shared<AttentionProblem>(config);
  attention->run(config, problem->inputs(), outputs_of(*problem, &run.work), stop);
  run.run = [attention, problem, stop] { attention->run(problem->config(), problem->inputs(), outputs_of(*problem), stop); };
  return run;
}

}  // namespace headroom
