#include "core/runs/experiment_bench.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::int64_t kStepsBetweenNews = 40;

template <typename Number>
double mean_of(const std::vector<Outcome>& outcomes, Number Outcome::*what) {
  double sum = 0;
  for (const Outcome& outcome : outcomes)
    sum += static_cast<double>(outcome.*what);
  return sum / static_cast<double>(outcomes.size());
}

}  // namespace

std::string digits_text(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

ExperimentBench::ExperimentBench(const ExperimentPlan& plan, const std::filesystem::path& assets, ThreadPool& pool,
                                 ExperimentWatch watch)
    : plan_(plan), pool_(pool), watch_(std::move(watch)) {
  const ExperimentInfo& info = find_experiment(plan.id);
  if (plan.n_seeds < 1 || plan.n_seeds > 20) throw Error("an experiment takes 1 to 20 seeds, not " + std::to_string(plan.n_seeds));
  if (plan.tokens < 0 || plan.tokens > 1'000'000'000)
    throw Error("an experiment trains each model on 1 to 1,000,000,000 tokens, not " + std::to_string(plan.tokens));
  tokens_ = plan.tokens == 0 ? info.tokens : plan.tokens;
  material_ = open_material(TrainPlan{}, assets, {.stop = watch_.stop});
  result_.id = info.id;
  result_.title = info.title;
  result_.y_name = "held-out loss, nats a token";
  result_.columns = {
      "", "series", "parameters", "loss (lowest to highest seed)", "agreement across a distractor", "heads named", "seeds"};
  result_.progress = 0;
  probes_ = material_.probes(TrainPlan{}, kFullProbes);
}

TrainPlan ExperimentBench::plan_for(const TrainForm& form, std::int64_t tokens, std::uint64_t seed) const {
  TrainPlan plan;
  plan.recipe.clear();
  plan.form = form;
  plan.tokens = tokens;
  plan.learning_rate = form.d_model <= 32 ? 1e-2 : form.d_model <= 96 ? 5e-3 : 3e-3;
  plan.seed = seed;
  const SettledPlan settled = settle(plan);
  if (!(settled.plan.form == form)) throw Error("the experiment's form cannot be trained: " + settled.reasons.front());
  return settled.plan;
}

std::unique_ptr<Trainer> ExperimentBench::begin(const TrainPlan& plan) const {
  return std::make_unique<Trainer>(plan, material_, pool_);
}

std::unique_ptr<Trainer> ExperimentBench::begin_from(const ModelParams& params, const TrainPlan& plan) const {
  return std::make_unique<Trainer>(plan, material_, change_model(params, plan), pool_);
}

void ExperimentBench::train(Trainer& trainer) {
  while (!trainer.is_finished()) {
    if (watch_.stop.stop_requested()) throw Cancelled();
    const TrainStep step = trainer.step();
    if (!step.divergence.empty()) throw Error(step.divergence);
    done_ += std::min(step.tokens, trainer.plan().tokens - (trainer.tokens() - step.tokens));  // the last step goes beyond
    if (trainer.steps() % kStepsBetweenNews == 0) tell();
  }
}

Outcome ExperimentBench::measure(Trainer& trainer) const {
  const HeadReport report = measure_roles(trainer.network(), *probes_, watch_.stop);
  Outcome outcome;
  outcome.loss = report.held_out_loss;
  const BehaviourScore* const agreement = report.behaviour(Behaviour::kAgreementAcrossDistractor);
  outcome.agreement = agreement == nullptr ? 0 : agreement->accuracy;
  outcome.n_parameters = trainer.n_parameters();
  std::set<HeadRef> named;
  for (const RoleScore& role : report.roles)
    if (role.n_cases > 0 && role.names_head()) named.insert(role.head);
  outcome.n_named = std::ssize(named);
  if (report.has_floor) outcome.floor = report.floor;
  return outcome;
}

std::shared_ptr<Network> ExperimentBench::copy_of(Trainer& trainer) const {
  auto network = std::make_shared<Network>(trainer.config(), pool_);
  std::ranges::copy(trainer.network().parameters(), network->parameters().begin());
  network->parameters_changed();
  return network;
}

void ExperimentBench::add(const OutcomePlace& at, const Outcome& outcome) {
  auto found = std::ranges::find_if(places_, [&](const Place& p) { return p.at.name == at.name; });
  if (found == places_.end()) {
    places_.push_back({at, {}});
    found = places_.end() - 1;
  }
  found->outcomes.push_back(outcome);
  result_.floor = outcome.floor;
  draw();
  tell();
}

void ExperimentBench::draw() {
  result_.series.clear();
  result_.rows.clear();
  for (const Place& p : places_) {
    const auto& [name, label] = p.at.name;
    auto series = std::ranges::find(result_.series, name, &ExperimentResult::Series::name);
    if (series == result_.series.end()) {
      result_.series.push_back({name, {}});
      series = result_.series.end() - 1;
    }
    const auto [low, high] = std::ranges::minmax(p.outcomes, {}, &Outcome::loss);
    const double mean = mean_of(p.outcomes, &Outcome::loss);
    const int n_seeds = static_cast<int>(p.outcomes.size());
    series->points.push_back({p.at.x, mean, low.loss, high.loss, n_seeds, label});
    const std::int64_t n_parameters = p.at.n_parameters >= 0 ? p.at.n_parameters : p.outcomes.front().n_parameters;
    const std::string range = n_seeds > 1 ? " (" + digits_text(low.loss, 3) + " to " + digits_text(high.loss, 3) + ")" : "";
    result_.rows.push_back({label, name, std::to_string(n_parameters), digits_text(mean, 3) + range,
                            digits_text(mean_of(p.outcomes, &Outcome::agreement), 2),
                            digits_text(mean_of(p.outcomes, &Outcome::n_named), 1), std::to_string(n_seeds)});
  }
  for (ExperimentResult::Series& series : result_.series)
    std::ranges::stable_sort(series.points, {}, &ExperimentResult::Spread::x);
}

void ExperimentBench::tell() {
  result_.progress = std::clamp(static_cast<double>(done_) / static_cast<double>(std::max<std::int64_t>(expected_, 1)), 0.0, 0.999);
  if (watch_.on_result) watch_.on_result(result_);
}

const ExperimentBench::Place& ExperimentBench::place(const PlaceName& name) const {
  const auto found = std::ranges::find_if(places_, [&](const Place& p) { return p.at.name == name; });
  if (found == places_.end()) throw Error("the experiment has no model " + name.label + ", " + name.series);
  return *found;
}

double ExperimentBench::mean_loss(const PlaceName& name) const { return mean_of(place(name).outcomes, &Outcome::loss); }
double ExperimentBench::mean_agreement(const PlaceName& name) const { return mean_of(place(name).outcomes, &Outcome::agreement); }

double ExperimentBench::spread(const PlaceName& a, const PlaceName& b) const {
  double largest = 0;
  for (const PlaceName& name : {a, b}) {
    const auto [low, high] = std::ranges::minmax(place(name).outcomes, {}, &Outcome::loss);
    largest = std::max(largest, high.loss - low.loss);
  }
  return largest;
}

bool ExperimentBench::differ(const PlaceName& a, const PlaceName& b) const {
  return n_seeds() > 1 && std::abs(mean_loss(a) - mean_loss(b)) > spread(a, b);
}

std::string ExperimentBench::difference(const PlaceName& a, const PlaceName& b) const {
  const std::string apart = digits_text(std::abs(mean_loss(a) - mean_loss(b)), 3) + " nats apart, ";
  if (n_seeds() == 1) return apart + "from one seed, so how far seeds differ is not known";
  return apart + (differ(a, b) ? "more" : "no more") + " than seeds of one model differ (" + digits_text(spread(a, b), 3) + ")";
}

void ExperimentBench::finish(std::string conclusion) {
  result_.conclusion = std::move(conclusion);
  result_.progress = 1;
  if (watch_.on_result) watch_.on_result(result_);
}

}  // namespace headroom
