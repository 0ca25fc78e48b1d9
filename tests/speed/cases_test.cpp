#include "core/speed/cases.h"

#include "core/speed/problem.h"
#include "core/speed/products.h"
#include "core/tensor/dtype.h"
#include "core/tensor/error.h"
#include "tests/speed/speed_test.h"

namespace headroom {
namespace {

using testing::ElementsAre;

TEST(SpeedCases, HaveTheShapesThatTheirNamesStandFor) {
  std::vector<std::string> names;
  for (const SpeedCase& c : speed_cases())
    names.push_back(c.name);
  EXPECT_THAT(names, ElementsAre("bert-128", "gpt2-1024", "gqa-1024", "long-4096", "decode-4096", "gemm-768", "gemm-128"));
  const AttentionConfig& gqa = find_speed_case("gqa-1024").config;
  EXPECT_EQ(gqa.n_heads, 32);
  EXPECT_EQ(gqa.n_kv_heads, 8);
  EXPECT_EQ(gqa.d_head, 128);
  EXPECT_EQ(gqa.seq_q, 1024);
  EXPECT_EQ(gqa.mask.direction, Direction::kCausal);
  EXPECT_EQ(find_speed_case("bert-128").config.mask.direction, Direction::kBidirectional);
  EXPECT_THROW(find_speed_case("bert"), Error);
}

TEST(SpeedCases, CountFlopsAsTheFormulasSay) {
  EXPECT_EQ(flops_of(find_speed_case("bert-128")), 4.0 * 128 * 128 * 64 * 12);
  EXPECT_EQ(flops_of(find_speed_case("gpt2-1024")), 4.0 * (1024 * 1025 / 2) * 64 * 12);
  EXPECT_EQ(flops_of(find_speed_case("decode-4096")), 4.0 * 4096 * 128 * 32);
  EXPECT_EQ(flops_of(find_speed_case("gemm-128")), 2.0 * 128 * 768 * 768);
  AttentionConfig config = find_speed_case("decode-4096").config;
  EXPECT_EQ(kv_bytes_of(config), 2.0 * 4096 * 8 * 128 * 4);  // 33.5 MB
  config.kv_storage = KvStorage::kBFloat16;
  EXPECT_EQ(kv_bytes_of(config), 4096.0 * 8 * 128 * 4);
  config.pruned.assign(32, 0);
  config.pruned[3] = 1;
  EXPECT_EQ(attention_flops(config), 4.0 * 4096 * 128 * 31);
}

TEST(SpeedCases, KernelsCountAtLeastWhatTheFormulaSays) {
  ThreadPool pool(2);
  SpeedShape shape = small_shape(4, 2, 96);
  shape.config.mask.direction = Direction::kCausal;
  for (const auto& backend : {make_naive_backend(pool), make_flash_backend(pool)}) {
    AttentionProblem problem(shape.config);
    AttentionWork work;
    backend->run(problem.config(), problem.inputs(), problem.outputs(&work));
    EXPECT_GE(work.flops, attention_flops(shape.config)) << backend->name();
    EXPECT_LE(work.flops, 2.2 * attention_flops(shape.config)) << backend->name();
    EXPECT_GE(work.bytes_moved, 4.0 * 96 * 16 * (4 + 4 + 2 + 2)) << backend->name();
  }
}

TEST(AttentionProblem, RotatesEqualCopiesOfKeysAndValues) {
  AttentionConfig config = small_shape(2, 2, 40).config;
  for (const KvStorage storage : {KvStorage::kFloat32, KvStorage::kFloat16, KvStorage::kBFloat16}) {
    config.kv_storage = storage;
    AttentionProblem problem(config, 3.5 * kv_bytes_of(config));
    ASSERT_EQ(problem.n_copies(), 4u);
    const auto first = problem.kv_blocks();
    EXPECT_EQ(static_cast<double>(first[0].size() + first[1].size()), kv_bytes_of(config));
    for (int copy = 1; copy < 4; ++copy) {
      problem.turn_to_next_copy();
      const auto blocks = problem.kv_blocks();
      EXPECT_NE(blocks[0].data(), first[0].data());
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(blocks[1].data()) % 64, 0u);
      EXPECT_TRUE(std::ranges::equal(blocks[0], first[0]));
      EXPECT_TRUE(std::ranges::equal(blocks[1], first[1]));
    }
    problem.turn_to_next_copy();
    EXPECT_EQ(problem.kv_blocks()[0].data(), first[0].data());
    const bool is_wide = storage == KvStorage::kFloat32;
    EXPECT_EQ(problem.inputs().k.data != nullptr, is_wide);
    EXPECT_EQ(problem.inputs().v16.data != nullptr, !is_wide);
  }
}

TEST(AttentionProblem, LaysOutOneQuerysKeysAsACacheDoes) {
  AttentionConfig config = small_shape(4, 2, 30).config;
  EXPECT_EQ(AttentionProblem(config).inputs().k.row_stride, 2 * 16);
  config.seq_q = 1;
  config.mask.query_offset = 29;
  EXPECT_EQ(AttentionProblem(config).inputs().k.row_stride, 16);
  EXPECT_EQ(AttentionProblem(config).inputs().v.head_stride, 30 * 16);
}

/// Right but for one value of one row, in kinds that a sum could hide.
class WrongBackend final : public AttentionBackend {
 public:
  explicit WrongBackend(float error) : error_(error) {}
  std::string_view name() const override { return "wrong"; }
  Support supports(const AttentionConfig&) const override { return {}; }
  void run(const AttentionConfig& config, const AttentionInputs& inputs, const AttentionOutputs& outputs,
           std::stop_token stop) override {
    make_reference_backend()->run(config, inputs, outputs, stop);
    outputs.out.row(0, 0, 0)[0] += error_;
  }

 private:
  float error_;
};

TEST(Check, RefusesABackendThatIsWrongAnywhere) {
  const AttentionConfig config = small_shape(2, 1, 8).config;
  WrongBackend right(0), a_little(1e-3F), not_a_number(std::nanf(""));
  EXPECT_EQ(check_against_reference(right, config), 0);
  EXPECT_THROW(check_against_reference(a_little, config), Error);
  EXPECT_THROW(check_against_reference(not_a_number, config), Error);
}

TEST(Check, RefusesProductsThatAreWrongInOneEntry) {
  const auto wrong = [](ConstMatrixView x, ConstMatrixView weight, MatrixView out) {
    multiply_plainly(x, weight, out);
    out(out.rows - 1, out.cols - 1) += 0.01F;
  };
  EXPECT_EQ(check_product("plain", multiply_plainly, 64), 0);
  EXPECT_THROW(check_product("wrong", wrong, 64), Error);
}

TEST(Check, SmallSiblingsKeepTheKind) {
  AttentionConfig config = find_speed_case("gqa-1024").config;
  config.mask.pattern.kind = PatternKind::kHashedBuckets;
  config.mask.pattern.query_bucket.assign(1024, 3);
  config.mask.pattern.key_bucket.assign(1024, 3);
  const AttentionConfig small = small_sibling(config);
  EXPECT_EQ(small.n_heads / small.n_kv_heads, 4);
  EXPECT_EQ(small.d_head, 128);
  EXPECT_LT(small.seq_q, 256);
  EXPECT_EQ(validate(small), std::nullopt);
  const AttentionConfig decode = small_sibling(find_speed_case("decode-4096").config);
  EXPECT_EQ(decode.seq_q, 1);
  EXPECT_EQ(count_visible(decode.mask, 0, 1, decode.seq_k), decode.seq_k);
}

TEST(MeasureCase, GivesARowABackendWithItsLimit) {
  ThreadPool pool(1);
  SpeedCase c = make_speed_case(small_shape(4, 2, 24));
  const auto rows = measure_case(c, {.backends = {"reference", "naive", "flash"}}, quick_tools(pool));
  ASSERT_EQ(rows.size(), 3u);
  for (const SpeedRow& row : rows) {
    EXPECT_EQ(row.name, "custom");
    EXPECT_EQ(row.threads, 1);
    EXPECT_EQ(row.limit, "FMA peak");
    EXPECT_EQ(row.limit_unit, "GFLOP/s");
    EXPECT_EQ(row.clock, "thread");
    EXPECT_GT(row.ms, 0);
    EXPECT_NEAR(row.gflops, 1e-6 * flops_of(c) / row.ms, 1e-9 * row.gflops);
    ASSERT_TRUE(row.percent_of_limit.has_value());
    EXPECT_GT(*row.percent_of_limit, 0);
    EXPECT_LE(row.largest_error, 1e-4);
    EXPECT_FALSE(row.gbps.has_value());
  }
  EXPECT_EQ(rows[0].backend, "reference");
  EXPECT_EQ(rows[0].largest_error, 0);
  EXPECT_EQ(rows[2].backend, "flash");
}

TEST(MeasureCase, TimesLinearAttentionByItsOwnWork) {
  ThreadPool pool(1);
  const SpeedCase c = make_speed_case(small_shape(4, 2, 200));
  const auto rows = measure_case(c, {.backends = {"linear", "flash"}}, quick_tools(pool));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].backend, "linear");
  EXPECT_GT(rows[0].gflops * rows[0].ms * 1e6, 2.0 * 200 * 16 * 16 * 4);  // phi(q) times a [d, d] sum, at least
  EXPECT_LT(rows[0].gflops * rows[0].ms, rows[1].gflops * rows[1].ms);
  EXPECT_THROW(measure_case(find_speed_case("gemm-128"), {.backends = {"linear"}}, quick_tools(pool)), Error);
}

TEST(MeasureCase, DecodesInThreeStoragesFromCacheAndFromMemory) {
  ThreadPool pool(2);
  SpeedShape shape = small_shape(4, 2, 64);
  shape.config.seq_q = 1;
  shape.config.mask.query_offset = 63;
  const SpeedCase c = make_speed_case(shape);
  ASSERT_EQ(c.kind, SpeedCase::Kind::kDecode);
  const auto rows = measure_case(c, {.backends = {"naive", "flash"}, .memory_bytes = 1e6}, quick_tools(pool));
  std::vector<std::string> names;
  for (const SpeedRow& row : rows) {
    names.push_back(row.backend + " " + row.storage + " " + row.limit);
    EXPECT_EQ(row.limit_unit, "GB/s");
    EXPECT_EQ(row.clock, "wall");
    const double kv_bytes = 2.0 * 64 * 2 * 16 * (row.storage == "float32" ? 4 : 2);
    ASSERT_TRUE(row.gbps.has_value());
    EXPECT_NEAR(*row.gbps, 1e-6 * kv_bytes / row.ms, 1e-9 * *row.gbps);
  }
  EXPECT_THAT(names, ElementsAre("naive float32 cache read", "flash float32 cache read", "flash float16 cache read",
                                 "flash bfloat16 cache read", "flash float32 memory read", "flash float16 memory read",
                                 "flash bfloat16 memory read"));
}

TEST(MeasureCase, ProductsRunOnTheEnginesKernelAndOnEigen) {
  ThreadPool pool(3);
  SpeedCase c;
  c.name = "small";
  c.kind = SpeedCase::Kind::kProduct;
  c.rows = 7;
  c.depth = 33;
  c.width = 20;
  const auto rows = measure_case(c, {}, quick_tools(pool));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].backend, "flash");
  EXPECT_EQ(rows[1].backend, "naive");
  EXPECT_LE(rows[1].largest_error, 1e-4);
}

GpuKernels pretended_gpu() {
  GpuKernels gpu;
  gpu.name = "pretended";
  gpu.fused = make_reference_backend();
  gpu.naive = make_reference_backend();
  gpu.kernel_ms = [](const AttentionBackend&) { return 2.5; };
  gpu.fma_gflops = [] { return 1000.0; };
  return gpu;
}

TEST(MeasureCase, TimesAGpuByItsOwnTimestampsAgainstItsOwnPeak) {
  ThreadPool pool(1);
  SpeedTools tools = quick_tools(pool);
  tools.open_gpu = pretended_gpu;
  const SpeedCase c = make_speed_case(small_shape(4, 2, 24));
  const auto rows = measure_case(c, {}, tools);
  ASSERT_EQ(rows.size(), 3u);
  const SpeedRow& gl = rows[2];
  EXPECT_EQ(gl.backend, "gl");
  EXPECT_EQ(gl.ms, 2.5);
  EXPECT_EQ(gl.threads, 0);
  EXPECT_EQ(gl.clock, "gpu");
  EXPECT_EQ(gl.limit, "GPU FMA peak");
  EXPECT_NEAR(*gl.percent_of_limit, 100 * 1e-9 * flops_of(c) / 2.5e-3 / 1000, 1e-9);
}

TEST(MeasureCase, HoldsASoftwareGpuAgainstTheProcessors) {
  ThreadPool pool(1);
  SpeedTools tools = quick_tools(pool);
  tools.open_gpu = [] {
    GpuKernels gpu = pretended_gpu();
    gpu.is_software = true;
    return gpu;
  };
  const SpeedRow row = measure_case(make_speed_case(small_shape(4, 2, 24)), {.backends = {"gl"}}, tools).front();
  EXPECT_EQ(row.limit, "FMA peak");
  EXPECT_EQ(row.threads, ThreadPool().n_threads());
}

TEST(MeasureCase, RefusesWrongNamesAndAMissingGpuThatWasAskedFor) {
  ThreadPool pool(1);
  const SpeedCase c = make_speed_case(small_shape(2, 2, 8));
  SpeedTools tools = quick_tools(pool);
  EXPECT_THROW(measure_case(c, {.backends = {"quantum"}}, tools), Error);
  EXPECT_THROW(measure_case(c, {.backends = {"gl"}}, tools), Error);
  tools.open_gpu = []() -> GpuKernels { throw Error("there is no OpenGL here"); };
  EXPECT_THROW(measure_case(c, {.backends = {"gl"}}, tools), Error);
  EXPECT_EQ(measure_case(c, {}, tools).size(), 2u);  // by default it is only left out
}

}  // namespace
}  // namespace headroom
