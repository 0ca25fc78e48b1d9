#include "core/speed/growth.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>

#include "core/attention/linear_attention.h"
#include "core/speed/linear_run.h"
#include "core/speed/problem.h"
#include "core/speed/shapes.h"
#include "core/speed/text.h"
#include "core/speed/turns.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr int kFittedPoints = 3;

struct Runner {
  GrowthSeries series;
  std::shared_ptr<AttentionBackend> backend;  ///< none: linear attention
  bool ended = false;
};

/// What a value will be at n tokens, by the power through its last two points, or by `exponent` where there is only one.
double expected(const GrowthSeries& series, double GrowthPoint::*value, std::int64_t n, double exponent) {
  const GrowthPoint& last = series.points.back();
  if (series.points.size() > 1) {
    const GrowthPoint& before = series.points[series.points.size() - 2];
    if (const auto power = fit_power({static_cast<double>(before.n), static_cast<double>(last.n)}, {before.*value, last.*value}, 2))
      exponent = power->exponent;
  }
  return last.*value * std::pow(static_cast<double>(n) / static_cast<double>(last.n), exponent);
}

/// Ends the series where the next point would take too long or too much memory.
void look_ahead(Runner& runner, const GrowthRequest& request, std::int64_t n) {
  GrowthSeries& series = runner.series;
  if (runner.ended || series.points.empty()) return;
  const double seconds = expected(series, &GrowthPoint::ms, n, 2) / 1000;
  const double allocated = expected(series, &GrowthPoint::bytes_allocated, n, 0);
  if (allocated > request.most_bytes) {
    series.note =
        grouped(n) + " tokens would need " + grouped(static_cast<std::int64_t>(allocated / (1 << 20))) + " MiB of scratch memory.";
  } else if (seconds > request.longest_call) {
    series.note = grouped(n) + " tokens would take about " + number(std::round(10 * seconds) / 10) + " s.";
  }
  runner.ended = !series.note.empty();
}

/// What a series does at one length, and the work that was counted.
std::function<void()> prepare(const Runner& runner, const AttentionConfig& config, const SpeedTools& tools, AttentionWork& work) {
  if (!runner.backend) {
    LinearRun linear = prepare_linear_attention(config, tools.pool, tools.stop);
    work = linear.work;
    return linear.run;
  }
  const auto problem = std::make_shared<AttentionProblem>(config);
  runner.backend->run(config, problem->inputs(), problem->outputs(&work), tools.stop);
  return [&tools, backend = runner.backend, problem] {
    backend->run(problem->config(), problem->inputs(), problem->outputs(), tools.stop);
  };
}

/// All series at one length, in turns.
void measure_length(std::vector<Runner>& runners, const AttentionConfig& config, const SpeedTools& tools) {
  std::vector<Candidate> candidates;
  std::vector<GrowthPoint> points;
  for (const Runner& runner : runners) {
    if (runner.ended) continue;
    AttentionWork work;
    const auto run = prepare(runner, config, tools, work);
    points.push_back({config.seq_k, 0, work.flops, work.bytes_moved, work.bytes_allocated});
    candidates.push_back({runner.series.backend, [&tools, run] { return timed(tools.pool, run); }});
  }
  const std::vector<Timing> timings = measure_in_turns(candidates, tools);
  std::size_t i = 0;
  for (Runner& runner : runners) {
    if (runner.ended) continue;
    points[i].ms = 1000 * timings[i].seconds;
    runner.series.points.push_back(points[i++]);
  }
}

std::optional<PowerFit> fit(const GrowthSeries& series, double GrowthPoint::*value) {
  std::vector<double> x, y;
  for (const GrowthPoint& point : series.points) {
    x.push_back(static_cast<double>(point.n));
    y.push_back(point.*value);
  }
  return fit_power(x, y, kFittedPoints);
}

}  // namespace

Growth measure_growth(const SpeedShape& shape, const GrowthRequest& request, const SpeedTools& tools) {
  Growth growth;
  growth.shape = whole_layer(shape).shape;
  const AttentionConfig& config = growth.shape.config;
  growth.threads = tools.pool.n_threads();
  std::vector<Runner> runners;
  runners.push_back({{.backend = "naive"}, make_naive_backend(tools.pool)});
  runners.push_back({{.backend = "flash"}, make_flash_backend(tools.pool)});
  for (const Runner& runner : runners)
    check_against_reference(*runner.backend, config);
  if (LinearAttention::supports(config).ok) runners.push_back({{.backend = "linear"}, nullptr});
  std::vector<std::int64_t> lengths = request.lengths;
  std::sort(lengths.begin(), lengths.end());
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    const std::int64_t n = lengths[i];
    if (n < 1) throw Error("a number of tokens must be at least 1, not " + std::to_string(n));
    for (Runner& runner : runners)
      look_ahead(runner, request, n);
    if (std::all_of(runners.begin(), runners.end(), [](const Runner& runner) { return runner.ended; })) break;
    report_progress(tools, "time over n: " + grouped(n) + " tokens", static_cast<double>(i) / static_cast<double>(lengths.size()));
    measure_length(runners, with_length(config, n), tools);
  }
  for (Runner& runner : runners) {
    GrowthSeries& series = runner.series;
    series.time = fit(series, &GrowthPoint::ms);
    series.bytes_moved = fit(series, &GrowthPoint::bytes_moved);
    series.bytes_allocated = fit(series, &GrowthPoint::bytes_allocated);
    growth.series.push_back(std::move(series));
  }
  return growth;
}

}  // namespace headroom
