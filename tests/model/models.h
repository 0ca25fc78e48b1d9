#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/formats/model_folder.h"
#include "core/formats/safetensors.h"
#include "core/model/forward.h"

namespace headroom::test {

/// A pool of two threads, a CPU backend and the layer over it.
struct CpuAttention {
  explicit CpuAttention(std::string_view backend_name = "flash") {
    if (backend_name == "reference") backend = make_reference_backend();
    if (backend_name == "naive") backend = make_naive_backend(pool);
    if (backend_name == "flash") backend = make_flash_backend(pool);
    layer = make_cpu_attention_layer(pool, *backend);
  }
  ForwardTrace pass(const ModelParams& params, const std::vector<std::int32_t>& ids, const Mask& mask = {}) {
    return forward(params, ids, *layer, pool, {.mask = mask, .keep = ForwardOptions::Keep::kTrace, .stop = {}});
  }
  ThreadPool pool{2};
  std::unique_ptr<AttentionBackend> backend;
  std::unique_ptr<AttentionLayer> layer;
};

/// Random parameters of which nothing is zero or one: gains and every bias differ too.
inline ModelParams odd_params(const ModelConfig& config, std::uint64_t seed) {
  ModelParams params = make_random_params(config, seed);
  const auto stir = [](Tensor& tensor, float middle) {
    for (std::int64_t i = 0; i < tensor.size(); ++i) {
      tensor.data()[i] = middle + 0.3f * std::sin(static_cast<float>(7 * i + 1));
    }
  };
  stir(params.final_norm, 1);
  for (LayerParams& layer : params.layers) {
    stir(layer.attention_norm, 1);
    stir(layer.mlp_norm, 1);
    stir(layer.b_v, 0);
    stir(layer.b_o, 0);
  }
  return params;
}

/// Ids that wander over the whole vocabulary.
inline std::vector<std::int32_t> some_ids(std::int64_t seq, std::int64_t vocab_size) {
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < seq; ++i)
    ids.push_back(static_cast<std::int32_t>((i * i * 5 + 3 * i + 1) % vocab_size));
  return ids;
}

inline std::filesystem::path asset(const std::string& path) { return std::filesystem::path(HEADROOM_SOURCE_DIR) / "assets" / path; }

/// Where the outputs of a bundled model lie, as PyTorch computed them in double (tests/golden/make_bundled_golden.py).
inline std::filesystem::path golden_of(const std::string& model) {
  return std::filesystem::path(HEADROOM_SOURCE_DIR) / "tests/golden/bundled" / (model + ".safetensors");
}

/// One text of that file.
struct GoldenText {
  std::string text;
  std::vector<std::int32_t> ids;
  Tensor logits;  ///< [n, vocab]
  Tensor probs;   ///< [n_layers, n_heads, n, n]
  // Of the encoder-decoder, whose text is the source and whose ids are the target:
  std::vector<std::int32_t> source;
  Tensor encoder_probs, cross_probs;
};

inline std::vector<GoldenText> read_golden(const std::string& model) {
  const SafetensorsFile file(golden_of(model));
  const auto ids = [&](const std::string& name) {
    std::vector<std::int32_t> read;
    for (const std::int64_t id : file.read_integers(*file.find(name)))
      read.push_back(static_cast<std::int32_t>(id));
    return read;
  };
  std::vector<GoldenText> texts;
  for (int n = 0; file.metadata().contains(std::to_string(n) + ".text"); ++n) {
    const std::string prefix = std::to_string(n) + ".";
    GoldenText& golden = texts.emplace_back();
    golden.text = file.metadata().at(prefix + "text");
    golden.ids = ids(prefix + "input_ids");
    golden.logits = file.read_float(*file.find(prefix + "logits"));
    golden.probs = file.read_float(*file.find(prefix + "probs"));
    if (file.find(prefix + "source_ids") == nullptr) continue;
    golden.source = ids(prefix + "source_ids");
    golden.encoder_probs = file.read_float(*file.find(prefix + "encoder_probs"));
    golden.cross_probs = file.read_float(*file.find(prefix + "cross_probs"));
  }
  return texts;
}

/// Largest |a - b|; infinity where either is not finite or the sizes differ.
inline double largest_error(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return INFINITY;
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double error = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (!std::isfinite(error)) return INFINITY;
    largest = std::max(largest, error);
  }
  return largest;
}

/// exp(score - logsumexp) of every head against [layers, heads, q, k]; what the mask hides is 0 there.
/// Queries from `n_rows` on are not looked at: padding.
inline double largest_probs_error(const std::vector<LayerTrace>& layers, const Mask& mask, const Tensor& theirs,
                                  std::int64_t n_rows = INT64_MAX) {
  if (theirs.rank() != 4 || theirs.dim(0) != std::ssize(layers)) return INFINITY;
  const std::int64_t n_heads = theirs.dim(1), n_q = theirs.dim(2), n_k = theirs.dim(3);
  double largest = 0;
  std::int64_t at = 0;
  for (const LayerTrace& layer : layers)
    for (std::int64_t h = 0; h < n_heads; ++h)
      for (std::int64_t i = 0; i < n_q; ++i)
        for (std::int64_t j = 0; j < n_k; ++j, ++at) {
          if (i >= n_rows) continue;
          double score = 0;
          for (std::int64_t c = 0; c < layer.d_head; ++c)
            score += static_cast<double>(layer.attention.q.row(i)[static_cast<std::size_t>(h * layer.d_head + c)]) *
                     static_cast<double>(layer.attention.k.row(
                         j)[static_cast<std::size_t>(layer.kv_head_of[static_cast<std::size_t>(h)] * layer.d_head + c)]);
          score *= static_cast<double>(layer.scale);
          const auto cap = static_cast<double>(layer.soft_cap);
          if (cap > 0) score = cap * std::tanh(score / cap);
          if (layer.position_bias) score += static_cast<double>(layer.position_bias->at(h, j - i));
          const double sum = static_cast<double>(layer.attention.logsumexp.row(h)[static_cast<std::size_t>(i)]);
          const double ours = is_visible(mask, 0, i, j) ? std::exp(score - sum) : 0;
          largest = std::max(largest, std::abs(ours - static_cast<double>(theirs.data()[at])));
        }
  return largest;
}

/// Which tokens each sees, as such a model was trained.
inline Mask own_mask(const ModelParams& params) { return {.direction = default_direction(params.config.kind)}; }

/// The held-out rows under assets/text, as ids.
inline std::vector<std::vector<std::int32_t>> read_rows(const Tokenizer& tokenizer) {
  std::ifstream file(asset("text/heldout-grammar.txt"));
  std::vector<std::vector<std::int32_t>> rows;
  for (std::string line; std::getline(file, line);)
    rows.push_back(tokenizer.ids_of_words(line));
  return rows;
}

}  // namespace headroom::test
