#include "app/commands/cli.h"
#include "core/speed/commit.h"
#include "core/speed/measuring.h"

int main(int argc, char** argv) {
  headroom::set_source_commit(headroom::source_commit());
  return headroom::run_cli(argc, argv);
}
