#include "core/analysis/pooling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <optional>

#include "core/attention/sum_kernel.h"

namespace headroom {
namespace {

using score_detail::CellPooling;
using score_detail::CellSums;
using score_detail::CellTarget;
using score_detail::CellValue;
using score_detail::KeyChunk;
using score_detail::LaneBlock;
using score_detail::RowCells;

/// With as many rows a key that is brought near is used often enough, and their queries still fit beside it.
constexpr std::int64_t kRowsPerPiece = 768;
/// Fewer rows than this are not worth another thread; up to kFewPieces times as many are cut for some threads to share.
constexpr std::int64_t kMinRowsPerPiece = 128, kFewPieces = 4;
/// What one piece may keep of rows that it sums and pools at once; above it they are summed first. 32 MiB.
constexpr std::int64_t kMaxKeptFloats = std::int64_t{8} << 20;

/// Rows [begin, end) of a request, and the rows of cells that they reach.
struct Piece {
  std::size_t begin = 0, end = 0;
  std::int64_t first_cell_row = 0, n_cell_rows = 0;
};

/// The cut does not depend on the number of threads: neither do the sums.
std::vector<Piece> cut(const CellRequest& request) {
  const std::int64_t n = std::ssize(request.rows);
  const std::int64_t n_few = std::min(kFewPieces, (n + kMinRowsPerPiece - 1) / kMinRowsPerPiece);
  const std::int64_t n_pieces = std::max(n_few, (n + kRowsPerPiece - 1) / kRowsPerPiece);
  std::vector<Piece> pieces;
  for (std::int64_t p = 0; p < n_pieces; ++p) {
    const auto begin = static_cast<std::size_t>(p * n / n_pieces), end = static_cast<std::size_t>((p + 1) * n / n_pieces);
    const std::int64_t first = request.cell_rows[begin];
    pieces.push_back({begin, end, first, request.cell_rows[end - 1] - first + 1});
  }
  return pieces;
}

/// One piece's work on one thread.
class PieceRun {
 public:
  PieceRun(const HeadView& head, const CellRequest& request, const Piece& piece, const std::stop_token& stop)
      : head_(head),
        request_(request),
        piece_(piece),
        stop_(stop),
        cells_(request.job.pooling, piece.n_cell_rows, request.job.columns.n),
        scratch_(score_detail::scratch_size()) {}

  CellSums run() {
    std::vector<std::size_t> known, unknown;
    for (std::size_t i = piece_.begin; i < piece_.end; ++i) {
      const KeyRange seen = score_detail::outer_range(*head_.source.mask, request_.rows[i], head_.seq_k());
      const KeyRange& wanted = request_.job.columns.keys;
      if (std::max(seen.begin, wanted.begin) >= std::min(seen.end, wanted.end)) continue;
      const bool needs_sum = request_.job.value == CellValue::kProb && !head_.is_known(request_.rows[i]);
      (needs_sum ? unknown : known).push_back(i);
    }
    if (std::ssize(unknown) * RowCells::size(request_.job) <= kMaxKeptFloats) {
      sum_and_pool(unknown);
    } else {
      head_.row_sums->compute(head_.index, rows_of(unknown), stop_);
      pool(unknown);
    }
    pool(known);
    return std::move(cells_);
  }

 private:
  std::vector<std::int64_t> rows_of(const std::vector<std::size_t>& indices) const {
    std::vector<std::int64_t> rows;
    for (const std::size_t i : indices)
      rows.push_back(request_.rows[i]);
    return rows;
  }

  /// For each block, where its lanes' rows go.
  std::vector<std::vector<std::int32_t>> lane_rows(const std::vector<LaneBlock>& blocks,
                                                   const std::vector<std::size_t>& indices) const {
    std::vector<std::vector<std::int32_t>> lanes;
    std::size_t next = 0;
    for (const LaneBlock& block : blocks) {
      std::vector<std::int32_t>& of_block = lanes.emplace_back();
      for (std::int64_t lane = 0; lane < block.n_rows(); ++lane) {
        of_block.push_back(static_cast<std::int32_t>(request_.cell_rows[indices[next++]] - piece_.first_cell_row));
      }
    }
    return lanes;
  }

  /// A row that sees no key has no visible pair; 0 keeps its arithmetic finite.
  static float finite(float logsumexp) { return std::isinf(logsumexp) && logsumexp < 0 ? 0.0F : logsumexp; }

  void pool(const std::vector<std::size_t>& indices) {
    if (indices.empty()) return;
    std::vector<LaneBlock> blocks = score_detail::make_blocks(head_.source, rows_of(indices));
    const auto lanes = lane_rows(blocks, indices);
    for (LaneBlock& block : blocks) {
      for (std::int64_t lane = 0; lane < block.n_rows() && request_.job.value == CellValue::kProb; ++lane) {
        block.state(0)[lane] = finite(head_.logsumexp_of(block.rows()[static_cast<std::size_t>(lane)]));
      }
    }
    const auto pool_one = [&](LaneBlock& block, const KeyChunk& chunk) {
      score_detail::pool_chunk({head_.source, block, chunk, scratch_.data()}, request_.job,
                               {lanes[static_cast<std::size_t>(&block - blocks.data())], cells_});
    };
    score_detail::for_each_chunk(head_.source, blocks, request_.job.columns.keys, pool_one, stop_);
  }

  void sum_and_pool(const std::vector<std::size_t>& indices) {
    if (indices.empty()) return;
    std::vector<LaneBlock> blocks = score_detail::make_blocks(head_.source, rows_of(indices));
    const auto lanes = lane_rows(blocks, indices);
    std::vector<RowCells> row_cells;
    for (LaneBlock& block : blocks) {
      score_detail::begin_sums(block);
      row_cells.emplace_back(request_.job, block);
    }
    const auto sum_one = [&](LaneBlock& block, const KeyChunk& chunk) {
      row_cells[static_cast<std::size_t>(&block - blocks.data())].add_chunk({head_.source, block, chunk, scratch_.data()});
    };
    score_detail::for_each_chunk(head_.source, blocks, {0, head_.seq_k()}, sum_one, stop_);
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      LaneBlock& block = blocks[b];
      for (std::int64_t lane = 0; lane < block.n_rows(); ++lane) {
        const RowSummary found = score_detail::end_sums(block, lane);
        head_.row_sums->learn(head_.index, block.rows()[static_cast<std::size_t>(lane)], found);
        block.state(0)[lane] = finite(found.logsumexp);
        block.state(6)[lane] = block.state(1)[lane] == 0 ? 0.0F : std::log2(block.state(1)[lane]);
      }
      row_cells[b].finish(block, {lanes[b], cells_}, scratch_.data());
    }
  }

  const HeadView& head_;
  const CellRequest& request_;
  const Piece& piece_;
  const std::stop_token& stop_;
  CellSums cells_;
  AlignedBuffer<float> scratch_;
};

/// Pieces merged from the last to the first, whichever is ready first: sums in double then never differ from one run to the next.
class Merger {
 public:
  Merger(const CellRequest& request, const std::vector<Piece>& pieces)
      : pieces_(pieces), waiting_(pieces.size()), total_(request.job.pooling, request.n_cell_rows, request.job.columns.n) {}

  void add(std::size_t piece, CellSums&& cells) {
    const std::lock_guard lock(mutex_);
    waiting_[piece] = std::move(cells);
    while (n_left_ > 0 && waiting_[n_left_ - 1]) {
      --n_left_;
      merge(pieces_[n_left_], *waiting_[n_left_]);
      waiting_[n_left_].reset();
    }
  }

  std::vector<float> finish(const CellRequest& request) const {
    std::vector<float> values(static_cast<std::size_t>(request.n_cell_rows * request.job.columns.n),
                              std::numeric_limits<float>::quiet_NaN());
    for (std::size_t cell = 0; cell < values.size(); ++cell) {
      if (request.job.pooling == CellPooling::kMax) {
        if (!(total_.largest[cell] == -std::numeric_limits<float>::infinity())) values[cell] = total_.largest[cell];
      } else if (total_.n_pairs[cell] > 0) {
        values[cell] = static_cast<float>(total_.sums[cell] / total_.n_pairs[cell]);
      }
      // Rounding may leave a hair above.
      if (request.job.value == CellValue::kProb && values[cell] > 1) values[cell] = 1;
    }
    return values;
  }

 private:
  void merge(const Piece& piece, const CellSums& cells) {
    const auto begin = static_cast<std::size_t>(piece.first_cell_row * total_.n_columns);
    for (std::size_t i = 0; i < cells.largest.size(); ++i)
      total_.largest[begin + i] = std::max(total_.largest[begin + i], cells.largest[i]);
    for (std::size_t i = 0; i < cells.sums.size(); ++i) {
      total_.sums[begin + i] += cells.sums[i];
      total_.n_pairs[begin + i] += cells.n_pairs[i];
    }
  }

  const std::vector<Piece>& pieces_;
  std::mutex mutex_;
  std::vector<std::optional<CellSums>> waiting_;
  std::size_t n_left_ = waiting_.size();
  CellSums total_;
};

}  // namespace

std::vector<float> pool_cells(const HeadView& head, const CellRequest& request, const Effort& effort) {
  const std::vector<Piece> pieces = cut(request);
  Merger merger(request, pieces);
  const auto run_piece = [&](std::int64_t item, int) {
    // Late rows of a causal mask cost most: they must not come last.
    const auto p = pieces.size() - 1 - static_cast<std::size_t>(item);
    merger.add(p, PieceRun(head, request, pieces[p], effort.stop).run());
  };
  if (effort.pool != nullptr && pieces.size() > 1) {
    effort.pool->parallel_for(std::ssize(pieces), run_piece, effort.stop);
  } else {
    for (std::int64_t item = 0; item < std::ssize(pieces); ++item)
      run_piece(item, 0);
  }
  return merger.finish(request);
}

}  // namespace headroom
