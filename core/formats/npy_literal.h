#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace headroom {

/// The three entries of an .npy header.
struct NpyDictionary {
  std::string descr;
  bool is_fortran_order = false;
  std::vector<std::int64_t> shape;
};

/// A Python dictionary of exactly these keys with literal values: a quoted text, True or False, a tuple of whole numbers. Nothing else is
/// understood, so nothing can be run.
/// Errors  Error that begins with `where` and names the byte.
NpyDictionary read_npy_literal(std::string_view text, const std::string& where);

}  // namespace headroom
