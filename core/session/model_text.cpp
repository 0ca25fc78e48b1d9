#include "core/session/model_text.h"

namespace headroom {
namespace {

const char* reading(const TrainedShape& shape) {
  if (shape.kind == ModelKind::kMasked) return "Sees both sides and fills in hidden words (BERT's architecture)";
  if (shape.kind == ModelKind::kEncoderDecoder)
    return "Reads one text and writes another (an encoder and a decoder, which reads the encoder through cross-attention)";
  if (shape.positions == PositionKind::kRelative) return "Sees what came before and predicts the next word; relative positions";
  return shape.positions == PositionKind::kRotary
             ? "Sees what came before and predicts the next word; rotary positions"
             : "Sees what came before and predicts the next word; learned positions (GPT-2's architecture)";
}

}  // namespace

std::string model_sentence(const TrainedShape& shape) {
  std::string text = reading(shape);
  text += ": ";
  if (shape.kind == ModelKind::kEncoderDecoder) text += std::to_string(shape.n_encoder_layers) + " and ";
  text += std::to_string(shape.n_layers) + " layers of " + std::to_string(shape.n_heads) + " heads";
  if (shape.n_kv_heads != shape.n_heads)
    text += " over " + std::to_string(shape.n_kv_heads) + " K/V head" + (shape.n_kv_heads == 1 ? "" : "s");
  if (shape.d_ff == 0) text += ", no MLP";
  return text + ", d_model " + std::to_string(shape.d_model) + ", " + std::to_string(shape.vocab_size) + " tokens known.";
}

std::string bundled_recipe_name(const std::string& model) {
  constexpr std::string_view family = "grammar-";
  return "bundled-" + (model.starts_with(family) ? model.substr(family.size()) : model);
}

}  // namespace headroom
