#include "tests/training/reference_network.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace headroom::test {
namespace {

/// Vectors one below the other.
struct Rows {
  Rows(std::int64_t n_rows, std::int64_t row_width) : n(n_rows), width(row_width), values(static_cast<std::size_t>(n * width)) {}
  double& at(std::int64_t i, std::int64_t c) { return values[static_cast<std::size_t>(i * width + c)]; }
  double at(std::int64_t i, std::int64_t c) const { return values[static_cast<std::size_t>(i * width + c)]; }
  std::int64_t n, width;
  std::vector<double> values;
};

enum class Sees { kEarlier, kAll };

class Reference {
 public:
  Reference(const ParameterLayout& layout, std::span<const double> parameters, const Batch& batch, const ReferenceOptions& options)
      : layout_(layout), config_(layout.config()), parameters_(parameters), batch_(batch), options_(options) {}

  ReferenceRun run() {
    run_.losses.assign(static_cast<std::size_t>(batch_.n_tokens()), 0);
    for (row_ = 0; row_ < batch_.n_rows; ++row_)
      one_row();
    return std::move(run_);
  }

 private:
  const double* parameter(const std::string& name) const { return parameters_.data() + layout_.slot(name).offset; }

  void one_row() {
    const std::int32_t* ids = batch_.inputs.data() + row_ * batch_.seq;
    Rows x = embed("", ids, batch_.seq);
    if (config_.kind == ModelKind::kEncoderDecoder) {
      Rows source = embed("encoder.", batch_.sources.data() + row_ * batch_.source_seq, batch_.source_seq);
      n_sources_ = batch_.source_lengths[static_cast<std::size_t>(row_)];
      for (std::int64_t l = 0; l < config_.n_encoder_layers; ++l) {
        attend(source, source, {AttentionStack::kEncoder, l, "encoder." + std::to_string(l) + ".", ""});
        mlp(source, "encoder." + std::to_string(l) + ".");
      }
      for (std::int64_t l = 0; l < config_.shape.n_layers; ++l) {
        const std::string at = "layers." + std::to_string(l) + ".";
        attend(x, x, {AttentionStack::kSelf, l, at, ""});
        attend(x, source, {AttentionStack::kCross, l, at, "cross_"});
        mlp(x, at);
      }
    } else {
      for (std::int64_t l = 0; l < config_.shape.n_layers; ++l) {
        const std::string at = "layers." + std::to_string(l) + ".";
        attend(x, x, {AttentionStack::kSelf, l, at, ""});
        mlp(x, at);
      }
    }
    if (config_.norm_place == NormPlace::kBefore) x = norm(x, "final_norm");
    if (config_.has_head_transform) {
      x = linear(x, "head_dense", "head_dense_bias");
      for (double& value : x.values)
        value = gelu(value);
      x = norm(x, "head_norm");
    }
    add_loss(linear(x, config_.ties_embeddings ? "embedding" : "lm_head", config_.has_output_bias ? "output_bias" : ""));
  }

  Rows embed(const std::string& stack, const std::int32_t* ids, std::int64_t seq) const {
    Rows x(seq, config_.shape.d_model);
    const double* words = parameter("embedding");
    const double* positions = config_.positions == PositionKind::kLearned ? parameter(stack + "positions") : nullptr;
    for (std::int64_t i = 0; i < seq; ++i) {
      for (std::int64_t c = 0; c < x.width; ++c)
        x.at(i, c) = words[ids[i] * x.width + c] + (positions != nullptr ? positions[i * x.width + c] : 0);
    }
    return config_.has_embedding_norm ? norm(x, stack + "embedding_norm") : x;
  }

  /// An empty bias_name: no bias.
  Rows linear(const Rows& x, const std::string& name, const std::string& bias_name) const {
    const ParameterSlot& slot = layout_.slot(name);
    Rows out(x.n, slot.rows);
    const double* weight = parameters_.data() + slot.offset;
    const double* bias = bias_name.empty() ? nullptr : parameter(bias_name);
    for (std::int64_t i = 0; i < x.n; ++i) {
      for (std::int64_t r = 0; r < slot.rows; ++r) {
        double sum = bias != nullptr ? bias[r] : 0;
        for (std::int64_t c = 0; c < slot.cols; ++c)
          sum += weight[r * slot.cols + c] * x.at(i, c);
        out.at(i, r) = sum;
      }
    }
    return out;
  }

  Rows norm(const Rows& x, const std::string& name) const {
    Rows out(x.n, x.width);
    const auto width = static_cast<double>(x.width);
    const double* gain = parameter(name);
    const double* bias = config_.norm == NormKind::kLayer ? parameter(name + "_bias") : nullptr;
    for (std::int64_t i = 0; i < x.n; ++i) {
      double mean = 0, square = 0;
      if (config_.norm == NormKind::kLayer) {
        for (std::int64_t c = 0; c < x.width; ++c)
          mean += x.at(i, c) / width;
      }
      for (std::int64_t c = 0; c < x.width; ++c)
        square += (x.at(i, c) - mean) * (x.at(i, c) - mean) / width;
      const double scale = 1 / std::sqrt(square + static_cast<double>(config_.rms_norm_eps));
      for (std::int64_t c = 0; c < x.width; ++c)
        out.at(i, c) = (x.at(i, c) - mean) * scale * gain[c] + (bias != nullptr ? bias[c] : 0);
    }
    return out;
  }

  double gelu(double x) const {
    if (config_.mlp == MlpKind::kGelu) return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
  }

  /// x = x + part(norm(x)), or norm(x + part(x)).
  template <typename Part>
  void residual(Rows& x, const std::string& norm_name, const Part& part) const {
    const Rows added = part(config_.norm_place == NormPlace::kBefore ? norm(x, norm_name) : x);
    for (std::size_t i = 0; i < x.values.size(); ++i)
      x.values[i] += added.values[i];
    if (config_.norm_place == NormPlace::kAfter) x = norm(x, norm_name);
  }

  struct Where {
    AttentionStack stack;
    std::int64_t layer;
    std::string at;      ///< "layers.0."
    std::string prefix;  ///< "cross_" or ""
  };

  void attend(Rows& x, const Rows& source, const Where& where) {
    const bool is_cross = where.stack == AttentionStack::kCross;
    const std::string name = where.at + where.prefix;
    const auto bias = [&](const char* which) { return config_.has_qkv_bias ? name + which : std::string(); };
    residual(x, where.at + (is_cross ? "cross_norm" : "attention_norm"), [&](const Rows& read) {
      const Rows& keys_read = is_cross ? source : read;
      Rows q = linear(read, name + "w_q", bias("b_q"));
      Rows k = linear(keys_read, name + "w_k", bias("b_k"));
      const Rows v = linear(keys_read, name + "w_v", bias("b_v"));
      if (config_.positions == PositionKind::kRotary) {
        turn(q);
        turn(k);
      }
      const Rows out = mix(q, k, v, where);
      return linear(out, name + "w_o", config_.has_o_bias ? name + "b_o" : "");
    });
  }

  /// Coordinates (c, c + d_head / 2) of each head turn together by position * theta^(-2c / d_head).
  void turn(Rows& x) const {
    const std::int64_t d_head = config_.shape.d_head, half = d_head / 2;
    for (std::int64_t i = 0; i < x.n; ++i) {
      for (std::int64_t first = 0; first < x.width; first += d_head) {
        for (std::int64_t c = 0; c < half; ++c) {
          const double angle = static_cast<double>(i) * std::pow(static_cast<double>(config_.rope_theta),
                                                                 -2 * static_cast<double>(c) / static_cast<double>(d_head));
          const double a = x.at(i, first + c), b = x.at(i, first + c + half);
          x.at(i, first + c) = a * std::cos(angle) - b * std::sin(angle);
          x.at(i, first + c + half) = b * std::cos(angle) + a * std::sin(angle);
        }
      }
    }
  }

  bool sees(const Where& where, std::int64_t query, std::int64_t key) const {
    if (where.stack == AttentionStack::kSelf) return config_.kind == ModelKind::kMasked || key <= query;
    return key < n_sources_;
  }

  Rows mix(const Rows& q, const Rows& k, const Rows& v, const Where& where) {
    const ModelShape& shape = config_.shape;
    Rows out(q.n, q.width);
    for (std::int64_t h = 0; h < shape.n_heads; ++h) {
      const std::int64_t q0 = h * shape.d_head, k0 = h / (shape.n_heads / shape.n_kv_heads) * shape.d_head;
      ReferencePicture picture{where.stack, where.layer, h, row_, q.n, k.n, {}};
      for (std::int64_t i = 0; i < q.n; ++i) {
        std::vector<double> probs(static_cast<std::size_t>(k.n), -std::numeric_limits<double>::infinity());
        for (std::int64_t j = 0; j < k.n; ++j) {
          if (!sees(where, i, j)) continue;
          double score = 0;
          for (std::int64_t c = 0; c < shape.d_head; ++c)
            score += q.at(i, q0 + c) * k.at(j, k0 + c);
          probs[static_cast<std::size_t>(j)] = score / std::sqrt(static_cast<double>(shape.d_head));
        }
        softmax(probs);
        for (std::int64_t j = 0; j < k.n && !is_off(where, h); ++j) {
          for (std::int64_t c = 0; c < shape.d_head; ++c)
            out.at(i, q0 + c) += probs[static_cast<std::size_t>(j)] * v.at(j, k0 + c);
        }
        picture.probs.insert(picture.probs.end(), probs.begin(), probs.end());
      }
      if (options_.keep == ReferenceOptions::Keep::kAll) run_.pictures.push_back(std::move(picture));
    }
    return out;
  }

  bool is_off(const Where& where, std::int64_t head) const {
    return where.stack == AttentionStack::kSelf && std::ranges::count(options_.heads_off, HeadRef{where.layer, head}) > 0;
  }

  /// Turns scores into probabilities and returns their log-sum-exp.
  static double softmax(std::vector<double>& scores) {
    const double top = *std::ranges::max_element(scores);
    double sum = 0;
    for (const double score : scores)
      sum += std::exp(score - top);
    for (double& score : scores)
      score = std::exp(score - top) / sum;
    return top + std::log(sum);
  }

  /// Without an MLP, a norm before it reads for nobody, but a norm after the sum still acts: as transformers computes such a BERT.
  void mlp(Rows& x, const std::string& at) const {
    if (config_.shape.d_ff == 0) {
      if (config_.norm_place == NormPlace::kAfter) x = norm(x, at + "mlp_norm");
      return;
    }
    residual(x, at + "mlp_norm", [&](const Rows& read) {
      const bool has_bias = config_.has_mlp_bias;
      Rows hidden = linear(read, at + "w_up", has_bias ? at + "b_up" : "");
      if (config_.mlp == MlpKind::kSwiGlu) {
        const Rows gate = linear(read, at + "w_gate", "");
        for (std::size_t i = 0; i < hidden.values.size(); ++i)
          hidden.values[i] *= gate.values[i] / (1 + std::exp(-gate.values[i]));
      } else {
        for (double& value : hidden.values)
          value = gelu(value);
      }
      return linear(hidden, at + "w_down", has_bias ? at + "b_down" : "");
    });
  }

  void add_loss(const Rows& logits) {
    if (options_.keep == ReferenceOptions::Keep::kAll)
      run_.logits.insert(run_.logits.end(), logits.values.begin(), logits.values.end());
    for (std::int64_t i = 0; i < logits.n; ++i) {
      const std::int64_t token = row_ * batch_.seq + i;
      const std::int32_t target = batch_.targets[static_cast<std::size_t>(token)];
      if (target == kIgnored) continue;
      const auto begin = logits.values.begin() + i * logits.width;
      std::vector<double> probs(begin, begin + logits.width);
      const double logsumexp = softmax(probs);
      double loss = logsumexp - logits.at(i, target);
      if (!batch_.teacher.empty()) {
        const auto weight = static_cast<double>(options_.distillation.weight);
        loss = (1 - weight) * loss + weight * divergence(logits, i, batch_.teacher.data() + token * logits.width);
      }
      run_.losses[static_cast<std::size_t>(token)] = loss;
      run_.loss += loss;
      ++run_.n_targets;
    }
  }

  /// T² KL(teacher ‖ softmax(logits / T)); a word of probability 0 in the teacher adds nothing.
  double divergence(const Rows& logits, std::int64_t i, const float* teacher) const {
    const auto temperature = static_cast<double>(options_.distillation.temperature);
    const auto begin = logits.values.begin() + i * logits.width;
    std::vector<double> cooled(begin, begin + logits.width);
    for (double& logit : cooled)
      logit /= temperature;
    std::vector<double> probs = cooled;
    const double logsumexp = softmax(probs);
    double sum = 0;
    for (std::size_t w = 0; w < cooled.size(); ++w) {
      const auto p = static_cast<double>(teacher[w]);
      if (p > 0) sum += p * (std::log(p) - (cooled[w] - logsumexp));
    }
    return temperature * temperature * sum;
  }

  const ParameterLayout& layout_;
  const ModelConfig& config_;
  std::span<const double> parameters_;
  const Batch& batch_;
  const ReferenceOptions& options_;
  std::int64_t row_ = 0;
  std::int64_t n_sources_ = 0;
  ReferenceRun run_;
};

}  // namespace

ReferenceRun run_reference(const ParameterLayout& layout, std::span<const double> parameters, const Batch& batch,
                           const ReferenceOptions& options) {
  return Reference(layout, parameters, batch, options).run();
}

}  // namespace headroom::test
