#include "core/analysis/stored_head.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "core/tensor/error.h"

namespace headroom {
namespace {

using score_detail::CellPooling;

/// Numbers read at a time, about: 1 MiB of them.
constexpr std::int64_t kNumbersAtOnce = std::int64_t{1} << 18;
/// A score as low as this is a mask: frameworks write the lowest float32 where others write minus infinity.
constexpr float kMaskedScore = -1e37F;

/// Rows [first, end) of a request that fill whole rows of cells.
struct Part {
  std::size_t first = 0, end = 0;
};

/// Enough parts that some threads share them; cells are never split between two.
std::vector<Part> cut(const CellRequest& request) {
  constexpr std::size_t kParts = 16;
  const std::size_t n = request.rows.size(), size = std::max<std::size_t>(1, n / kParts);
  std::vector<Part> parts;
  for (std::size_t first = 0; first < n;) {
    std::size_t end = std::min(n, first + size);
    while (end < n && request.cell_rows[end] == request.cell_rows[end - 1])
      ++end;
    parts.push_back({first, end});
    first = end;
  }
  return parts;
}

/// What one row of cells has gathered.
class CellRow {
 public:
  explicit CellRow(const score_detail::PoolJob& job)
      : job_(job),
        largest_(static_cast<std::size_t>(job.columns.n)),
        sums_(largest_.size()),
        n_pairs_(largest_.size()),
        is_broken_(largest_.size()) {
    clear();
  }

  void clear() {
    std::ranges::fill(largest_, -std::numeric_limits<float>::infinity());
    std::ranges::fill(sums_, 0.0);
    std::ranges::fill(n_pairs_, 0.0);
    std::ranges::fill(is_broken_, std::uint8_t{0});
  }

  void add(const StoredRow& row) {
    const auto& columns = job_.columns;
    const std::int64_t end = std::min(columns.keys.end, std::ssize(row.values));
    for (std::int64_t cell = 0, key = columns.keys.begin; cell < columns.n && key < end; ++cell) {
      const auto c = static_cast<std::size_t>(cell);
      for (const std::int64_t cell_end = std::min(end, columns.begin_of(cell + 1)); key < cell_end; ++key) {
        const auto j = static_cast<std::size_t>(key);
        if (row.is_masked[j] != 0) continue;
        ++n_pairs_[c];
        sums_[c] += static_cast<double>(row.values[j]);
        largest_[c] = std::max(largest_[c], row.values[j]);
        if (std::isnan(row.values[j])) is_broken_[c] = 1;
      }
    }
  }

  void write(float* values, std::uint8_t* not_numbers) const {
    for (std::size_t c = 0; c < largest_.size(); ++c) {
      not_numbers[c] = is_broken_[c];
      if (n_pairs_[c] == 0 || is_broken_[c] != 0) continue;
      values[c] = job_.pooling == CellPooling::kMax ? largest_[c] : static_cast<float>(sums_[c] / n_pairs_[c]);
    }
  }

 private:
  const score_detail::PoolJob& job_;
  std::vector<float> largest_;
  std::vector<double> sums_, n_pairs_;
  std::vector<std::uint8_t> is_broken_;
};

void softmax(std::span<float> scores, std::span<const std::uint8_t> is_masked) {
  float largest = -std::numeric_limits<float>::infinity();
  for (std::size_t j = 0; j < scores.size(); ++j) {
    if (is_masked[j] == 0) largest = std::max(largest, scores[j]);
  }
  double sum = 0;
  const auto term = [&](std::size_t j) { return std::exp(static_cast<double>(scores[j]) - static_cast<double>(largest)); };
  for (std::size_t j = 0; j < scores.size(); ++j) {
    if (is_masked[j] == 0) sum += term(j);
  }
  for (std::size_t j = 0; j < scores.size(); ++j)
    scores[j] = is_masked[j] == 0 ? static_cast<float>(term(j) / sum) : 0.0F;
}

}  // namespace

StoredHead::StoredHead(const LayerTrace& layer, std::int64_t index, Quantity quantity)
    : layer_(layer), stored_(*layer.stored), index_(index), quantity_(quantity) {
  if (index < 0 || index >= stored_.n_heads()) {
    throw ShapeError("head number " + std::to_string(index) + " is not among the " + std::to_string(stored_.n_heads()) +
                     " that the file holds");
  }
  if (quantity == Quantity::kScores && !stored_.holds_scores())
    throw Error("the file holds attention probabilities; the scores before the softmax are not in it");
}

void StoredHead::for_each_row(std::span<const std::int64_t> rows, const std::stop_token& stop,
                              const std::function<void(const StoredRow&)>& body) const {
  const auto n_keys = static_cast<std::size_t>(seq_k());
  const std::int64_t most = std::max<std::int64_t>(1, kNumbersAtOnce / std::max<std::int64_t>(1, seq_k()));
  std::vector<float> values(n_keys * static_cast<std::size_t>(std::min(most, std::ssize(rows))));
  std::vector<std::uint8_t> is_masked(n_keys);
  for (std::size_t first = 0; first < rows.size();) {
    if (stop.stop_requested()) throw Cancelled();
    std::size_t end = first + 1;  // of a run of neighbours
    while (end < rows.size() && rows[end] == rows[end - 1] + 1 && std::cmp_less(end - first, most))
      ++end;
    stored_.read(index_, rows[first], static_cast<std::int64_t>(end - first), values.data());
    for (std::size_t i = first; i < end; ++i) {
      const std::span<float> row = std::span(values).subspan((i - first) * n_keys, n_keys);
      finish_row(rows[i], row, is_masked);
      body({rows[i], row, is_masked});
    }
    first = end;
  }
}

void StoredHead::finish_row(std::int64_t row, std::span<float> values, std::span<std::uint8_t> is_masked) const {
  const Mask& mask = layer_.mask;
  const KeyRange seen = score_detail::outer_range(mask, row, std::ssize(values));
  const bool is_range = is_range_mask(mask);
  for (std::int64_t j = 0; j < std::ssize(values); ++j) {
    const bool is_seen = j >= seen.begin && j < seen.end && (is_range || is_visible(mask, 0, row, j));
    is_masked[static_cast<std::size_t>(j)] = is_seen ? 0 : 1;
  }
  if (stored_.holds_scores()) {
    for (std::size_t j = 0; j < values.size(); ++j) {
      if (values[j] <= kMaskedScore) is_masked[j] = 1;
    }
    if (quantity_ == Quantity::kProbs) return softmax(values, is_masked);
  }
  for (std::size_t j = 0; j < values.size(); ++j) {
    if (is_masked[j] != 0) values[j] = 0;
  }
}

StoredCells pool_stored(const StoredHead& head, const CellRequest& request, const Effort& effort) {
  const auto n_columns = static_cast<std::size_t>(request.job.columns.n);
  const std::size_t n_cells = static_cast<std::size_t>(request.n_cell_rows) * n_columns;
  StoredCells cells{std::vector<float>(n_cells, std::numeric_limits<float>::quiet_NaN()), std::vector<std::uint8_t>(n_cells)};
  const std::vector<Part> parts = cut(request);
  const auto run_part = [&](std::int64_t item, int) {
    const std::size_t first = parts[static_cast<std::size_t>(item)].first, end = parts[static_cast<std::size_t>(item)].end;
    CellRow gathered(request.job);
    std::size_t i = first;
    head.for_each_row(std::span(request.rows).subspan(first, end - first), effort.stop, [&](const StoredRow& row) {
      gathered.add(row);
      const bool is_last = i + 1 == end || request.cell_rows[i + 1] != request.cell_rows[i];
      if (is_last) {
        const std::size_t at = static_cast<std::size_t>(request.cell_rows[i]) * n_columns;
        gathered.write(cells.values.data() + at, cells.not_numbers.data() + at);
        gathered.clear();
      }
      ++i;
    });
  };
  if (effort.pool != nullptr && parts.size() > 1) {
    effort.pool->parallel_for(std::ssize(parts), run_part, effort.stop);
  } else {
    for (std::int64_t item = 0; item < std::ssize(parts); ++item)
      run_part(item, 0);
  }
  if (std::ranges::none_of(cells.not_numbers, [](std::uint8_t flag) { return flag != 0; })) cells.not_numbers.clear();
  return cells;
}

}  // namespace headroom
