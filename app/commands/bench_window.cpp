#include "app/commands/bench_window.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "app/window/export.h"
#include "app/window/frame_stats.h"
#include "core/session/engine.h"
#include "core/session/reduce.h"

namespace headroom {

namespace {

/// A time held against what we allow ourselves.
SpeedRow against_target(const char* name, const char* what, std::pair<double, double> ms_and_target) {
  const auto [ms, target] = ms_and_target;
  SpeedRow row;
  row.name = name;
  row.backend = what;
  row.ms = ms;
  row.percent_of_limit = 100 * ms / target;
  row.limit = "target";
  row.limit_value = target;
  row.limit_unit = "ms";
  return row;
}

EngineOptions options_for(const std::filesystem::path& assets) {
  EngineOptions options;
  options.assets = assets;
  options.measures_held_out_loss = false;
  return options;
}

}  // namespace

BenchRow bench_typing(const std::filesystem::path& assets) {
  constexpr int kSentences = 41;
  Computer computer(options_for(assets));
  Session session;
  std::vector<double> times;
  for (int i = 0; i < kSentences; ++i) {
    std::string words = i % 2 == 0 ? "cats" : "dogs";
    for (int w = 1; w < 31; ++w)
      words += w % 3 == 0 ? " the" : " mat";
    session = reduce(session, TextEdited{words}).session;
    const auto snapshot = computer.compute(session.compute, static_cast<std::uint64_t>(i) + 1);
    if (i > 0) times.push_back(snapshot->engine_ms);  // the first one loads the model
  }
  SpeedRow row = against_target("typing", "engine", {median(times), 16});
  row.threads = ThreadPool().n_threads();
  row.rounds = static_cast<int>(times.size());
  row.clock = "wall";
  return {row, {{"slowest_ms", *std::max_element(times.begin(), times.end())}}};
}

BenchRow bench_frame(const std::filesystem::path& assets) {
  constexpr int kFrames = 60;
  Computer computer(options_for(assets));
  const Session session;
  const auto snapshot = computer.compute(session.compute, 1);
  const auto frames = measure_frames(export_model(session, snapshot), {1600, 900}, 1, kFrames);
  std::vector<double> own;
  for (std::size_t i = frames.size() / 2; i < frames.size(); ++i)
    own.push_back(frames[i].cpu_ms);
  const FrameStats& last = frames.back();
  SpeedRow row = against_target("frame", "window", {median(own), 1});
  row.rounds = static_cast<int>(own.size());
  row.clock = "thread";
  return {row,
          {{"draw_calls", static_cast<double>(last.draw_calls)},
           {"vertices", static_cast<double>(last.vertices)},
           {"bytes_uploaded", static_cast<double>(last.bytes_uploaded)}}};
}

}  // namespace headroom
