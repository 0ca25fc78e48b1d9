"""Counts the work of library cards with the reference library's own models on no memory ("meta"): products as torch's own counter sees
them, and the K/V cache as tensors of a cache object.

Writes tests/golden/cost_golden.json. Needs torch and transformers; the tests need neither.

A product [n, d_in] x [d_in, d_out] counts 2 n d_in d_out; attention is run without fusion, so that every pair counts, hidden ones too.
The angles of rotary positions, which are written as a product there, are left out.
"""

import json
import pathlib

import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode

ROOT = pathlib.Path(__file__).resolve().parents[2]

CARDS = ["gpt2", "pythia-160m", "llama-2-7b", "llama-3-8b", "qwen2-0.5b", "qwen3-8b", "gemma-2b", "phi-3-mini", "bert-base"]
BATCH, TOKENS, HELD = 3, 40, 57


def flops(counter):
    total = counter.get_total_flops()
    angles = {name: sum(ops.values()) for name, ops in counter.get_flop_counts().items() if name.endswith("rotary_emb")}
    return total - sum(angles.values())


def count(config_json):
    config = transformers.AutoConfig.for_model(**config_json)
    config._attn_implementation = "eager"
    with torch.device("meta"):
        model = getattr(transformers, config_json["architectures"][0])(config).eval()
        ids = torch.zeros((BATCH, TOKENS), dtype=torch.long)
        result = {}
        with torch.no_grad():
            with FlopCounterMode(display=False, depth=10) as counter:
                out = model(ids)
            result["prefill_flops"] = flops(counter)
            if config_json["architectures"][0].endswith("CausalLM") or config_json["architectures"][0].endswith("LMHeadModel"):
                cache = transformers.DynamicCache(config=config)
                model(torch.zeros((BATCH, HELD - 1), dtype=torch.long), past_key_values=cache)
                with FlopCounterMode(display=False, depth=10) as counter:
                    model(torch.zeros((BATCH, 1), dtype=torch.long), past_key_values=cache)
                result["decode_flops"] = flops(counter)
                result["cache_values"] = sum(layer.keys.numel() + layer.values.numel() for layer in cache.layers)
    return result


def main():
    golden = {"batch": BATCH, "tokens": TOKENS, "held": HELD, "cards": {}}
    for card in CARDS:
        config = json.loads((ROOT / "assets" / "cards" / f"{card}.json").read_text())["config"]
        golden["cards"][card] = count(config)
        print(card, golden["cards"][card], flush=True)
    (ROOT / "tests" / "golden" / "cost_golden.json").write_text(json.dumps(golden, indent=1) + "\n")


main()
