#include <cmath>

#include "core/cost/thousands.h"
#include "core/figure/cost_panels.h"
#include "core/figure/number_text.h"
#include "core/figure/short_text.h"

namespace headroom {
namespace {

std::string counted(std::int64_t n, const char* one, const char* many) { return count_text(n) + " " + (n == 1 ? one : many); }

/// "1,240", "0.85", "12.0 M"
std::string rate_number(double per_s) {
  return per_s >= 9.9995e6 ? short_count(per_s) : per_s >= 99.95 ? count_text(std::llround(per_s)) : compact(per_s, 3);
}

}  // namespace

CostPlanSet with_plan(const Session& session, PlanSide side, const CostPlan& plan) {
  return side == PlanSide::kFirst ? CostPlanSet{plan, session.beside} : CostPlanSet{session.cost, plan};
}

std::string plan_title(const PlanCost& cost) {
  const std::string device = cost.device.name.empty() ? cost.plan.device : cost.device.name;
  const std::int64_t n = cost.plan.tensor_parallel;
  return cost.card_name + " on " + (n > 1 ? count_text(n) + " × " : "") + device;
}

std::string plan_choices_text(const CostPlan& plan) {
  std::string text = counted(plan.batch, "text", "texts") + " at once · " + counted(plan.context, "token", "tokens") +
                     " each · weights " + kv_type_name(plan.weights) + " · K/V " + kv_type_name(plan.kv);
  if (plan.tensor_parallel > 1) text += " · each layer split over " + count_text(plan.tensor_parallel) + " devices";
  text += plan.page_rows > 0 ? " · pages of " + counted(plan.page_rows, "token", "tokens") : " · reserved at once";
  if (plan.n_kv_heads > 0) text += " · " + counted(plan.n_kv_heads, "K/V head", "K/V heads");
  if (plan.window > 0) text += " · last " + counted(plan.window, "token", "tokens") + " kept";
  return text;
}

std::string rate_text(double tokens_per_s) { return rate_number(tokens_per_s) + " tokens/s"; }

std::vector<PlanFact> plan_facts(const PlanCost& cost) {
  constexpr const char* kBound = "at best, estimated";
  const std::string context = counted(cost.plan.context, "token", "tokens"), batch = counted(cost.plan.batch, "text", "texts");
  const bool decodes = cost.tokens_per_s > 0;
  std::vector<PlanFact> facts{
      {"largest_batch", count_text(cost.largest_batch), "texts at once fit", "estimated",
       "Texts at once\nThe most texts of " + context + " whose K and V fit beside the weights" +
           (cost.plan.page_rows > 0 ? ", in pages that are taken as they fill" : ", reserved at once for each text") +
           ". 0: not even one does. Estimated, since activations are."},
      {"largest_context", count_text(cost.largest_context), "tokens of each text fit", "estimated",
       "Longest texts\nThe most tokens that " + batch +
           " at once can have. Memory alone is looked at: the model itself may have been "
           "trained for fewer."}};
  if (decodes) {
    facts.push_back({"tokens_per_s", rate_number(cost.tokens_per_s), "tokens/s, all texts", kBound,
                     "Tokens a second\n" + batch +
                         " at once, each writing one token a step. A step takes at least the longer of its "
                         "reading (" +
                         rate_text(cost.tokens_per_s_bandwidth) + ") and its arithmetic (" + rate_text(cost.tokens_per_s_compute) +
                         "), part by part. Real servers stay below."});
    facts.push_back(
        {"step_s", duration_text(cost.decode_time.total()), "a step, a token each", kBound,
         "Between two tokens\nWhat someone waits for each next token: one pass over the weights and every text's K and V."});
  }
  facts.push_back({"first_token_s", duration_text(cost.first_token_s), decodes ? "to the first token" : "to read one text", kBound,
                   "Time to the first token\nReading a text of " + context +
                       " at once (prefill), one text alone. That is mostly "
                       "arithmetic: it grows with the FLOP/s of the device."});
  if (decodes) {
    PlanFact turn{
        "turning_batch", cost.turning_batch ? count_text(*cost.turning_batch) : "never",
        cost.turning_batch ? "texts, then arithmetic limits" : "limited by arithmetic", "estimated",
        "Where it turns\nFew texts: every step waits for the memory, and one more text is nearly free. From here on a step "
        "takes longer to compute than to read."};
    if (!cost.turning_batch)
      turn.tooltip += " Never here: each text brings K and V of its own to read, so reading grows as fast as the arithmetic.";
    if (cost.matrices_turning_batch)
      turn.tooltip += " The weights' matrices alone turn at " + counted(*cost.matrices_turning_batch, "text.", "texts.");
    facts.push_back(turn);
  }
  return facts;
}

double draw_plan_notes(Canvas& canvas, const Rect& area, const PlanCost& cost) {
  double y = area.y;
  const auto note = [&](const std::string& text, Color bar, Color color) {
    if (text.empty()) return;
    TextStyle style = canvas.small();
    style.color = color;
    const auto lines = std::min<std::size_t>(3, canvas.wrap(text, style, area.w - 14).size());
    const double height = kSmallLine * static_cast<double>(lines);
    if (y + height > area.y + area.h) return;
    canvas.fill({area.x, y + 2, 3, height - 4}, bar, 1);
    y += canvas.paragraph({area.x + 12, y, area.w - 14, 0}, text, style, lines) + 3;
  };
  const Theme& theme = canvas.theme();
  note(cost.problem, theme.warning, theme.text);
  note(cost.refusal, theme.bad, theme.text);
  for (const std::string& notice : cost.notices)
    note(notice, theme.border, theme.text_dim);
  return y - area.y;
}

double draw_plan_facts(Canvas& canvas, const Rect& area, const PlanPart& part) {
  const std::vector<PlanFact> facts = plan_facts(part.cost);
  constexpr double kHeight = 54, kLeast = 134;
  const auto n = static_cast<double>(facts.size());
  const double most = std::clamp(std::floor(area.w / kLeast), 1.0, n), rows = std::ceil(n / most);
  const auto columns = static_cast<std::size_t>(std::ceil(n / rows));
  const double width = area.w / static_cast<double>(columns);
  double used = 0;
  for (std::size_t i = 0; i < facts.size(); ++i) {
    const std::size_t row = i / columns, column = i % columns;
    const double x = area.x + width * static_cast<double>(column), y = area.y + (kHeight + 4) * static_cast<double>(row);
    if (y + kHeight > area.y + area.h) break;
    const PlanFact& fact = facts[i];
    const TextStyle number{.color = canvas.theme().text, .size = kHeadingSize, .face = FontFace::kSansMedium};
    canvas.text({x, y + 11}, fact.text, number, width - 12);
    canvas.text({x, y + 29}, fact.label, canvas.small(), width - 12);
    canvas.text({x, y + 44}, fact.basis, canvas.faint(), width - 12);
    canvas.hit({.shape = {x, y, width - 4, kHeight},
                .tooltip = fact.tooltip,
                .click = {},
                .double_click = {},
                .ctrl_click = {},
                .name = std::string(part.side == PlanSide::kFirst ? "cost/" : "cost/second ") + fact.key});
    used = y + kHeight - area.y;
  }
  return used;
}

}  // namespace headroom
