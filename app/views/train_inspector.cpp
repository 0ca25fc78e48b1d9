#include <imgui.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "app/views/commands.h"
#include "app/views/figures.h"
#include "app/views/flow.h"
#include "app/views/train.h"
#include "app/views/train_plan_edit.h"
#include "core/session/names.h"
#include "core/session/train_text.h"
#include "core/training/network.h"

namespace headroom {
namespace {

constexpr std::array<const char*, 6> kNumbers{"train/to/1", "train/to/2", "train/to/3", "train/to/4", "train/to/5", "train/to/6"};

bool can_be_changed(const Frame& frame) { return plan_from_here(frame).has_value(); }

/// A list that unfolds from a button-like box: "Pool kv_heads ▾" with the values that the state can be changed to.
struct ChangeList {
  const char *name, *label, *tooltip, *to_tooltip;
  std::vector<std::int64_t> values;
};
std::optional<std::int64_t> change_list(const Frame& frame, const ChangeList& spec) {
  std::vector<std::string> labels;
  std::vector<MenuChoice> choices;
  const std::size_t n = std::min(spec.values.size(), kNumbers.size());
  for (std::size_t i = 0; i < n; ++i)
    labels.push_back("to " + std::to_string(spec.values[i]));
  std::vector<std::string> names;
  for (std::size_t i = 0; i < n; ++i)
    names.push_back(std::string(spec.name) + "/" + std::to_string(spec.values[i]));
  for (std::size_t i = 0; i < n; ++i)
    choices.push_back({.name = names[i], .label = labels[i], .tooltip = spec.to_tooltip});
  const auto chosen = dropdown(
      frame.look,
      {.name = spec.name, .tooltip = spec.tooltip, .value = spec.label, .choices = choices, .form = Dropdown::Form::kInline});
  return chosen ? std::optional(spec.values[static_cast<std::size_t>(*chosen)]) : std::nullopt;
}

float change_width(const Frame& frame, const char* label) { return inline_dropdown_width(frame.look, "", label); }

void use_and_save(const Frame& frame, Flow& flow) {
  const Look& look = frame.look;
  const TrainingState& training = frame.model.training;
  const RunReport* report = training.report();
  const bool has_state = report != nullptr && (report->steps > 0 || !report->kept.empty());
  const bool is_saving = !training.saving.empty();
  const Enabled enabled = has_state && !is_saving ? Enabled::kYes : Enabled::kNo;
  const char* use = is_saving ? "Saving…" : "Use in all views";
  flow.place(button_width(look, use));
  if (button(look, {.name = "train/use",
                    .label = use,
                    .tooltip = "Use in all views\nSaves the state that is looked at as a Hugging Face folder among your models, "
                               "and opens it: heads, "
                               "arithmetic, speed, pruning, all on it. Undo comes back.",
                    .enabled = enabled}))
    frame.command(UseTrained{});
  flow.place(button_width(look, "Save folder…"));
  if (button(look, {.name = "train/save",
                    .label = "Save folder…",
                    .tooltip = "Save folder\nA Hugging Face folder that this program and `transformers` open; the newest state can "
                               "also be trained on.",
                    .enabled = enabled}))
    open_dialog(frame, DialogKind::kTrainFolder);
}

void changes(const Frame& frame, Flow& flow) {
  const std::optional<TrainPlan> here = plan_from_here(frame);
  if (!here) return;
  const TrainForm& form = here->form;
  std::vector<std::int64_t> fewer, sliced;
  for (const std::int64_t n : {8, 6, 4, 3, 2, 1}) {
    TrainPlan tried = *here;
    tried.form.n_kv_heads = n;
    if (n < form.n_kv_heads && settle(tried).plan.form.n_kv_heads == n) fewer.push_back(n);
  }
  for (const std::int64_t n : {16, 8, 6, 4, 3, 2, 1}) {
    TrainPlan tried = *here;
    tried.form.n_heads = n;
    tried.form.n_kv_heads = n;
    if (n != form.n_heads && settle(tried).plan.form.n_heads == n) sliced.push_back(n);
  }
  if (!fewer.empty()) {
    flow.place(change_width(frame, "Pool kv_heads"));
    if (const auto n = change_list(
            frame, {"train/pool", "Pool kv_heads",
                    "Pool kv_heads\nAverages the K and V projections of neighbouring heads (Ainslie et al. 2023). At once much "
                    "worse, because the heads really differ; healing brings most of it back.",
                    "Then press Heal.", fewer})) {
      TrainPlan plan = *here;
      plan.form.n_kv_heads = *n;
      set_plan(frame, plan, "");
    }
  }
  if (!sliced.empty()) {
    flow.place(change_width(frame, "Slice h"));
    if (const auto n = change_list(
            frame,
            {"train/slice", "Slice h",
             "Slice h\nThe same matrices cut into another number of heads. Under rotary positions every dimension then turns at "
             "another rate, which breaks the model until it is healed; under learned positions hardly.",
             "Then press Heal.", sliced})) {
      TrainPlan plan = *here;
      const bool was_mha = plan.form.n_kv_heads == plan.form.n_heads;
      plan.form.n_heads = *n;
      if (was_mha) plan.form.n_kv_heads = *n;
      plan.start.pruned.clear();  // counted in the old numbering
      set_plan(frame, plan, "");
    }
  }
}

void prune(const Frame& frame, Flow& flow) {
  const TrainView& view = frame.session.train_view;
  const bool can_prune = view.head && view.stack == AttentionStack::kSelf && can_be_changed(frame);
  std::string label = "Prune";
  bool is_pruned = false;
  if (view.head) {
    const std::optional<TrainPlan> here = plan_from_here(frame);
    is_pruned = here && std::binary_search(here->start.pruned.begin(), here->start.pruned.end(), *view.head);
    label = (is_pruned ? "Restore " : "Prune ") + head_text(*view.head);
  }
  flow.place(button_width(frame.look, label));
  if (button(frame.look,
             {.name = "train/prune",
              .label = label,
              .tooltip = can_prune ? "Prune\nSwitches this head off for good; then Heal trains the others on without it."
                                   : "Prune\nChoose a head of the self-attention first: click its picture.",
              .enabled = can_prune ? Enabled::kYes : Enabled::kNo})) {
    TrainPlan plan = *plan_from_here(frame);
    std::vector<HeadRef>& pruned = plan.start.pruned;
    if (is_pruned) {
      std::erase(pruned, *view.head);
    } else {
      pruned.insert(std::lower_bound(pruned.begin(), pruned.end(), *view.head), *view.head);
    }
    set_plan(frame, plan, "");
  }
}

void heal(const Frame& frame, Flow& flow) {
  const bool can_heal = frame.session.train.start.from != StartFrom::kScratch && !frame.model.training.is_running();
  flow.place(button_width(frame.look, "Heal"));
  if (button(frame.look,
             {.name = "train/heal",
              .label = "Heal",
              .tooltip =
                  can_heal
                      ? "Heal\nTrains the changed model on; the loss before the change, after it and as it heals is drawn together."
                      : "Heal\nChange the state first: pool its kv_heads, slice its h anew or prune a head. Then training on "
                        "heals it.",
              .enabled = can_heal ? Enabled::kYes : Enabled::kNo})) {
    if (frame.session.train_view.at) frame.send(TrainTimeSet{});
    frame.command(OrderTraining{TrainOrder::kStart});
  }
}

void from_here(const Frame& frame) {
  const Look& look = frame.look;
  heading(look, "FROM HERE");
  Flow flow(look, 8, 30);
  use_and_save(frame, flow);
  prune(frame, flow);
  heal(frame, flow);
  flow.end();
  if (can_be_changed(frame)) {
    Flow lists(look, 14, 26);
    changes(frame, lists);
    lists.end();
  }
  Flow links(look, 14, 22);
  links.place(text_extent(look, "copy the command", small_text(look)).w);
  if (link(look, "train/copy_command", "copy the command", "Puts on the clipboard what trains this plan without a window."))
    find_command("train/copy_command")->run(frame);
  links.place(text_extent(look, "save the plan…", small_text(look)).w);
  if (link(look, "train/save_plan", "save the plan…", "Writes the plan as a file that `headroom train --config` reads."))
    open_dialog(frame, DialogKind::kTrainPlan);
  links.end();
}

}  // namespace

void draw_train_inspector(const Frame& frame) {
  const Look& look = frame.look;
  const double most = look.px(420);
  panel_figure(frame, {FigureKind::kTrainHappened, "train/happened", most});
  rule(look);
  panel_figure(frame, {FigureKind::kTrainBehaviour, "train/behaviour", most});
  rule(look);
  if (frame.session.train_view.head) {
    panel_figure(frame, {FigureKind::kTrainScores, "train/scores", most});
    rule(look);
  }
  panel_figure(frame, {FigureKind::kTrainAblation, "train/ablation", most});
  rule(look);
  from_here(frame);
  rule(look);
  experiment_list(frame);
  gap(look, 8);
}

}  // namespace headroom
