#include "core/formats/card_reader.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "core/formats/card_families.h"
#include "core/formats/card_fields.h"
#include "core/formats/file.h"
#include "core/formats/model_config.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

using Type = JsonValue::Type;
using Range = ConfigReader::Range;

constexpr Range kWidth = ConfigReader::kWidth, kHeads = ConfigReader::kHeads, kLayers = ConfigReader::kLayers,
                kMlp = ConfigReader::kMlpWidth;
constexpr Range kHeadWidth{1, 8192};

/// Every spelling of one size.
constexpr FieldNames kModelWidths = {"hidden_size", "n_embd", "d_model", "dim", "n_embed"};
constexpr FieldNames kVocabularies = {"vocab_size", "padded_vocab_size"};
constexpr FieldNames kContexts = {"max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length",
                                  "max_sequence_length"};
constexpr FieldNames kHeadCounts = {"num_attention_heads", "n_head", "n_heads", "num_heads"};
constexpr FieldNames kKvHeadCounts = {"num_key_value_heads", "num_kv_heads", "n_head_kv", "n_kv_heads", "multi_query_group_num"};
constexpr FieldNames kHeadWidths = {"head_dim", "d_kv", "kv_channels"};
constexpr FieldNames kLayerCounts = {"num_hidden_layers", "n_layer", "n_layers", "num_layers"};
constexpr FieldNames kMlpWidths = {"intermediate_size", "d_ff", "ffn_dim", "ffn_hidden_size", "n_inner"};

/// Activations by the names that families use.
constexpr std::array<std::string_view, 16> kActivations{
    "gelu",  "gelu_new", "gelu_pytorch_tanh", "gelu_fast",  "gelu_python", "gelu_10", "quick_gelu", "silu", "swish", "relu",
    "relu2", "tanh",     "gated-gelu",        "gated-silu", "gated-relu",  "mish"};

std::string architecture_of(const ConfigReader& reader) {
  const JsonValue* list = reader.set("architectures");
  if (list == nullptr) return "";
  if (!list->is(Type::kArray)) reader.fail("architectures is " + describe(*list) + ", where a list of names is needed");
  if (list->items.empty() || !list->items[0].is(Type::kString)) return "";
  return list->items[0].string;
}

/// Of several texts the last writer wins; a name given twice is told once.
void tell_duplicates(const JsonDocument& document, const std::string& where, ModelCard& card) {
  std::vector<std::string> names = document.duplicates;
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (const std::string& name : names)
    card.notices.push_back(in_quotes(name, 60) + " is in " + where + " twice; the last one counts.");
}

/// The language model inside a multimodal configuration, one level deep; else the document's own root.
const JsonValue& language_model(const JsonValue& root, ModelCard& card) {
  for (const char* name : {"text_config", "llm_config"}) {
    const JsonValue* text = root.find_set(name);
    if (text == nullptr || !text->is(Type::kObject)) continue;
    const bool has_own =
        std::any_of(kModelWidths.begin(), kModelWidths.end(), [&](const char* width) { return root.find_set(width) != nullptr; });
    if (has_own) continue;
    card.notices.push_back(std::string("Only its language model (") + name + ") is described; other parts are not counted.");
    return *text;
  }
  return root;
}

CardKind unknown_kind(const ConfigReader& reader, std::string_view architecture) {
  const auto is_for = [&](std::string_view word) { return architecture.find(word) != std::string_view::npos; };
  if (reader.flag("is_encoder_decoder", false)) return CardKind::kEncoderDecoder;
  if (is_for("ForCausalLM") || is_for("LMHead") || reader.flag("is_decoder", false)) return CardKind::kDecoder;
  if (is_for("ForMaskedLM")) return CardKind::kEncoder;
  return CardKind::kUnknown;
}

CardPositions unknown_positions(const ConfigReader& reader) {
  if (has_any(reader, {"rope_theta", "rope_scaling", "rope_parameters", "rotary_pct", "rotary_dim", "rotary_emb_base", "rotary"}))
    return CardPositions::kRotary;
  if (has_any(reader, {"relative_attention_num_buckets"})) return CardPositions::kRelativeBias;
  if (find_text(reader, "position_embedding_type") == "absolute") return CardPositions::kLearned;
  return CardPositions::kUnknown;
}

/// Sizes of K and V: what the file says, the family's own number when it says nothing, one for each head when it says null.
void fill_heads(const ConfigReader& reader, const CardFamily* family, CardStack& stack, ModelCard& card) {
  if (!stack.n_heads) return;
  stack.n_kv_heads = find_integer(reader, kKvHeadCounts, kHeads);
  const bool shares_one = family == nullptr && reader.set("multi_query") != nullptr && reader.flag("multi_query", false) &&
                          !reader.flag("new_decoder_architecture", false);
  if (shares_one) stack.n_kv_heads = 1;
  if (!stack.n_kv_heads) {
    const bool is_null = reader.is_null("num_key_value_heads");
    stack.n_kv_heads = family != nullptr && family->absent_kv_heads > 0 && !is_null ? family->absent_kv_heads : *stack.n_heads;
    if (family == nullptr && !is_null)
      card.notices.push_back("The number of K/V heads is not told: taken as " + std::to_string(*stack.n_heads) +
                             ", one for each query head.");
  }
  if (*stack.n_heads % *stack.n_kv_heads != 0)
    reader.fail("num_key_value_heads (" + std::to_string(*stack.n_kv_heads) + ") does not divide num_attention_heads (" +
                std::to_string(*stack.n_heads) + ")");
}

void fill_stacks(const ConfigReader& reader, const CardFamily* family, ModelCard& card) {
  const std::string_view type = family == nullptr ? "" : family->model_type;
  CardStack one;
  one.n_heads = find_integer(reader, kHeadCounts, kHeads);
  one.n_layers = find_integer(reader, kLayerCounts, kLayers);
  one.d_ff = type == "distilbert" || reader.set("dim") != nullptr ? find_integer(reader, {"hidden_dim", "intermediate_size"}, kMlp)
                                                                  : find_integer(reader, kMlpWidths, kMlp);
  if (!one.d_ff && type == "gpt2" && card.d_model) one.d_ff = 4 * *card.d_model;
  const bool has_encoder_decoder_names = card.kind == CardKind::kEncoderDecoder;
  if (!has_encoder_decoder_names) {
    fill_heads(reader, family, one, card);
    (card.kind == CardKind::kEncoder ? card.encoder : card.decoder) = one;
    return;
  }
  const auto stack = [&](FieldNames layers, const char* heads, const char* d_ff) {
    CardStack found = one;
    if (const auto n = find_integer(reader, layers, kLayers)) found.n_layers = n;
    if (const auto n = find_integer(reader, {heads}, kHeads)) found.n_heads = n;
    if (const auto n = find_integer(reader, {d_ff}, kMlp)) found.d_ff = n;
    fill_heads(reader, family, found, card);
    return found;
  };
  card.encoder = stack({"encoder_layers", "num_encoder_layers"}, "encoder_attention_heads", "encoder_ffn_dim");
  card.decoder = stack({"decoder_layers", "num_decoder_layers"}, "decoder_attention_heads", "decoder_ffn_dim");
  if (card.encoder.n_heads != card.decoder.n_heads) {
    card.missing.push_back(
        "Encoder and decoder have different numbers of heads, so there is no one d_k: figures of heads are left out.");
    card.encoder.n_heads = card.decoder.n_heads = std::nullopt;
  }
}

void fill_head_width(const ConfigReader& reader, const CardFamily* family, ModelCard& card) {
  // Latent attention keeps no key or value as such; the usual fields then tell nothing of the cache.
  if (has_any(reader, {"kv_lora_rank", "qk_nope_head_dim"})) {
    card.missing.push_back(
        "kv_lora_rank: keys and values are kept as one shared latent vector, so d_k and the cache do not follow from the fields "
        "read here.");
    card.decoder.n_kv_heads = std::nullopt;
    return;
  }
  if (const auto width = find_integer(reader, kHeadWidths, kHeadWidth)) {
    card.d_head = width;
    card.tells_d_head = true;
    return;
  }
  const CardStack& stack = card.main_stack();
  if (!card.d_model || !stack.n_heads) return;
  if (family != nullptr && family->absent_d_head > 0 && !reader.is_null("head_dim")) {
    card.d_head = family->absent_d_head;
    card.tells_d_head = true;
    card.notices.push_back("head_dim is not told: taken as " + std::to_string(*card.d_head) + ", the family's own.");
    return;
  }
  if (*card.d_model % *stack.n_heads != 0)
    reader.fail("the width " + std::to_string(*card.d_model) + " (hidden_size) cannot be cut into " +
                std::to_string(*stack.n_heads) + " heads (num_attention_heads) of equal size");
  card.d_head = *card.d_model / *stack.n_heads;
}

/// Layers that are no attention keep no K/V cache: what the usual fields give would be too much.
void find_other_layers(const ConfigReader& reader, ModelCard& card) {
  if (!card.decoder.n_layers) return;
  for (const std::string& type : layer_types(reader, *card.decoder.n_layers)) {
    if (type == "full_attention" || type == "sliding_attention") continue;
    card.missing.push_back("layer_types names " + in_quotes(type, 60) +
                           ", which is not known: the cache and the work cannot be computed.");
    card.decoder.n_kv_heads = std::nullopt;
    return;
  }
}

void tell_missing(ModelCard& card) {
  const auto need = [&](const auto& value, const char* sentence) {
    if (!value) card.missing.push_back(sentence);
  };
  const CardStack& stack = card.main_stack();
  need(card.d_model, "The width d_model (hidden_size) is missing: parameters cannot be counted.");
  need(stack.n_layers, "The number of layers (num_hidden_layers) is missing.");
  need(stack.n_heads, "The number of heads (num_attention_heads) is missing: d_k, sharing and cache cannot be told.");
  need(stack.d_ff, "The width of the MLP (intermediate_size) is missing: it cannot be counted.");
  need(card.vocab, "The vocabulary (vocab_size) is missing: the embedding cannot be counted.");
}

void check_numbers(const ConfigReader& reader) {
  for (const char* name : {"rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon"})
    if (const JsonValue* value = reader.set(name)) reader.real(*value, name, 1e-30, 1);
  for (const char* name : {"attn_logit_softcapping", "final_logit_softcapping", "query_pre_attn_scalar"})
    if (const JsonValue* value = reader.set(name)) reader.real(*value, name, 1e-6, 1e9);
}

void fill_activation(const ConfigReader& reader, ModelCard& card) {
  for (const char* name : {"hidden_activation", "hidden_act", "activation_function", "activation", "feed_forward_proj"}) {
    if (reader.set(name) == nullptr) continue;
    card.activation = find_text(reader, name);
    break;
  }
  if (card.activation.empty() || std::find(kActivations.begin(), kActivations.end(), card.activation) != kActivations.end()) return;
  card.notices.push_back("The activation " + in_quotes(card.activation, 60) +
                         " is not known: the MLP's size is told, not what it computes.");
}

}  // namespace

ModelCard read_card(const JsonDocument& document, const std::string& where) {
  if (!document.root.is(Type::kObject)) throw Error(where + ": must be an object, but it is " + describe(document.root));
  ModelCard card;
  card.name = where;
  tell_duplicates(document, where, card);
  const ConfigReader whole(document.root, where);
  const ConfigReader reader(language_model(document.root, card), where);
  card.family = find_text(reader, "model_type");
  if (card.family.empty()) card.family = find_text(whole, "model_type");
  std::string architecture = architecture_of(reader);
  if (architecture.empty()) architecture = architecture_of(whole);
  card.not_run = find_not_run(whole);
  if (card.not_run.empty()) card.not_run = find_not_run(reader);
  card.stored = find_text(reader, reader.set("dtype") != nullptr ? "dtype" : "torch_dtype");

  card.d_model = find_integer(reader, kModelWidths, kWidth);
  card.vocab = find_integer(reader, kVocabularies, ConfigReader::kVocabulary);
  card.context = find_integer(reader, kContexts, ConfigReader::kPositions);
  check_numbers(reader);
  const CardFamily* family = find_card_family(card.family, architecture);
  if (family != nullptr) {
    card.family = family->model_type;
    fill_block(reader, *family, architecture, card);
  } else {
    card.kind = unknown_kind(reader, architecture);
    card.positions = unknown_positions(reader);
    card.missing.push_back(
        (card.family.empty() ? "model_type is missing" : "The family " + in_quotes(card.family, 60) + " is not known here") +
        ": biases, gates and norms are not told, so parameters cannot be counted exactly and the model is not run.");
  }
  fill_stacks(reader, family, card);
  fill_head_width(reader, family, card);
  fill_windows(reader, family, card);
  find_other_layers(reader, card);
  if (card.positions == CardPositions::kRotary && card.d_head)
    for (std::string& sentence : check_rotary(reader, *card.d_head, family != nullptr ? family->rotary_part : 1))
      card.notices.push_back(std::move(sentence));
  fill_activation(reader, card);
  tell_missing(card);
  if (card.kind == CardKind::kUnknown)
    card.notices.push_back("Whether its tokens see what follows is not told: the figures take it as a decoder.");
  return card;
}

ModelCard read_card_text(std::string_view text, const std::string& where) {
  if (text.size() > kMaxConfigBytes)
    throw Error(where + ": has " + std::to_string(text.size()) + " bytes, where at most " + std::to_string(kMaxConfigBytes) +
                " are read");
  return read_card(parse_json(text, where), where);
}

ModelCard read_card_file(const std::filesystem::path& config_json) {
  return read_card(read_json_file(config_json, kMaxConfigBytes), shown_path(config_json));
}

}  // namespace headroom
