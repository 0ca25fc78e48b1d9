#include "core/figure/token_part.h"

#include <algorithm>

namespace headroom {
namespace {

/// Which sentence of a pair an axis shows: -1 both.
struct Sides {
  int query = -1, key = -1;
};
Sides sides_of(PairPart part) {
  switch (part) {
    case PairPart::kAToA:
      return {0, 0};
    case PairPart::kAToB:
      return {0, 1};
    case PairPart::kBToA:
      return {1, 0};
    case PairPart::kBToB:
      return {1, 1};
    case PairPart::kAll:
      break;
  }
  return {};
}

std::vector<std::int64_t> kept(const std::vector<Token>& tokens, SpecialCells special, int side) {
  std::vector<std::int64_t> indices, all;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    all.push_back(index);
    const bool is_hidden = special == SpecialCells::kHidden && tokens[i].is_special;
    if (!is_hidden && (side < 0 || tokens[i].type == side)) indices.push_back(index);
  }
  return indices.empty() ? all : indices;
}

bool is_unbroken(const std::vector<std::int64_t>& indices) { return indices.back() - indices.front() + 1 == std::ssize(indices); }

}  // namespace

bool TokenPart::is_block() const { return is_unbroken(queries) && is_unbroken(keys); }

TokenPart shown_part(const View& view, const Snapshot& snapshot) {
  const Sides sides = is_pair(snapshot) ? sides_of(view.pair_part) : Sides{};
  return {.queries = kept(snapshot.tokens, view.special_tokens, sides.query),
          .keys = kept(snapshot.keys(), view.special_tokens, sides.key),
          .n_queries = std::ssize(snapshot.tokens),
          .n_keys = std::ssize(snapshot.keys())};
}

TokenWindow shown_window(const View& view, const Snapshot& snapshot) {
  const TokenWindow window = window_of(view, HeadSize(snapshot)), part = shown_part(view, snapshot).window();
  const auto cut = [](std::int64_t& begin, std::int64_t& end, std::int64_t part_begin, std::int64_t part_end) {
    begin = std::max(begin, part_begin);
    end = std::min(end, part_end);
    if (begin >= end) {  // the window lies beside the part
      begin = part_begin;
      end = part_end;
    }
  };
  TokenWindow shown = window;
  cut(shown.row_begin, shown.row_end, part.row_begin, part.row_end);
  cut(shown.col_begin, shown.col_end, part.col_begin, part.col_end);
  return shown;
}

bool has_special_tokens(const Snapshot& snapshot) {
  const auto is_special = [](const Token& token) { return token.is_special; };
  return std::ranges::any_of(snapshot.tokens, is_special) || std::ranges::any_of(snapshot.key_tokens, is_special);
}

bool is_pair(const Snapshot& snapshot) {
  return snapshot.key_tokens.empty() && std::ranges::any_of(snapshot.tokens, [](const Token& token) { return token.type != 0; });
}

}  // namespace headroom
