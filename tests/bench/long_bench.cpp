// A long text from its letters to the first picture of all heads and on to the last, as the engine's thread does it, and the most memory
// that the program ever held: bench_long [TOKENS] [HEADS] [D_MODEL] [--deep]. One run a process, since the most memory is the process's.

#include <ctime>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "core/session/engine.h"
#include "core/session/reduce.h"
#include "core/tensor/machine.h"

namespace {

using namespace headroom;

/// Seconds of the wall, and of all processors that worked for this program: on a machine that others use too, only the latter is its own.
struct Stopwatch {
  static double processor() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
  }
  double wall() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); }
  double worked() const { return processor() - begin; }

  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  double begin = processor();
};

/// MiB, from what the system says of this process; 0 where it does not.
double memory_mib(const char* key) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key)) return std::atof(line.c_str() + std::strlen(key) + 1) / 1024;
  }
  return 0;
}

/// `n` words of the bundled grammar, and every fifth one that it does not know.
std::string text_of(std::int64_t n) {
  static const char* const kWords[] = {"the", "cat", "that", "sat", "on", "a", "mat", "was", "fluffy", "."};
  std::string text;
  std::uint64_t state = 1;
  for (std::int64_t i = 0; i < n; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const std::uint64_t draw = state >> 33;
    if (!text.empty()) text += ' ';
    text += draw % 5 == 0 ? "word" + std::to_string(draw % 1000) : std::string(kWords[draw % 10]);
  }
  return text;
}

void report(const char* what, const Stopwatch& watch) {
  std::printf("%-28s %7.2f s, %7.2f s of processors, %7.0f MiB now, %7.0f MiB at most\n", what, watch.wall(), watch.worked(),
              memory_mib("VmRSS:"), memory_mib("VmHWM:"));
  std::fflush(stdout);
}

int run(const Session& session) {
  EngineOptions options;
  options.assets = HEADROOM_SOURCE_DIR "/assets";
  options.measures_held_out_loss = false;
  Computer computer(options);
  const ThreadPool pool;
  std::printf("%s, %s, %d threads; %zu bytes of text\n", cpu_name().c_str(), simd_name(), pool.n_threads(),
              session.compute.text.size());
  report("before", {});
  const Stopwatch watch;
  auto shown = computer.compute(session.compute, 1);
  report("first picture of all heads", watch);
  for (const StageTime& stage : shown->cpu.stages)
    std::printf("  %-12s %8.1f ms\n", stage.stage.c_str(), stage.ms);
  for (auto next = computer.refine(shown); next != shown; next = computer.refine(shown)) {
    const bool is_first_estimate = next->deeper && !shown->deeper;
    shown = next;
    report(is_first_estimate              ? "estimate of a full pass"
           : shown->trace->output.empty() ? "heads from more rows"
                                          : "all layers",
           watch);
    if (is_first_estimate) {
      std::printf("  all %lld layers: %.3g FLOP, %.1f s, %.2f GiB more, %.2f GiB free%s%s\n",
                  static_cast<long long>(shown->deeper->n_layers), shown->deeper->flops, shown->deeper->seconds,
                  static_cast<double>(shown->deeper->bytes) / (1 << 30), static_cast<double>(shown->deeper->free_bytes) / (1 << 30),
                  shown->deeper->refusal.empty() ? "" : ". ", shown->deeper->refusal.c_str());
    }
  }
  std::printf("%zu tokens, %zu of them unknown, %zu layers in the picture\n", shown->seq(), shown->unknown.size(),
              shown->trace->layers.size());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::int64_t numbers[] = {100000, 12, 768};
  std::size_t n_numbers = 0;
  Session session;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--deep") {
      session.compute.depth = Depth::kAllLayers;
    } else if (n_numbers < std::size(numbers)) {
      numbers[n_numbers++] = std::atoll(argv[i]);
    }
  }
  session = reduce(session, ParameterSourceSet{ParameterSource::kLab}).session;
  session = reduce(session, DModelSet{numbers[2]}).session;
  session = reduce(session, HeadsCountSet{numbers[1]}).session;
  session = reduce(session, KvHeadsSet{numbers[1]}).session;
  session = reduce(session, TextEdited{text_of(numbers[0] - 1)}).session;
  try {
    return run(session);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
