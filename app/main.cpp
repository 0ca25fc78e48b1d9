#include "app/commands/cli.h"

int main(int argc, char** argv) { return headroom::run_cli(argc, argv); }
