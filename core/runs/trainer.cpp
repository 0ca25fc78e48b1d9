#include "core/runs/trainer.h"

#include <algorithm>
#include <cmath>
#include <new>

#include "core/formats/file.h"
#include "core/runs/batch_feed.h"
#include "core/tensor/error.h"
#include "core/training/adamw.h"

namespace headroom {
namespace {

/// Loss this many times a uniform guess's is no longer learning, but numbers out of hand.
constexpr double kFarAboveGuessing = 1.5;

AdamWOptions adamw_options(const TrainPlan& plan) {
  AdamWOptions options;
  options.beta2 = static_cast<float>(plan.beta2);
  options.weight_decay = static_cast<float>(plan.weight_decay);
  options.clip_norm = static_cast<float>(plan.clip_norm);
  return options;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

}  // namespace

struct Trainer::State {
  TrainPlan plan;
  TrainMaterial material;
  ThreadPool& pool;
  Network network;
  AdamW optimiser;
  BatchFeed feed;
  std::int64_t steps = 0, tokens = 0;
  std::optional<RoleProbes> quick, full;
  std::optional<StartingModel> start;
  std::shared_ptr<Network> teacher;
  Distillation distillation;
  double smoothed = 0;  ///< loss of the last steps

  State(const TrainPlan& given, TrainMaterial opened, const ModelConfig& config, ThreadPool& threads)
      : plan(given),
        material(std::move(opened)),
        pool(threads),
        network(config, threads),
        optimiser(network.layout(), adamw_options(given)),
        feed(plan, material, threads) {
    network.set_heads_off(plan.start.pruned);
  }

  void put(std::span<const float> parameters) {
    if (parameters.size() != network.parameters().size())
      throw ShapeError("the kept parameters are those of another model: " + std::to_string(parameters.size()) + " numbers, not " +
                       std::to_string(network.parameters().size()));
    std::ranges::copy(parameters, network.parameters().begin());
    network.parameters_changed();
  }

  std::string divergence(const TrainStep& done) {
    const std::string lower =
        "; lower the learning rate (now " + number(plan.learning_rate) + "), or lengthen the warm-up, and start again.";
    const std::string at = " at step " + std::to_string(steps) + " (" + std::to_string(tokens) + " tokens)";
    if (!std::isfinite(done.loss)) return "The loss became infinite or no number" + at + lower;
    if (!std::isfinite(done.gradient_norm)) return "The gradient became infinite or no number" + at + lower;
    smoothed = steps <= 1 ? done.loss : 0.8 * smoothed + 0.2 * done.loss;
    const double guessing = std::log(static_cast<double>(network.layout().config().shape.vocab_size));
    if (teacher == nullptr && smoothed > kFarAboveGuessing * guessing)
      return "The loss rose to " + number(smoothed) + ", far above the " + number(guessing) + " nats of plain guessing," + at +
             lower;
    return {};
  }
};

namespace {

template <typename Make>
auto or_say_memory(const Make& make) {
  try {
    return make();
  } catch (const std::bad_alloc&) {
    throw Error("the model, its gradients and moments do not fit in memory: lower d_model, layers, the vocabulary or rows a pass");
  }
}

}  // namespace

Trainer::Trainer(const TrainPlan& plan, TrainMaterial material, ThreadPool& pool) {
  const ModelConfig config = model_config(plan.form, material.vocab_size(), material.max_positions(plan));
  state_ = or_say_memory([&] { return std::make_unique<State>(plan, std::move(material), config, pool); });
  state_->put(draw_parameters(state_->network.layout(), plan.seed));
}

Trainer::Trainer(const TrainPlan& plan, TrainMaterial material, StartingModel start, ThreadPool& pool) {
  const ModelConfig& config = start.params.config;
  if (config.shape.vocab_size != material.vocab_size())
    throw Error("the model reads a vocabulary of " + std::to_string(config.shape.vocab_size) + " words and the data have " +
                std::to_string(material.vocab_size()) + ": train it on the data that it was made for");
  if (config.positions == PositionKind::kLearned && config.shape.max_positions < material.max_positions(plan))
    throw Error("the model reads at most " + std::to_string(config.shape.max_positions) + " tokens and the data have rows of " +
                std::to_string(material.max_positions(plan)) + ": shorten the rows");
  state_ = or_say_memory([&] { return std::make_unique<State>(plan, std::move(material), config, pool); });
  state_->put(flatten(state_->network.layout(), start.params));
  start.params = {};
  state_->start = std::move(start);
}

Trainer::~Trainer() = default;

const TrainPlan& Trainer::plan() const { return state_->plan; }
const TrainMaterial& Trainer::material() const { return state_->material; }
const ModelConfig& Trainer::config() const { return state_->network.layout().config(); }
Network& Trainer::network() { return state_->network; }
std::int64_t Trainer::n_parameters() const { return state_->network.layout().n_parameters(); }

double Trainer::flops_per_token() const {
  const Batch batch = state_->feed.make(0);
  return state_->network.flops(batch) / static_cast<double>(std::max<std::int64_t>(1, seen_tokens(batch)));
}

std::int64_t Trainer::tokens() const { return state_->tokens; }
std::int64_t Trainer::steps() const { return state_->steps; }
bool Trainer::is_finished() const { return state_->tokens >= state_->plan.tokens; }

std::int64_t Trainer::steps_planned() const {
  if (state_->steps == 0) return n_steps(state_->plan);
  if (is_finished()) return state_->steps;
  const double a_step = static_cast<double>(state_->tokens) / static_cast<double>(state_->steps);
  return static_cast<std::int64_t>(std::ceil(static_cast<double>(state_->plan.tokens) / a_step));
}

void Trainer::set_tokens(std::int64_t tokens) { state_->plan.tokens = std::max<std::int64_t>(1, tokens); }

void Trainer::set_teacher(std::shared_ptr<Network> teacher, const Distillation& how) {
  const std::int64_t words = teacher->layout().config().shape.vocab_size;
  if (words != config().shape.vocab_size)
    throw Error("the teacher's vocabulary has " + std::to_string(words) + " words and the student's " +
                std::to_string(config().shape.vocab_size) + ": both must read the same");
  state_->teacher = std::move(teacher);
  state_->distillation = how;
}

TrainStep Trainer::step() {
  State& s = *state_;
  const std::int64_t n_passes = s.plan.accumulation, first = s.steps * n_passes;
  std::int64_t targets = 0;
  TrainStep done;
  for (std::int64_t i = 0; i < n_passes; ++i) {
    const Batch& batch = s.feed.at(first + i);
    targets += counted_targets(batch);
    done.tokens += seen_tokens(batch);
  }
  Network::Accumulation how;
  how.scale = targets > 0 ? 1 / static_cast<float>(targets) : 0;
  how.distillation = s.distillation;
  double sum = 0;
  for (std::int64_t i = 0; i < n_passes; ++i) {
    Batch& batch = s.feed.at(first + i);
    if (s.teacher) batch.teacher = s.teacher->teach(batch, s.distillation.temperature);
    how.first = i == 0;
    sum += s.network.accumulate(batch, how).sum;
    batch.teacher = {};
  }
  done.loss = targets > 0 ? sum / static_cast<double>(targets) : 0;
  done.learning_rate = learning_rate_at(s.plan, s.steps, s.tokens);
  done.gradient_norm =
      s.optimiser.step(s.pool, s.network.parameters(), s.network.gradients(), static_cast<float>(done.learning_rate));
  s.network.parameters_changed();
  ++s.steps;
  s.tokens += done.tokens;
  done.divergence = s.divergence(done);
  return done;
}

const RoleProbes& Trainer::probes(ProbeSize size) {
  auto& probes = size == ProbeSize::kQuick ? state_->quick : state_->full;
  if (!probes) probes = state_->material.probes(state_->plan, size == ProbeSize::kQuick ? kQuickProbes : kFullProbes);
  return *probes;
}

HeadReport Trainer::measure(ProbeSize size, std::stop_token stop) {
  HeadReport report = measure_roles(state_->network, probes(size), stop);
  report.tokens = state_->tokens;
  return report;
}

std::optional<HealReport> Trainer::measure_heal(std::stop_token stop) {
  State& s = *state_;
  if (!s.start || !s.start->old || s.start->change.empty()) return std::nullopt;
  HealReport heal;
  heal.change = s.start->change;
  heal.why = s.start->why;
  Network old(s.start->old->config, s.pool);
  std::ranges::copy(flatten(old.layout(), *s.start->old), old.parameters().begin());
  old.parameters_changed();
  heal.loss_before = measure_roles(old, probes(), stop).held_out_loss;
  heal.loss_after = measure(ProbeSize::kQuick, stop).held_out_loss;
  s.start->old = nullptr;  // said once; its memory is of use elsewhere
  return heal;
}

TrainState Trainer::state() const {
  const State& s = *state_;
  const auto copy = [](std::span<const float> values) { return std::vector<float>(values.begin(), values.end()); };
  return {.parameters = copy(s.network.parameters()),
          .first_moments = copy(s.optimiser.first_moments()),
          .second_moments = copy(s.optimiser.second_moments()),
          .steps = s.steps,
          .tokens = s.tokens,
          .optimiser_steps = s.optimiser.n_steps()};
}

void Trainer::restore(const TrainState& state) {
  state_->put(state.parameters);
  state_->optimiser.restore(state.first_moments, state.second_moments, state.optimiser_steps);
  state_->steps = state.steps;
  state_->tokens = state.tokens;
}

void Trainer::set_parameters(std::span<const float> parameters) { state_->put(parameters); }

ModelParams Trainer::params() const { return unflatten(state_->network.layout(), state_->network.parameters()); }

}  // namespace headroom
