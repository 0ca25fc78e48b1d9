#include "app/commands/cli.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <iostream>
#include <new>

#include "app/commands/command.h"
#include "core/formats/file.h"

namespace headroom {

namespace {

int fail(const std::string& sentence, int status) {
  std::cerr << "headroom: " << sentence << '\n';
  return status;
}

int parse_and_run(int argc, char** argv) {
  CLI::App app{"Headroom: see every attention head, and what it costs.", "headroom"};
  app.set_version_flag("--version", "headroom " HEADROOM_VERSION);
  app.set_help_flag("-h,--help", "Say what this command does, with examples");
  app.require_subcommand(0, 1);
  app.footer(
      "Examples:\n"
      "  headroom                                    open the window\n"
      "  headroom my-model/                          open a Hugging Face folder\n"
      "  headroom lesson.headroom.json               open a saved session\n"
      "  headroom export --view heads --out all.svg  draw a figure without a display\n"
      "  headroom COMMAND --help                     options and examples of a command");

  CommandLine line{app, {}};
  add_open_command(line);
  add_export_command(line);
  add_capture_command(line);
  add_inspect_command(line);
  add_session_command(line);
  add_doctor_command(line);
  add_bench_command(line);
  add_cost_command(line);
  add_train_command(line);
  add_experiment_command(line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
      app.exit(error);  // --help and --version
      return 0;
    }
    return fail(escape_for_display(error.what(), 2000) + " (headroom --help lists what there is)", 2);
  }
  return line.run(find_assets());
}

}  // namespace

void print_note(const std::string& sentence) { std::cerr << "note: " << sentence << '\n'; }

int run_cli(int argc, char** argv) {
  try {
    const int status = parse_and_run(argc, argv);
    std::cout.flush();
    if (!std::cout) return fail("standard output could not be written", 1);
    return status;
  } catch (const UsageError& error) {
    return fail(error.what(), 2);
  } catch (const Error& error) {
    return fail(error.what(), 1);
  } catch (const std::bad_alloc&) {
    return fail("there is not enough memory for this", 1);
  } catch (const std::exception& error) {
    return fail(std::string("unexpected failure: ") + error.what(), 1);
  }
}

}  // namespace headroom
