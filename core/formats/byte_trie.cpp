#include "core/formats/byte_trie.h"

#include <algorithm>

namespace headroom {

ByteTrie::ByteTrie(std::vector<std::pair<std::string_view, std::int32_t>> keys) {
  std::stable_sort(keys.begin(), keys.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  struct Open {
    std::size_t begin, end, depth;  // keys that share the node's path, which has `depth` bytes
    std::uint32_t node;
  };
  nodes_.emplace_back();
  std::vector<Open> open{{0, keys.size(), 0, 0}};
  for (std::size_t done = 0; done < open.size(); ++done) {  // level by level, so that children stand side by side
    const Open at = open[done];
    std::size_t i = at.begin;
    for (; i < at.end && keys[i].first.size() == at.depth; ++i)
      if (at.depth > 0) nodes_[at.node].value = keys[i].second;
    const auto first_child = static_cast<std::uint32_t>(nodes_.size());
    nodes_[at.node].first_child = first_child;
    while (i < at.end) {
      const char label = keys[i].first[at.depth];
      std::size_t end = i + 1;
      while (end < at.end && keys[end].first[at.depth] == label)
        ++end;
      open.push_back({i, end, at.depth + 1, static_cast<std::uint32_t>(nodes_.size())});
      nodes_.emplace_back().label = static_cast<unsigned char>(label);
      i = end;
    }
    nodes_[at.node].n_children = static_cast<std::uint16_t>(nodes_.size() - first_child);
  }
}

std::uint32_t ByteTrie::child(std::uint32_t node, unsigned char label) const {
  const auto first = nodes_.begin() + nodes_[node].first_child;
  const auto last = first + nodes_[node].n_children;
  const auto found = std::lower_bound(first, last, label, [](const Node& a, unsigned char b) { return a.label < b; });
  return found != last && found->label == label ? static_cast<std::uint32_t>(found - nodes_.begin()) : 0;
}

}  // namespace headroom
