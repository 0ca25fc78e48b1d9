#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "core/tensor/error.h"

namespace CLI {
class App;
}

namespace headroom {

/// A flag has a value that cannot be: exit status 2, one sentence.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// What every command gets. A command registers its options on `app` and leaves its work in `run`, which is called after parsing.
struct CommandLine {
  CLI::App& app;
  /// Of the command that was given: gets the folder with the assets, returns the exit status.
  std::function<int(const std::filesystem::path& assets)> run;
};

// One file each, named after the command.
void add_open_command(CommandLine& line);  ///< no command: the window
void add_export_command(CommandLine& line);
void add_capture_command(CommandLine& line);
void add_inspect_command(CommandLine& line);
void add_session_command(CommandLine& line);
void add_doctor_command(CommandLine& line);
void add_bench_command(CommandLine& line);
void add_cost_command(CommandLine& line);
void add_train_command(CommandLine& line);
void add_experiment_command(CommandLine& line);

/// "note: ..." on standard error.
void print_note(const std::string& sentence);

/// The folder with models/ and text/: $HEADROOM_ASSETS, beside the program, its share/headroom, or a folder above it.
/// Errors  Error saying where it was looked for.
std::filesystem::path find_assets();

}  // namespace headroom
