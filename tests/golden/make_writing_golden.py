"""Writes tests/golden/writing_golden.json with PyTorch and transformers: what bundled models write greedily after a few texts, and which words
transformers' temperature, top-k and top-p leave of some logits, with their probabilities.

    python3 tests/golden/make_writing_golden.py     (pip packages: torch, transformers, tokenizers)

The tests themselves need no Python.
"""
import json
import pathlib

import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, PreTrainedTokenizerFast
from transformers.generation.logits_process import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ROOT / "assets" / "models"
TEXTS = {
    "grammar-base": ["The cat that sat on the mat was fluffy", "Anna Stone saw the dog because"],
    "grammar-gqa": ["The cat that sat on"],
    "grammar-learned": ["the girls near the old house"],
    "grammar-translation": ["the cat that sat on the mat was fluffy .", "the dogs are loud .", "a dog runs ."],
}
TOKENS = 16


def written(name, text):
    folder = MODELS / name
    kind = AutoModelForSeq2SeqLM if name == "grammar-translation" else AutoModelForCausalLM
    model = kind.from_pretrained(folder, dtype=torch.float64).eval()
    ids = PreTrainedTokenizerFast.from_pretrained(folder)(text).input_ids
    model.generation_config.forced_eos_token_id = None  # it would end the text where max_new_tokens does
    with torch.no_grad():
        out = model.generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), do_sample=False, num_beams=1,
                             max_new_tokens=TOKENS)[0].tolist()
    skipped = 1 if name == "grammar-translation" else len(ids)
    return {"model": name, "text": text, "written": out[skipped:]}


def choices(logits, temperature, top_k, top_p):
    scores = torch.tensor([logits], dtype=torch.float64)
    if temperature != 1:
        scores = TemperatureLogitsWarper(temperature)(None, scores)
    if top_k:
        scores = TopKLogitsWarper(top_k)(None, scores)
    if top_p < 1:
        scores = TopPLogitsWarper(top_p)(None, scores)
    probabilities = scores.softmax(-1)[0]
    kept = [i for i in range(len(logits)) if torch.isfinite(scores[0, i])]
    return {"logits": logits, "temperature": temperature, "top_k": top_k, "top_p": top_p,
            "probabilities": {str(i): float(probabilities[i]) for i in kept}}


def main():
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(11)
    cases = []
    for temperature, top_k, top_p in [(1.0, 0, 1.0), (0.7, 0, 1.0), (1.8, 5, 1.0), (1.0, 0, 0.9), (0.9, 7, 0.8), (1.3, 12, 0.35), (1.0, 1, 0.5),
                                      (2.5, 0, 0.05)]:
        logits = [round(float(x), 3) for x in 3 * torch.randn(24, generator=generator)]
        cases.append(choices(logits, temperature, top_k, top_p))
    cases.append(choices([1.0, 2.0, 2.0, 2.0, 0.5], 1.0, 2, 1.0))  # equal to the last of the k
    out = {"greedy": [written(name, text) for name, texts in TEXTS.items() for text in texts], "choices": cases}
    path = ROOT / "tests" / "golden" / "writing_golden.json"
    path.write_text(json.dumps(out, indent=1) + "\n")
    print(path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
