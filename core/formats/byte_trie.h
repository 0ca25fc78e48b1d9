#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace headroom {

/// Finds which of many keys begin at a place of a text.
class ByteTrie {
 public:
  /// Keys with their values; of equal keys the last counts. Empty keys are left out.
  explicit ByteTrie(std::vector<std::pair<std::string_view, std::int32_t>> keys);

  /// Calls on_key(length, value) for every key that `text` begins with, shortest first.
  template <typename OnKey>
  void find_prefixes(std::string_view text, const OnKey& on_key) const {
    std::uint32_t node = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      node = child(node, static_cast<unsigned char>(text[i]));
      if (node == 0) return;
      if (nodes_[node].value >= 0) on_key(i + 1, nodes_[node].value);
    }
  }

 private:
  struct Node {
    std::uint32_t first_child = 0;  // children stand side by side, by label
    std::int32_t value = -1;
    std::uint16_t n_children = 0;
    unsigned char label = 0;
  };
  /// 0 when there is none.
  std::uint32_t child(std::uint32_t node, unsigned char label) const;

  std::vector<Node> nodes_;
};

}  // namespace headroom
