#include "core/roles/measure.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/roles/tally.h"
#include "core/tensor/error.h"

namespace headroom {
namespace roles_detail {

void AnswerCount::add(const Answer& answer, std::span<const float> logits) {
  Sum& sum = sums_[static_cast<std::size_t>(answer.behaviour)];
  const auto right_id = static_cast<std::size_t>(answer.ids.front());
  const float right = logits[right_id];
  bool wins = true;
  if (answer.ids.size() > 1) {
    for (std::size_t i = 1; i < answer.ids.size(); ++i)
      wins = wins && right > logits[static_cast<std::size_t>(answer.ids[i])];
    sum.chance += 1 / static_cast<double>(answer.ids.size());
  } else {
    for (std::size_t id = 0; id < logits.size(); ++id)
      wins = wins && (id == right_id || right > logits[id]);
    sum.chance += 1 / static_cast<double>(logits.size());
  }
  sum.right += wins ? 1 : 0;
  ++sum.n;
}

std::vector<BehaviourScore> AnswerCount::scores() const {
  std::vector<BehaviourScore> scores;
  for (const Behaviour behaviour : kBehaviours) {
    const Sum& sum = sums_[static_cast<std::size_t>(behaviour)];
    if (sum.n == 0) continue;
    const auto n = static_cast<double>(sum.n);
    scores.push_back({behaviour, static_cast<double>(sum.right) / n, sum.chance / n, sum.n});
  }
  return scores;
}

namespace {

RoleScore score_of(const RoleCaseList& list, std::vector<float> by_head, std::int64_t n_heads) {
  RoleScore score;
  score.role = list.role;
  score.baseline = list.baseline;
  score.offset = list.offset;
  score.chance = list.chance;
  score.n_cases = std::ssize(list.cases);
  score.n_heads = n_heads;
  const auto best = std::ranges::max_element(by_head);
  const std::int64_t index = best - by_head.begin();
  score.score = static_cast<double>(*best);
  score.head = {index / n_heads, index % n_heads};
  score.by_head = std::move(by_head);
  return score;
}

/// Random sequences are copied well, by heads that do not look at what followed.
bool is_shortcut(const HeadReport& report) {
  const RoleScore* const induction = report.role("induction");
  const BehaviourScore* const copying = report.behaviour(Behaviour::kRandomCopying);
  return induction != nullptr && copying != nullptr && copying->accuracy >= kShortcutCopying &&
         induction->score < kShortcutInduction;
}

}  // namespace

HeadReport measure(Network& network, const RoleProbes& probes, const MeasureRequest& request) {
  const ModelConfig& config = network.layout().config();
  const ProbeSet& set = probes.set();
  if (config.kind != set.kind) throw ShapeError("the probes were made for another kind of model");
  const ModelHeads heads = heads_of(config);
  HeadReport report;
  report.floor = set.floor;
  report.has_floor = set.has_floor;
  if (request.looks == Looks::kAtAttention)
    for (const Role& role : roles(set.kind)) {
      report.roles.emplace_back();
      report.roles.back().role = &role;
    }
  AnswerCount answers;
  for (const ProbePart& part : set.parts) {
    const bool looks = request.looks == Looks::kAtAttention && !part.roles.empty();
    if (!looks && part.answers.empty() && part.loss == PartLoss::kNotCounted) continue;
    std::vector<LogitsAt> logits_at;
    for (const Answer& answer : part.answers)
      logits_at.push_back(answer.at);
    std::optional<AttentionTally> tally;
    EvaluationRequest asked{.logits_at = logits_at, .off = request.off, .stop = request.stop};
    if (looks) {
      tally.emplace(part.roles, heads, part.batch.n_rows);
      asked.on_attention = [&tally](const AttentionPicture& picture) { tally->add(picture); };
    }
    const Evaluation found = network.evaluate(part.batch, asked);

    if (part.loss == PartLoss::kHeldOut) report.held_out_loss = found.loss;
    const auto vocab = static_cast<std::size_t>(config.shape.vocab_size);
    for (std::size_t i = 0; i < part.answers.size(); ++i)
      answers.add(part.answers[i], std::span(found.logits).subspan(i * vocab, vocab));
    if (!looks) continue;
    for (std::size_t i = 0; i < part.roles.size(); ++i) {
      const RoleCaseList& list = part.roles[i];
      const StackHeads stack = heads[static_cast<std::size_t>(list.role->stack)];
      *std::ranges::find(report.roles, list.role, &RoleScore::role) = score_of(list, tally->by_head(i), stack.n_heads);
    }
  }
  report.behaviours = answers.scores();
  report.has_shortcut = is_shortcut(report);
  return report;
}

}  // namespace roles_detail

HeadReport measure_roles(Network& network, const RoleProbes& probes, std::stop_token stop) {
  return roles_detail::measure(network, probes, {.stop = std::move(stop)});
}

}  // namespace headroom
