#pragma once

namespace headroom {

/// The program: `headroom [PATH]` opens the window, `headroom COMMAND` does one thing and ends.
/// Returns 0, 1 (it failed: one sentence on standard error) or 2 (wrong use).
int run_cli(int argc, char** argv);

}  // namespace headroom
