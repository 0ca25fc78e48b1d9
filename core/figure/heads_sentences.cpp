#include "core/figure/heads_sentences.h"

#include <algorithm>
#include <cmath>

#include "core/figure/number_text.h"

namespace headroom {

std::string sampled_sentence(const Snapshot& snapshot) {
  for (const auto& layer : snapshot.thumbnails) {
    for (const Tile& tile : layer) {
      const TileRequest& r = tile.request;
      const std::int64_t covered = r.rows > 0 ? (r.row_end - r.row_begin) / r.rows : 0;
      if (tile.is_pruned || r.row_samples <= 0 || r.row_samples >= covered) continue;
      return "Sampled rows: each cell shows the " + std::string(r.pooling == Pooling::kMax ? "largest" : "mean") + " of " +
             std::to_string(r.row_samples) + " of the " + count_text(covered) + " rows that it covers; a head opened is exact.";
    }
  }
  return "";
}

std::string dark_sentence(const Snapshot& snapshot, ColorScale scale) {
  if (!snapshot.is_long || scale != ColorScale::kLinear) return "";
  constexpr float kBright = 0.1F;
  constexpr std::int64_t kFew = 100;  // of so many cells at most one is bright
  std::int64_t n_cells = 0, n_bright = 0;
  for (const auto& layer : snapshot.thumbnails) {
    for (const Tile& tile : layer) {
      n_cells += std::count_if(tile.values.begin(), tile.values.end(), [](float value) { return !std::isnan(value); });
      n_bright += std::count_if(tile.values.begin(), tile.values.end(), [](float value) { return value >= kBright; });
    }
  }
  if (n_bright * kFew > n_cells) return "";
  return "Fewer than 1 % of the cells reach 0.1: the log scale, or the scale of each row, shows more.";
}

}  // namespace headroom
