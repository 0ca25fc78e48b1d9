#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/figure/head_window.h"

namespace headroom {

/// Which queries and keys of a text the view shows: special tokens may be hidden, and of a pair of sentences one part chosen.
struct TokenPart {
  std::vector<std::int64_t> queries, keys;  ///< ascending, never empty
  std::int64_t n_queries = 0, n_keys = 0;   ///< of the whole matrix

  bool is_whole() const { return std::ssize(queries) == n_queries && std::ssize(keys) == n_keys; }
  /// One unbroken range of each.
  bool is_block() const;
  bool has_query(std::int64_t token) const { return std::binary_search(queries.begin(), queries.end(), token); }
  bool has_key(std::int64_t token) const { return std::binary_search(keys.begin(), keys.end(), token); }
  /// From the first to the last of each.
  TokenWindow window() const { return {queries.front(), queries.back() + 1, keys.front(), keys.back() + 1}; }
};

/// Edge  What the view asks for is nothing (a text of special tokens alone, the second sentence of a text that has none): the whole axis.
TokenPart shown_part(const View& view, const Snapshot& snapshot);

/// What the large picture of a head shows: the zoomed window, cut to the shown part. Special tokens inside it stay.
TokenWindow shown_window(const View& view, const Snapshot& snapshot);

/// Does a text have special tokens, two sentences: what the choices above are about.
bool has_special_tokens(const Snapshot& snapshot);
bool is_pair(const Snapshot& snapshot);

}  // namespace headroom
