#include "core/formats/llama_block.h"
#include "core/formats/slot_list.h"

namespace headroom {
namespace {

/// Names one layer's tensors.
class LayerSlots {
 public:
  LayerSlots(const ModelConfig& config, const LlamaDialect& dialect, SlotList& slots, std::string at)
      : config_(config), dialect_(dialect), slots_(slots), at_(std::move(at)), d_(config.shape.d_model) {}

  void add(LayerParams& layer) {
    const bool is_around = dialect_.norm_place == NormPlace::kAround;
    norm("input_layernorm.weight", d_, layer.attention_norm);
    add_attention(layer);
    // The same name for another norm: Gemma 2 norms what attention gives, others what the MLP reads.
    norm("post_attention_layernorm.weight", d_, is_around ? layer.attention_out_norm : layer.mlp_norm);
    if (is_around) {
      norm("pre_feedforward_layernorm.weight", d_, layer.mlp_norm);
      norm("post_feedforward_layernorm.weight", d_, layer.mlp_out_norm);
    }
    add_mlp(layer);
  }

  void norm(const std::string& name, std::int64_t size, Tensor& gain) {
    TensorSlot& slot = slots_.plain(at_ + name, {size}, gain);
    if (dialect_.gains == GainNames::kOneLess) slot.layout = SlotLayout::kOneLess;
  }

 private:
  using Dims = std::vector<std::int64_t>;

  void plain(const std::string& name, Dims dims, Tensor& tensor) { slots_.plain(at_ + name, std::move(dims), tensor); }

  void fused(const std::string& name, std::vector<TensorPart> parts) {
    TensorSlot& slot = slots_.plain(at_ + name, {0, d_}, *parts.front().tensor);
    for (const TensorPart& part : parts)
      slot.shape[0] += part.shape[0];
    slot.parts = std::move(parts);
  }

  void add_attention(LayerParams& layer) {
    const ModelShape& shape = config_.shape;
    const std::int64_t d_q = shape.n_heads * shape.d_head, d_kv = shape.n_kv_heads * shape.d_head;
    if (dialect_.matrices == MatrixNames::kFused) {
      fused("self_attn.qkv_proj.weight", {{&layer.w_q, {d_q, d_}}, {&layer.w_k, {d_kv, d_}}, {&layer.w_v, {d_kv, d_}}});
    } else {
      plain("self_attn.q_proj.weight", {d_q, d_}, layer.w_q);
      plain("self_attn.k_proj.weight", {d_kv, d_}, layer.w_k);
      plain("self_attn.v_proj.weight", {d_kv, d_}, layer.w_v);
    }
    plain("self_attn.o_proj.weight", {d_, d_q}, layer.w_o);
    if (config_.has_qkv_bias) {
      plain("self_attn.q_proj.bias", {d_q}, layer.b_q);
      plain("self_attn.k_proj.bias", {d_kv}, layer.b_k);
      plain("self_attn.v_proj.bias", {d_kv}, layer.b_v);
    }
    if (config_.has_o_bias) plain("self_attn.o_proj.bias", {d_}, layer.b_o);
    if (!config_.has_qk_norm) return;
    norm("self_attn.q_norm.weight", shape.d_head, layer.q_norm);
    norm("self_attn.k_norm.weight", shape.d_head, layer.k_norm);
  }

  void add_mlp(LayerParams& layer) {
    const std::int64_t ff = config_.shape.d_ff;
    if (dialect_.matrices == MatrixNames::kFused) {
      fused("mlp.gate_up_proj.weight", {{&layer.w_gate, {ff, d_}}, {&layer.w_up, {ff, d_}}});
    } else {
      plain("mlp.gate_proj.weight", {ff, d_}, layer.w_gate);
      plain("mlp.up_proj.weight", {ff, d_}, layer.w_up);
    }
    plain("mlp.down_proj.weight", {d_, ff}, layer.w_down);
    if (!config_.has_mlp_bias) return;
    plain("mlp.gate_proj.bias", {ff}, layer.b_gate);
    plain("mlp.up_proj.bias", {ff}, layer.b_up);
    slots_.push(TensorSlot::mlp_bias(at_ + "mlp.down_proj.bias", config_.shape, layer.b_down));
  }

  const ModelConfig& config_;
  const LlamaDialect& dialect_;
  SlotList& slots_;
  std::string at_;
  std::int64_t d_;
};

}  // namespace

std::vector<TensorSlot> llama_slots(ModelParams& params) {
  const ModelConfig& config = params.config;
  const LlamaDialect& dialect = llama_dialect_named(config.family);
  const std::int64_t d = config.shape.d_model;
  SlotList slots;
  slots.plain("embed_tokens.weight", {config.shape.vocab_size, d}, params.embedding);
  for (std::size_t i = 0; i < params.layers.size(); ++i)
    LayerSlots(config, dialect, slots, "layers." + std::to_string(i) + ".").add(params.layers[i]);
  LayerSlots(config, dialect, slots, "").norm("norm.weight", d, params.final_norm);
  if (!config.ties_embeddings) slots.plain("lm_head.weight", {config.shape.vocab_size, d}, params.lm_head).has_prefix = false;
  return slots.take();
}

}  // namespace headroom
