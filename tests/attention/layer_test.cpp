#include "core/attention/layer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/tensor/error.h"
#include "tests/attention/conformance.h"

namespace headroom {
namespace {

constexpr std::int64_t kSeq = 9, kModel = 10, kHeads = 4, kKvHeads = 2, kDim = 6;

/// Parameters of a small layer and what stands behind their views.
struct Fixture {
  std::vector<float> x = conformance::values(kSeq * kModel, 1, 1);
  std::vector<float> w_q = conformance::values(kHeads * kDim * kModel, 2, 0.4F);
  std::vector<float> w_k = conformance::values(kKvHeads * kDim * kModel, 3, 0.4F);
  std::vector<float> w_v = conformance::values(kKvHeads * kDim * kModel, 4, 0.4F);
  std::vector<float> w_o = conformance::values(kModel * kHeads * kDim, 5, 0.4F);
  std::vector<float> b_q = conformance::values(kHeads * kDim, 6, 1), b_k = conformance::values(kKvHeads * kDim, 7, 1);
  std::vector<float> b_v = conformance::values(kKvHeads * kDim, 8, 1), b_o = conformance::values(kModel, 9, 1);
  ThreadPool pool{2};
  std::unique_ptr<AttentionBackend> backend = make_flash_backend(pool);
  std::unique_ptr<AttentionLayer> layer = make_cpu_attention_layer(pool, *backend);

  static ConstMatrixView matrix(const std::vector<float>& values, std::int64_t rows, std::int64_t cols) {
    return {values.data(), rows, cols, cols};
  }
  ConstMatrixView input() const { return matrix(x, kSeq, kModel); }
  AttentionLayerParams params() const {
    return {matrix(w_q, kHeads * kDim, kModel),
            matrix(w_k, kKvHeads * kDim, kModel),
            matrix(w_v, kKvHeads * kDim, kModel),
            matrix(w_o, kModel, kHeads * kDim),
            b_q,
            b_k,
            b_v,
            b_o};
  }
  static AttentionConfig config() {
    AttentionConfig config;
    config.n_heads = kHeads;
    config.n_kv_heads = kKvHeads;
    config.d_head = kDim;
    config.seq_q = config.seq_k = kSeq;
    return config;
  }
};

/// y = W x + b of one row, in double.
std::vector<double> project(const std::vector<float>& weight, const std::vector<float>& bias, const std::vector<double>& x) {
  std::vector<double> y(bias.begin(), bias.end());
  for (std::size_t o = 0; o < y.size(); ++o) {
    for (std::size_t c = 0; c < x.size(); ++c) {
      y[o] += static_cast<double>(weight[o * x.size() + c]) * x[c];
    }
  }
  return y;
}

void turn(std::vector<double>& row, std::int64_t position) {
  for (std::size_t head = 0; head < row.size(); head += kDim) {
    for (std::size_t c = 0; c < kDim / 2; ++c) {
      const double angle = static_cast<double>(position) * std::pow(10000.0, -2.0 * static_cast<double>(c) / kDim);
      const double a = row[head + c], b = row[head + c + kDim / 2];
      row[head + c] = a * std::cos(angle) - b * std::sin(angle);
      row[head + c + kDim / 2] = b * std::cos(angle) + a * std::sin(angle);
    }
  }
}

/// gain * x / sqrt(mean of x² + eps), each head by itself.
void norm(std::vector<double>& row, const std::vector<float>& gain, double eps) {
  for (std::size_t head = 0; head < row.size() && !gain.empty(); head += kDim) {
    double squares = 0;
    for (std::size_t c = 0; c < kDim; ++c)
      squares += row[head + c] * row[head + c];
    for (std::size_t c = 0; c < kDim; ++c)
      row[head + c] *= static_cast<double>(gain[c]) / std::sqrt(squares / kDim + eps);
  }
}

class CpuAttentionLayerNorms : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(OfHeads, CpuAttentionLayerNorms, testing::Bool());

TEST_P(CpuAttentionLayerNorms, EqualTheFormulasInDouble) {
  Fixture f;
  std::vector<float> q_gain, k_gain;
  AttentionLayerParams params = f.params();
  if (GetParam()) {
    q_gain = conformance::values(kDim, 10, 1);
    k_gain = conformance::values(kDim, 11, 1);
    params.q_norm = q_gain;
    params.k_norm = k_gain;
    params.norm_eps = 0.03F;
  }
  const AttentionLayerResult result = f.layer->run(Fixture::config(), params, Rotary{}, f.input());
  std::vector<std::vector<double>> q, k, v;
  for (std::int64_t i = 0; i < kSeq; ++i) {
    const std::vector<double> x(f.x.begin() + i * kModel, f.x.begin() + (i + 1) * kModel);
    q.push_back(project(f.w_q, f.b_q, x));
    k.push_back(project(f.w_k, f.b_k, x));
    v.push_back(project(f.w_v, f.b_v, x));
    norm(q.back(), q_gain, 0.03F);
    norm(k.back(), k_gain, 0.03F);
    turn(q.back(), i);
    turn(k.back(), i);
  }
  for (std::size_t i = 0; i < kSeq; ++i) {
    std::vector<double> head_out(kHeads * kDim, 0);
    for (std::size_t h = 0; h < kHeads; ++h) {
      const std::size_t kv = h / 2;
      std::vector<double> weights;
      double sum = 0;
      for (std::size_t j = 0; j <= i; ++j) {
        double score = 0;
        for (std::size_t c = 0; c < kDim; ++c) {
          score += q[i][h * kDim + c] * k[j][kv * kDim + c];
        }
        weights.push_back(std::exp(score / std::sqrt(6.0)));
        sum += weights.back();
      }
      for (std::size_t j = 0; j <= i; ++j) {
        for (std::size_t c = 0; c < kDim; ++c) {
          head_out[h * kDim + c] += weights[j] / sum * v[j][kv * kDim + c];
        }
      }
      EXPECT_NEAR(result.logsumexp.row(static_cast<std::int64_t>(h))[i], std::log(sum), 1e-5);
    }
    const std::vector<double> out = project(f.w_o, f.b_o, head_out);
    const auto row = static_cast<std::int64_t>(i);
    for (std::size_t c = 0; c < kHeads * kDim; ++c) {
      EXPECT_NEAR(result.q.row(row)[c], q[i][c], 1e-5);
      EXPECT_NEAR(result.head_out.row(row)[c], head_out[c], 1e-5);
    }
    for (std::size_t c = 0; c < kKvHeads * kDim; ++c) {
      EXPECT_NEAR(result.k.row(row)[c], k[i][c], 1e-5);
      EXPECT_NEAR(result.v.row(row)[c], v[i][c], 1e-5);
    }
    for (std::size_t c = 0; c < kModel; ++c) {
      EXPECT_NEAR(result.out.row(row)[c], out[c], 2e-5);
    }
  }
}

TEST(CpuAttentionLayer, TimesItsStages) {
  Fixture f;
  const AttentionLayerResult result = f.layer->run(Fixture::config(), f.params(), std::nullopt, f.input());
  std::vector<std::string> stages;
  for (const StageTime& time : result.times) {
    stages.push_back(time.stage);
    EXPECT_GE(time.ms, 0);
  }
  EXPECT_THAT(stages, testing::ElementsAre("q k v", "rotary", "attention", "W_O"));
  EXPECT_EQ(f.layer->name(), "flash");
}

TEST(CpuAttentionLayer, AllHeadsPrunedLeavesTheBias) {
  Fixture f;
  AttentionConfig config = Fixture::config();
  config.n_heads = config.n_kv_heads = 0;
  EXPECT_TRUE(f.layer->supports(config).ok);
  AttentionLayerParams params;
  params.w_q = params.w_k = params.w_v = ConstMatrixView{nullptr, 0, kModel, kModel};
  params.w_o = ConstMatrixView{nullptr, kModel, 0, 0};
  params.b_o = f.b_o;
  const AttentionLayerResult biased = f.layer->run(config, params, Rotary{}, f.input());
  ASSERT_EQ(biased.out.shape(), (std::vector<std::int64_t>{kSeq, kModel}));
  for (std::int64_t i = 0; i < kSeq; ++i) {
    for (std::size_t c = 0; c < kModel; ++c) {
      EXPECT_EQ(biased.out.row(i)[c], f.b_o[c]);
    }
  }
  EXPECT_EQ(biased.logsumexp.shape(), (std::vector<std::int64_t>{0, kSeq}));
  params.b_o = {};
  const AttentionLayerResult plain = f.layer->run(config, params, Rotary{}, f.input());
  for (const float value : plain.out.span()) {
    EXPECT_EQ(value, 0.0F);
  }
}

TEST(CpuAttentionLayer, RefusesWhatItCannotRun) {
  Fixture f;
  AttentionConfig config = Fixture::config();
  config.batch = 2;
  EXPECT_FALSE(f.layer->supports(config).ok);
  EXPECT_THROW(f.layer->run(config, f.params(), {}, f.input()), ShapeError);
  config = Fixture::config();
  config.seq_k = 4;
  EXPECT_FALSE(f.layer->supports(config).ok);
  config = Fixture::config();
  config.mask.query_offset = 1;
  EXPECT_FALSE(f.layer->supports(config).ok);
  config = Fixture::config();
  config.n_kv_heads = 3;
  EXPECT_FALSE(f.layer->supports(config).ok);
  config = Fixture::config();
  EXPECT_THROW(f.layer->run(config, f.params(), {}, Fixture::matrix(f.x, kSeq - 1, kModel)), ShapeError);
  AttentionLayerParams params = f.params();
  params.w_k.rows -= 1;
  EXPECT_THROW(f.layer->run(config, params, {}, f.input()), ShapeError);
  params = f.params();
  const std::vector<float> five(5);
  params.k_norm = five;
  EXPECT_THROW(f.layer->run(config, params, {}, f.input()), ShapeError);
  params = f.params();
  params.w_o.cols -= 1;
  EXPECT_THROW(f.layer->run(config, params, {}, f.input()), ShapeError);
  std::stop_source source;
  source.request_stop();
  EXPECT_THROW(f.layer->run(config, f.params(), {}, f.input(), source.get_token()), Cancelled);
}

}  // namespace
}  // namespace headroom
