#include <algorithm>
#include <array>

#include "core/formats/file.h"
#include "core/formats/tokenizer.h"
#include "core/runs/plan_fields.h"
#include "core/session/capture_source.h"
#include "core/session/engine.h"
#include "core/session/reduce.h"
#include "core/session/session_fields.h"
#include "core/session/session_json.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

std::string without_group(const std::string& path) { return path.substr(path.find('.') + 1); }

/// What the Train stage shows shares names with what other stages show: its keys are always written out.
bool has_short_form(const SessionField& field) {
  constexpr std::array kWhole{"train_view.", "decode.", "batch.", "cost.", "beside."};  // whose names others have too
  return std::ranges::none_of(kWhole, [&](const char* group) { return field.path.starts_with(group); });
}

bool answers_to(const SessionField& field, std::string_view key) {
  return key == field.path || (has_short_form(field) && key == without_group(field.path)) ||
         std::find(field.also.begin(), field.also.end(), key) != field.also.end();
}

const std::string kTrain = "train.";  ///< before a key of the training plan

std::u32string code_units(std::string_view text) {
  std::u32string units;
  for (const char c : text.substr(0, 64))
    units += static_cast<char32_t>(static_cast<unsigned char>(c));
  return units;
}

/// "view.colormap, view.sort or view.stage": the keys nearest to a mistyped one.
std::string nearest_keys(std::string_view key) {
  constexpr std::size_t kFar = 64;
  const std::u32string asked = code_units(key);
  std::vector<std::pair<std::size_t, std::string>> ranked;
  for (const SessionField& field : session_fields()) {
    if (!field.parse) continue;
    std::size_t distance = std::min(edit_distance(asked, code_units(field.path), kFar),
                                    edit_distance(asked, code_units(without_group(field.path)), kFar));
    for (const std::string& also : field.also)
      distance = std::min(distance, edit_distance(asked, code_units(also), kFar));
    ranked.emplace_back(distance, field.path);
  }
  for (const PlanField& field : plan_fields())
    ranked.emplace_back(edit_distance(asked, code_units(kTrain + field.path), kFar), kTrain + field.path);
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return ranked[0].second + ", " + ranked[1].second + " or " + ranked[2].second;
}

const SessionField& find_field(std::string_view key) {
  for (const SessionField& field : session_fields()) {
    if (!field.parse && key == field.path) {
      throw Error("The key " + field.path + " follows from the model and cannot be set; set compute.model instead.");
    }
    if (field.parse && answers_to(field, key)) return field;
  }
  throw Error("There is no key \"" + escape_for_display(key, 60) + "\"; the nearest are " + nearest_keys(key) + ".");
}

/// A value with a slash, or one that is a folder here, is a path; any other is the name of a bundled model.
Action open_model(std::string_view value, const std::filesystem::path& assets) {
  const std::string name(value);
  if (name.empty()) throw Error("compute.model is empty; it takes a bundled model's name or a model folder's path.");
  std::error_code ignored;
  const std::vector<BundledModel> bundled = assets.empty() ? std::vector<BundledModel>{} : list_bundled_models(assets);
  std::string names;
  for (const BundledModel& model : bundled) {
    if (model.name == name) return ModelOpened{ModelSource::kBundled, name, model.shape};
    names += (names.empty() ? "" : ", ") + model.name;
  }
  if (is_capture_path(name)) return capture_opened(std::filesystem::absolute(name));
  if (name.find('/') != std::string::npos || std::filesystem::is_directory(name, ignored)) {
    const std::filesystem::path folder = std::filesystem::absolute(name);
    return ModelOpened{ModelSource::kFolder, folder.string(), read_model_shape(folder)};
  }
  throw Error("There is no model \"" + escape_for_display(name, 100) + "\": neither a folder nor a capture" +
              (names.empty() ? std::string(" nor a bundled model.") : " nor one of the bundled models " + names + "."));
}

/// A number, true or null as JSON has them; anything else is a text.
PlanJson plan_value(std::string_view value) {
  PlanJson json = PlanJson::parse(value.begin(), value.end(), nullptr, false);
  return json.is_number() || json.is_null() || json.is_array() ? json : PlanJson(std::string(value));
}

Action set_plan_value(const Session& session, std::string_view key, std::string_view value) {
  if (key == kTrain + "recipe" && !value.empty()) return RecipeChosen{find_recipe(value).name};
  for (const PlanField& field : plan_fields()) {
    if (key != kTrain + field.path) continue;
    TrainPlan plan = session.train;
    try {
      field.put(plan, plan_value(value));
    } catch (const Error& error) {
      throw Error(std::string(key) + " cannot be \"" + escape_for_display(value, 60) + "\"; it takes " + error.what() + ".");
    }
    return TrainPlanSet{std::move(plan)};
  }
  throw Error("There is no key \"" + escape_for_display(key, 60) + "\"; the nearest are " + nearest_keys(key) + ".");
}

}  // namespace

SetResult set_session_value(const Session& session, std::string_view key, std::string_view value,
                            const std::filesystem::path& assets) {
  if (key.starts_with(kTrain)) {
    Reduced reduced = reduce(session, set_plan_value(session, key, value));
    return {std::move(reduced.session), std::move(reduced.notice)};
  }
  const SessionField& field = find_field(key);
  Action action;
  if (field.path == "compute.model") {
    if (session.compute.model == value) return {session, ""};
    action = open_model(value, assets);
  } else {
    Session changed = session;
    try {
      field.put(changed, field.parse(value));
    } catch (const Error& error) {
      throw Error(field.path + " cannot be \"" + escape_for_display(value, 60) + "\"; it takes " + error.what() + ".");
    }
    action = field.action ? field.action(changed) : Action{SessionReplaced{changed}};
  }
  Reduced reduced = reduce(session, action);
  return {std::move(reduced.session), std::move(reduced.notice)};
}

std::vector<std::string> session_keys() {
  std::vector<std::string> keys;
  for (const SessionField& field : session_fields()) {
    if (field.parse) keys.push_back(field.path);
  }
  for (const PlanField& field : plan_fields())
    keys.push_back(kTrain + field.path);
  return keys;
}

}  // namespace headroom
