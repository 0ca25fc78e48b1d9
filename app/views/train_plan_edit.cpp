#include "app/views/train_plan_edit.h"

#include <imgui.h>

#include "core/session/train_text.h"

namespace headroom {
namespace {

constexpr std::int64_t kHealTokens = 150'000;
constexpr double kHealRate = 1e-3;
constexpr std::int64_t kHealWarmup = 10;

}  // namespace

void set_plan(const Frame& frame, TrainPlan plan, const char* group) {
  TrainScratch& train = frame.state.train;
  const SettledPlan settled = settle(plan);
  train.notice.clear();
  for (const std::string& reason : settled.reasons)
    train.notice += (train.notice.empty() ? "" : " ") + reason;
  train.notice_session = frame.state.session_version;
  frame.send(TrainPlanSet{std::move(plan)}, group);
}

bool is_planned_run(const Frame& frame) {
  const RunReport* report = frame.model.training.report();
  return report != nullptr && report->plan == frame.session.train;
}

std::string start_sentence(const Frame& frame) {
  const TrainPlan& plan = frame.session.train;
  std::string text = train_start_text(plan.start);
  const RunReport* report = frame.model.training.report();
  const auto change = [](const char* name, std::int64_t from, std::int64_t to) {
    return from == to ? std::string() : std::string(", ") + name + " " + std::to_string(from) + " → " + std::to_string(to);
  };
  if (plan.start.from == StartFrom::kRun && report != nullptr) {
    text += change("h", report->plan.form.n_heads, plan.form.n_heads);
    text += change("kv_heads", report->plan.form.n_kv_heads, plan.form.n_kv_heads);
  } else if (plan.start.from == StartFrom::kModel && plan.start.model == frame.session.compute.model) {
    const ModelShape& trained = frame.session.compute.trained;
    text += change("h", trained.n_heads, plan.form.n_heads) + change("kv_heads", trained.n_kv_heads, plan.form.n_kv_heads);
  }
  return text;
}

std::optional<TrainPlan> plan_from_here(const Frame& frame) {
  const RunReport* report = frame.model.training.report();
  if (report == nullptr || report->kept.empty()) return std::nullopt;
  // A second change of the same state goes on from the first.
  const TrainStart& start = frame.session.train.start;
  if (start.from == StartFrom::kRun && start.at == frame.session.train_view.at && !is_planned_run(frame))
    return frame.session.train;
  TrainPlan plan = report->plan;
  plan.start.from = StartFrom::kRun;
  plan.start.model.clear();
  plan.start.at = frame.session.train_view.at;
  plan.tokens = kHealTokens;
  plan.learning_rate = kHealRate;
  plan.warmup_steps = kHealWarmup;
  return plan;
}

std::optional<int> option_row(const Frame& frame, const OptionRow& spec) {
  const Look& look = frame.look;
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const float width = ImGui::GetContentRegionAvail().x;
  draw_text(look, *ImGui::GetWindowDrawList(), {at.x, at.y + look.px(3)}, spec.label, small_text(look));
  std::string_view value = spec.value;
  if (value.empty() && spec.selected >= 0) value = spec.choices[static_cast<std::size_t>(spec.selected)].label;
  const float list_width = inline_dropdown_width(look, "", value) + look.px(2);
  ImGui::SetCursorScreenPos(ImVec2(at.x + width - list_width, at.y));
  const auto chosen = dropdown(look, {.name = spec.name,
                                      .tooltip = spec.tooltip,
                                      .value = value,
                                      .choices = spec.choices,
                                      .selected = spec.selected,
                                      .form = Dropdown::Form::kInline,
                                      .width = list_width});
  ImGui::SetCursorScreenPos(ImVec2(at.x, at.y + look.px(24)));
  ImGui::Dummy(ImVec2(0, 0));
  if (!chosen || *chosen == spec.selected) return std::nullopt;
  return chosen;
}

}  // namespace headroom
