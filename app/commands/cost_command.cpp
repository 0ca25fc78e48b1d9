#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "app/commands/command.h"
#include "app/commands/cost_table.h"
#include "app/commands/token_count.h"
#include "core/cost/plan_cost.h"
#include "core/formats/card_library.h"
#include "core/formats/card_reader.h"
#include "core/formats/device_library.h"
#include "core/formats/file.h"
#include "core/formats/plan_json.h"
#include "core/kv_cache/options.h"
#include "core/tensor/parallel.h"

namespace headroom {

namespace {

namespace fs = std::filesystem;

/// A plan as it is typed. Empty: not told.
struct AskedPlan {
  std::string card, context, batch, dtype, kv_dtype, device, tensor_parallel, kv_heads, window, page;

  /// What --beside may change, by the options' own names.
  std::string* field(const std::string& name) {
    const std::map<std::string, std::string*> fields{
        {"model-card", &card}, {"context", &context},   {"batch", &batch},
        {"dtype", &dtype},     {"kv-dtype", &kv_dtype}, {"device", &device},
        {"page", &page},       {"kv-heads", &kv_heads}, {"tensor-parallel", &tensor_parallel},
        {"window", &window}};
    const auto found = fields.find(name);
    return found == fields.end() ? nullptr : found->second;
  }
};

struct CostOptions {
  AskedPlan plan;
  std::vector<std::string> beside;
  bool as_json = false, lists_devices = false;
};

KvType parse_type(const std::string& text, const std::string& option) {
  static const std::map<std::string, KvType> kTypes{
      {"float32", KvType::kFloat32},   {"fp32", KvType::kFloat32},  {"float16", KvType::kFloat16}, {"fp16", KvType::kFloat16},
      {"bfloat16", KvType::kBFloat16}, {"bf16", KvType::kBFloat16}, {"int8", KvType::kInt8},       {"int4", KvType::kInt4}};
  const auto found = kTypes.find(text);
  if (found == kTypes.end())
    throw UsageError(option + " " + escape_for_display(text, 60) + ": it should be float32, float16, bfloat16, int8 or int4");
  return found->second;
}

struct Range {
  std::int64_t least, most;
};

std::int64_t parse_whole(const std::string& text, const std::string& option, Range range) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= range.least && value <= range.most) return value;
  throw UsageError(option + " " + escape_for_display(text, 60) + ": it should be a whole number from " +
                   std::to_string(range.least) + " to " + std::to_string(range.most));
}

std::int64_t parse_tokens(const std::string& text, const std::string& option) {
  const std::int64_t tokens = parse_token_count(text, option);
  if (tokens <= kMaxCardContext) return tokens;
  throw UsageError(option + " " + escape_for_display(text, 60) + ": at most " + std::to_string(kMaxCardContext) +
                   " tokens are planned");
}

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

ModelCard find_card(std::string name, const fs::path& assets) {
  constexpr std::string_view kPrefix = "card:";
  if (name.starts_with(kPrefix)) name.erase(0, kPrefix.size());
  const std::vector<LibraryCard> library = read_card_library(assets / "cards");
  if (const LibraryCard* found = find_library_card(library, name)) return found->card;
  const fs::path bundled = assets / "models" / name / "config.json";
  const bool is_name = name.find('/') == std::string::npos;
  fs::path path = name;
  if (is_name && !is_there(path) && is_there(bundled)) path = bundled;
  std::error_code error;
  if (fs::is_directory(path, error)) path /= "config.json";
  if (!is_there(path)) {
    std::string names;
    for (const LibraryCard& card : library)
      names += (names.empty() ? "" : ", ") + card.id;
    throw Error(in_quotes(name) + " is no file, no folder with a config.json, and no card of the library, which has " + names);
  }
  ModelCard card = read_card_file(path);
  if (path.filename() == "config.json") card.name = escape_for_display(fs::absolute(path).parent_path().filename().native());
  return card;
}

/// Devices by name; this machine is measured once, when it is first asked for.
class Devices {
 public:
  explicit Devices(const fs::path& assets) : known_(read_device_library(assets / "devices")) {}

  const std::vector<Device>& library() const { return known_; }
  Device find(const std::string& name) {
    if (name == kThisMachine) {
      if (!measured_) {
        ThreadPool pool;
        measured_ = measure_this_machine(pool);
      }
      return *measured_;
    }
    if (const Device* found = find_device(known_, name)) return *found;
    if (name.ends_with(".json") && is_there(name)) return read_device_file(name);
    std::string names;
    for (const Device& device : known_)
      names += device.id + ", ";
    throw UsageError("--device " + in_quotes(name) + ": it should be " + names + kThisMachine + ", or a file that describes one");
  }

 private:
  std::vector<Device> known_;
  std::optional<Device> measured_;
};

PlanCost plan(const AskedPlan& asked, const fs::path& assets, Devices& devices) {
  if (asked.card.empty()) throw UsageError("--model-card is missing: a name of the library, a config.json or a folder with one");
  CostPlan plan;
  plan.card = asked.card;
  if (!asked.batch.empty()) plan.batch = parse_whole(asked.batch, "--batch", {1, kMaxPlanBatch});
  if (!asked.dtype.empty()) plan.weights = parse_type(asked.dtype, "--dtype");
  if (plan.weights == KvType::kFloat32 || plan.weights == KvType::kBFloat16) plan.kv = plan.weights;
  if (!asked.kv_dtype.empty()) plan.kv = parse_type(asked.kv_dtype, "--kv-dtype");
  if (!asked.tensor_parallel.empty())
    plan.tensor_parallel = parse_whole(asked.tensor_parallel, "--tensor-parallel", {1, kMaxPlanDevices});
  if (!asked.kv_heads.empty()) plan.n_kv_heads = parse_whole(asked.kv_heads, "--kv-heads", {1, 4096});
  if (!asked.window.empty()) plan.window = parse_tokens(asked.window, "--window");
  if (!asked.page.empty()) plan.page_rows = parse_whole(asked.page, "--page", {1, kMaxPageRows});
  if (!asked.context.empty()) plan.context = parse_tokens(asked.context, "--context");
  if (!asked.device.empty()) plan.device = asked.device;
  const ModelCard card = find_card(asked.card, assets);
  if (asked.context.empty() && card.context) plan.context = std::min(*card.context, kMaxCardContext);
  return plan_costs(card, plan, devices.find(plan.device));
}

/// The first plan with what --beside changes in it.
AskedPlan changed(AskedPlan plan, const std::vector<std::string>& changes) {
  for (const std::string& change : changes) {
    const std::size_t at = change.find('=');
    std::string* const field = at == std::string::npos ? nullptr : plan.field(change.substr(0, at));
    if (field == nullptr)
      throw UsageError(
          "--beside " + escape_for_display(change, 60) +
          ": it should be NAME=VALUE of model-card, context, batch, dtype, kv-dtype, device, tensor-parallel, kv-heads, "
          "window or page");
    *field = change.substr(at + 1);
  }
  return plan;
}

void tell(const PlanCost& cost) {
  for (const std::string& sentence : cost.notices)
    print_note(sentence);
}

int cost(const CostOptions& options, const fs::path& assets) {
  Devices devices(assets);
  if (options.lists_devices) {
    std::cout << (options.as_json ? devices_json(devices.library()) + "\n" : devices_text(devices.library()));
    return 0;
  }
  const PlanCost first = plan(options.plan, assets, devices);
  std::optional<PlanCost> second;
  if (!options.beside.empty()) second = plan(changed(options.plan, options.beside), assets, devices);
  if (options.as_json) {
    std::cout << plan_json(first, second ? &*second : nullptr) << '\n';
  } else {
    tell(first);
    if (second) tell(*second);
    if (first.problem.empty()) std::cout << cost_text(first);
    if (second && first.problem.empty() && second->problem.empty()) std::cout << comparison_text(first, *second);
  }
  std::cout.flush();
  const PlanCost& refused = first.fits() && second ? *second : first;
  if (!refused.fits()) throw Error(refused.problem.empty() ? refused.refusal : refused.problem);
  return 0;
}

}  // namespace

void add_cost_command(CommandLine& line) {
  CLI::App* command = line.app.add_subcommand("cost", "Size hardware for a model: what fits, what it takes, how fast it can be");
  auto options = std::make_shared<CostOptions>();
  AskedPlan& plan = options->plan;
  command->add_option("--model-card", plan.card, "A name of the library (llama-2-70b), a config.json, or a folder with one")
      ->type_name("F");
  command->add_option("--context", plan.context, "Tokens of each text, e.g. 4096 or 128k; by default the model's own")
      ->type_name("N");
  command->add_option("--batch", plan.batch, "Texts at once; by default 1")->type_name("B");
  command
      ->add_option("--dtype", plan.dtype, "How parameters are kept: float32, float16, bfloat16, int8 or int4; by default float16")
      ->type_name("D");
  command->add_option("--kv-dtype", plan.kv_dtype, "How K and V are kept; by default as parameters, under integers as float16")
      ->type_name("D");
  command
      ->add_option("--device", plan.device,
                   "A device of --list-devices, this-machine (measured), or a file that describes one; by default h100-sxm")
      ->type_name("X");
  command->add_option("--tensor-parallel", plan.tensor_parallel, "Devices that each layer is split over; by default 1")
      ->type_name("T");
  command->add_option("--kv-heads", plan.kv_heads, "Another number of K/V heads than the model's")->type_name("N");
  command->add_option("--window", plan.window, "Every layer keeps its last N tokens alone")->type_name("N");
  command
      ->add_option("--page", plan.page,
                   "Tokens of a page; without it each text's memory is reserved at once, to the model's whole context")
      ->type_name("N");
  command
      ->add_option("--beside", options->beside,
                   "Compare with this plan after a change, e.g. kv-dtype=int8; may be given several times")
      ->type_name("NAME=VALUE");
  command->add_flag("--json", options->as_json, "Print JSON: every figure with its value, unit, formula and where it is from");
  command->add_flag("--list-devices", options->lists_devices, "Print the devices that there are, with their sources");
  command->footer(
      "Figures are computed from the model's sizes, cited from a device's data sheet, measured on this machine, or estimated: "
      "times are\n"
      "bounds by bandwidth and arithmetic. Ends with 1 when the plan does not fit (after its figures, one sentence on standard "
      "error).\n"
      "Examples:\n"
      "  headroom cost --model-card llama-3-70b --context 8k --batch 16 --tensor-parallel 4 --page 16\n"
      "  headroom cost --model-card llama-2-7b --device rtx-4090 --beside dtype=int4 --beside kv-dtype=int8\n"
      "  headroom cost --model-card my-model/config.json --device this-machine --dtype float32 --json");
  command->callback([&line, options] { line.run = [options](const fs::path& assets) { return cost(*options, assets); }; });
}

}  // namespace headroom
