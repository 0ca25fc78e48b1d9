#include "core/gl/tile_count.h"

#include "core/gl/attention_kernels.h"
#include "core/gl/packed_heads.h"
#include "tests/attention/conformance.h"
#include "tests/gl/gl_test.h"

namespace headroom::gl {
namespace {

using conformance::make_case;

/// Tiles with something to see, by looking at every pair.
double tiles_with_pairs(const AttentionConfig& config, const FusedShape& shape) {
  double n = 0;
  for (std::int64_t i0 = 0; i0 < config.seq_q; i0 += shape.tile_queries()) {
    for (std::int64_t j0 = 0; j0 < config.seq_k; j0 += shape.tile_keys()) {
      bool is_seen = false;
      for (std::int64_t i = i0; i < std::min(i0 + shape.tile_queries(), config.seq_q); ++i) {
        for (std::int64_t j = j0; j < std::min(j0 + shape.tile_keys(), config.seq_k); ++j)
          is_seen = is_seen || is_visible(config.mask, 0, i, j);
      }
      n += is_seen ? 1 : 0;
    }
  }
  return n;
}

/// Dense, strided, global and block patterns begin their tiles at key 0: exactly those with a pair to see are computed.
TEST(TileCount, CountsTilesThatHoldAPair) {
  const FusedShape straight{FusedShape::Family::kStraight, 4, 8, 8};
  const FusedShape tiled{FusedShape::Family::kTiled, 4, 4, 8};
  for (const PatternKind kind :
       {PatternKind::kDense, PatternKind::kStrided, PatternKind::kGlobalLocal, PatternKind::kRandomBlocks}) {
    for (const Direction direction : {Direction::kCausal, Direction::kBidirectional}) {
      for (const FusedShape& shape : {straight, tiled}) {
        AttentionConfig config = make_case("count", {1, 1, 200, 300, 4}, kind, direction).config;
        config.mask.query_offset = 40;
        config.mask.pattern.window = 9;
        config.mask.pattern.stride = 70;
        config.mask.pattern.n_global = 3;
        config.mask.pattern.block = 20;
        const TileCount count = count_tiles(config, shape);
        const double tiles = count.kv_rows / static_cast<double>(shape.tile_keys());
        EXPECT_EQ(count.pairs, tiles * static_cast<double>(shape.tile_queries() * shape.tile_keys()));
        const double fewest = tiles_with_pairs(config, shape);
        EXPECT_GE(tiles, fewest) << mask_text(config.mask);
        // A tile on the diagonal or at the end of the keys may hold a pattern's pair only beyond it.
        const std::int64_t query_tiles = ceil_div(200, shape.tile_queries());
        const std::int64_t beyond = query_tiles * (direction == Direction::kCausal ? 8 : 1);
        EXPECT_LE(tiles, fewest + (kind == PatternKind::kDense ? 0.0 : static_cast<double>(beyond))) << mask_text(config.mask);
        if (shape.family == FusedShape::Family::kStraight && kind != PatternKind::kDense) {
          EXPECT_LT(count.pairs, 0.75 * 200 * 300) << "tiles without a pair are skipped";
        }
      }
    }
  }
}

TEST(TileCount, AWindowReadsItsOwnKeysOnly) {
  AttentionConfig config = make_case("window", {1, 1, 1000, 1000, 4}, PatternKind::kLocalWindow).config;
  config.mask.pattern.window = 16;
  const TileCount count = count_tiles(config, {FusedShape::Family::kStraight, 4, 4, 8});
  EXPECT_LE(count.pairs, 1000 * (16 + 8));
  EXPECT_GE(count.pairs, 1000 * 12);
}

class GlWorkTest : public GlTest {};

/// What a run says it did: at least the arithmetic that the visible pairs need, little more than that in dense tiles.
TEST_F(GlWorkTest, RunsCountTheirWork) {
  for (const Kernel kernel : {Kernel::kFused, Kernel::kNaive}) {
    const conformance::Case c = make_case("work", {2, 1, 128, 128, 16}, PatternKind::kDense, Direction::kBidirectional);
    const conformance::Problem problem(c);
    conformance::Answer answer(c, false);
    AttentionOutputs outputs = answer.outputs();
    AttentionWork work{-1, -1, -1};
    outputs.work = &work;
    make_backend(context(), kernel)->run(c.config, problem.inputs, outputs);
    EXPECT_EQ(work.flops, 4.0 * 2 * 128 * 128 * 16);
    const double scores = 2.0 * 128 * 128 * 4;
    if (kernel == Kernel::kNaive) {
      EXPECT_GE(work.bytes_allocated, 2 * scores);
      EXPECT_GE(work.bytes_moved, 5 * scores);
    } else {
      EXPECT_LT(work.bytes_allocated, 1000) << "a table of heads";
      EXPECT_GE(work.bytes_moved, 4.0 * (2 * 2 + 2) * 128 * 16) << "q, out and each K/V head at least once";
    }
  }
}

/// Scores and probs are what the naive kernels hold beside their tensors; the fused one holds no such thing. Counted where both run, the
/// counts agree with naive_bytes(), and by it the naive kernels need ten times as much at n = 8192.
TEST_F(GlWorkTest, FusedNeedsATenthOfTheNaiveKernelsMemory) {
  const auto bytes_of = [&](Kernel kernel, const conformance::Case& c) {
    const std::size_t before = buffer_bytes();
    reset_peak_buffer_bytes();
    const conformance::Problem problem(c);
    conformance::Answer answer(c, false);
    make_backend(context(), kernel)->run(c.config, problem.inputs, answer.outputs());
    return static_cast<double>(peak_buffer_bytes() - before);
  };
  const auto tensor_bytes = [](const AttentionConfig& config) {
    return static_cast<double>(2 * config.n_heads + 2 * config.n_kv_heads) * static_cast<double>(config.seq_q * config.d_head) * 4 +
           static_cast<double>(config.n_heads * config.seq_q) * 4;
  };
  const conformance::Case small = make_case("memory", {2, 2, 512, 512, 16});
  AttentionKernels naive(context().facts(), Kernel::kNaive);
  const double slack = 1000;  // the table of heads, and whole texels
  EXPECT_NEAR(bytes_of(Kernel::kFused, small), tensor_bytes(small.config), slack);
  EXPECT_NEAR(bytes_of(Kernel::kNaive, small), tensor_bytes(small.config) + static_cast<double>(naive.naive_bytes(small.config)),
              slack);

  // A device whose storage blocks hold them keeps all heads' scores; one head's are too many for a software renderer's.
  AttentionConfig large = make_case("large", {12, 12, 8192, 8192, 64}).config;
  DeviceFacts facts = context().facts();
  facts.max_storage_block_bytes = facts.max_buffer_texels = (std::int64_t{1} << 31) - 1;
  const auto naive_total = static_cast<double>(AttentionKernels(facts, Kernel::kNaive).naive_bytes(large));
  EXPECT_LE(tensor_bytes(large) + slack, 0.1 * (tensor_bytes(large) + naive_total));
}

}  // namespace
}  // namespace headroom::gl
