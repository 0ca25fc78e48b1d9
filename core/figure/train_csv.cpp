#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "core/figure/train_curves.h"
#include "core/figure/train_figures.h"
#include "core/runs/report.h"

namespace headroom {
namespace {

/// The shortest text that reads back as the same number; nothing for no number.
std::string plain(double value) {
  if (!std::isfinite(value)) return "";
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), end.ptr};
}

/// The training loss of the batches up to a measurement, since the one before.
double training_loss_until(const std::vector<LossPoint>& losses, std::int64_t tokens) {
  const auto after = std::find_if(losses.begin(), losses.end(), [&](const LossPoint& point) { return point.tokens >= tokens; });
  return tokens == 0 || after == losses.end() ? NAN : after->loss;
}

}  // namespace

std::string train_csv(const RunReport& report) {
  std::string header = "tokens,held_out_loss,floor,training_loss";
  const HeadReport* last = report.newest();
  if (last == nullptr) return header + "\n";
  std::vector<std::string> roles;
  for (const RoleScore& score : last->roles) {
    if (score.n_cases == 0) continue;
    const std::string& id = roles.emplace_back(score.role->id);
    header += "," + id + "," + id + "_layer," + id + "_head," + id + "_baseline," + id + "_threshold";
  }
  for (const BehaviourScore& score : last->behaviours) {
    const std::string id(behaviour_id(score.behaviour));
    header += "," + id + "," + id + "_chance," + id + "_cases";
  }
  std::string text = header + "\n";
  for (const auto& one : report.reports) {
    text += std::to_string(one->tokens) + "," + plain(one->held_out_loss) + "," + (one->has_floor ? plain(one->floor) : "") + "," +
            plain(training_loss_until(report.losses, one->tokens));
    for (const std::string& id : roles) {
      const RoleScore* score = one->role(id);
      text += score == nullptr
                  ? ",,,,,"
                  : "," + plain(score->score) + "," + std::to_string(score->head.layer) + "," + std::to_string(score->head.head) +
                        "," + (score->role->has_baseline ? plain(score->baseline) : "") + "," + plain(score->role->threshold);
    }
    for (const BehaviourScore& column : last->behaviours) {
      const BehaviourScore* score = one->behaviour(column.behaviour);
      text += score == nullptr ? ",,,"
                               : "," + plain(score->accuracy) + "," + plain(score->chance) + "," + std::to_string(score->n_cases);
    }
    text += "\n";
  }
  return text;
}

}  // namespace headroom
