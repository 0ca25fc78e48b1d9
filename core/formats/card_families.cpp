#include "core/formats/card_families.h"

#include <algorithm>
#include <array>
#include <vector>

#include "core/formats/card_fields.h"
#include "core/formats/file.h"

namespace headroom {
namespace {

/// Llama's block: RMS norms before attention and MLP, a gated MLP, no bias.
CardBlock llama_block() { return {}; }
CardBlock with(CardBlock block, void (*change)(CardBlock&)) {
  change(block);
  return block;
}

/// GPT-2's and BERT's block: LayerNorm, two matrices in the MLP, biases everywhere.
CardBlock biased_block() {
  CardBlock block;
  block.norm = NormKind::kLayer;
  block.has_qkv_bias = block.has_o_bias = block.has_mlp_bias = true;
  block.is_gated = false;
  return block;
}

CardBlock bert_block() {
  CardBlock block = biased_block();
  block.has_final_norm = false;
  block.has_embedding_norm = true;
  return block;
}

CardBlock t5_block() {
  CardBlock block;
  block.is_gated = false;
  return block;
}

const std::vector<CardFamily>& table() {
  static const std::vector<CardFamily> families = [] {
    const CardBlock llama = llama_block();
    const CardBlock qwen2 = with(llama, [](CardBlock& b) { b.has_qkv_bias = true; });
    const CardBlock qwen3 = with(llama, [](CardBlock& b) { b.has_qk_norm = true; });
    const CardBlock gemma2 = with(llama, [](CardBlock& b) { b.norms_per_block = 4; });
    const CardBlock gemma3 = with(gemma2, [](CardBlock& b) { b.has_qk_norm = true; });
    constexpr CardKind kEncoder = CardKind::kEncoder, kBoth = CardKind::kEncoderDecoder;
    constexpr CardPositions kLearned = CardPositions::kLearned;
    return std::vector<CardFamily>{
        {.model_type = "llama", .classes = "Llama", .block = llama, .ties_by_default = false},
        {.model_type = "mistral",
         .classes = "Mistral",
         .block = llama,
         .absent_kv_heads = 8,
         .absent_window = 4096,
         .ties_by_default = false},
        {.model_type = "mixtral", .classes = "Mixtral", .block = llama, .absent_kv_heads = 8, .ties_by_default = false},
        {.model_type = "qwen2",
         .classes = "Qwen2",
         .block = qwen2,
         .absent_kv_heads = 32,
         .absent_window = 4096,
         .ties_by_default = false},
        {.model_type = "qwen3",
         .classes = "Qwen3",
         .block = qwen3,
         .absent_kv_heads = 32,
         .absent_d_head = 128,
         .absent_window = 4096,
         .ties_by_default = false},
        {.model_type = "gemma", .classes = "Gemma", .block = llama, .absent_kv_heads = 16, .absent_d_head = 256},
        {.model_type = "gemma2",
         .classes = "Gemma2",
         .block = gemma2,
         .absent_kv_heads = 4,
         .absent_d_head = 256,
         .absent_window = 4096},
        {.model_type = "gemma3_text",
         .classes = "Gemma3",
         .block = gemma3,
         .absent_kv_heads = 4,
         .absent_d_head = 256,
         .absent_window = 4096},
        {.model_type = "phi3", .classes = "Phi3", .block = llama, .ties_by_default = false},
        {.model_type = "gpt2", .classes = "GPT2", .positions = kLearned, .block = biased_block()},
        {.model_type = "gpt_neox", .classes = "GPTNeoX", .block = biased_block(), .rotary_part = 0.25, .ties_by_default = false},
        {.model_type = "bert", .classes = "Bert", .kind = kEncoder, .positions = kLearned, .block = bert_block()},
        {.model_type = "roberta", .classes = "Roberta", .kind = kEncoder, .positions = kLearned, .block = bert_block()},
        {.model_type = "xlm-roberta", .classes = "XLMRoberta", .kind = kEncoder, .positions = kLearned, .block = bert_block()},
        {.model_type = "distilbert", .classes = "DistilBert", .kind = kEncoder, .positions = kLearned, .block = bert_block()},
        {.model_type = "t5", .classes = "T5", .kind = kBoth, .positions = CardPositions::kRelativeBias, .block = t5_block()},
        {.model_type = "bart",
         .classes = "Bart",
         .kind = kBoth,
         .positions = kLearned,
         .block = bert_block(),
         .extra_positions = 2},
    };
  }();
  return families;
}

/// What the class that the checkpoint was saved from has above the stack.
void fill_head(std::string_view architecture, ModelCard& card) {
  CardBlock& block = *card.block;
  const auto is_for = [&](std::string_view word) { return architecture.find(word) != std::string_view::npos; };
  const bool predicts = is_for("LMHead") || is_for("ForCausalLM") || is_for("ForMaskedLM") || is_for("ForConditionalGeneration") ||
                        is_for("ForPreTraining") || is_for("WithLM");
  const bool is_bare = architecture.ends_with("Model") && !predicts;
  const bool is_other = !architecture.empty() && !predicts && !is_bare;
  const bool is_encoder = card.kind == CardKind::kEncoder;
  const bool is_bert = card.family != "t5" && card.family != "bart" && (is_encoder || block.has_embedding_norm);
  const bool pools = card.family == "bert" || card.family == "roberta" || card.family == "xlm-roberta";
  block.has_output = predicts || (architecture.empty() && !is_encoder);
  if (is_bert && predicts) block.has_head_transform = block.has_output_bias = true;
  // Roberta's and Bert's classes for classification of tokens, as for masked words, leave the pooler away.
  block.has_pooler = is_encoder && pools && (!predicts || is_for("ForPreTraining")) && !is_for("ForTokenClassification") &&
                     !is_for("ForQuestionAnswering") && !(is_other && card.family != "bert");
  if (is_other) card.notices.push_back("What " + in_quotes(architecture, 60) + " has above the last layer is not counted.");
  if (is_for("ForPreTraining")) card.notices.push_back("The classifier of sentence pairs is not counted.");
}

std::int64_t absent_or(std::optional<std::int64_t> value, std::int64_t absent) { return value.value_or(absent); }

}  // namespace

const CardFamily* find_card_family(std::string_view model_type, std::string_view architecture) {
  for (const CardFamily& family : table())
    if (family.model_type == model_type) return &family;
  if (!model_type.empty()) return nullptr;
  for (const CardFamily& family : table())
    if (architecture.starts_with(family.classes) &&
        (architecture.substr(family.classes.size()).starts_with("For") ||
         architecture.substr(family.classes.size()).starts_with("LMHead") || architecture.substr(family.classes.size()) == "Model"))
      return &family;
  return nullptr;
}

void fill_block(const ConfigReader& reader, const CardFamily& family, std::string_view architecture, ModelCard& card) {
  card.kind = family.kind;
  card.positions = family.positions;
  card.block = family.block;
  CardBlock& block = *card.block;
  const std::string_view type = family.model_type;
  block.ties_output = reader.flag("tie_word_embeddings", family.ties_by_default);
  const bool has_attention_bias_field = type == "llama" || type == "qwen3" || type.starts_with("gemma");
  if (has_attention_bias_field) block.has_qkv_bias = block.has_o_bias = reader.flag("attention_bias", false);
  if (type == "gpt_neox") block.has_qkv_bias = block.has_o_bias = reader.flag("attention_bias", true);
  if (type == "llama") block.has_mlp_bias = reader.flag("mlp_bias", false);
  if (type == "mixtral") {
    block.n_experts = reader.integer("num_local_experts", {1, 4096}, 8);
    block.n_experts_used = reader.integer("num_experts_per_tok", {1, block.n_experts}, 2);
  }
  if (family.positions == CardPositions::kLearned && card.context) block.position_rows = *card.context + family.extra_positions;
  if (type == "bert" || type == "roberta" || type == "xlm-roberta") {
    block.token_types = reader.integer("type_vocab_size", {0, 65536}, 2);
    if (reader.flag("is_decoder", false)) card.kind = CardKind::kDecoder;
    const std::string positions = find_text(reader, "position_embedding_type");
    if (!positions.empty() && positions != "absolute") {
      card.missing.push_back("position_embedding_type is " + in_quotes(positions, 60) +
                             ": how positions are kept is not known, so parameters cannot be counted exactly.");
      card.positions = CardPositions::kUnknown;
    }
  }
  if (type == "distilbert" && reader.flag("sinusoidal_pos_embds", false)) card.positions = CardPositions::kSinusoidal;
  if (type == "t5") {
    block.buckets = reader.integer("relative_attention_num_buckets", {1, 65536}, 32);
    block.is_gated = find_text(reader, "feed_forward_proj").starts_with("gated-");
    // The reference's encoder alone.
    if (architecture.ends_with("EncoderModel")) card.kind = CardKind::kEncoder;
  }
  fill_head(architecture, card);
  if (architecture.ends_with("EncoderModel")) block.has_output = false;
  if (reader.flag("add_cross_attention", false))
    card.missing.push_back(
        "add_cross_attention is true: its cross-attention is not counted, so parameters cannot be counted exactly.");
  const bool is_uncountable = std::any_of(card.missing.begin(), card.missing.end(), [](const std::string& sentence) {
    return sentence.find("cannot be counted exactly") != std::string::npos;
  });
  if (is_uncountable) card.block.reset();
}

void fill_windows(const ConfigReader& reader, const CardFamily* family, ModelCard& card) {
  CardStack& stack = card.decoder;
  if (card.kind == CardKind::kEncoder || !stack.n_layers) return;
  const std::int64_t layers = *stack.n_layers;
  const std::string_view type = family == nullptr ? "" : family->model_type;
  const std::vector<std::string> types = layer_types(reader, layers);
  std::optional<std::int64_t> window = find_integer(reader, {"sliding_window"}, {1, INT32_MAX});
  if (!window && !reader.is_null("sliding_window") && family != nullptr && family->absent_window > 0)
    window = family->absent_window;
  if (!window || type == "llama" || type == "gemma" || type == "gpt2" || type == "gpt_neox" || type == "t5" || type == "bart")
    return;
  const auto set = [&](const auto& has_window) {
    std::vector<std::int64_t> windows(static_cast<std::size_t>(layers), 0);
    for (std::size_t layer = 0; layer < windows.size(); ++layer)
      if (has_window(static_cast<std::int64_t>(layer))) windows[layer] = *window;
    if (std::any_of(windows.begin(), windows.end(), [](std::int64_t w) { return w > 0; })) stack.windows = windows;
  };
  const bool is_qwen = type == "qwen2" || type == "qwen3";
  if (is_qwen && !reader.flag("use_sliding_window", false)) return;
  if (!types.empty()) {
    set([&](std::int64_t layer) { return types[static_cast<std::size_t>(layer)] == "sliding_attention"; });
  } else if (is_qwen) {
    const std::int64_t first = absent_or(find_integer(reader, {"max_window_layers"}, {0, INT32_MAX}), 28);
    set([&](std::int64_t layer) { return layer >= first; });
  } else if (type == "gemma2") {
    set([](std::int64_t layer) { return layer % 2 == 0; });
  } else if (type == "gemma3_text") {
    const std::int64_t every = absent_or(find_integer(reader, {"sliding_window_pattern", "_sliding_window_pattern"}, {1, 1000}), 6);
    set([&](std::int64_t layer) { return (layer + 1) % every != 0; });
  } else if (family != nullptr) {
    set([](std::int64_t) { return true; });
  } else if (reader.flag("use_sliding_window", true)) {
    card.notices.push_back("sliding_window is " + std::to_string(*window) +
                           ", but which layers have it is not told: the figures take none.");
  }
}

}  // namespace headroom
