#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor/parallel.h"

namespace headroom {

/// A question that is answered by training several models under one budget, each from several seeds.
struct ExperimentInfo {
  std::string id;     ///< "heads", "width_depth", "sharing", "prune_small", "distil": stable, used in JSON and on the command line
  std::string title;  ///< "How many heads at one d_model?"
  std::string sentence;     ///< what is trained and compared, in one sentence
  std::int64_t tokens = 0;  ///< that each model is trained on, unless asked otherwise
};
const std::vector<ExperimentInfo>& experiments();
/// Errors  Error naming the nearest one.
const ExperimentInfo& find_experiment(std::string_view id);

struct ExperimentPlan {
  std::string id = "heads";
  std::int64_t tokens = 0;  ///< for each model; 0 = the experiment's own
  int n_seeds = 3;
  std::uint64_t seed = 0;  ///< the first
  bool operator==(const ExperimentPlan&) const = default;
};

/// Curves over some variable, each point the mean over several seeds with its spread, and the same as a table. Immutable once handed out.
struct ExperimentResult {
  std::string id;
  std::string title, x_name, y_name;  ///< "How many heads at one d_model?", "h", "held-out loss, nats a token"
  struct Spread {
    double x = 0, mean = 0, lowest = 0, highest = 0;
    int n_seeds = 0;
    std::string label;  ///< of x, where it is no number: "MHA", "GQA 4"
  };
  struct Series {
    std::string name;
    std::vector<Spread> points;
  };
  std::vector<Series> series;
  std::optional<double> floor;  ///< of y
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
  std::string conclusion;  ///< a sentence or two, from the numbers; empty while it runs
  double progress = 1;     ///< in [0, 1]: how much of it has run
};

struct ExperimentWatch {
  std::function<void(const ExperimentResult&)> on_result = {};  ///< after each model, and now and then in between
  std::stop_token stop = {};
};

/// Trains and measures everything. The same plan gives the same numbers at one number of threads.
/// Errors  Error, one sentence; Cancelled.
ExperimentResult run_experiment(const ExperimentPlan& plan, const std::filesystem::path& assets, ThreadPool& pool,
                                const ExperimentWatch& watch = {});

/// The table as comma-separated values, then the points of every series.
std::string experiment_csv(const ExperimentResult& result);

/// Experiments on a thread of their own, one at a time. `wake` is called there when there is something newer to take.
///
/// Threads  one caller at a time.
class ExperimentRunner {
 public:
  ExperimentRunner(std::filesystem::path assets, int n_threads, std::function<void()> wake);
  ~ExperimentRunner();
  ExperimentRunner(const ExperimentRunner&) = delete;
  ExperimentRunner& operator=(const ExperimentRunner&) = delete;

  /// Ends the one that runs, if any. Never waits.
  void start(const ExperimentPlan& plan);
  void cancel();

  struct Status {
    bool is_running = false;
    std::shared_ptr<const ExperimentResult> result;  ///< newest, also unfinished; null before the first
    std::string failure;                             ///< one sentence
  };
  Status status() const;
  /// Blocks until nothing runs: for commands and tests.
  void wait();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headroom
