// The suite that every backend passes, on OpenGL's kernels. Tolerances: those written beside each case, which the CPU's float32 backends
// meet too; nothing is loosened here. The kernels chosen by rule and one tiled shape run every case; the other shapes, whose compilation
// is what costs, run the cases whose edges are theirs: long ones, every pattern, each storage, wide heads.
#include "tests/attention/conformance_terms.h"

#include "core/gl/attention.h"
#include "core/gl/fused_shape.h"
#include "tests/gl/gl_test.h"

namespace headroom::gl {
namespace {

using conformance::Case;
using conformance::make_case;

class GlConformance : public GlTest, public testing::WithParamInterface<Kernel> {};

TEST_P(GlConformance, EveryCaseAgreesWithTheReference) {
  const auto backend = make_backend(context(), GetParam());
  for (const Case& c : conformance::cases()) {
    const Support support = backend->supports(c.config);
    ASSERT_TRUE(support.ok) << c.name << ": " << support.reason;
    EXPECT_EQ(conformance::check(*backend, c), "");
  }
}

TEST_P(GlConformance, RefusesAnInvalidConfiguration) {
  const auto backend = make_backend(context(), GetParam());
  Case c = make_case("invalid", {2, 2, 3, 3, 4});
  const conformance::Problem problem(c);
  conformance::Answer answer(c, false);
  c.config.n_kv_heads = 3;
  EXPECT_FALSE(backend->supports(c.config).ok);
  EXPECT_THROW(backend->run(c.config, problem.inputs, answer.outputs()), ShapeError);
}

TEST_P(GlConformance, RefusesSoftCapsAndBiases) {
  const auto backend = make_backend(context(), GetParam());
  for (const Case& c : conformance::term_cases())
    EXPECT_FALSE(backend->supports(c.config).ok) << c.name;
}

TEST_P(GlConformance, StopsWhenAsked) {
  const auto backend = make_backend(context(), GetParam());
  const Case c = make_case("stopped", {2, 2, 300, 300, 32});
  const conformance::Problem problem(c);
  conformance::Answer answer(c, false);
  std::stop_source source;
  source.request_stop();
  EXPECT_THROW(backend->run(c.config, problem.inputs, answer.outputs(), source.get_token()), Cancelled);
}

TEST_P(GlConformance, RefusesWhatTheDeviceCannotHold) {
  const auto backend = make_backend(context(), GetParam());
  const long long texels = context().facts().max_buffer_texels;
  AttentionConfig config;
  if (texels < (1LL << 30)) {
    config.d_head = 256;
    config.n_heads = 1000;
    config.n_kv_heads = 1;
    config.seq_q = texels / 64000 + 1;
    const Support support = backend->supports(config);
    EXPECT_FALSE(support.ok);
    EXPECT_THAT(support.reason, testing::HasSubstr(std::to_string(texels)));
    config.seq_q = texels / 64000;
    EXPECT_TRUE(backend->supports(config).ok) << backend->supports(config).reason;
  }
  config = {};
  config.mask.query_offset = (1LL << 30) + 1;
  EXPECT_THAT(backend->supports(config).reason, testing::HasSubstr("1073741824"));
  config = {};
  config.mask.pattern.kind = PatternKind::kRandomBlocks;
  config.mask.pattern.block = 1;
  config.seq_q = config.seq_k = 10000;
  EXPECT_THAT(backend->supports(config).reason, testing::HasSubstr("10000 x 10000 blocks"));
}

INSTANTIATE_TEST_SUITE_P(Kernels, GlConformance, testing::Values(Kernel::kNaive, Kernel::kFused),
                         [](const auto& instance) { return instance.param == Kernel::kNaive ? "naive" : "fused"; });

/// A GPU's kernel is tried on whatever device is here, a software renderer too.
TEST_F(GlTest, TiledKernelAgreesInEveryCase) {
  const auto backend = make_backend(context(), Kernel::kFused, {.attention_shape = "tiled 32x32 (4x4) storage shared"});
  for (const Case& c : conformance::cases()) {
    const Support support = backend->supports(c.config);
    ASSERT_TRUE(support.ok) << c.name << ": " << support.reason;
    EXPECT_EQ(conformance::check(*backend, c), "");
  }
}

/// Few specialisations, all that distinguishes shapes: several blocks of queries and steps of keys, ragged ends, each pattern's skipping,
/// each storage, rows with nothing to see, dropout, and as wide a head as the shape takes.
std::vector<Case> shape_cases() {
  std::vector<Case> cases;
  for (const PatternKind kind : conformance::kPatterns) {
    cases.push_back(make_case("pattern_" + conformance::pattern_name(kind), {2, 1, 211, 211, 16}, kind));
    cases.push_back(make_case("offset_" + conformance::pattern_name(kind), {1, 1, 53, 509, 14}, kind, Direction::kBidirectional));
    cases.back().config.mask.query_offset = 456;
    cases.back().config.mask.key_lengths = {480};
  }
  for (const KvStorage storage : {KvStorage::kFloat16, KvStorage::kBFloat16}) {
    cases.push_back(make_case(std::string("storage_") + kv_storage_name(storage), {4, 2, 131, 150, 13}));
    cases.back().config.kv_storage = storage;
    cases.back().config.mask.query_offset = 19;
  }
  cases.push_back(make_case("dropout", {2, 2, 75, 199, 16}, PatternKind::kDense, Direction::kBidirectional));
  cases.back().config.dropout = Dropout{0.3F, 99};
  cases.push_back(make_case("nothing_seen", {2, 1, 70, 70, 16}, PatternKind::kHashedBuckets));
  cases.back().config.mask.pattern.query_bucket.assign(70, 9);
  cases.push_back(make_case("wide", {2, 1, 70, 140, 68}, PatternKind::kDense, Direction::kBidirectional));
  return cases;
}

class GlShapeConformance : public GlTest, public testing::WithParamInterface<const char*> {};

TEST_P(GlShapeConformance, AgreesWithTheReference) {
  const auto backend = make_backend(context(), Kernel::kFused, {.attention_shape = GetParam()});
  int n_run = 0;
  for (const Case& c : shape_cases()) {
    const Support support = backend->supports(c.config);
    if (!support.ok) continue;  // too wide a head for its registers, or a feature that this device lacks
    ++n_run;
    EXPECT_EQ(conformance::check(*backend, c), "") << GetParam();
  }
  if (n_run == 0) GTEST_SKIP() << "this device cannot run the shape";
}

INSTANTIATE_TEST_SUITE_P(Shapes, GlShapeConformance,
                         testing::Values("straight 8x8", "straight 4x8", "straight 1x4", "tiled 64x64 (8x8) storage shared",
                                         "tiled 128x32 (8x4) storage shared", "tiled 64x32 (4x4) texels shared",
                                         "tiled 64x32 (8x4) storage subgroups", "tiled 64x64 (4x8) texels shared"));

/// Every shape that a device may be offered has its own name, and the tests above name existing ones.
TEST(FusedShape, NamesAreUnique) {
  DeviceFacts facts;
  facts.max_shared_bytes = 1 << 16;
  facts.max_invocations = 1024;
  facts.subgroup_size = 32;
  facts.max_storage_block_bytes = 1 << 27;
  AttentionConfig config;
  config.d_head = 64;
  std::vector<std::string> names;
  for (const FusedShape& shape : all_fused_shapes(facts, config))
    names.push_back(shape.name());
  EXPECT_THAT(names, testing::IsSupersetOf({"straight 8x8", "straight 4x8", "straight 1x4", "tiled 64x64 (8x8) storage shared",
                                            "tiled 128x32 (8x4) storage shared", "tiled 64x32 (4x4) texels shared",
                                            "tiled 64x32 (8x4) storage subgroups", "tiled 64x64 (4x8) texels shared",
                                            "tiled 32x32 (4x4) storage shared"}));
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

/// Limits of a device leave shapes out: shared memory, threads of a group, subgroups, registers of wide heads, storage blocks.
TEST(FusedShape, DevicesAreOfferedWhatTheyCanRun) {
  DeviceFacts facts;
  facts.max_shared_bytes = 32768;
  facts.max_invocations = 1024;
  facts.max_storage_block_bytes = 1 << 27;
  AttentionConfig config;
  config.n_heads = config.n_kv_heads = 12;
  config.seq_q = config.seq_k = 4096;
  for (const std::int64_t d_head : {1, 64, 128, 200, 256}) {
    config.d_head = d_head;
    const std::vector<FusedShape> shapes = fused_shapes(facts, config);
    ASSERT_FALSE(shapes.empty());
    for (const FusedShape& shape : shapes) {
      EXPECT_LE(shape.shared_bytes(), 32768) << shape.name();
      EXPECT_EQ(shape.row_sums, FusedShape::RowSums::kShared) << shape.name();
      EXPECT_FALSE(d_head > 128 && shape.queries == 8 && shape.family == FusedShape::Family::kTiled) << shape.name();
    }
    EXPECT_EQ(shapes.front().family, FusedShape::Family::kTiled) << d_head;
  }
  facts.max_storage_block_bytes = 1 << 20;
  for (const FusedShape& shape : fused_shapes(facts, config))
    EXPECT_EQ(shape.reads, FusedShape::Reads::kTexels) << shape.name();
  facts.is_software = true;
  EXPECT_LE(fused_shapes(facts, config).size(), 2U) << "each compilation takes a software renderer seconds";
}

}  // namespace
}  // namespace headroom::gl
