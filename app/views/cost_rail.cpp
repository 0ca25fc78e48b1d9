#include <imgui.h>

#include <array>
#include <string>

#include "app/views/context.h"
#include "app/views/cost.h"
#include "app/widgets/controls.h"
#include "core/session/plan_command.h"

namespace headroom {
namespace {

constexpr std::array<MenuChoice, 2> kBeside{{
    {"cost/beside/none", "One plan", "One plan, with all that each choice would save."},
    {"cost/beside/plan", "Compare two", "A second plan beside the first, on one scale, with every difference."},
}};
constexpr std::array<MenuChoice, 2> kEdited{{
    {"cost/edit/first", "First", "The controls below set the first plan."},
    {"cost/edit/second", "Second", "The controls below set the second plan."},
}};

/// The second plan as it was left; before it was ever touched a copy of the first, with its K and V in half the bits so that there is
/// something to see.
CostPlan second_plan(const Session& session) {
  if (session.beside != Session{}.beside) return session.beside;
  CostPlan plan = session.cost;
  plan.kv = plan.kv == KvType::kInt8 || plan.kv == KvType::kInt4 ? KvType::kInt4 : KvType::kInt8;
  return plan;
}

void compared(const Frame& frame) {
  const Look& look = frame.look;
  const Session& session = frame.session;
  const float width = ImGui::GetContentRegionAvail().x;
  heading(look, "PLAN");
  const bool is_compared = session.view.cost_beside == CostBeside::kPlan;
  if (const auto chosen = segmented(look, kBeside, is_compared ? 1 : 0, width)) {
    if (*chosen == 1) frame.send(CostPlanSet{session.cost, second_plan(session)}, "cost beside");
    frame.send(CostBesideSet{*chosen == 1 ? CostBeside::kPlan : CostBeside::kNone}, "cost beside");
    frame.state.cost.edited = *chosen == 1 ? PlanSide::kSecond : PlanSide::kFirst;
  }
  if (!is_compared) return;
  gap(look, 6);
  if (const auto side = segmented(look, kEdited, static_cast<int>(frame.state.cost.edited), width))
    frame.state.cost.edited = static_cast<PlanSide>(*side);
  gap(look, 4);
  if (session.beside != session.cost &&
      link(look, "cost/copy_first", "Make the second as the first", "Copies every choice of the first plan into the second."))
    frame.send(CostPlanSet{session.cost, session.cost});
}

void command_line(const Frame& frame) {
  const std::string command = plan_command(edited_plan(frame), frame.session.compute);
  if (command.empty()) return;
  if (link(frame.look, "cost/copy_command", "Copy as a command",
           "This plan for a shell\nheadroom cost prints the same figures with their formulas; with --json for other programs."))
    frame.command(CopyText{command});
}

}  // namespace

const CostPlan& edited_plan(const Frame& frame) {
  const bool is_compared = frame.session.view.cost_beside == CostBeside::kPlan;
  return is_compared && frame.state.cost.edited == PlanSide::kSecond ? frame.session.beside : frame.session.cost;
}

void set_edited_plan(const Frame& frame, const CostPlan& plan, const char* group) {
  const PlanSide side = &edited_plan(frame) == &frame.session.cost ? PlanSide::kFirst : PlanSide::kSecond;
  frame.send(with_plan(frame.session, side, plan), group);
}

void draw_cost_rail(const Frame& frame) {
  compared(frame);
  rule(frame.look);
  cost_model_form(frame);
  rule(frame.look);
  cost_cache_form(frame);
  rule(frame.look);
  cost_device_form(frame);
  command_line(frame);
  gap(frame.look, 8);
}

}  // namespace headroom
