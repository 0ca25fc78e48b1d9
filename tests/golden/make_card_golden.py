"""Counts the parameters of every card of assets/cards by part, with the reference library's own models on no memory ("meta").

Writes tests/golden/card_golden.json. Needs torch and transformers; the tests need neither.
"""

import json
import pathlib
import re

import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parents[2]

# The first pattern that a parameter's name holds decides its part.
PARTS = [
    ("output", r"pooler|lm_head|embed_out|vocab_transform|vocab_layer_norm|vocab_projector|cls\.predictions"),
    ("norms", r"norm|\bln_\d|ln_f|LayerNorm"),
    ("positions", r"wpe|position_embeddings|embed_positions|token_type_embeddings|relative_attention_bias"),
    ("embedding", r"wte|embed_tokens|embed_in|word_embeddings|\bshared"),
    ("cross", r"EncDecAttention|encoder_attn|crossattention"),
    ("mlp", r"mlp|feed_forward|DenseReluDense|\bfc\d|ffn|intermediate|layer\.\d+\.output\.dense|block_sparse_moe"),
    ("out", r"o_proj|out_proj|out_lin|c_proj|attention\.dense|attention\.output\.dense|SelfAttention\.o\b"),
    ("qkv", r"qkv_proj|query_key_value|c_attn"),
    ("q", r"q_proj|query|q_lin|SelfAttention\.q\b"),
    ("k", r"k_proj|key|k_lin|SelfAttention\.k\b"),
    ("v", r"v_proj|value|v_lin|SelfAttention\.v\b"),
]


def part_of(name):
    for part, pattern in PARTS:
        if re.search(pattern, name):
            return part
    raise ValueError(name)


def count(config_json):
    config = transformers.AutoConfig.for_model(**config_json)
    with torch.device("meta"):
        model = getattr(transformers, config_json["architectures"][0])(config)
    parts = {}
    for name, parameter in model.named_parameters():  # a tied parameter comes once
        part = part_of(name)
        parts[part] = parts.get(part, 0) + parameter.numel()
    return {"parts": parts, "total": sum(parts.values())}


# Classes and choices that no card of the library has: (card, changes to its config).
VARIANTS = [
    ("bert-base", {"architectures": ["BertForMaskedLM"]}),
    ("roberta-base", {"architectures": ["RobertaForMaskedLM"]}),
    ("distilbert-base", {"architectures": ["DistilBertForMaskedLM"]}),
    ("distilbert-base", {"architectures": ["DistilBertForMaskedLM"], "sinusoidal_pos_embds": True}),
    ("llama-3-8b", {"architectures": ["LlamaModel"]}),
    ("llama-3-8b", {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True}),
    ("llama-3-8b", {"head_dim": 64, "num_key_value_heads": None}),
    ("gpt2", {"architectures": ["GPT2Model"], "n_inner": 1000}),
    ("gpt2", {"tie_word_embeddings": False}),
    ("pythia-160m", {"attention_bias": False}),
    ("qwen3-8b", {"attention_bias": True}),
    ("t5-small", {"num_decoder_layers": 3, "feed_forward_proj": "gated-gelu"}),
    ("t5-small", {"architectures": ["T5EncoderModel"]}),
    ("bart-base", {"decoder_layers": 2, "decoder_ffn_dim": 1000}),
    ("bart-base", {"architectures": ["BartModel"]}),
    (
        "gemma-2-2b",
        {"architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text", "num_key_value_heads": 1, "head_dim": 64},
    ),
]


def read_config(card):
    return json.loads((ROOT / "assets" / "cards" / f"{card}.json").read_text())["config"]


def main():
    golden = {"variants": []}
    for card, changes in VARIANTS:
        golden["variants"].append({"card": card, "changes": changes, **count({**read_config(card), **changes})})
    for path in sorted((ROOT / "assets" / "cards").glob("*.json")):
        golden[path.stem] = count(read_config(path.stem))
        print(path.stem, f"{golden[path.stem]['total']:,}")
    out = ROOT / "tests" / "golden" / "card_golden.json"
    out.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
