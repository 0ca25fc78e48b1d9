#pragma once

#include <string_view>
#include <vector>

#include "core/corpus/rules.h"

namespace headroom {

/// What an item's arguments are, in order.
enum class Argument { kRegister, kOptionalRegister, kMix, kOptionalList, kPool, kLength, kOnOff, kCase, kOptionalPrepositions };
/// An item of rules.txt and what stands after its name.
struct OpName {
  std::string_view name;
  Op op;
  std::vector<Argument> arguments;
};
/// Null when no item has this name.
const OpName* find_op(std::string_view name);

}  // namespace headroom
