#include <imgui.h>

#include <algorithm>
#include <array>
#include <string>

#include "app/views/train_plan_edit.h"
#include "core/figure/number_text.h"
#include "core/session/train_text.h"

namespace headroom {
namespace {

constexpr std::array<MenuChoice, 2> kMlps{{
    {"train/mlp/on", "on", "Each layer also has an MLP: most of the parameters, and where words are looked up."},
    {"train/mlp/off", "off", "Attention alone: fewer parameters, and induction heads form more readily."},
}};
constexpr std::array<MenuChoice, 2> kPositions{{
    {"train/positions/rotary", "rotary",
     "q and k are turned by an angle that grows with the position: a score sees distances (Su et al. 2021)."},
    {"train/positions/learned", "learned",
     "A vector for each position is added to the word's, as in GPT-2: a score sees places; h can be sliced "
     "anew with less harm."},
}};
constexpr std::array<MenuChoice, 3> kKinds{{
    {"train/kind/causal", "causal", "Reads on: each word from the words before it, as GPT."},
    {"train/kind/masked", "masked", "Fills gaps from both sides, as BERT; only hidden words teach, so it learns more slowly."},
    {"train/kind/translating", "translating",
     "An encoder and a decoder, as BART: reads English, writes the invented language. The third kind of "
     "attention looks from the translation to the source."},
}};

/// Every value that settling leaves as it is.
template <typename Set>
std::vector<std::int64_t> possible(const TrainPlan& plan, std::initializer_list<std::int64_t> values, const Set& set) {
  std::vector<std::int64_t> kept;
  for (const std::int64_t value : values) {
    TrainPlan tried = plan;
    set(tried, value);
    if (settle(tried).plan == tried) kept.push_back(value);
  }
  return kept;
}

void with_value(std::vector<std::int64_t>& values, std::int64_t value) {
  const auto at = std::lower_bound(values.begin(), values.end(), value);
  if (at == values.end() || *at != value) values.insert(at, value);
}

void update_values(const Frame& frame) {
  TrainScratch& train = frame.state.train;
  if (train.values_session == frame.state.content_version) return;
  train.values_session = frame.state.content_version;
  const TrainPlan& plan = frame.session.train;
  const auto heads = [](TrainPlan& p, std::int64_t n) {
    p.form.n_heads = n;
    p.form.n_kv_heads = settle(p).plan.form.n_kv_heads;  // K/V heads follow
  };
  train.heads = possible(plan, {1, 2, 3, 4, 6, 8, 12, 16, 24, 32}, heads);
  train.kv_heads = possible(plan, {1, 2, 3, 4, 6, 8, 12, 16, 24, 32}, [](TrainPlan& p, std::int64_t n) { p.form.n_kv_heads = n; });
  train.d_model = {16, 24, 32, 48, 64, 96, 128, 192, 256};
  train.layers = {1, 2, 3, 4, 6, 8};
  train.tokens = {50'000,    100'000,   200'000,   300'000,   600'000,    1'000'000,  1'200'000,
                  1'500'000, 2'000'000, 3'000'000, 6'000'000, 10'000'000, 20'000'000, 25'000'000};
  with_value(train.heads, plan.form.n_heads);
  with_value(train.kv_heads, plan.form.n_kv_heads);
  with_value(train.d_model, plan.form.d_model);
  with_value(train.layers, plan.form.n_layers);
  with_value(train.tokens, plan.tokens);
  train.command = train_command(plan).text;
}

void slider(const Frame& frame, const ValueSlider& spec, void (*set)(TrainForm&, std::int64_t)) {
  if (const auto value = value_slider(frame.look, spec))
    change_plan(frame, spec.name.data(), [&](TrainPlan& plan) { set(plan.form, *value); });
}

/// What the trained model's own shape leaves free: a start from one fixes the rest.
Enabled is_free(const Frame& frame) { return frame.session.train.start.from == StartFrom::kScratch ? Enabled::kYes : Enabled::kNo; }

void sliders(const Frame& frame) {
  const TrainScratch& train = frame.state.train;
  const TrainForm& form = frame.session.train.form;
  slider(frame,
         {.name = "train/h",
          .label = "h",
          .tooltip = "h, the number of heads\nd_model is split evenly: d_k = d_model / h. More heads can hold more roles apart, "
                     "each with fewer "
                     "dimensions to do it in. Of a model that was trained already, the same matrices are sliced anew.",
          .values = train.heads,
          .value = form.n_heads},
         [](TrainForm& f, std::int64_t n) {
           if (f.n_kv_heads == f.n_heads) f.n_kv_heads = n;  // every head its own stays so
           f.n_heads = n;
         });
  slider(
      frame,
      {.name = "train/d_model",
       .label = "d_model",
       .tooltip =
           "d_model, the width of the residual stream\nNumbers that stand for one token between layers. Twice the width is about "
           "four times the work.",
       .values = train.d_model,
       .value = form.d_model,
       .enabled = is_free(frame)},
      [](TrainForm& f, std::int64_t n) { f.d_model = n; });
  slider(
      frame,
      {.name = "train/kv_heads",
       .label = "kv_heads",
       .tooltip =
           "kv_heads, the number of key/value heads\nIt divides h. Trained so from the start, few cost little; pooled afterwards, "
           "they cost much until healed.",
       .values = train.kv_heads,
       .value = form.n_kv_heads},
      [](TrainForm& f, std::int64_t n) { f.n_kv_heads = n; });
  slider(frame,
         {.name = "train/layers",
          .label = "layers",
          .tooltip =
              "The number of layers (of each of the two stacks where the model translates)\nOne layer alone cannot agree across a "
              "distractor: it takes two, one to find the noun and one to carry it on.",
          .values = train.layers,
          .value = form.n_layers,
          .enabled = is_free(frame)},
         [](TrainForm& f, std::int64_t n) { f.n_layers = n; });
}

void options(const Frame& frame) {
  const TrainForm& form = frame.session.train.form;
  if (const auto mlp = option_row(frame, {.name = "train/mlp",
                                          .label = "MLP",
                                          .tooltip = "Whether layers have an MLP beside their attention.",
                                          .choices = kMlps,
                                          .selected = static_cast<int>(form.mlp)}))
    change_plan(frame, "", [&](TrainPlan& plan) { plan.form.mlp = static_cast<MlpUse>(*mlp); });
  if (const auto positions = option_row(frame, {.name = "train/positions",
                                                .label = "positions",
                                                .tooltip = "How the model knows where a word stands.",
                                                .choices = kPositions,
                                                .selected = form.positions == PositionKind::kRotary ? 0 : 1}))
    change_plan(frame, "",
                [&](TrainPlan& plan) { plan.form.positions = *positions == 0 ? PositionKind::kRotary : PositionKind::kLearned; });
  const int kind = form.kind == ModelKind::kCausal ? 0 : form.kind == ModelKind::kMasked ? 1 : 2;
  if (const auto chosen = option_row(frame, {.name = "train/kind",
                                             .label = "kind",
                                             .tooltip = "What the model learns to do. Another kind is another recipe's data, too.",
                                             .choices = kKinds,
                                             .selected = kind})) {
    constexpr std::array<ModelKind, 3> kinds{ModelKind::kCausal, ModelKind::kMasked, ModelKind::kEncoderDecoder};
    change_plan(frame, "", [&](TrainPlan& plan) {
      plan.form.kind = kinds[static_cast<std::size_t>(*chosen)];
      plan.start = {};
      // Only a translation has two sides, and it has nothing else.
      if (*chosen == 2) plan.data.kind = DataKind::kTranslation;
      if (*chosen != 2 && plan.data.kind == DataKind::kTranslation) plan.data.kind = DataKind::kGrammar;
    });
  }
}

/// What the machine and the run that is shown tell of the cost.
PlanMachine machine_of(const Frame& frame) {
  PlanMachine machine;
  const RunReport* report = frame.model.training.report();
  if (report == nullptr) return machine;
  if (report->n_threads > 0) machine.n_threads = report->n_threads;
  if (report->config.shape.vocab_size > 0 && report->plan.data == frame.session.train.data)
    machine.vocab_size = report->config.shape.vocab_size;
  if (report->tokens_per_second > 0 && report->flops_per_token > 0)
    machine.gflops = report->tokens_per_second * report->flops_per_token / 1e9;
  return machine;
}

}  // namespace

void train_form(const Frame& frame) {
  const Look& look = frame.look;
  heading(look, "MODEL");
  update_values(frame);
  sliders(frame);
  gap(look, 2);
  options(frame);
  const TrainScratch& train = frame.state.train;
  if (!train.notice.empty() && frame.state.session_version <= train.notice_session + 1) {
    TextStyle style = small_text(look);
    style.color = frame.theme.warning;
    paragraph(look, train.notice, style);
    gap(look, 4);
  }
  const PlanEstimate estimate = estimate_plan(frame.session.train, machine_of(frame));
  const TrainForm& form = frame.session.train.form;
  paragraph(look,
            "d_k = " + std::to_string(form.d_model) + " / " + std::to_string(form.n_heads) + " = " +
                std::to_string(form.d_model / form.n_heads) + " · " + short_tokens(estimate.n_parameters) +
                " parameters, computed · " + compact(static_cast<double>(estimate.memory_bytes) / 1048576.0, 2) + " MiB, estimated",
            small_text(look));
  if (!estimate.problem.empty()) {
    TextStyle style = small_text(look);
    style.color = frame.theme.warning;
    paragraph(look, estimate.problem, style);
  }
}

}  // namespace headroom
