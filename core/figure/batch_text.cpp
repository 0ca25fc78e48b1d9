#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "core/figure/batch_panels.h"
#include "core/figure/card_panels.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

std::string counted(std::int64_t n, const char* one, const char* many) { return count_text(n) + " " + (n == 1 ? one : many); }

/// What keeps requests out, or ended the simulation.
std::string trouble_of(const BatchPart& part) {
  const BatchSide& side = part.side;
  std::string text;
  if (side.n_pages == 0) {
    text = std::string("Nothing fits: one ") + (part.is_paged() ? "page of " : "stretch of ") +
           counted(side.page_rows, "token", "tokens") + " takes " + short_bytes_text(static_cast<double>(side.page_bytes)) +
           ", the memory has " + short_bytes_text(part.memory()) + ".";
  } else if (side.n_refused > 0) {
    text = count_text(side.n_refused) + " of " + counted(std::ssize(part.run.requests), "request", "requests") +
           " would not fit alone and " + (side.n_refused == 1 ? "was" : "were") + " refused.";
  }
  if (!side.ended_early.empty()) text += (text.empty() ? "" : " ") + side.ended_early;
  return text;
}

bool was_ever_full(const BatchSide& side) {
  return side.n_refused > 0 || std::ranges::any_of(side.steps, [](const BatchStep& step) { return step.n_waiting > 0; });
}

struct Fact {
  const char* name;
  std::string number, label, basis, tooltip;
};
std::vector<Fact> facts_of(const BatchPart& part) {
  const BatchSide& side = part.side;
  const BatchSide& other = part.run.side(part.is_paged() ? CacheLayout::kContiguous : CacheLayout::kPaged);
  std::string basis = "simulated";
  if (!was_ever_full(side)) {
    basis += " · never full";
  } else if (part.is_paged() && other.most_running > 0 && side.most_running != other.most_running) {
    const double ratio = static_cast<double>(side.most_running) / static_cast<double>(other.most_running);
    basis += " · " + compact(ratio, 2) + "×";
  }
  const auto n_steps = std::ssize(side.steps);
  return {{"fit", count_text(side.most_running), "requests at once, at most", basis,
           "How many fit at once\nThe most requests that ran in the same step. " +
               (part.is_paged() ? std::string("Pages are taken as texts grow: short ones leave room for others.")
                                : "Each reserves " + counted(side.page_rows, "token", "tokens") +
                                      ", however short its text: " + count_text(side.n_pages) + " stretches fit, computed.") +
               (was_ever_full(side) ? "" : "\nNobody ever waited: more would fit.")},
          {"used", percent_text(side.mean_used), "of what is reserved is used", "simulated, mean",
           "Memory that holds tokens\nThe share of reserved bytes with keys and values in them, mean over the steps. The rest is "
           "taken and empty."},
          {"rate", compact(side.tokens_per_step, 3), "tokens a step, all requests", "simulated, mean",
           "Tokens a step\nEvery running request writes one token a step: more requests at once, more tokens from the same "
           "pass over the parameters."},
          {"steps", count_text(n_steps), "steps in all",
           side.n_finished < std::ssize(part.run.requests) ? "not all finished" : "simulated",
           "Steps until the last request is done\nFewer steps, the sooner everyone has an answer. How long a step takes is not "
           "modelled."}};
}

struct TableRow {
  const char* label;
  std::string reserved, pages, tooltip;
};
double peak_reserved(const BatchSide& side) {
  std::int64_t peak = 0;
  for (const BatchStep& step : side.steps)
    peak = std::max(peak, step.reserved);
  return static_cast<double>(peak);
}
double peak_shared(const BatchSide& side) {
  std::int64_t peak = 0;
  for (const BatchStep& step : side.steps)
    peak = std::max(peak, step.shared);
  return static_cast<double>(peak);
}
std::vector<TableRow> table_rows(const BatchRun& run) {
  const BatchSide &a = run.contiguous, &b = run.paged;
  const std::string all = " of " + count_text(std::ssize(run.requests));
  return {{"finished", count_text(a.n_finished) + all, count_text(b.n_finished) + all, "Requests that got their whole answer."},
          {"steps in all", count_text(std::ssize(a.steps)), count_text(std::ssize(b.steps)),
           "Steps until the last request is done. How long a step takes is not modelled."},
          {"wait, mean", compact(a.mean_wait, 3) + " steps", compact(b.mean_wait, 3) + " steps",
           "Steps from a request's arrival to the one that admits it, mean over those admitted."},
          {"preempted", count_text(a.n_preempted) + (a.n_preempted == 1 ? " time" : " times"),
           count_text(b.n_preempted) + (b.n_preempted == 1 ? " time" : " times"),
           "How often a request had to give its pages back because none was left for the next token. What it had is read again "
           "later. A stretch reserved at once is never short."},
          {"peak reserved", short_bytes_text(peak_reserved(a)), short_bytes_text(peak_reserved(b)),
           "The most memory taken in any step."},
          {"peak shared", short_bytes_text(peak_shared(a)), short_bytes_text(peak_shared(b)),
           "The most that sharing the same beginning saved in any step: what its copies would take."}};
}

}  // namespace

double draw_batch_title(Canvas& canvas, const Rect& area, const BatchPart& part) {
  const BatchSide& side = part.side;
  const std::string size = short_bytes_text(static_cast<double>(side.page_bytes));
  const std::string detail = part.is_paged() ? "of " + counted(side.page_rows, "token", "tokens") + " · " +
                                                   counted(side.n_pages, "page", "pages") + " of " + size
                                             : counted(side.page_rows, "token", "tokens") + " for each request · " +
                                                   counted(side.n_pages, "stretch", "stretches") + " of " + size;
  double y = area.y + canvas.panel_title({area.x, area.y}, part.is_paged() ? "PAGES" : "RESERVED", detail, area.w);
  const std::string trouble = trouble_of(part);
  if (!trouble.empty()) {
    TextStyle style = canvas.small();
    style.color = canvas.theme().warning;
    y += canvas.paragraph({area.x, y + 2, area.w, 0}, trouble, style, 2) + 2;
    canvas.hit({.shape = {area.x, area.y, area.w, y - area.y},
                .tooltip = std::string(part.is_paged() ? "Pages" : "Reserved") + "\n" + trouble,
                .click = {},
                .double_click = {},
                .ctrl_click = {},
                .name = part.prefix() + "trouble"});
  }
  return y - area.y;
}

void draw_batch_facts(Canvas& canvas, const Rect& area, const BatchPart& part) {
  constexpr double kLeast = 150;
  const std::vector<Fact> facts = facts_of(part);
  const auto n = std::clamp<std::size_t>(static_cast<std::size_t>(std::max(1.0, area.w / kLeast)), 1, facts.size());
  const double width = area.w / static_cast<double>(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double x = area.x + width * static_cast<double>(i);
    const TextStyle number{.color = canvas.theme().text, .size = kHeadingSize, .face = FontFace::kSansMedium};
    canvas.text({x, area.y + 11}, facts[i].number, number, width - 12);
    canvas.text({x, area.y + 29}, facts[i].label, canvas.small(), width - 12);
    canvas.parts({x, area.y + 44}, facts[i].basis, canvas.faint(), width - 12);
    canvas.hit({.shape = {x, area.y, width - 4, kBatchFactsHeight},
                .tooltip = facts[i].tooltip,
                .click = {},
                .double_click = {},
                .ctrl_click = {},
                .name = part.prefix() + facts[i].name});
  }
}

void draw_batch_table(Canvas& canvas, const Rect& area, const BatchRun& run) {
  const double number_w = std::min(110.0, area.w * 0.3), right = area.x + area.w;
  TextStyle head = canvas.faint(), number = canvas.mono();
  head.anchor = number.anchor = Anchor::kRight;
  const TextStyle title{.color = canvas.theme().text_dim, .size = kSmallTextSize, .face = FontFace::kSansMedium};
  double y = area.y + kSmallLine / 2;
  canvas.text({area.x, y}, "ALL STEPS", title, area.w - 2 * number_w);
  canvas.text({right - number_w, y}, "reserved", head, number_w - 8);
  canvas.text({right, y}, "pages", head, number_w - 8);
  for (const TableRow& row : table_rows(run)) {
    y += kSmallLine;
    if (y + kSmallLine / 2 > area.y + area.h) return;
    canvas.line({area.x, y - kSmallLine / 2}, {right, y - kSmallLine / 2}, mix(canvas.theme().panel, canvas.theme().border, 0.7));
    canvas.text({area.x, y}, row.label, canvas.small(), area.w - 2 * number_w - 8);
    canvas.text({right - number_w, y}, row.reserved, number, number_w - 8);
    canvas.text({right, y}, row.pages, number, number_w - 8);
    canvas.hit({.shape = {area.x, y - kSmallLine / 2, area.w, kSmallLine},
                .tooltip = std::string(row.label) + "\n" + row.tooltip + "\nreserved " + row.reserved + ", pages " + row.pages +
                           ": simulated",
                .click = {},
                .double_click = {},
                .ctrl_click = {},
                .name = std::string("batch/table ") + row.label});
  }
}

void draw_batch_assumptions(Canvas& canvas, const Rect& area, const BatchPlan& plan) {
  const std::vector<std::string> sentences = batch_assumptions(plan);
  std::string all = "What this simulation takes for granted";
  for (const std::string& sentence : sentences)
    all += "\n• " + sentence;
  double y = area.y + canvas.panel_title({area.x, area.y}, "ASSUMPTIONS",
                                         "of the simulation, with seed " + std::to_string(plan.seed), area.w);
  const TextStyle style = canvas.small();
  std::size_t n = 0;
  for (; n < sentences.size(); ++n) {
    const auto lines = static_cast<double>(canvas.wrap(sentences[n], style, area.w - 12).size());
    const double last = n + 1 < sentences.size() ? kSmallLine : 0;  // for the line that counts the rest
    if (y + lines * kSmallLine + last > area.y + area.h) break;
    canvas.text({area.x, y + kSmallLine / 2}, "•", canvas.faint(), 10);
    y += canvas.paragraph({area.x + 12, y, area.w - 12, 0}, sentences[n], style, 8);
  }
  if (n < sentences.size() && y + kSmallLine <= area.y + area.h) {
    canvas.text({area.x + 12, y + kSmallLine / 2},
                "and " + count_text(std::ssize(sentences) - static_cast<std::int64_t>(n)) + " more: point here", canvas.faint(),
                area.w - 12);
  }
  canvas.hit({.shape = area, .tooltip = all, .click = {}, .double_click = {}, .ctrl_click = {}, .name = "batch/assumptions"});
}

}  // namespace headroom
