"""Writes small random checkpoints of every family of decoders with what transformers computes from them; the tests need neither.

    python3 tests/golden/make_decoder_golden.py                      (pip packages: torch, transformers, safetensors, tokenizers)
    python3 tests/golden/make_decoder_golden.py --check FOLDER NAME  opens FOLDER, written by Headroom from decoders/NAME, with
                                                                     transformers and compares it with NAME's golden values

  tests/golden/decoders/NAME/   config.json, model.safetensors (or shards), tokenizer.json as transformers saves them, and
                                golden.safetensors: input_ids, logits [n, words], attentions [layers, heads, n, n],
                                hidden_states [layers + 1, n, d_model], the last after the final norm; short.* of the first tokens alone
                                where their number decides how positions are scaled. Computed in float32 by the eager attention.
Every parameter is random, biases and gains included, so that none can be left out unseen, and so large that heads have patterns. Sizes are odd
where a family allows it; windows, original lengths and soft caps are so small that they act on every text.
"""
import argparse
import pathlib
import shutil

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (AutoModelForCausalLM, Gemma2Config, GemmaConfig, GPT2Config, GPTNeoXConfig, LlamaConfig, MistralConfig,
                          Phi3Config, Qwen2Config, Qwen3Config)

FOLDER = pathlib.Path(__file__).resolve().parent / "decoders"
VOCABULARY = 53
IDS = [1, 5, 52, 0, 7, 7, 20, 11, 3, 33, 48, 5, 17, 26, 39, 2, 44, 8, 50]
SHORT = 7
COMMON = dict(vocab_size=VOCABULARY, bos_token_id=0, eos_token_id=0, pad_token_id=None, attn_implementation="eager")
BLOCK = dict(COMMON, hidden_size=24, num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=2, intermediate_size=29,
             max_position_embeddings=40, tie_word_embeddings=False)


def llama(**changes):
    return LlamaConfig(**{**BLOCK, "head_dim": 8, "rms_norm_eps": 1e-5, **changes})


def scaled(rope_type, **parameters):
    return llama(num_hidden_layers=2, head_dim=16, num_attention_heads=4, max_position_embeddings=parameters.pop("longest", 40),
                 rope_parameters=dict(rope_type=rope_type, **parameters))


NEOX = dict(COMMON, hidden_size=24, num_hidden_layers=3, num_attention_heads=3, intermediate_size=31, max_position_embeddings=40)

CONFIGS = {
    "llama": lambda: llama(),
    "llama-biased": lambda: llama(attention_bias=True, mlp_bias=True, hidden_act="gelu", tie_word_embeddings=True),
    "llama-linear": lambda: scaled("linear", rope_theta=50.0, factor=2.5),
    "llama-dynamic": lambda: scaled("dynamic", rope_theta=50.0, factor=3.0, longest=9),
    # Waves of 6.3 positions stay, those of 20 are mixed, longer ones stretched.
    "llama-llama3": lambda: scaled("llama3", rope_theta=10000.0, factor=4.0, low_freq_factor=0.5, high_freq_factor=1.5,
                                   original_max_position_embeddings=12),
    "llama-yarn": lambda: scaled("yarn", rope_theta=100.0, factor=4.0, beta_fast=1.0, beta_slow=0.1,
                                 original_max_position_embeddings=10),
    "llama-yarn-mscale": lambda: scaled("yarn", rope_theta=100.0, factor=4.0, beta_fast=1.0, beta_slow=0.1, truncate=False,
                                        mscale=0.7, mscale_all_dim=1.9, original_max_position_embeddings=10),
    "mistral": lambda: MistralConfig(**{**BLOCK, "head_dim": 10, "sliding_window": 5}),
    "qwen2": lambda: Qwen2Config(**{**BLOCK, "use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1}),
    "qwen3": lambda: Qwen3Config(**{**BLOCK, "head_dim": 12, "attention_bias": True, "use_sliding_window": True, "sliding_window": 6,
                                    "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}),
    "gemma": lambda: GemmaConfig(**{**BLOCK, "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 10,
                                    "tie_word_embeddings": True}),
    "gemma2": lambda: Gemma2Config(**{**BLOCK, "num_hidden_layers": 4, "num_attention_heads": 4, "head_dim": 10, "sliding_window": 4,
                                      "query_pre_attn_scalar": 7, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0,
                                      "tie_word_embeddings": True}),
    "phi3": lambda: Phi3Config(**{**BLOCK, "hidden_size": 36, "sliding_window": 6, "rope_parameters": dict(
        rope_type="default", rope_theta=100.0, partial_rotary_factor=0.67)}),
    "phi3-longrope": lambda: Phi3Config(**{**BLOCK, "hidden_size": 48, "num_hidden_layers": 2, "original_max_position_embeddings": 10,
                                           "rope_parameters": dict(rope_type="longrope", rope_theta=100.0, partial_rotary_factor=0.75,
                                                                   short_factor=[1.0, 1.3, 1.7], long_factor=[1.1, 2.5, 4.0])}),
    "gpt_neox": lambda: GPTNeoXConfig(**NEOX),
    # int(10 * 0.5) = 5 is odd: six coordinates turn, at the speeds of five.
    "gpt_neox-sequential": lambda: GPTNeoXConfig(**{**NEOX, "hidden_size": 30, "use_parallel_residual": False, "attention_bias": False,
                                                    "hidden_act": "gelu_new", "tie_word_embeddings": True, "rope_parameters": dict(
                                                        rope_type="default", rope_theta=100.0, partial_rotary_factor=0.5)}),
    "gpt2-scales": lambda: GPT2Config(**COMMON, n_embd=21, n_layer=3, n_head=3, n_positions=23, scale_attn_weights=False,
                                      scale_attn_by_inverse_layer_idx=True, activation_function="relu"),
}
STORED = {"qwen2": torch.bfloat16, "gpt_neox": torch.float16}  # the others in float32
SHARDED = {"llama": "30KB"}


def stir(model):
    generator = torch.Generator().manual_seed(7)
    has_gains_less_one = model.config.model_type.startswith("gemma")
    # Without 1 / sqrt(d_k) scores are as large as with it when q and k are smaller.
    deviation = 0.2 if model.config.model_type == "gpt2" else 0.3
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            noise = deviation * torch.randn(tensor.shape, generator=generator)
            is_gain = name.endswith("weight") and ("norm" in name.lower() or ".ln_" in name)
            tensor.copy_(noise + (1 if is_gain and not has_gains_less_one else 0))


def outputs(model, ids):
    with torch.no_grad():
        out = model.float().eval()(input_ids=torch.tensor([ids]), output_attentions=True, output_hidden_states=True, use_cache=False)
    tensors = {"logits": out.logits[0], "attentions": torch.stack([layer[0] for layer in out.attentions]),
               "hidden_states": torch.stack([state[0] for state in out.hidden_states])}
    return {name: tensor.float().contiguous() for name, tensor in tensors.items()}


def has_short(config):
    rope = getattr(config, "rope_parameters", None) or {}
    return rope.get("rope_type") in ("dynamic", "longrope")


def write(name, config):
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    stir(model)
    model = model.to(STORED.get(name, torch.float32))
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, max_shard_size=SHARDED.get(name, "1GB"))
    (folder / "generation_config.json").unlink(missing_ok=True)
    tokenizer = Tokenizer(WordLevel({f"w{i}": i for i in range(VOCABULARY)}, unk_token="w0"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    golden = {"input_ids": torch.tensor(IDS, dtype=torch.int32)}
    if has_short(config):
        golden |= {f"short.{key}": value for key, value in outputs(model, IDS[:SHORT]).items()}
    golden |= outputs(model, IDS)
    sharpest = golden["attentions"][:, :, -1].max(dim=-1).values
    print(f"{name}: largest probability of the last row, by head {sharpest.min():.2f} to {sharpest.max():.2f}, "
          f"largest logit {golden['logits'].abs().max():.2f}")
    save_file(golden, folder / "golden.safetensors")


def check(folder, name):
    model, info = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", output_loading_info=True, dtype=torch.float32)
    golden = load_file(FOLDER / name / "golden.safetensors")
    worst = {key: (value - golden[key]).abs().max().item() for key, value in outputs(model, IDS).items()}
    print(name, type(model).__name__, "missing", sorted(info["missing_keys"]), "unexpected", sorted(info["unexpected_keys"]),
          "mismatched", sorted(info["mismatched_keys"]), "largest differences", worst)
    assert not info["missing_keys"] and not info["unexpected_keys"] and max(worst.values()) < 1e-4


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", nargs=2)
    arguments = parser.parse_args()
    if arguments.check:
        check(*arguments.check)
    else:
        for name, make in CONFIGS.items():
            write(name, make())
