// Whole processes: the first picture of the window (off screen, so that no display is needed) and the smallest command.

#include <benchmark/benchmark.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

namespace {

void run(benchmark::State& state, const std::vector<std::string>& arguments) {
  std::vector<std::string> words{HEADROOM_BINARY_DIR "/headroom"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words)
    argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", 1, 0);
  for (auto _ : state) {
    pid_t child = -1;
    int status = -1;
    if (posix_spawn(&child, argv[0], &quiet, nullptr, argv.data(), environ) != 0 || waitpid(child, &status, 0) != child ||
        status != 0) {
      state.SkipWithError("the program failed");
      break;
    }
  }
  posix_spawn_file_actions_destroy(&quiet);
}

void first_picture_of_the_window(benchmark::State& state) {
  run(state, {"export", "--view", "window", "--out", HEADROOM_BINARY_DIR "/startup.png"});
  state.SetLabel("target: 1 s, also on llvmpipe");
}
void figure_of_all_heads(benchmark::State& state) { run(state, {"export", "--out", HEADROOM_BINARY_DIR "/startup.png"}); }
void version(benchmark::State& state) { run(state, {"--version"}); }
BENCHMARK(first_picture_of_the_window)->UseRealTime()->Unit(benchmark::kMillisecond)->Iterations(5);
BENCHMARK(figure_of_all_heads)->UseRealTime()->Unit(benchmark::kMillisecond)->Iterations(5);
BENCHMARK(version)->UseRealTime()->Unit(benchmark::kMillisecond)->Iterations(5);

}  // namespace

BENCHMARK_MAIN();
