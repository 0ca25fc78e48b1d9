// What one frame of the window costs, drawn off screen: processor time of our own code and counted work for OpenGL.

#include <benchmark/benchmark.h>

#include "app/window/export.h"
#include "app/window/frame_stats.h"
#include "core/session/engine.h"
#include "core/session/reduce.h"

namespace {

using namespace headroom;

void frames(benchmark::State& state, const std::vector<Action>& actions) {
  EngineOptions options;
  options.assets = HEADROOM_SOURCE_DIR "/assets";
  options.measures_held_out_loss = false;
  Computer computer(options);
  Session session;
  for (const Action& action : actions)
    session = reduce(session, action).session;
  const AppModel model = export_model(session, computer.compute(session.compute, 1));
  FrameStats last;
  for (auto _ : state) {
    const auto stats = measure_frames(model, {1600, 900}, 1, 40);
    double own_ms = 0;
    for (std::size_t i = 20; i < stats.size(); ++i)
      own_ms += stats[i].cpu_ms / 20;
    state.SetIterationTime(own_ms / 1000);
    last = stats.back();
  }
  state.counters["draw_calls"] = last.draw_calls;
  state.counters["vertices"] = static_cast<double>(last.vertices);
  state.counters["bytes_uploaded"] = static_cast<double>(last.bytes_uploaded);
  state.SetLabel("targets: 1 ms, 30 draw calls");
}

void heads(benchmark::State& state) { frames(state, {}); }
void head(benchmark::State& state) { frames(state, {HeadOpened{{3, 1}}, CellSelected{8, 2}}); }
void token(benchmark::State& state) { frames(state, {HeadSelected{{3, 1}}, StageViewSet{StageView::kToken}}); }
BENCHMARK(heads)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(3);
BENCHMARK(head)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(3);
BENCHMARK(token)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(3);

}  // namespace

BENCHMARK_MAIN();
