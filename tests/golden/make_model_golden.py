"""Writes the golden data of the model tests with PyTorch and transformers; the tests themselves need neither.

    python3 tests/golden/make_model_golden.py     (pip packages: torch, transformers, safetensors)

  tests/golden/surgery.safetensors   logits and attention of assets/models/grammar-base after shape surgery, in double:
                                     pooled.N (K/V heads mean-pooled to N), sliced.N (the matrices cut into N heads)
  tests/golden/llama-tiny/           a random Llama checkpoint as transformers saves it (untied, GQA, no biases, d_head != d_model / h),
                                     with golden.safetensors beside it: 0.input_ids, 0.logits, 0.probs
"""
import copy
import json
import pathlib
import shutil

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
BASE = ROOT / "assets" / "models" / "grammar-base"
# "<bos> the cat that sat on the mat was fluffy"
WORDS = ["<bos>", "the", "cat", "that", "sat", "on", "the", "mat", "was", "fluffy"]


def run(model, ids):
    with torch.no_grad():
        out = model(input_ids=torch.tensor([ids]), output_attentions=True)
    return out.logits[0], torch.stack([a[0] for a in out.attentions])


def load(**changes):
    """grammar-base in double, its config changed."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(BASE)
    for name, value in changes.items():
        setattr(config, name, value)
    return AutoModelForCausalLM.from_config(config, attn_implementation="eager").double().eval()


def pooled(original, n_kv):
    model = load(num_key_value_heads=n_kv)
    state = copy.deepcopy(original.state_dict())
    for name in state:
        if "k_proj" in name or "v_proj" in name:
            tensor = state[name]
            grouped = tensor.reshape(n_kv, tensor.shape[0] // 16 // n_kv, 16, *tensor.shape[1:])
            state[name] = grouped.mean(dim=1).reshape(n_kv * 16, *tensor.shape[1:])
    model.load_state_dict(state)
    return model


def sliced(original, n_heads):
    model = load(num_attention_heads=n_heads, num_key_value_heads=n_heads, head_dim=128 // n_heads)
    model.load_state_dict(original.state_dict())
    return model


def surgery():
    vocab = json.loads((BASE / "tokenizer.json").read_text())["model"]["vocab"]
    ids = [vocab[w] for w in WORDS]
    original = AutoModelForCausalLM.from_pretrained(BASE, attn_implementation="eager").double().eval()
    tensors = {"input_ids": torch.tensor(ids, dtype=torch.int32)}
    cases = {f"pooled.{n}": pooled(original, n) for n in (4, 2, 1)} | {f"sliced.{n}": sliced(original, n) for n in (4, 16)}
    for name, model in cases.items():
        logits, probs = run(model, ids)
        tensors[name + ".logits"] = logits.float()
        tensors[name + ".probs"] = probs.float()
    save_file({k: v.contiguous() for k, v in tensors.items()}, GOLDEN / "surgery.safetensors")


def llama_tiny():
    torch.manual_seed(7)
    config = LlamaConfig(vocab_size=37, hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=2,
                         head_dim=10, max_position_embeddings=32, rms_norm_eps=1e-5, rope_theta=500.0, tie_word_embeddings=False,
                         attention_bias=False, attn_implementation="eager", initializer_range=0.3)
    model = LlamaForCausalLM(config).eval()
    folder = GOLDEN / "llama-tiny"
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    tokenizer = Tokenizer(WordLevel({f"w{i}": i for i in range(37)}, unk_token="w0"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    ids = [1, 5, 36, 0, 7, 7, 20, 11, 30, 2, 19, 3, 3]
    logits, probs = run(model.double(), ids)
    save_file({"0.input_ids": torch.tensor(ids, dtype=torch.int32), "0.logits": logits.float().contiguous(), "0.probs": probs.float().contiguous()},
              folder / "golden.safetensors")


if __name__ == "__main__":
    surgery()
    llama_tiny()
