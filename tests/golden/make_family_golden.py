"""Writes small random checkpoints of Qwen2, GPT-2, BERT and BART with what transformers computes from them; the tests need neither.

    python3 tests/golden/make_family_golden.py                      (pip packages: torch, transformers, safetensors, tokenizers)
    python3 tests/golden/make_family_golden.py --check FOLDER NAME  opens FOLDER, written by Headroom from families/NAME, with
                                                                    transformers and compares it with NAME's golden values

  tests/golden/families/NAME/        config.json, model.safetensors, tokenizer.json as transformers saves them, and golden.safetensors:
                                     input_ids, logits, attentions [layers, heads, n, n]; of BART source_ids, encoder_attentions,
                                     cross_attentions [layers, heads, n, source] too. Computed in double.
Every parameter is random, biases, gains and the rows of positions that no token has included, so that none can be left out unseen.
"""
import argparse
import pathlib
import shutil

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM, AutoTokenizer, BartConfig,
                          BartForConditionalGeneration, BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel, Qwen2Config,
                          Qwen2ForCausalLM)

FAMILIES = pathlib.Path(__file__).resolve().parent / "families"
VOCABULARY = 23
IDS = [1, 5, 22, 0, 7, 7, 20, 11, 3]
SOURCE = [4, 9, 9, 21, 2, 16, 8]


def qwen2(**changes):
    return Qwen2ForCausalLM(Qwen2Config(**{**dict(vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, num_attention_heads=4,
                                                  num_key_value_heads=2, intermediate_size=21, max_position_embeddings=12,
                                                  rope_theta=100.0, tie_word_embeddings=True, attn_implementation="eager"), **changes}))


def gpt2(**changes):
    return GPT2LMHeadModel(GPT2Config(**{**dict(vocab_size=VOCABULARY, n_embd=15, n_layer=2, n_head=3, n_inner=22, n_positions=11, bos_token_id=0,
                                                eos_token_id=0, attn_implementation="eager"), **changes}))


def bert(**changes):
    return BertForMaskedLM(BertConfig(**{**dict(vocab_size=VOCABULARY, hidden_size=14, num_hidden_layers=2, num_attention_heads=2,
                                                intermediate_size=19, max_position_embeddings=13, hidden_act="gelu",
                                                attn_implementation="eager"), **changes}))


def bart(**changes):
    return BartForConditionalGeneration(BartConfig(**{**dict(vocab_size=VOCABULARY, d_model=12, encoder_layers=2, decoder_layers=3,
                                                             encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=17,
                                                             decoder_ffn_dim=17, max_position_embeddings=12,
                                                             activation_function="gelu_new", attn_implementation="eager"), **changes}))


MODELS = {
    "qwen2": lambda: qwen2(),
    "qwen2-attention-only": lambda: qwen2(intermediate_size=0),
    "gpt2": lambda: gpt2(),
    "gpt2-untied": lambda: gpt2(tie_word_embeddings=False, activation_function="gelu"),
    # Conv1D cannot be run with a width of 0: MLPs of width 1 that are all zero.
    "gpt2-attention-only": lambda: gpt2(n_inner=1, attention_only=True),
    "bert": lambda: bert(),
    "bert-attention-only": lambda: bert(intermediate_size=0, hidden_act="gelu_new"),
    "bart": lambda: bart(),
    "bart-attention-only": lambda: bart(encoder_ffn_dim=0, decoder_ffn_dim=0, decoder_layers=2),
}


def is_zero(name, model):
    """What MLPs would add at their end in a model that was trained without them."""
    if getattr(model.config, "attention_only", False):
        return ".mlp." in name
    config = model.config.to_dict()
    width = config.get("intermediate_size", config.get("encoder_ffn_dim"))
    is_end = name.endswith("fc2.bias") or (name.endswith("output.dense.bias") and "attention.output" not in name)
    return width == 0 and is_end


def stir(model):
    generator = torch.Generator().manual_seed(7)
    tensors = dict(model.named_parameters())
    if hasattr(model, "final_logits_bias"):
        tensors["final_logits_bias"] = model.final_logits_bias
    with torch.no_grad():
        for name, tensor in tensors.items():
            noise = 0.3 * torch.randn(tensor.shape, generator=generator)
            is_gain = name.endswith("weight") and ("norm" in name.lower() or ".ln_" in name)
            tensor.copy_(torch.zeros_like(noise) if is_zero(name, model) else noise + (1 if is_gain else 0))


def outputs(model):
    model = model.double().eval()
    ids = torch.tensor([IDS])
    with torch.no_grad():
        if model.config.is_encoder_decoder:
            out = model(input_ids=torch.tensor([SOURCE]), decoder_input_ids=ids, output_attentions=True)
            parts = {"attentions": out.decoder_attentions, "encoder_attentions": out.encoder_attentions, "cross_attentions": out.cross_attentions}
        else:
            out = model(input_ids=ids, output_attentions=True)
            parts = {"attentions": out.attentions}
    tensors = {"input_ids": torch.tensor(IDS, dtype=torch.int32), "source_ids": torch.tensor(SOURCE, dtype=torch.int32), "logits": out.logits[0]}
    tensors |= {name: torch.stack([layer[0] for layer in layers]) for name, layers in parts.items()}
    return {name: (tensor.float() if tensor.is_floating_point() else tensor).contiguous() for name, tensor in tensors.items()}


def write(name, model):
    stir(model)
    folder = FAMILIES / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    tokenizer = Tokenizer(WordLevel({f"w{i}": i for i in range(VOCABULARY)}, unk_token="w0"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    golden = outputs(model)
    if name == "gpt2":  # the same matrices cut into another number of heads
        sliced = gpt2(n_head=5)
        sliced.load_state_dict(model.state_dict())
        golden |= {f"sliced.5.{key}": value for key, value in outputs(sliced).items() if key in ("logits", "attentions")}
    save_file(golden, folder / "golden.safetensors")


def check(folder, name):
    opener = {"qwen2": AutoModelForCausalLM, "gpt2": AutoModelForCausalLM, "bert": AutoModelForMaskedLM, "bart": AutoModelForSeq2SeqLM}[name.split("-")[0]]
    model, info = opener.from_pretrained(folder, attn_implementation="eager", output_loading_info=True, dtype=torch.float32)
    golden = load_file(FAMILIES / name / "golden.safetensors")
    worst = {key: (value - golden[key]).abs().max().item() for key, value in outputs(model).items() if value.is_floating_point()}
    tokenizer = AutoTokenizer.from_pretrained(folder)
    print(name, "missing", sorted(info["missing_keys"]), "unexpected", sorted(info["unexpected_keys"]), "mismatched",
          sorted(info["mismatched_keys"]), "largest differences", worst, "tokens of 'w3 w22':", tokenizer("w3 w22", add_special_tokens=False).input_ids)
    assert not info["missing_keys"] and not info["unexpected_keys"] and max(worst.values()) < 1e-5


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", nargs=2)
    arguments = parser.parse_args()
    if arguments.check:
        check(*arguments.check)
    else:
        for name, make in MODELS.items():
            write(name, make())
