#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "app/commands/command.h"
#include "app/commands/compute_options.h"
#include "core/session/session_json.h"

namespace headroom {

namespace {

struct SessionOptions {
  ComputeOptions compute;
  std::string file, key, value;
};

std::string key_list() {
  std::string text;
  std::size_t width = 0;
  for (const auto& key : session_keys()) {
    if (width + key.size() > 100) {
      text += "\n ";
      width = 0;
    }
    text += " " + key;
    width += key.size() + 1;
  }
  return text;
}

}  // namespace

void add_session_command(CommandLine& line) {
  CLI::App* command = line.app.add_subcommand("session", "Make, show or change a saved session (*.headroom.json)");
  command->require_subcommand(1);
  auto options = std::make_shared<SessionOptions>();

  CLI::App* make = command->add_subcommand("new", "Write a session: the default one, with these options applied");
  make->add_option("FILE", options->file, "The file to write; - prints it")->required();
  options->compute.add_to(*make);
  make->footer(
      "Examples:\n  headroom session new lesson.headroom.json --text \"the dog is loud\" --kv-heads 2\n  headroom session new -");
  make->callback([&line, options] {
    line.run = [options](const std::filesystem::path& assets) {
      const Session session = options->compute.session(assets);
      if (options->file == "-") {
        std::cout << session_to_json(session);
      } else {
        save_session(session, options->file);
      }
      return 0;
    };
  });

  CLI::App* show = command->add_subcommand("show", "Print a session with every field, defaults included");
  show->add_option("FILE", options->file, "The file to read")->required();
  show->footer("Example:\n  headroom session show lesson.headroom.json");
  show->callback([&line, options] {
    line.run = [options](const std::filesystem::path&) {
      const ParsedSession parsed = load_session(options->file);
      for (const auto& notice : parsed.notices)
        print_note(notice);
      std::cout << session_to_json(parsed.session);
      return 0;
    };
  });

  CLI::App* set = command->add_subcommand("set", "Change one value of a session file");
  set->add_option("FILE", options->file, "The file to change")->required();
  set->add_option("KEY", options->key, "Which value, e.g. compute.n_kv_heads or view.colormap")->required();
  set->add_option("VALUE", options->value, "The new value")->required();
  set->footer("Values go through the window's own rules: numbers snap to what the model can have, and a note says so.\nKeys:\n " +
              key_list() +
              "\nExamples:\n  headroom session set lesson.headroom.json compute.n_kv_heads 4\n"
              "  headroom session set lesson.headroom.json compute.pruned 0.3,2.1");
  set->callback([&line, options] {
    line.run = [options](const std::filesystem::path& assets) {
      const ParsedSession parsed = load_session(options->file);
      for (const auto& notice : parsed.notices)
        print_note(notice);
      const SetResult result = set_session_value(parsed.session, options->key, options->value, assets);
      if (!result.notice.empty()) print_note(result.notice);
      save_session(result.session, options->file);
      return 0;
    };
  });
}

}  // namespace headroom
