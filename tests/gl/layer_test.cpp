// The whole layer on the GPU against the CPU's layer with the reference backend (attention in double).
#include <cmath>

#include "core/formats/model_folder.h"
#include "core/gl/attention.h"
#include "core/model/forward.h"
#include "tests/gl/gl_test.h"

namespace headroom::gl {
namespace {

// Sums of d_model products in float32 on both sides, outputs of order one.
constexpr double kTolerance = 1e-5;

void expect_close(const std::string& name, const Tensor& actual, const Tensor& expected, double tolerance = kTolerance) {
  ASSERT_EQ(actual.shape(), expected.shape()) << name;
  for (std::int64_t i = 0; i < expected.size(); ++i) {
    const double a = static_cast<double>(actual.data()[i]), e = static_cast<double>(expected.data()[i]);
    if (std::isinf(e)) {
      ASSERT_EQ(a, e) << name << "[" << i << "]";
    } else {
      ASSERT_LE(std::abs(a - e), tolerance * (1 + std::abs(e))) << name << "[" << i << "]: " << a << " instead of " << e;
    }
  }
}

struct Shape {
  std::int64_t seq, d_model, n_heads, n_kv_heads, d_head;
};

/// Parameters of one layer, scaled so that q, k, v and out are of order one.
struct Weights {
  explicit Weights(const Shape& s, unsigned seed = 1)
      : w_q(random_tensor({s.n_heads * s.d_head, s.d_model}, seed, unit(s.d_model))),
        w_k(random_tensor({s.n_kv_heads * s.d_head, s.d_model}, seed + 1, unit(s.d_model))),
        w_v(random_tensor({s.n_kv_heads * s.d_head, s.d_model}, seed + 2, unit(s.d_model))),
        w_o(random_tensor({s.d_model, s.n_heads * s.d_head}, seed + 3, unit(s.n_heads * s.d_head + 1))),
        b_q(random_tensor({s.n_heads * s.d_head}, seed + 4)),
        b_k(random_tensor({s.n_kv_heads * s.d_head}, seed + 5)),
        b_v(random_tensor({s.n_kv_heads * s.d_head}, seed + 6)),
        b_o(random_tensor({s.d_model}, seed + 7)) {}
  static float unit(std::int64_t width) { return 1.0F / std::sqrt(static_cast<float>(width)); }
  AttentionLayerParams params() const {
    return {w_q.matrix(), w_k.matrix(), w_v.matrix(), w_o.matrix(), b_q.span(), b_k.span(), b_v.span(), b_o.span()};
  }
  Tensor w_q, w_k, w_v, w_o, b_q, b_k, b_v, b_o;
};

AttentionConfig config_of(const Shape& shape) {
  AttentionConfig config;
  config.n_heads = shape.n_heads;
  config.n_kv_heads = shape.n_kv_heads;
  config.d_head = shape.d_head;
  config.seq_q = config.seq_k = shape.seq;
  return config;
}

class GlLayerTest : public GlTest, public testing::WithParamInterface<Kernel> {
 protected:
  void SetUp() override {
    GlTest::SetUp();
    if (!IsSkipped() && !HasFatalFailure()) layer_ = make_attention_layer(context(), GetParam());
  }

  void expect_agrees(const AttentionConfig& config, const AttentionLayerParams& params, const std::optional<Rotary>& rotary,
                     const Tensor& x) {
    const AttentionLayerResult expected = cpu_->run(config, params, rotary, x.matrix());
    const AttentionLayerResult actual = layer_->run(config, params, rotary, x.matrix());
    expect_close("q", actual.q, expected.q);
    expect_close("k", actual.k, expected.k);
    expect_close("v", actual.v, expected.v);
    expect_close("logsumexp", actual.logsumexp, expected.logsumexp);
    expect_close("head_out", actual.head_out, expected.head_out);
    expect_close("out", actual.out, expected.out);
  }

  AttentionLayer& layer() { return *layer_; }

  ThreadPool pool_{1};
  std::unique_ptr<AttentionBackend> reference_ = make_reference_backend();
  std::unique_ptr<AttentionLayer> cpu_ = make_cpu_attention_layer(pool_, *reference_);
  std::unique_ptr<AttentionLayer> layer_;
};

TEST_P(GlLayerTest, AgreesOnEveryShape) {
  const Rotary rotary{10000};
  for (const Shape& shape : {Shape{1, 8, 1, 1, 8}, Shape{10, 128, 8, 8, 16}, Shape{10, 128, 8, 2, 16}, Shape{7, 30, 3, 1, 10},
                             Shape{33, 65, 5, 5, 6}, Shape{5, 96, 2, 1, 130}, Shape{64, 256, 4, 2, 64}}) {
    SCOPED_TRACE("d_model " + std::to_string(shape.d_model) + ", d_head " + std::to_string(shape.d_head));
    const Weights weights(shape);
    const Tensor x = random_tensor({shape.seq, shape.d_model}, 9);
    expect_agrees(config_of(shape), weights.params(), rotary, x);
    expect_agrees(config_of(shape), weights.params(), std::nullopt, x);
  }
}

TEST_P(GlLayerTest, AgreesWithMasksPrunedHeadsAndUnevenGroups) {
  const Shape shape{21, 48, 6, 3, 8};
  const Weights weights(shape);
  const Tensor x = random_tensor({shape.seq, shape.d_model}, 9);
  AttentionConfig config = config_of(shape);
  config.mask.direction = Direction::kBidirectional;
  config.mask.pattern.kind = PatternKind::kGlobalLocal;
  expect_agrees(config, weights.params(), Rotary{500}, x);
  config.mask.direction = Direction::kCausal;
  config.pruned = {0, 1, 0, 0, 0, 1};
  expect_agrees(config, weights.params(), Rotary{500}, x);
  config.kv_head_of = {0, 0, 0, 1, 2, 2};
  config.pruned.clear();
  config.scale = 0.5F;
  expect_agrees(config, weights.params(), Rotary{500}, x);
}

TEST_P(GlLayerTest, TurnsAtGivenFrequencies) {
  const Shape shape{9, 20, 2, 2, 8};
  const Weights weights(shape);
  const Tensor x = random_tensor({shape.seq, shape.d_model}, 9);
  Rotary rotary{.theta = 10000, .dims = 8, .frequencies = {1, 0.3, 0.02, 0.004}, .magnitude = 1.2F};
  expect_agrees(config_of(shape), weights.params(), rotary, x);
  rotary.frequencies[1] = 0.9;  // the same theta
  expect_agrees(config_of(shape), weights.params(), rotary, x);
}

TEST_P(GlLayerTest, SaysWhatItLacks) {
  const Shape shape{6, 16, 2, 1, 8};
  const Weights weights(shape);
  const Tensor x = random_tensor({shape.seq, shape.d_model}, 9), gain = random_tensor({shape.d_head}, 10);
  const auto refuse = [&](const AttentionConfig& config, const AttentionLayerParams& params, const Rotary& rotary,
                          const char* reason) {
    const Support support = layer().supports_layer(config, params, rotary);
    EXPECT_FALSE(support.ok);
    EXPECT_THAT(support.reason, testing::HasSubstr(reason));
    EXPECT_THROW(layer().run(config, params, rotary, x.matrix()), ShapeError);
  };
  const AttentionConfig plain = config_of(shape);
  EXPECT_TRUE(layer().supports_layer(plain, weights.params(), Rotary{}).ok);
  AttentionConfig config = plain;
  config.soft_cap = 30;
  refuse(config, weights.params(), {}, "cap");
  config = plain;
  config.position_bias = std::make_shared<PositionBias>(PositionBias{2, 1, std::vector<float>(6)});
  refuse(config, weights.params(), {}, "biases by position");
  AttentionLayerParams params = weights.params();
  params.q_norm = gain.span();
  refuse(plain, params, {}, "norm");
  params = weights.params();
  params.k_norm = gain.span();
  refuse(plain, params, {}, "norm");
  refuse(plain, weights.params(), {.dims = 4}, "4 of 8");
}

TEST_P(GlLayerTest, BiasesMayBeAbsent) {
  const Shape shape{6, 20, 2, 2, 10};
  const Weights weights(shape);
  AttentionLayerParams params = weights.params();
  params.b_q = params.b_k = params.b_v = params.b_o = {};
  expect_agrees(config_of(shape), params, std::nullopt, random_tensor({shape.seq, shape.d_model}, 9));
}

TEST_P(GlLayerTest, NoHeadIsLeft) {
  for (const std::int64_t n_kv_heads : {0, 2}) {
    const Shape shape{5, 12, 0, n_kv_heads, 4};
    const Weights weights(shape);
    EXPECT_TRUE(layer().supports(config_of(shape)).ok);
    expect_agrees(config_of(shape), weights.params(), Rotary{}, random_tensor({shape.seq, shape.d_model}, 9));
  }
}

TEST_P(GlLayerTest, ParametersEditedInPlaceAreSeen) {
  const Shape shape{6, 16, 2, 1, 8};
  Weights weights(shape);
  const Tensor x = random_tensor({shape.seq, shape.d_model}, 9);
  expect_agrees(config_of(shape), weights.params(), std::nullopt, x);
  for (Tensor* tensor :
       {&weights.w_q, &weights.w_k, &weights.w_v, &weights.w_o, &weights.b_q, &weights.b_k, &weights.b_v, &weights.b_o}) {
    tensor->data()[tensor->size() - 1] += 1.0F;
    expect_agrees(config_of(shape), weights.params(), std::nullopt, x);
  }
}

TEST_P(GlLayerTest, StagesAreTimedByName) {
  const Shape shape{40, 64, 4, 4, 16};
  const Weights weights(shape);
  const Tensor x = random_tensor({shape.seq, shape.d_model}, 9);
  const AttentionLayerResult result = layer().run(config_of(shape), weights.params(), Rotary{}, x.matrix());
  std::vector<std::string> stages;
  double sum_ms = 0;
  for (const StageTime& time : result.times) {
    stages.push_back(time.stage);
    EXPECT_GE(time.ms, 0.0) << time.stage;
    sum_ms += time.ms;
  }
  EXPECT_EQ(stages, (std::vector<std::string>{"upload", "q k v", "rotary", "attention", "W_O", "read back"}));
  EXPECT_GT(sum_ms, 0.0);
}

TEST_P(GlLayerTest, RefusesWrongShapesAndStops) {
  const Shape shape{6, 16, 2, 1, 8};
  const Weights weights(shape);
  const Tensor x = random_tensor({shape.seq, shape.d_model}, 9);
  AttentionConfig config = config_of(shape);
  config.seq_q = 5;
  EXPECT_THROW(layer().run(config, weights.params(), std::nullopt, x.matrix()), ShapeError);
  config = config_of(shape);
  config.mask.query_offset = 1;
  EXPECT_FALSE(layer().supports(config).ok);
  EXPECT_THROW(layer().run(config, weights.params(), std::nullopt, x.matrix()), ShapeError);
  config = config_of(shape);
  config.n_kv_heads = 2;
  EXPECT_THROW(layer().run(config, weights.params(), std::nullopt, x.matrix()), ShapeError);
  AttentionLayerParams params = weights.params();
  params.b_o = params.b_o.subspan(1);
  EXPECT_THROW(layer().run(config_of(shape), params, std::nullopt, x.matrix()), ShapeError);
  std::stop_source source;
  source.request_stop();
  EXPECT_THROW(layer().run(config_of(shape), weights.params(), std::nullopt, x.matrix(), source.get_token()), Cancelled);
}

TEST_P(GlLayerTest, BundledModelsReadTheirSentenceAlike) {
  for (const char* name : {"grammar-base", "grammar-gqa"}) {
    const LoadedModel model = load_model_folder(std::string(HEADROOM_SOURCE_DIR "/assets/models/") + name);
    std::vector<std::int32_t> ids;
    for (const Token& token : model.tokenizer->encode("The cat that sat on the mat was fluffy", 64).tokens)
      ids.push_back(token.id);
    ASSERT_GT(ids.size(), 8U);
    const ForwardTrace expected = forward(model.params, ids, *cpu_, pool_, {});
    const ForwardTrace actual = forward(model.params, ids, layer(), pool_, {});
    ASSERT_EQ(actual.layers.size(), expected.layers.size());
    for (std::size_t l = 0; l < expected.layers.size(); ++l) {
      SCOPED_TRACE(std::string(name) + ", layer " + std::to_string(l));
      const AttentionLayerResult& a = actual.layers[l].attention;
      const AttentionLayerResult& e = expected.layers[l].attention;
      // Differences of one layer pass through the next ones.
      expect_close("q", a.q, e.q, 1e-4);
      expect_close("k", a.k, e.k, 1e-4);
      expect_close("v", a.v, e.v, 1e-4);
      expect_close("logsumexp", a.logsumexp, e.logsumexp, 1e-4);
      expect_close("out", a.out, e.out, 1e-4);
    }
    expect_close("logits", actual.logits, expected.logits, 1e-4);
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, GlLayerTest, testing::Values(Kernel::kFused, Kernel::kNaive),
                         [](const auto& instance) { return instance.param == Kernel::kNaive ? "naive" : "fused"; });

}  // namespace
}  // namespace headroom::gl
