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

/// One text of the file beside a bundled model: logits and probs as PyTorch computed them in double.
struct GoldenText {
  std::string text;
  std::vector<std::int32_t> ids;
  Tensor logits;  ///< [n, vocab]
  Tensor probs;   ///< [n_layers, n_heads, n, n]
};

inline std::vector<GoldenText> read_golden(const std::string& model) {
  const SafetensorsFile file(asset("models/" + model + "/golden.safetensors"));
  std::vector<GoldenText> texts;
  for (int n = 0; file.metadata().contains(std::to_string(n) + ".text"); ++n) {
    const std::string prefix = std::to_string(n) + ".";
    GoldenText& golden = texts.emplace_back();
    golden.text = file.metadata().at(prefix + "text");
    for (const std::int64_t id : file.read_integers(*file.find(prefix + "input_ids"))) {
      golden.ids.push_back(static_cast<std::int32_t>(id));
    }
    golden.logits = file.read_float(*file.find(prefix + "logits"));
    golden.probs = file.read_float(*file.find(prefix + "probs"));
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

/// The held-out rows under assets/text, as ids.
inline std::vector<std::vector<std::int32_t>> read_rows(const Tokenizer& tokenizer) {
  std::ifstream file(asset("text/heldout-grammar.txt"));
  std::vector<std::vector<std::int32_t>> rows;
  for (std::string line; std::getline(file, line);)
    rows.push_back(tokenizer.ids_of_words(line));
  return rows;
}

}  // namespace headroom::test
