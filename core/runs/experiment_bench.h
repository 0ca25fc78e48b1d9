#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/roles/probes.h"
#include "core/runs/experiment.h"
#include "core/runs/trainer.h"

namespace headroom {

/// What became of one model.
struct Outcome {
  double loss = 0;       ///< held-out, nats a token
  double agreement = 0;  ///< across a distractor, share right
  std::int64_t n_parameters = 0;
  std::int64_t n_named = 0;     ///< heads that are the best in a role that names them
  std::optional<double> floor;  ///< of the same loss
};

/// Which models: those of all seeds at one point of one series.
struct PlaceName {
  std::string series, label;
  bool operator==(const PlaceName&) const = default;
};

/// Where an outcome stands in the picture, and in the table.
struct OutcomePlace {
  PlaceName name;  ///< its label stands for x, and in the first column of the table
  double x = 0;
  std::int64_t n_parameters = -1;  ///< in place of the model's: after pruning; -1: the model's
};

/// Trains models for one experiment and gathers what became of them.
class ExperimentBench {
 public:
  ExperimentBench(const ExperimentPlan& plan, const std::filesystem::path& assets, ThreadPool& pool, ExperimentWatch watch);

  /// Tokens that each full training takes.
  std::int64_t tokens() const { return tokens_; }
  std::int64_t vocab_size() const { return material_.vocab_size(); }
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
  /// On full probes, the same for every model.
  Outcome measure(Trainer& trainer) const;
  void add(const OutcomePlace& place, const Outcome& outcome);

  ExperimentResult& result() { return result_; }
  /// Of a trained model, to teach another.
  std::shared_ptr<Network> copy_of(Trainer& trainer) const;
  const ExperimentWatch& watch() const { return watch_; }
  /// Means over the seeds so far. Errors  Error when nothing has been added there.
  double mean_loss(const PlaceName& name) const;
  double mean_agreement(const PlaceName& name) const;
  /// Whether the mean losses are farther apart than the seeds of either; never of one seed, whose spread is not known.
  bool differ(const PlaceName& a, const PlaceName& b) const;
  /// "0.120 nats apart, more than seeds of one model differ (0.030)".
  std::string difference(const PlaceName& a, const PlaceName& b) const;
  /// The last result: with its conclusion, and progress 1.
  void finish(std::string conclusion);

 private:
  struct Place {
    OutcomePlace at;
    std::vector<Outcome> outcomes;
  };
  const Place& place(const PlaceName& name) const;
  /// The larger of the two distances between the lowest and the highest seed.
  double spread(const PlaceName& a, const PlaceName& b) const;
  void tell();
  void draw();

  ExperimentPlan plan_;
  ThreadPool& pool_;
  ExperimentWatch watch_;
  TrainMaterial material_;
  std::optional<RoleProbes> probes_;  ///< always there once constructed
  std::int64_t tokens_ = 0, expected_ = 1, done_ = 0;
  std::vector<Place> places_;
  ExperimentResult result_;
};

/// "2.13", "0.97": as the table has them.
std::string digits_text(double value, int digits);

}  // namespace headroom
