#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/commands/command.h"
#include "core/cost/kv_cache.h"
#include "core/formats/file.h"
#include "core/formats/inspect.h"
#include "core/session/session_json.h"

namespace headroom {

namespace {

const char* kind_text(Inspection::Kind kind) {
  switch (kind) {
    case Inspection::Kind::kSafetensors:
      return "safetensors file";
    case Inspection::Kind::kModelFolder:
      return "model folder";
    case Inspection::Kind::kTokenizer:
      return "tokenizer";
    case Inspection::Kind::kConfig:
      return "model config";
    case Inspection::Kind::kSession:
      return "session";
    case Inspection::Kind::kShardIndex:
      return "index of a checkpoint in several files";
    case Inspection::Kind::kCapture:
      return "capture of attentions";
    case Inspection::Kind::kUnknown:
      break;
  }
  return "unknown";
}

/// A session's own check needs core/session, which the formats do not know.
void check_session(Inspection& found) {
  try {
    const ParsedSession parsed = load_session(found.path);
    const Compute& compute = parsed.session.compute;
    found.notices.insert(found.notices.end(), parsed.notices.begin(), parsed.notices.end());
    found.facts.insert(found.facts.end(), {{"model", compute.model},
                                           {"text", escape_for_display(compute.text)},
                                           {"h", std::to_string(compute.n_heads)},
                                           {"kv_heads", std::to_string(compute.n_kv_heads)},
                                           {"d_model", std::to_string(compute.d_model)},
                                           {"mask", mask_text(compute.mask)},
                                           {"pruned heads", std::to_string(compute.pruned.size())}});
  } catch (const Error& error) {
    found.problem = error.what();
  }
}

void print_json(const Inspection& found) {
  nlohmann::ordered_json json;
  json["path"] = found.path.string();
  json["kind"] = kind_text(found.kind);
  json["is_sound"] = found.problem.empty();
  if (!found.problem.empty()) json["problem"] = found.problem;
  json["notices"] = found.notices;
  auto& facts = json["facts"] = nlohmann::ordered_json::object();
  for (const auto& [label, value] : found.facts)
    facts[label] = value;
  auto& tensors = json["tensors"] = nlohmann::ordered_json::array();
  for (const auto& tensor : found.tensors) {
    tensors.push_back({{"name", tensor.name}, {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"bytes", tensor.bytes}});
  }
  std::cout << json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
}

void print_text(const Inspection& found) {
  std::cout << found.path.string() << ": " << kind_text(found.kind) << '\n';
  std::size_t label_width = 0, name_width = 0, shape_width = 0;
  for (const auto& [label, value] : found.facts)
    label_width = std::max(label_width, label.size());
  for (const auto& [label, value] : found.facts) {
    std::cout << "  " << label << std::string(label_width - label.size() + 2, ' ') << value << '\n';
  }
  for (const auto& tensor : found.tensors) {
    name_width = std::max(name_width, escape_for_display(tensor.name).size());
    shape_width = std::max(shape_width, tensor.shape.size());
  }
  if (!found.tensors.empty()) std::cout << "  " << found.tensors.size() << " tensors\n";
  for (const auto& tensor : found.tensors) {
    const std::string name = escape_for_display(tensor.name);
    std::cout << "    " << name << std::string(name_width - name.size() + 2, ' ') << tensor.dtype
              << std::string(tensor.dtype.size() < 6 ? 6 - tensor.dtype.size() : 1, ' ') << tensor.shape
              << std::string(shape_width - tensor.shape.size() + 2, ' ') << bytes_text(static_cast<std::int64_t>(tensor.bytes))
              << '\n';
  }
  for (const auto& notice : found.notices)
    std::cout << "  note: " << notice << '\n';
}

}  // namespace

void add_inspect_command(CommandLine& line) {
  CLI::App* command = line.app.add_subcommand("inspect", "Say what a file or folder is, what it holds, and what is wrong with it");
  struct Options {
    std::string path;
    bool as_json = false;
  };
  auto options = std::make_shared<Options>();
  command
      ->add_option("PATH", options->path,
                   "A *.safetensors file or index, model folder, tokenizer.json, config.json, *.npz, *.npy or *.headroom.json")
      ->required();
  command->add_flag("--json", options->as_json, "Print JSON");
  command->footer(
      "Ends with 0 when it is sound and 1 (one sentence on standard error) when it is not.\n"
      "Examples:\n"
      "  headroom inspect my-model/\n"
      "  headroom inspect model.safetensors --json");
  command->callback([&line, options] {
    line.run = [options](const std::filesystem::path&) {
      Inspection found = inspect_path(options->path);
      if (found.kind == Inspection::Kind::kSession && found.problem.empty()) check_session(found);
      if (options->as_json) {
        print_json(found);
      } else {
        print_text(found);
      }
      std::cout.flush();
      if (found.problem.empty()) return 0;
      std::cerr << "headroom: " << found.problem << '\n';
      return 1;
    };
  });
}

}  // namespace headroom
