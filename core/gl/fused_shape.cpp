#include "core/gl/fused_shape.h"

#include <algorithm>
#include <bit>

#include "core/gl/attention_kernels.h"
#include "shaders/attention_params.h"

namespace headroom::gl {
namespace {

static_assert(static_cast<int>(KvStorage::kFloat32) == HEADROOM_FLOAT32);
static_assert(static_cast<int>(KvStorage::kFloat16) == HEADROOM_FLOAT16);
static_assert(static_cast<int>(KvStorage::kBFloat16) == HEADROOM_BFLOAT16);

using Family = FusedShape::Family;
using Reads = FusedShape::Reads;
using RowSums = FusedShape::RowSums;

constexpr std::int64_t kRowThreads = 8;  ///< threads that share a row of a tiled group, and vec4s of a chunk of q and k
constexpr std::int64_t kVec4Bytes = 16;
// Milliseconds and hundredths of a second on a software renderer.
constexpr double kLittleFlops = 2e7, kMuchFlops = 1e9;

/// vec4s of a row of out that one thread of a tiled group holds.
std::int64_t out4_of(std::int64_t d_head) { return ceil_div(vec4s(d_head), kRowThreads); }

/// vec4s of the tiles of q and k, which the values' tile uses after them.
std::int64_t tile_vec4s(const FusedShape& shape) { return (shape.group_queries() + shape.tile_keys()) * kRowThreads; }

/// Keys whose values fit the tile at once: a power of two, so that it divides a step's.
std::int64_t value_keys(const FusedShape& shape, std::int64_t d_head) {
  const auto fit = static_cast<std::uint64_t>(tile_vec4s(shape) / (kRowThreads * out4_of(d_head)));
  return std::min<std::int64_t>(static_cast<std::int64_t>(std::bit_floor(fit)), shape.tile_keys());
}

/// Floats of scores, out and one step's operands that a thread keeps: beyond a GPU's 255 registers they would go to memory.
std::int64_t registers(const FusedShape& shape, std::int64_t d_head) {
  return shape.queries * (4 * out4_of(d_head) + shape.keys) + 4 * std::max<std::int64_t>(shape.keys, out4_of(d_head)) + 24;
}

bool fits(const FusedShape& shape, const DeviceFacts& facts, const AttentionConfig& config) {
  if (shape.family == Family::kStraight) return true;
  // Sparse patterns keep a flag for each key of a step.
  const bool has_holes = config.mask.pattern.kind != PatternKind::kDense && config.mask.pattern.kind != PatternKind::kLocalWindow;
  const std::int64_t flag_bytes = has_holes ? shape.tile_keys() * std::int64_t{sizeof(int)} : 0;
  if (shape.shared_bytes() + flag_bytes > facts.max_shared_bytes || kRowThreads * shape.rows > facts.max_invocations) return false;
  if (shape.row_sums == RowSums::kSubgroups && facts.subgroup_size < kRowThreads) return false;
  if (registers(shape, config.d_head) > 255 || value_keys(shape, config.d_head) < 1) return false;
  if (shape.reads == Reads::kTexels) return true;
  // As if they lay in one buffer, which they do in a layer.
  const std::int64_t rows = config.n_heads * config.seq_q + 2 * config.n_kv_heads * config.seq_k;
  return config.batch * rows * vec4s(config.d_head) <= facts.max_storage_block_bytes / kVec4Bytes;
}

FusedShape straight(int queries, int keys) { return {Family::kStraight, queries, keys, 8}; }

std::vector<FusedShape> tiled_shapes(const AttentionConfig& config) {
  std::vector<FusedShape> shapes;
  struct Tile {
    int queries, keys, rows;
  };
  std::vector<Tile> tiles = {{8, 8, 8}, {8, 4, 16}, {4, 4, 16}, {8, 4, 8}, {4, 8, 16}, {4, 4, 8}};
  // Few queries: small groups, so that there are more of them.
  if (config.batch * config.n_heads * config.seq_q < 8192) std::reverse(tiles.begin(), tiles.end());
  for (const Reads reads : {Reads::kStorage, Reads::kTexels}) {
    for (const Tile& tile : tiles) {
      for (const RowSums sums : {RowSums::kSubgroups, RowSums::kShared}) {
        shapes.push_back({Family::kTiled, tile.queries, tile.keys, tile.rows, reads, sums});
      }
    }
  }
  return shapes;
}

}  // namespace

std::string FusedShape::name() const {
  const std::string thread = std::to_string(queries) + "x" + std::to_string(keys);
  if (family == Family::kStraight) return "straight " + thread;
  return "tiled " + std::to_string(group_queries()) + "x" + std::to_string(tile_keys()) + " (" + thread + ") " +
         (reads == Reads::kStorage ? "storage " : "texels ") + (row_sums == RowSums::kSubgroups ? "subgroups" : "shared");
}

std::int64_t FusedShape::padded_d_head(std::int64_t d_head) const {
  return family == Family::kStraight ? 4 * vec4s(d_head) : 4 * kRowThreads * out4_of(d_head);
}

std::int64_t FusedShape::shared_bytes() const {
  if (family == Family::kStraight) return 0;
  return tile_vec4s(*this) * kVec4Bytes + group_queries() * tile_keys() * std::int64_t{sizeof(float)};
}

std::vector<ShaderDefine> FusedShape::defines(const AttentionConfig& config) const {
  std::vector<ShaderDefine> defines = {{"PATTERN", static_cast<int>(config.mask.pattern.kind)},
                                       {"DROPOUT", config.dropout && config.dropout->probability > 0 ? 1 : 0},
                                       {"STORAGE", static_cast<int>(config.kv_storage)}};
  // float16 texels read as float32 ones do: the same program serves both.
  if (reads == Reads::kTexels && config.kv_storage == KvStorage::kFloat16) defines.back().value = HEADROOM_FLOAT32;
  if (family == Family::kStraight) {
    defines.insert(defines.end(), {{"QUERIES", queries}, {"KEYS4", keys / 4}, {"LOCAL_SIZE", rows}, {"D4", vec4s(config.d_head)}});
  } else {
    defines.insert(defines.end(), {{"THREAD_ROWS", queries},
                                   {"THREAD_COLS", keys},
                                   {"ROW_GROUPS", rows},
                                   {"THREADS", kRowThreads * rows},
                                   {"OUT4", out4_of(config.d_head)},
                                   {"VALUE_KEYS", value_keys(*this, config.d_head)},
                                   {"FROM_STORAGE", reads == Reads::kStorage ? 1 : 0},
                                   {"SUBGROUPS", row_sums == RowSums::kSubgroups ? 1 : 0}});
  }
  return defines;
}

std::vector<FusedShape> all_fused_shapes(const DeviceFacts& facts, const AttentionConfig& config) {
  std::vector<FusedShape> shapes = {straight(8, 8), straight(4, 8), straight(4, 4), straight(1, 4)};
  for (const FusedShape& shape : tiled_shapes(config)) {
    if (fits(shape, facts, config)) shapes.push_back(shape);
  }
  return shapes;
}

std::vector<FusedShape> fused_shapes(const DeviceFacts& facts, const AttentionConfig& config) {
  if (facts.is_software) {
    // A lane of the processor's vectors is a thread, so few queries would leave lanes of wide shapes idle; and wide shapes take seconds to
    // compile, once: only where there is much to compute.
    const double flops =
        4.0 * static_cast<double>(config.batch * config.n_heads * config.d_head * config.seq_q) * static_cast<double>(config.seq_k);
    if (flops < kLittleFlops || config.seq_q <= 8) return {straight(1, 4)};
    if (config.d_head > 128) return {flops < kMuchFlops ? straight(4, 4) : straight(4, 8)};
    if (config.seq_q <= 128 || config.d_head > 64 || flops < kMuchFlops) return {straight(4, 8)};
    return {straight(8, 8), straight(4, 8)};
  }
  std::vector<FusedShape> shapes;
  for (const FusedShape& shape : tiled_shapes(config)) {
    if (fits(shape, facts, config)) shapes.push_back(shape);
  }
  shapes.push_back(straight(1, 4));
  return shapes;
}

}  // namespace headroom::gl
