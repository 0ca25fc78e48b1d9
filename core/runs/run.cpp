#include "core/runs/run.h"

#include <algorithm>
#include <cmath>

#include "core/runs/checkpoint.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// A kept state with a loss above so many times plain guessing's is none to go back to.
constexpr double kWorseThanGuessing = 1.2;

void check_memory(const TrainPlan& plan, std::int64_t vocab_size, const RunSource& source) {
  PlanMachine machine;
  machine.n_threads = source.pool.n_threads();
  machine.free_bytes = source.free_bytes;
  machine.vocab_size = vocab_size;
  if (const std::string problem = estimate_plan(plan, machine).problem; !problem.empty()) throw Error(problem);
}

ModelParams model_to_start_from(const TrainPlan& plan, const RunSource& source) {
  if (plan.start.from == StartFrom::kModel) return open_model(plan.start.model, source.assets);
  if (source.present == nullptr) throw Error("there is no run yet whose model could be changed and healed");
  if (!plan.start.at) return source.present->trainer->params();
  const auto state = source.present->timeline.nearest(*plan.start.at);
  if (state == nullptr) throw Error("the run has kept no state to start from");
  return unflatten(source.present->trainer->network().layout(), state->parameters);
}

}  // namespace

Run::Run(std::unique_ptr<Trainer> made, std::uint64_t id, const ThreadPool& pool, std::int64_t kept_bytes)
    : trainer(std::move(made)),
      record(*trainer, id, pool.n_threads()),
      timeline(kept_bytes),
      live_frames(trainer->plan(), trainer->material()),
      kept_frames(trainer->plan(), trainer->material()) {
  record.report().kept_budget_bytes = kept_bytes;
}

void Run::keep(const std::shared_ptr<const HeadReport>& report) {
  if (!std::isfinite(report->held_out_loss) || !timeline.wants(trainer->tokens())) return;
  const auto parameters = trainer->network().parameters();
  timeline.keep({.tokens = trainer->tokens(),
                 .steps = trainer->steps(),
                 .parameters = {parameters.begin(), parameters.end()},
                 .report = report});
  record.report().kept = timeline.tokens();
  record.report().kept_bytes = timeline.bytes();
}

Network& Run::network_of(const KeptState& state, ThreadPool& pool) {
  if (side_ == nullptr) {
    side_ = std::make_unique<Network>(trainer->config(), pool);
    side_->set_heads_off(trainer->plan().start.pruned);
  }
  if (side_tokens_ != state.tokens) {
    std::ranges::copy(state.parameters, side_->parameters().begin());
    side_->parameters_changed();
    side_tokens_ = state.tokens;
  }
  return *side_;
}

void Run::go_back_to(const std::shared_ptr<const KeptState>& state) {
  const std::vector<float> zeros(state->parameters.size());
  trainer->restore({.parameters = state->parameters,
                    .first_moments = zeros,
                    .second_moments = zeros,
                    .steps = state->steps,
                    .tokens = state->tokens,
                    .optimiser_steps = 0});
  timeline.drop_after(state->tokens);
  record.go_back(*trainer);
  record.report().kept = timeline.tokens();
  record.report().kept_bytes = timeline.bytes();
  side_tokens_ = -1;
}

std::shared_ptr<const KeptState> Run::last_good() const {
  const double guessing = std::log(static_cast<double>(trainer->config().shape.vocab_size));
  const auto states = timeline.states();
  for (auto state = states.rbegin(); state != states.rend(); ++state)
    if ((*state)->report == nullptr || (*state)->report->held_out_loss < kWorseThanGuessing * guessing) return *state;
  return states.empty() ? nullptr : states.front();
}

std::unique_ptr<Trainer> make_trainer(const TrainPlan& plan, TrainMaterial material, const RunSource& source) {
  std::unique_ptr<Trainer> trainer;
  if (plan.start.from == StartFrom::kScratch) {
    check_memory(plan, material.vocab_size(), source);
    trainer = std::make_unique<Trainer>(plan, std::move(material), source.pool);
  } else {
    ModelParams old = model_to_start_from(plan, source);
    TrainPlan adopted = plan;
    adopt_form(adopted, old.config);
    adopted = settle(adopted).plan;
    trainer = std::make_unique<Trainer>(adopted, std::move(material), change_model(std::move(old), adopted), source.pool);
  }
  if (!plan.teacher.model.empty()) {
    const ModelParams params = open_model(plan.teacher.model, source.assets);
    auto teacher = std::make_shared<Network>(params.config, source.pool);
    std::ranges::copy(flatten(teacher->layout(), fill_pruned_heads(params)), teacher->parameters().begin());
    teacher->parameters_changed();
    trainer->set_teacher(std::move(teacher), {.weight = static_cast<float>(plan.teacher.weight),
                                              .temperature = static_cast<float>(plan.teacher.temperature)});
  }
  return trainer;
}

std::unique_ptr<Run> prepare_run(const TrainPlan& plan, const RunSource& source, const TrainWatch& watch) {
  SettledPlan settled = settle(plan);
  const bool has_material = source.present != nullptr && source.present->trainer->plan().data == settled.plan.data &&
                            settled.plan.data.kind != DataKind::kText;
  TrainMaterial material = has_material ? source.present->trainer->material() : open_material(settled.plan, source.assets, watch);
  if (watch.on_progress) watch.on_progress("making the model", 0);
  auto run =
      std::make_unique<Run>(make_trainer(settled.plan, std::move(material), source), source.id, source.pool, source.kept_bytes);
  auto& notices = run->record.report().notices;
  notices.insert(notices.begin(), settled.reasons.begin(), settled.reasons.end());
  if (watch.stop.stop_requested()) throw Cancelled();
  if (watch.on_progress) watch.on_progress("measuring the model before training", 0);
  run->record.report().heal = run->trainer->measure_heal(watch.stop);
  return run;
}

std::unique_ptr<Run> open_run(const std::filesystem::path& folder, const RunSource& source, const TrainWatch& watch) {
  Checkpoint checkpoint = read_checkpoint(folder);
  TrainMaterial material = open_material(checkpoint.plan, source.assets, watch);
  return std::make_unique<Run>(continue_training(std::move(checkpoint), std::move(material), source.pool), source.id, source.pool,
                               source.kept_bytes);
}

}  // namespace headroom
