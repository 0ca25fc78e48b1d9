#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/runs/experiment.h"
#include "core/runs/trainer.h"

namespace headroom {

/// What became of one model.
struct Outcome {
  double loss = 0;       ///< held-out, nats a token
  double agreement = 0;  ///< across a distractor, share right
  std::int64_t n_parameters = 0;
  std::int64_t n_named = 0;  ///< heads that are the best in a role that names them
};

/// Where an outcome stands in the picture, and in the table.
struct OutcomePlace {
  std::string series;
  double x = 0;
  std::string label;               ///< of x, and first column of the table
  std::int64_t n_parameters = -1;  ///< in place of the model's: after pruning; -1: the model's
};

/// Trains models for one experiment and gathers what became of them.
class ExperimentBench {
 public:
  ExperimentBench(const ExperimentPlan& plan, const std::filesystem::path& assets, ThreadPool& pool, const ExperimentWatch& watch);

  /// Tokens that each full training takes.
  std::int64_t tokens() const { return tokens_; }
  int n_seeds() const { return plan_.n_seeds; }
  std::uint64_t seed(int i) const { return plan_.seed + static_cast<std::uint64_t>(i); }
  /// All tokens that will be trained on, said before the first training.
  void expect(std::int64_t tokens) { expected_ = tokens; }

  /// A grammar plan of this form. Errors  Error when the form had to be changed: an experiment compares what it says.
  TrainPlan plan_for(const TrainForm& form, std::int64_t tokens, std::uint64_t seed) const;
  std::unique_ptr<Trainer> begin(const TrainPlan& plan) const;
  /// From a model as it is, h and kv_heads brought to those of the plan's form.
  std::unique_ptr<Trainer> begin_from(const ModelParams& params, const TrainPlan& plan) const;
  void train(Trainer& trainer);
  Outcome measure(Trainer& trainer) const;
  void add(const OutcomePlace& place, const Outcome& outcome);

  ExperimentResult& result() { return result_; }
  ThreadPool& pool() const { return pool_; }
  const ExperimentWatch& watch() const { return watch_; }
  /// Mean over the seeds so far; errors when there is none.
  double mean_loss(const std::string& series, const std::string& label) const;
  double mean_agreement(const std::string& series, const std::string& label) const;
  /// Half the largest distance between two seeds of one place: what a difference must be larger than to be one.
  double spread() const;
  void finish(std::string conclusion);

 private:
  struct Place {
    OutcomePlace at;
    std::vector<Outcome> outcomes;
  };
  const Place& place(const std::string& series, const std::string& label) const;
  void tell();
  void draw();

  ExperimentPlan plan_;
  ThreadPool& pool_;
  const ExperimentWatch& watch_;
  TrainMaterial material_;
  std::int64_t tokens_ = 0, expected_ = 1, done_ = 0;
  std::vector<Place> places_;
  ExperimentResult result_;
};

/// "2.13", "0.97": as the table has them.
std::string fixed(double value, int digits);

}  // namespace headroom
