#include <algorithm>
#include <set>

#include "core/formats/file.h"
#include "core/formats/json_value.h"
#include "core/formats/tokenizer.h"
#include "core/formats/utf8.h"
#include "core/runs/plan.h"
#include "core/runs/plan_fields.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::uint64_t kMaxPlanBytes = 1u << 20;
constexpr int kPlanVersion = 1;
constexpr std::size_t kMaxReported = 20;

/// "form" and "n_heads" of "form.n_heads"; an empty group for a plan's own fields.
std::pair<std::string, std::string> split(const std::string& path) {
  const std::size_t dot = path.find('.');
  if (dot == std::string::npos) return {"", path};
  return {path.substr(0, dot), path.substr(dot + 1)};
}

PlanJson& place(PlanJson& root, const std::string& path) {
  const auto [group, name] = split(path);
  return group.empty() ? root[name] : root[group][name];
}

const PlanJson* find(const PlanJson& root, const std::string& path) {
  const auto [group, name] = split(path);
  const PlanJson* object = &root;
  if (!group.empty()) {
    const auto it = root.find(group);
    if (it == root.end()) return nullptr;
    object = &*it;
  }
  const auto it = object->find(name);
  return it == object->end() ? nullptr : &*it;
}

std::string quoted(const PlanJson& json) {
  return escape_for_display(json.dump(-1, ' ', false, PlanJson::error_handler_t::replace), 60);
}

PlanJson parse(std::string_view text) {
  parse_json(text, "the training plan");  // its sentences name the byte, and its limits hold for what follows
  try {
    return PlanJson::parse(text.begin(), text.end());
  } catch (const PlanJson::exception&) {
    throw Error("the training plan holds a number that is too large");
  }
}

std::set<std::string> group_names() {
  std::set<std::string> groups;
  for (const PlanField& field : plan_fields())
    if (const auto group = split(field.path).first; !group.empty()) groups.insert(group);
  return groups;
}

void report_unknown(const PlanJson& root, std::vector<std::string>& notices) {
  std::set<std::string> known{"version"};
  for (const PlanField& field : plan_fields())
    known.insert(field.path);
  const std::set<std::string> groups = group_names();
  const auto tell = [&](const std::string& path) {
    if (!known.contains(path) && notices.size() < kMaxReported)
      notices.push_back("The plan's field " + escape_for_display(path, 100) + " is not known and was left out.");
  };
  for (const auto& [key, value] : root.items()) {
    if (!groups.contains(key)) {
      tell(key);
      continue;
    }
    if (!value.is_object()) throw Error("the plan's field " + key + " holds " + quoted(value) + "; it takes an object { … }");
    for (const auto& item : value.items())
      tell(key + "." + item.key());
  }
}

void check_version(const PlanJson& root) {
  const auto it = root.find("version");
  if (it == root.end()) return;
  if (!it->is_number_unsigned() || it->get<std::uint64_t>() < 1)
    throw Error("the plan's version is " + quoted(*it) + "; it takes a whole number from 1");
  if (it->get<std::uint64_t>() > static_cast<std::uint64_t>(kPlanVersion))
    throw Error("the plan was written by a newer version of Headroom (plan version " + quoted(*it) + "; this one reads up to " +
                std::to_string(kPlanVersion) + ")");
}

}  // namespace

std::string plan_to_json(const TrainPlan& plan) {
  PlanJson root;
  root["version"] = kPlanVersion;
  for (const PlanField& field : plan_fields())
    place(root, field.path) = field.get(plan);
  return root.dump(2, ' ', false, PlanJson::error_handler_t::replace) + "\n";
}

ParsedPlan plan_from_json(std::string_view json) {
  const PlanJson root = parse(json);
  if (!root.is_object()) throw Error("the training plan is " + quoted(root) + "; it takes an object { … }");
  check_version(root);
  ParsedPlan parsed;
  report_unknown(root, parsed.notices);
  TrainPlan plan;
  if (const auto recipe = root.find("recipe"); recipe != root.end() && recipe->is_string()) {
    const auto& name = recipe->get_ref<const std::string&>();
    if (!name.empty()) plan = find_recipe(name).plan;
  }
  for (const PlanField& field : plan_fields()) {
    const PlanJson* value = find(root, field.path);
    if (value == nullptr) continue;
    try {
      field.put(plan, *value);
    } catch (const Error& error) {
      throw Error("the plan's field " + field.path + " holds " + quoted(*value) + "; it takes " + error.what());
    }
  }
  SettledPlan settled = settle(plan);
  parsed.plan = std::move(settled.plan);
  parsed.notices.insert(parsed.notices.end(), settled.reasons.begin(), settled.reasons.end());
  return parsed;
}

TrainPlan set_plan_value(const TrainPlan& plan, std::string_view key, std::string_view value) {
  const std::string* nearest = nullptr;
  std::size_t least = 0;
  const std::u32string wanted = to_utf32(key.substr(0, 64));
  for (const PlanField& field : plan_fields()) {
    if (field.path == key) {
      const PlanJson read = PlanJson::parse(value.begin(), value.end(), nullptr, false);
      const PlanJson text = std::string(value);
      TrainPlan changed = plan;
      try {
        field.put(changed, read.is_discarded() || field.get(plan).is_string() ? text : read);
      } catch (const Error& error) {
        throw Error(std::string(key) + " = " + quoted(text) + " cannot be; it takes " + error.what());
      }
      return changed;
    }
    const std::size_t distance = edit_distance(wanted, to_utf32(field.path), 64);
    if (nearest != nullptr && distance >= least) continue;
    nearest = &field.path;
    least = distance;
  }
  throw Error("a training plan has no value " + in_quotes(key, 60) + "; the nearest is \"" + *nearest + "\"");
}

ParsedPlan load_plan(const std::filesystem::path& path) {
  const std::string text = read_text_file(path, kMaxPlanBytes);
  try {
    return plan_from_json(text);
  } catch (const Error& error) {
    throw Error(shown_path(path) + ": " + error.what());
  }
}

}  // namespace headroom
