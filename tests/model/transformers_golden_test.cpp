// Shape surgery and a foreign checkpoint against transformers in double (tests/golden/make_model_golden.py).

#include "core/analysis/tile.h"
#include "core/model/surgery.h"
#include "tests/model/models.h"

namespace headroom {
namespace {

constexpr double kLogitsTolerance = 1e-3;
constexpr double kProbsTolerance = 1e-4;

const std::string kGolden = HEADROOM_SOURCE_DIR "/tests/golden/";

std::vector<std::int32_t> read_ids(const SafetensorsFile& file, const std::string& name) {
  std::vector<std::int32_t> ids;
  for (const std::int64_t id : file.read_integers(*file.find(name)))
    ids.push_back(static_cast<std::int32_t>(id));
  return ids;
}

/// Logits and every probability of `params` against `prefix`.logits and .probs of the golden file.
void expect_golden(const ModelParams& params, const std::vector<std::int32_t>& ids, const SafetensorsFile& golden,
                   const std::string& prefix) {
  test::CpuAttention attention;
  const ForwardTrace trace = attention.pass(params, ids);
  const Tensor logits = golden.read_float(*golden.find(prefix + ".logits"));
  EXPECT_LT(test::largest_error(trace.logits.span(), logits.span()), kLogitsTolerance) << prefix;

  const Tensor probs = golden.read_float(*golden.find(prefix + ".probs"));
  const auto n = static_cast<std::int64_t>(ids.size());
  ASSERT_EQ(probs.shape(), (std::vector<std::int64_t>{params.config.shape.n_layers, params.config.shape.n_heads, n, n})) << prefix;
  for (std::int64_t l = 0; l < probs.dim(0); ++l) {
    for (std::int64_t h = 0; h < probs.dim(1); ++h) {
      TileRequest request;
      request.layer = l;
      request.head = h;
      request.row_end = request.rows = request.col_end = request.cols = n;
      const Tile tile = evaluate_tile(trace, request);
      for (std::int64_t c = 0; c < n * n; ++c) {
        const float ours = tile.values[static_cast<std::size_t>(c)];
        const float theirs = probs.data()[((l * probs.dim(1)) + h) * n * n + c];
        ASSERT_NEAR(std::isnan(ours) ? 0 : ours, theirs, kProbsTolerance)
            << prefix << ", layer " << l << ", head " << h << ", cell " << c;
      }
    }
  }
}

TEST(TransformersGolden, PoolingEqualsTransformersOnPooledWeights) {
  const LoadedModel base = load_model_folder(test::asset("models/grammar-base"));
  const SafetensorsFile golden(kGolden + "surgery.safetensors");
  for (const std::int64_t n_kv : {4, 2, 1}) {
    expect_golden(pool_kv_heads(base.params, n_kv), read_ids(golden, "input_ids"), golden, "pooled." + std::to_string(n_kv));
  }
}

TEST(TransformersGolden, SlicingEqualsTransformersWithAnotherNumberOfHeads) {
  const LoadedModel base = load_model_folder(test::asset("models/grammar-base"));
  const SafetensorsFile golden(kGolden + "surgery.safetensors");
  for (const std::int64_t n_heads : {4, 16}) {
    expect_golden(slice_heads(base.params, n_heads), read_ids(golden, "input_ids"), golden, "sliced." + std::to_string(n_heads));
  }
}

// Written by another program: untied, grouped, without biases, d_head = 10 where d_model / h = 4.
TEST(TransformersGolden, ALlamaFolderSavedByTransformersIsRead) {
  const LoadedModel model = load_model_folder(kGolden + "llama-tiny");
  EXPECT_EQ(model.params.config.family, "llama");
  EXPECT_EQ(model.params.config.shape.d_head, 10);
  const SafetensorsFile golden(kGolden + "llama-tiny/golden.safetensors");
  expect_golden(model.params, read_ids(golden, "0.input_ids"), golden, "0");
}

}  // namespace
}  // namespace headroom
