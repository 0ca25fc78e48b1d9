#include "core/session/write_capture.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "core/analysis/tile.h"
#include "core/formats/capture_text.h"
#include "core/session/names.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

using nlohmann::ordered_json;

constexpr std::int64_t kNumbersAtOnce = 1 << 20;
constexpr std::size_t kMostInHeader = 1u << 20;  ///< longer texts are tensors of bytes, so that the header stays short

std::string json_of(const std::vector<Token>& tokens) {
  ordered_json list = ordered_json::array();
  for (const Token& token : tokens)
    list.push_back(token.text);
  return list.dump(-1, ' ', false, ordered_json::error_handler_t::replace);  // a token may hold bytes that are no UTF-8
}

std::string json_of(const std::vector<std::int64_t>& numbers) { return ordered_json(numbers).dump(); }

/// The text with U+FFFD where it is no UTF-8.
std::string valid_text(const std::string& text) {
  return ordered_json::parse(ordered_json(text).dump(-1, ' ', false, ordered_json::error_handler_t::replace)).get<std::string>();
}

std::string number_text(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.9g", value);
  return text.data();
}

class Writing {
 public:
  Writing(const Snapshot& snapshot, const CaptureWriting& wanted) : snapshot_(snapshot), trace_(*snapshot.trace), wanted_(wanted) {
    const Compute& compute = snapshot.compute;
    const bool has_stacks = compute.trained.kind == ModelKind::kEncoderDecoder && compute.model_source != ModelSource::kCapture;
    if (has_stacks && compute.stack == AttentionStack::kEncoder) prefix_ = "encoder_";
    if (has_stacks && compute.stack == AttentionStack::kCross) prefix_ = "cross_";
    layers_ = wanted.layers;
    if (layers_.empty()) {
      layers_.resize(trace_.layers.size());
      std::iota(layers_.begin(), layers_.end(), 0);
    }
    for (const std::int64_t layer : layers_)
      if (layer < 0 || layer >= std::ssize(trace_.layers))
        throw Error("there is no layer " + std::to_string(layer) + ": what was computed has layers 0 to " +
                    std::to_string(std::ssize(trace_.layers) - 1));
    plan();
  }

  std::vector<TensorToWrite> write(const std::filesystem::path& path) {
    SafetensorsStream stream(path, tensors_, metadata_);
    stream.write(trace_.ids);
    if (!trace_.key_ids.empty()) stream.write(trace_.key_ids);
    for (const auto& [name, text] : long_texts_)
      stream.write_bytes(text);
    if (!trace_.logits.empty()) stream.write(trace_.logits.span());
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      if (wanted_.progress) wanted_.progress(static_cast<double>(i) / static_cast<double>(layers_.size()));
      write_layer(stream, layers_[i]);
    }
    stream.finish();
    return std::move(tensors_);
  }

 private:
  const LayerTrace& layer_at(std::int64_t number) const { return trace_.layers[static_cast<std::size_t>(number)]; }
  bool has_qk(const LayerTrace& layer) const { return !layer.attention.q.empty() && !layer.attention.k.empty(); }
  bool writes_probs(const LayerTrace& layer) const {
    return !layer.heads.empty() && (wanted_.probs == CaptureWriting::Probs::kWritten || !has_qk(layer));
  }
  /// Not those of exact q and k beside rounded ones: rows would no longer sum to one. A reader sums what is there.
  bool writes_sums(const LayerTrace& layer) const {
    return !layer.attention.logsumexp.empty() && wanted_.numbers == CaptureWriting::Numbers::kFloat32;
  }
  DType numbers() const { return wanted_.numbers == CaptureWriting::Numbers::kFloat16 ? DType::kF16 : DType::kF32; }
  std::string named(const char* stem, std::int64_t layer) const { return layer_key(prefix_ + stem, layer); }
  /// "attn", "encoder", "cross": as the format calls full attention.
  std::string attention_name(std::int64_t layer) const {
    return layer_key(prefix_ == "encoder_" ? "encoder" : prefix_ == "cross_" ? "cross" : "attn", layer);
  }

  void add_text(const std::string& name, std::string text) {
    if (text.size() <= kMostInHeader) {
      metadata_[name] = std::move(text);
      return;
    }
    tensors_.push_back({name + "_utf8", DType::kU8, {std::ssize(text)}});
    long_texts_.emplace_back(name, std::move(text));
  }

  void plan() {
    const auto n = std::ssize(trace_.ids);
    tensors_.push_back({"input_ids", DType::kI32, {n}});
    if (!trace_.key_ids.empty()) tensors_.push_back({"key_ids", DType::kI32, {std::ssize(trace_.key_ids)}});
    add_text("tokens", json_of(snapshot_.tokens));
    if (!snapshot_.key_tokens.empty()) add_text("key_tokens", json_of(snapshot_.key_tokens));
    const std::string text = snapshot_.capture ? snapshot_.capture->text : snapshot_.compute.text.str();
    if (!text.empty()) add_text("text", valid_text(text));
    if (!trace_.logits.empty()) tensors_.push_back({"logits", numbers(), {n, trace_.logits.dim(1)}});
    plan_metadata();
    for (const std::int64_t number : layers_)
      plan_layer(number);
  }

  void plan_metadata() {
    const Compute& compute = snapshot_.compute;
    const ModelShape& shape = snapshot_.config.shape;
    const bool is_capture = snapshot_.capture != nullptr;
    metadata_["format"] = "attention-capture";
    metadata_["version"] = "1";
    metadata_["tool"] = "headroom " HEADROOM_VERSION;
    metadata_["model"] = valid_text(is_capture ? snapshot_.capture->model : compute.model);
    if (!is_capture) {
      metadata_["model_type"] = snapshot_.config.family;
      metadata_["parameters"] = snapshot_.is_untrained ? "untrained" : "trained";
      metadata_["dtype_compute"] = "float32";
    }
    if (!is_capture || snapshot_.capture->knows_d_head) {
      metadata_["head_dim"] = std::to_string(shape.d_head);
      metadata_["d_model"] = std::to_string(shape.d_model);
    }
    metadata_["heads"] = std::to_string(compute.n_heads);
    metadata_["kv_heads"] = std::to_string(compute.n_kv_heads);
    const bool is_encoder = prefix_ == "encoder_";
    metadata_["n_layers"] = std::to_string(is_encoder ? compute.trained.n_encoder_layers : compute.trained.n_layers);
    metadata_["layers"] = json_of(layers_);
    metadata_["mask"] = mask_text(trace_.mask);
    for (auto& [key, value] : mask_metadata(trace_.mask))
      metadata_[key] = value;
  }

  void plan_layer(std::int64_t number) {
    const LayerTrace& layer = layer_at(number);
    if (layer.heads.empty()) return;
    const auto n_heads = std::ssize(layer.heads);
    if (n_heads != snapshot_.compute.n_heads) {
      metadata_[layer_key("heads", number)] = json_of(layer.heads);
      metadata_[layer_key("kv_head_of", number)] = json_of(layer.kv_head_of);
    }
    if (layer.mask.pattern != trace_.mask.pattern)
      for (auto& [key, value] : layer_mask_metadata(layer.mask, number))
        metadata_[key] = value;
    if (writes_probs(layer)) tensors_.push_back({attention_name(number), numbers(), {n_heads, layer.seq_q(), layer.seq_k()}});
    if (!has_qk(layer)) return;
    const bool is_usual = std::abs(layer.scale * std::sqrt(static_cast<float>(layer.d_head)) - 1) < 1e-6F;
    if (!is_usual) metadata_[layer_key("scale", number)] = number_text(static_cast<double>(layer.scale));
    if (layer.soft_cap > 0) metadata_[layer_key("soft_cap", number)] = number_text(static_cast<double>(layer.soft_cap));
    const auto add = [&](const char* stem, const Tensor& values) {
      if (!values.empty())
        tensors_.push_back({named(stem, number), numbers(), {values.dim(0), values.dim(1) / layer.d_head, layer.d_head}});
    };
    add("q", layer.attention.q);
    add("k", layer.attention.k);
    add("v", layer.attention.v);
    if (writes_sums(layer)) tensors_.push_back({named("logsumexp", number), DType::kF32, {n_heads, layer.seq_q()}});
    if (layer.position_bias)
      tensors_.push_back(
          {named("position_bias", number), DType::kF32, {layer.position_bias->n_heads, 2 * layer.position_bias->reach + 1}});
  }

  void write_layer(SafetensorsStream& stream, std::int64_t number) const {
    const LayerTrace& layer = layer_at(number);
    if (layer.heads.empty()) return;
    if (writes_probs(layer)) write_probs(stream, number);
    if (!has_qk(layer)) return;
    stream.write(layer.attention.q.span());
    stream.write(layer.attention.k.span());
    if (!layer.attention.v.empty()) stream.write(layer.attention.v.span());
    if (writes_sums(layer)) stream.write(layer.attention.logsumexp.span());
    if (layer.position_bias) stream.write(layer.position_bias->values);
  }

  void write_probs(SafetensorsStream& stream, std::int64_t number) const {
    const LayerTrace& layer = layer_at(number);
    const std::int64_t rows_at_once = std::max<std::int64_t>(1, kNumbersAtOnce / layer.seq_k());
    for (const std::int64_t head : layer.heads) {
      for (std::int64_t row = 0; row < layer.seq_q(); row += rows_at_once) {
        TileRequest request{
            .layer = number, .head = head, .row_begin = row, .row_end = std::min(row + rows_at_once, layer.seq_q())};
        request.rows = request.row_end - row;
        request.cols = request.col_end = layer.seq_k();
        Tile tile = evaluate_tile(trace_, request, wanted_.stop);
        for (std::size_t i = 0; i < tile.values.size(); ++i) {
          const bool is_broken = !tile.not_numbers.empty() && tile.not_numbers[i] != 0;
          if (std::isnan(tile.values[i]) && !is_broken) tile.values[i] = 0;
        }
        stream.write(tile.values);
      }
    }
  }

  const Snapshot& snapshot_;
  const ForwardTrace& trace_;
  const CaptureWriting& wanted_;
  std::string prefix_;
  std::vector<std::int64_t> layers_;
  std::vector<TensorToWrite> tensors_;
  std::map<std::string, std::string> metadata_;
  std::vector<std::pair<std::string, std::string>> long_texts_;
};

}  // namespace

std::vector<TensorToWrite> write_capture(const Snapshot& snapshot, const std::filesystem::path& path,
                                         const CaptureWriting& wanted) {
  return Writing(snapshot, wanted).write(path);
}

}  // namespace headroom
