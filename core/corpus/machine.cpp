#include "core/corpus/machine.h"

#include "core/tensor/error.h"

namespace headroom {

void MachineState::begin(std::int16_t rule) {
  *this = {};
  registers.fill(-1);
  begin_rule = rule;
}

void Grammar::fail(int line, const std::string& problem) const {
  throw Error(rules.path + ", line " + std::to_string(line) + ": " + problem);
}

}  // namespace headroom
