#pragma once

#include <string>
#include <vector>

namespace headroom {

/// A table for a terminal: columns as wide as their widest cell, two spaces apart.
class TextColumns {
 public:
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  /// A line for each row, without spaces at its end.
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace headroom
