// The oracle itself: against results worked out by hand and against the same function written another way.

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>
#include <limits>

#include "core/attention/dropout.h"
#include "tests/attention/conformance.h"

namespace headroom {
namespace {

struct Small {
  AttentionConfig config;
  std::vector<float> q, k, v, out, logsumexp, probs;

  void run() {
    const std::int64_t b = config.batch;
    out.assign(q.size(), 99);
    logsumexp.assign(static_cast<std::size_t>(b * config.n_heads * config.seq_q), 99);
    probs.assign(logsumexp.size() * static_cast<std::size_t>(config.seq_k), 99);
    const HeadsView q_view = HeadsView::head_major(q.data(), b, config.n_heads, config.seq_q, config.d_head);
    const HeadsView k_view = HeadsView::head_major(k.data(), b, config.n_kv_heads, config.seq_k, config.d_head);
    const HeadsView v_view = HeadsView::head_major(v.data(), b, config.n_kv_heads, config.seq_k, config.d_head);
    const HeadsView out_view = HeadsView::head_major(out.data(), b, config.n_heads, config.seq_q, config.d_head);
    make_reference_backend()->run(config, {q_view, k_view, v_view}, {out_view, logsumexp, probs});
  }
};

TEST(Reference, OneKeyIsCopied) {
  Small s;
  s.config.d_head = 2;
  s.q = {3, -1};
  s.k = {2, 5};
  s.v = {0.25F, -7};
  s.run();
  EXPECT_EQ(s.out, s.v);
  EXPECT_EQ(s.probs, std::vector<float>{1});
  EXPECT_FLOAT_EQ(s.logsumexp[0], 1.0F / std::sqrt(2.0F));  // the score itself: (6 - 5) / sqrt(2)
}

TEST(Reference, TwoKeysByHand) {
  Small s;
  s.config.seq_k = 2;
  s.config.mask.query_offset = 1;
  s.q = {1};
  s.k = {static_cast<float>(std::log(3.0)), 0};  // scores log 3 and 0: probabilities 3/4 and 1/4
  s.v = {8, 4};
  s.run();
  EXPECT_FLOAT_EQ(s.probs[0], 0.75F);
  EXPECT_FLOAT_EQ(s.probs[1], 0.25F);
  EXPECT_FLOAT_EQ(s.out[0], 7.0F);
  EXPECT_FLOAT_EQ(s.logsumexp[0], static_cast<float>(std::log(4.0)));
}

TEST(Reference, ScaleZeroAveragesWhatIsVisible) {
  Small s;
  s.config.seq_q = s.config.seq_k = 3;
  s.config.scale = 0.0F;
  s.q = {5, 6, 7};
  s.k = {1, 2, 3};
  s.v = {3, 6, 12};
  s.run();
  EXPECT_EQ(s.out, (std::vector<float>{3, 4.5F, 7}));
  EXPECT_FLOAT_EQ(s.logsumexp[2], static_cast<float>(std::log(3.0)));
  EXPECT_EQ(s.probs[1], 0.0F) << "a key of the future has no probability";
}

TEST(Reference, AMaskedRowIsZeroAndMinusInfinity) {
  Small s;
  s.config.mask.key_lengths = {0};
  s.q = {1};
  s.k = {1};
  s.v = {1};
  s.run();
  EXPECT_EQ(s.out[0], 0.0F);
  EXPECT_EQ(s.probs[0], 0.0F);
  EXPECT_EQ(s.logsumexp[0], -std::numeric_limits<float>::infinity());
}

TEST(Reference, VeryNegativeScoresStillSumToOne) {
  Small s;
  s.config.seq_k = 3;
  s.config.mask.direction = Direction::kBidirectional;
  s.q = {-20000};
  s.k = {1, 1, 1};
  s.v = {1, 2, 3};
  s.run();
  EXPECT_FLOAT_EQ(s.out[0], 2.0F);
  EXPECT_FLOAT_EQ(s.logsumexp[0], static_cast<float>(-20000 + std::log(3.0)));
}

TEST(Reference, HeadsReadTheirKvHead) {
  Small s;
  s.config.n_heads = 4;
  s.config.n_kv_heads = 2;
  s.q = {1, 1, 1, 1};
  s.k = {0, 0};
  s.v = {10, 20};
  s.run();
  EXPECT_EQ(s.out, (std::vector<float>{10, 10, 20, 20}));
  s.config.kv_head_of = {1, 0, 0, 1};
  s.config.pruned = {0, 0, 1, 0};
  s.run();
  EXPECT_EQ(s.out, (std::vector<float>{20, 10, 0, 20}));
  EXPECT_EQ(s.logsumexp[2], -std::numeric_limits<float>::infinity());
}

TEST(Reference, DropoutScalesWhatItKeeps) {
  Small s;
  s.config.seq_k = 64;
  s.config.mask.direction = Direction::kBidirectional;
  s.config.dropout = Dropout{0.75F, 42};
  s.q = {0};
  s.k.assign(64, 1);
  s.v.assign(64, 1);
  s.run();
  int n_kept = 0;
  for (std::int64_t j = 0; j < 64; ++j) {
    n_kept += is_kept(*s.config.dropout, {0, 0, 0, j}) ? 1 : 0;
  }
  EXPECT_FLOAT_EQ(s.out[0], static_cast<float>(n_kept) / 64 * 4);
  EXPECT_FLOAT_EQ(s.logsumexp[0], static_cast<float>(std::log(64.0)));
}

/// The same function as matrix algebra without taking the maximum off: P = D⁻¹ exp(S) ∘ M, out = P V.
TEST(Reference, AgreesWithMatrixAlgebra) {
  for (const PatternKind kind : conformance::kPatterns) {
    const conformance::Case c = conformance::make_case("algebra", {1, 1, 23, 29, 6}, kind, Direction::kBidirectional);
    const conformance::Problem problem(c);
    conformance::Answer answer(c, true);
    make_reference_backend()->run(c.config, problem.inputs, answer.outputs());
    using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const Eigen::MatrixXd q = Eigen::Map<const Matrix>(problem.inputs.q.data, 23, 6).cast<double>();
    const Eigen::MatrixXd k = Eigen::Map<const Matrix>(problem.inputs.k.data, 29, 6).cast<double>();
    const Eigen::MatrixXd v = Eigen::Map<const Matrix>(problem.inputs.v.data, 29, 6).cast<double>();
    Eigen::MatrixXd visible(23, 29);
    for (std::int64_t i = 0; i < 23; ++i) {
      for (std::int64_t j = 0; j < 29; ++j) {
        visible(i, j) = is_visible(c.config.mask, 0, i, j) ? 1 : 0;
      }
    }
    const Eigen::MatrixXd weights = (q * k.transpose() / std::sqrt(6.0)).array().exp() * visible.array();
    const Eigen::VectorXd sums = weights.rowwise().sum();
    const Eigen::MatrixXd sums_or_one = sums.array().max(1e-300).matrix();
    const Eigen::MatrixXd probs = sums_or_one.asDiagonal().toDenseMatrix().inverse() * weights;
    const Eigen::MatrixXd out = probs * v;
    for (std::int64_t i = 0; i < 23; ++i) {
      const auto row = static_cast<std::size_t>(i);
      if (sums(i) > 0) {
        EXPECT_NEAR(answer.logsumexp[row], std::log(sums(i)), 1e-6);
      } else {
        EXPECT_EQ(answer.logsumexp[row], -std::numeric_limits<float>::infinity());
      }
      for (std::int64_t j = 0; j < 29; ++j) {
        EXPECT_NEAR(answer.probs[row * 29 + static_cast<std::size_t>(j)], probs(i, j), 1e-6) << conformance::pattern_name(kind);
      }
      for (std::int64_t d = 0; d < 6; ++d) {
        EXPECT_NEAR(answer.out.row(0, 0, i)[d], out(i, d), 1e-6) << conformance::pattern_name(kind);
      }
    }
  }
}

TEST(Dropout, DropsTheShareThatWasAskedFor) {
  for (const float probability : {0.0F, 0.1F, 0.5F, 0.9F}) {
    int dropped = 0;
    for (std::int64_t i = 0; i < 200; ++i) {
      for (std::int64_t j = 0; j < 200; ++j) {
        dropped += is_kept({probability, 7}, {1, 2, i, j}) ? 0 : 1;
      }
    }
    EXPECT_NEAR(dropped / 40000.0, static_cast<double>(probability), 0.01);
  }
}

TEST(Dropout, EveryIndexAndTheSeedCount) {
  const auto pattern = [](const Dropout& dropout, std::int64_t b, std::int64_t head, std::int64_t i) {
    std::string text;
    for (std::int64_t j = 0; j < 64; ++j) {
      text += is_kept(dropout, {b, head, i, j}) ? '1' : '0';
    }
    return text;
  };
  const std::string first = pattern({0.5F, 1}, 0, 0, 0);
  EXPECT_EQ(first, pattern({0.5F, 1}, 0, 0, 0));
  EXPECT_NE(first, pattern({0.5F, 2}, 0, 0, 0));
  EXPECT_NE(first, pattern({0.5F, 1}, 1, 0, 0));
  EXPECT_NE(first, pattern({0.5F, 1}, 0, 1, 0));
  EXPECT_NE(first, pattern({0.5F, 1}, 0, 0, 1));
}

}  // namespace
}  // namespace headroom
