#include "core/runs/checkpoint.h"

#include <nlohmann/json.hpp>

#include "core/formats/file.h"
#include "core/formats/json_value.h"
#include "core/formats/model_folder.h"
#include "core/formats/safetensors.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;
using Type = JsonValue::Type;

constexpr const char* kStateFile = "training_state.safetensors";
constexpr const char* kStateJson = "training_state.json";
constexpr int kStateVersion = 1;
constexpr std::uint64_t kMaxStateJson = 2u << 20, kMaxTokenizerBytes = 64u << 20;

std::vector<FolderFile> state_files(const TrainPlan& plan, const TrainState& state) {
  nlohmann::ordered_json json;
  json["version"] = kStateVersion;
  json["steps"] = state.steps;
  json["tokens"] = state.tokens;
  json["optimiser_steps"] = state.optimiser_steps;
  json["plan"] = nlohmann::ordered_json::parse(plan_to_json(plan));
  SafetensorsWriter writer;
  const auto n = std::ssize(state.parameters);
  writer.add("parameters", {n}, state.parameters);
  writer.add("first_moments", {n}, state.first_moments);
  writer.add("second_moments", {n}, state.second_moments);
  return {{kStateJson, json.dump(2) + "\n"}, {kStateFile, writer.bytes()}};
}

std::int64_t count_of(const JsonValue& root, const char* name, const fs::path& path) {
  const JsonValue* value = root.find(name);
  if (value == nullptr || !value->is(Type::kUnsigned) || value->unsigned_value > std::uint64_t{1} << 62)
    throw Error(shown_path(path) + ": " + name + " is no whole number");
  return static_cast<std::int64_t>(value->unsigned_value);
}

std::vector<float> read_row(const SafetensorsFile& file, const char* name) {
  const TensorEntry* entry = file.find(name);
  if (entry == nullptr) throw Error(shown_path(file.path()) + ": the tensor " + name + " is missing");
  const Tensor tensor = file.read_float(*entry);
  return {tensor.span().begin(), tensor.span().end()};
}

}  // namespace

void save_run(const SavedRun& run, const fs::path& folder) {
  SaveNotes notes;
  notes.readme = run_readme(run);
  notes.floats = run.floats;
  notes.metadata["recipe"] = run.plan.recipe;
  notes.metadata["seed"] = std::to_string(run.plan.seed);
  if (run.report != nullptr) notes.metadata["tokens"] = std::to_string(run.report->tokens);
  if (run.state) notes.more_files = state_files(run.plan, *run.state);
  save_model_folder(run.params, run.material.tokenizer_json(), folder, notes);
}

void save_checkpoint(const Trainer& trainer, const HeadReport* report, const fs::path& folder, const std::string& command) {
  const ModelParams params = trainer.params();
  save_run({.plan = trainer.plan(),
            .material = trainer.material(),
            .params = params,
            .state = trainer.state(),
            .report = report,
            .floats = SavedFloats::kFloat32,
            .command = command},
           folder);
}

Checkpoint read_checkpoint(const fs::path& folder) {
  const fs::path json_path = folder / kStateJson;
  std::error_code ignored;
  if (!fs::exists(json_path, ignored))
    throw Error(shown_path(folder) + ": holds no " + kStateJson + ", so its training cannot go on");
  const JsonDocument document = read_json_file(json_path, kMaxStateJson);
  if (count_of(document.root, "version", json_path) > kStateVersion)
    throw Error(shown_path(json_path) + ": was written by a newer version of Headroom");
  Checkpoint checkpoint;
  const JsonValue* plan = document.root.find("plan");
  if (plan == nullptr || !plan->is(Type::kObject)) throw Error(shown_path(json_path) + ": the plan is missing");
  try {
    const auto text = nlohmann::ordered_json::parse(read_text_file(json_path, kMaxStateJson));
    checkpoint.plan = plan_from_json(text.at("plan").dump()).plan;
  } catch (const nlohmann::json::exception&) {
    throw Error(shown_path(json_path) + ": cannot be read");
  } catch (const Error& error) {
    throw Error(shown_path(json_path) + ": " + error.what());
  }
  TrainState& state = checkpoint.state;
  state.steps = count_of(document.root, "steps", json_path);
  state.tokens = count_of(document.root, "tokens", json_path);
  state.optimiser_steps = count_of(document.root, "optimiser_steps", json_path);
  const SafetensorsFile file(folder / kStateFile);
  state.parameters = read_row(file, "parameters");
  state.first_moments = read_row(file, "first_moments");
  state.second_moments = read_row(file, "second_moments");

  checkpoint.model.params = load_model_folder(folder).params;
  checkpoint.tokenizer_json = read_text_file(folder / "tokenizer.json", kMaxTokenizerBytes);
  const auto size = ParameterLayout(checkpoint.model.params.config).size();
  if (std::ssize(state.parameters) != size || std::ssize(state.first_moments) != size || std::ssize(state.second_moments) != size)
    throw Error(shown_path(folder / kStateFile) + ": is of another model than model.safetensors beside it");
  return checkpoint;
}

std::unique_ptr<Trainer> continue_training(Checkpoint checkpoint, TrainMaterial material, ThreadPool& pool) {
  if (material.tokenizer_json() != checkpoint.tokenizer_json)
    throw Error("the data have changed since this training was saved: their vocabulary is another one now");
  auto trainer = std::make_unique<Trainer>(checkpoint.plan, std::move(material), std::move(checkpoint.model), pool);
  trainer->restore(checkpoint.state);
  return trainer;
}

}  // namespace headroom
