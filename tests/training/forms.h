#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "core/training/batch.h"
#include "core/training/layout.h"

namespace headroom::test {

/// The four forms that are trained, each with odd sizes: no d_model, d_head or d_ff is a multiple of a vector's width.
struct Form {
  std::string name;  ///< as in tests/golden/training.safetensors
  ModelConfig config;
};

/// qwen2 (rotary, RMSNorm before, SwiGLU, 3 heads on 1 K/V head, d_head 10), gpt2 (learned positions, LayerNorm before, all biases, d_head 6),
/// bert (LayerNorm after, both directions, head transform), bart (encoder-decoder).
inline std::vector<Form> forms() {
  ModelConfig qwen2;
  qwen2.shape = {2, 24, 3, 1, 10, 20, 37, 32};
  qwen2.rope_theta = 100;

  ModelConfig gpt2 = qwen2;
  gpt2.family = "gpt2";
  gpt2.shape = {2, 18, 3, 3, 6, 28, 37, 32};
  gpt2.norm = NormKind::kLayer;
  gpt2.positions = PositionKind::kLearned;
  gpt2.mlp = MlpKind::kGeluTanh;
  gpt2.rms_norm_eps = 1e-5F;
  gpt2.has_o_bias = gpt2.has_mlp_bias = true;

  ModelConfig bert = gpt2;
  bert.family = "bert";
  bert.kind = ModelKind::kMasked;
  bert.shape = {2, 20, 2, 2, 10, 28, 37, 32};
  bert.norm_place = NormPlace::kAfter;
  bert.rms_norm_eps = 1e-12F;
  bert.has_embedding_norm = bert.has_head_transform = bert.has_output_bias = true;

  ModelConfig bart = gpt2;
  bart.family = "bart";
  bart.kind = ModelKind::kEncoderDecoder;
  bart.shape.n_layers = 1;
  bart.n_encoder_layers = 2;
  bart.norm_place = NormPlace::kAfter;
  bart.has_embedding_norm = bart.has_output_bias = true;
  return {{"qwen2", qwen2}, {"gpt2", gpt2}, {"bert", bert}, {"bart", bart}};
}

inline ModelConfig form(const std::string& name) {
  for (const Form& known : forms()) {
    if (known.name == name) return known.config;
  }
  ADD_FAILURE() << "no form is named " << name;
  return {};
}

/// Parameters of which none is zero or one, so that every term of every gradient counts; gaps between slots stay zero.
inline std::vector<float> stirred_parameters(const ParameterLayout& layout, std::uint32_t seed) {
  std::vector<float> parameters(static_cast<std::size_t>(layout.size()));
  std::mt19937 random(seed);
  for (const ParameterSlot& slot : layout.slots()) {
    const bool is_gain = slot.name.ends_with("norm");
    const float size = slot.decays ? 0.35F : 0.3F;
    for (std::int64_t i = 0; i < slot.size(); ++i) {
      const float uniform = static_cast<float>(random()) / 4294967296.0F;
      parameters[static_cast<std::size_t>(slot.offset + i)] = (is_gain ? 1 : 0) + size * 3.4F * (uniform - 0.5F);
    }
  }
  return parameters;
}

struct BatchSize {
  std::int64_t n_rows = 3, seq = 5;
  std::int64_t source_seq = 7;  ///< of an encoder-decoder
};

/// Random ids; about a fifth of the targets do not count; each row's source has another length.
inline Batch random_batch(const ModelConfig& config, const BatchSize& size, std::uint32_t seed) {
  std::mt19937 random(seed);
  const auto id = [&] { return static_cast<std::int32_t>(random() % static_cast<std::uint32_t>(config.shape.vocab_size)); };
  Batch batch;
  batch.n_rows = size.n_rows;
  batch.seq = size.seq;
  for (std::int64_t i = 0; i < batch.n_tokens(); ++i) {
    batch.inputs.push_back(id());
    batch.targets.push_back(random() % 5 == 0 ? kIgnored : id());
  }
  if (config.kind == ModelKind::kEncoderDecoder) {
    batch.source_seq = size.source_seq;
    for (std::int64_t i = 0; i < size.n_rows * size.source_seq; ++i)
      batch.sources.push_back(id());
    for (std::int64_t row = 0; row < size.n_rows; ++row)
      batch.source_lengths.push_back(static_cast<std::int32_t>(size.source_seq - (row * 2) % size.source_seq));
  }
  return batch;
}

/// A teacher whose probabilities are all different; every third word of it is impossible.
inline void add_teacher(Batch& batch, std::int64_t vocab_size, std::uint32_t seed) {
  std::mt19937 random(seed);
  for (std::int64_t token = 0; token < batch.n_tokens(); ++token) {
    std::vector<float> probs;
    float sum = 0;
    for (std::int64_t w = 0; w < vocab_size; ++w) {
      probs.push_back(w % 3 == 2 ? 0 : static_cast<float>(random() % 1000 + 1));
      sum += probs.back();
    }
    for (const float p : probs)
      batch.teacher.push_back(p / sum);
  }
}

inline std::vector<double> in_double(std::span<const float> values) { return {values.begin(), values.end()}; }

}  // namespace headroom::test
