#include <cstdarg>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "app/commands/text_columns.h"
#include "app/commands/train_run.h"
#include "core/session/names.h"

namespace headroom {
namespace {

std::string with(const char* format, ...) __attribute__((format(printf, 1, 2)));
std::string with(const char* format, ...) {
  char text[400];
  std::va_list values;
  va_start(values, format);
  std::vsnprintf(text, sizeof text, format, values);
  va_end(values);
  return text;
}

}  // namespace

std::string train_json(const TrainOutcome& outcome, const std::filesystem::path& folder) {
  using Json = nlohmann::ordered_json;
  const HeadReport& report = outcome.report;
  Json json;
  json["recipe"] = outcome.plan.recipe;
  json["seed"] = outcome.plan.seed;
  json["threads"] = outcome.threads;
  json["tokens"] = outcome.tokens;
  json["seconds"] = outcome.seconds;
  json["tokens_per_second"] = outcome.tokens_per_second;
  json["loss"] = report.held_out_loss;
  json["floor"] = report.has_floor ? Json(report.floor) : Json(nullptr);
  json["training_loss"] = outcome.training_loss;
  json["parameters"] = outcome.parameters;
  json["roles"] = Json::parse(roles_json(report));
  json["behaviours"] = Json::parse(behaviours_json(report));
  if (outcome.heal) {
    json["heal"] = {
        {"change", outcome.heal->change}, {"loss_before", outcome.heal->loss_before}, {"loss_after", outcome.heal->loss_after}};
  }
  json["note"] = outcome.note.empty() ? Json(nullptr) : Json(outcome.note);
  json["folder"] = folder.string();
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string train_table(const TrainOutcome& outcome, const std::filesystem::path& folder) {
  const HeadReport& report = outcome.report;
  std::string text = with("%lld tokens in %.1f s on %d threads: %.0f tokens/s (measured); %lld parameters\n",
                          static_cast<long long>(outcome.tokens), outcome.seconds, outcome.threads, outcome.tokens_per_second,
                          static_cast<long long>(outcome.parameters));
  text += with("held-out loss %.3f nats a target", report.held_out_loss);
  if (report.has_floor) text += with(", floor %.3f", report.floor);
  text += "\n";
  if (outcome.heal)
    text += with("%s: held-out loss %.3f before, %.3f right after, %.3f now\n", outcome.heal->change.c_str(),
                 outcome.heal->loss_before, outcome.heal->loss_after, report.held_out_loss);
  TextColumns roles;
  roles.add({"role", "best head", "score", "offset", "needs", "named"});
  for (const RoleScore& role : report.roles) {
    if (role.n_cases == 0) continue;
    roles.add({role.role->name, head_text(role.head), with("%.2f", role.score),
               role.role->has_baseline ? with("%.2f", role.baseline) : "-", with("%.2f", role.role->threshold),
               role.names_head() ? "yes" : "no"});
  }
  text += "\n" + roles.text();
  if (!report.behaviours.empty()) {
    TextColumns behaviours;
    behaviours.add({"behaviour", "right", "chance", "cases"});
    for (const BehaviourScore& score : report.behaviours)
      behaviours.add({std::string(behaviour_name(score.behaviour)), with("%.3f", score.accuracy), with("%.3f", score.chance),
                      std::to_string(score.n_cases)});
    text += "\n" + behaviours.text();
  }
  if (const std::string induction = report.induction_sentence(); !induction.empty()) text += "\n" + induction + "\n";
  return text + "\nsaved: " + folder.string() + "\n";
}

}  // namespace headroom
