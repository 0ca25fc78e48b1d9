#include <CLI/CLI.hpp>
#include <memory>

#include "app/commands/command.h"
#include "app/window/window.h"

namespace headroom {

void add_open_command(CommandLine& line) {
  auto path = std::make_shared<std::string>();
  line.app.add_option("PATH", *path, "A session (*.headroom.json), a model folder or a text file to open");
  line.run = [path](const std::filesystem::path& assets) {
    WindowOptions options;
    options.assets = assets;
    if (!path->empty()) {
      if (!std::filesystem::exists(*path))
        throw UsageError("there is no command, file or folder named " + *path + " (headroom --help lists the commands)");
      options.open = *path;
    }
    return run_window(options);
  };
}

}  // namespace headroom
