#include "tests/model/double_forward.h"

#include <cmath>

namespace headroom::test {
namespace {

using Row = std::vector<double>;
using Matrix = std::vector<Row>;

double element(const Tensor& t, std::int64_t r, std::int64_t c) { return t.data()[r * t.dim(1) + c]; }

Matrix affine(const Matrix& x, const Tensor& weight, const Tensor& bias) {
  Matrix out;
  for (const Row& row : x) {
    Row& y = out.emplace_back();
    for (std::int64_t o = 0; o < weight.dim(0); ++o) {
      double sum = bias.empty() ? 0 : bias.data()[o];
      for (std::int64_t i = 0; i < weight.dim(1); ++i)
        sum += element(weight, o, i) * row[static_cast<std::size_t>(i)];
      y.push_back(sum);
    }
  }
  return out;
}

Matrix norm(const Matrix& x, const Tensor& gain, double eps) {
  Matrix out = x;
  for (Row& row : out) {
    double squares = 0;
    for (const double v : row)
      squares += v * v;
    const double root = std::sqrt(squares / static_cast<double>(row.size()) + eps);
    for (std::size_t c = 0; c < row.size(); ++c)
      row[c] = row[c] / root * gain.data()[c];
  }
  return out;
}

/// Turns coordinates (c, c + d / 2) of each head of each row by position * theta^(-2 c / d).
void turn(Matrix& x, std::size_t d_head, double theta) {
  for (std::size_t position = 0; position < x.size(); ++position) {
    for (std::size_t first = 0; first < x[position].size(); first += d_head) {
      for (std::size_t c = 0; c < d_head / 2; ++c) {
        const double angle =
            static_cast<double>(position) * std::pow(theta, -2.0 * static_cast<double>(c) / static_cast<double>(d_head));
        double& a = x[position][first + c];
        double& b = x[position][first + c + d_head / 2];
        const double turned_a = a * std::cos(angle) - b * std::sin(angle);
        b = a * std::sin(angle) + b * std::cos(angle);
        a = turned_a;
      }
    }
  }
}

Row softmax_row(const Row& q, const Matrix& k, std::pair<std::size_t, std::size_t> offsets, const std::vector<bool>& visible,
                std::size_t d_head) {
  Row probs(k.size(), 0);
  double sum = 0;
  for (std::size_t j = 0; j < k.size(); ++j) {
    if (!visible[j]) continue;
    double score = 0;
    for (std::size_t c = 0; c < d_head; ++c)
      score += q[offsets.first + c] * k[j][offsets.second + c];
    probs[j] = std::exp(score / std::sqrt(static_cast<double>(d_head)));
    sum += probs[j];
  }
  for (double& p : probs) {
    if (sum > 0) p /= sum;
  }
  return probs;
}

void add(Matrix& x, const Matrix& term) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t c = 0; c < x[i].size(); ++c)
      x[i][c] += term[i][c];
  }
}

}  // namespace

DoublePass double_forward(const ModelParams& params, std::span<const std::int32_t> ids, const IsVisible& is_visible) {
  const ModelShape& shape = params.config.shape;
  const std::size_t seq = ids.size();
  const std::size_t d_head = static_cast<std::size_t>(shape.d_head);
  DoublePass pass;
  Matrix x(seq);
  for (std::size_t i = 0; i < seq; ++i) {
    for (std::int64_t c = 0; c < shape.d_model; ++c)
      x[i].push_back(element(params.embedding, ids[i], c));
  }
  for (const LayerParams& layer : params.layers) {
    const Matrix normed = norm(x, layer.attention_norm, params.config.rms_norm_eps);
    Matrix q = affine(normed, layer.w_q, layer.b_q);
    Matrix k = affine(normed, layer.w_k, layer.b_k);
    const Matrix v = affine(normed, layer.w_v, layer.b_v);
    turn(q, d_head, params.config.rope_theta);
    turn(k, d_head, params.config.rope_theta);
    Matrix head_out(seq, Row(q[0].size(), 0));
    auto& layer_probs = pass.probs.emplace_back();
    for (std::int64_t h = 0; h < shape.n_heads; ++h) {
      const std::size_t q_at = static_cast<std::size_t>(h) * d_head;
      const std::size_t kv_at = static_cast<std::size_t>(h / (shape.n_heads / shape.n_kv_heads)) * d_head;
      Matrix& probs = layer_probs.emplace_back();
      for (std::size_t i = 0; i < seq; ++i) {
        std::vector<bool> visible;
        for (std::size_t j = 0; j < seq; ++j)
          visible.push_back(is_visible(static_cast<std::int64_t>(i), static_cast<std::int64_t>(j)));
        probs.push_back(softmax_row(q[i], k, {q_at, kv_at}, visible, d_head));
        for (std::size_t j = 0; j < seq; ++j) {
          for (std::size_t c = 0; c < d_head; ++c)
            head_out[i][q_at + c] += probs[i][j] * v[j][kv_at + c];
        }
      }
    }
    add(x, affine(head_out, layer.w_o, layer.b_o));
    const Matrix mlp_in = norm(x, layer.mlp_norm, params.config.rms_norm_eps);
    Matrix gate = affine(mlp_in, layer.w_gate, {});
    const Matrix up = affine(mlp_in, layer.w_up, {});
    for (std::size_t i = 0; i < seq; ++i) {
      for (std::size_t c = 0; c < gate[i].size(); ++c)
        gate[i][c] = gate[i][c] / (1 + std::exp(-gate[i][c])) * up[i][c];
    }
    add(x, affine(gate, layer.w_down, {}));
  }
  pass.logits = affine(norm(x, params.final_norm, params.config.rms_norm_eps),
                       params.config.ties_embeddings ? params.embedding : params.lm_head, {});
  return pass;
}

}  // namespace headroom::test
