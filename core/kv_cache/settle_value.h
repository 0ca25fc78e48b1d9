#pragma once

#include <algorithm>
#include <string>

namespace headroom {

/// Brings a value into [least, most] (NaN becomes the least); where that changes it and `why` is set, `why` gets one more sentence.
template <typename T>
void settle_value(T& value, T least, T most, const char* name, std::string* why) {
  const T asked = value;
  if (!(value >= least)) value = least;
  value = std::min(value, most);
  if (value == asked || why == nullptr) return;
  if (!why->empty()) *why += ' ';
  *why += name;
  *why += " became " + std::to_string(value) + ".";
}

}  // namespace headroom
