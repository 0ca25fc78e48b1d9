"""Writes tests/golden/bundled/NAME.safetensors with PyTorch and transformers: what every bundled model computes of four short texts, in double.

    python3 tests/golden/make_bundled_golden.py [NAME ...]     (pip packages: torch, transformers, safetensors, tokenizers)

That a model is read here without a missing or a superfluous tensor is asserted: it is the proof that `transformers` opens the folders. The tests
themselves need no Python. Of text N of a model, with "N.text" in the metadata:

  N.input_ids [n], N.logits [n, vocabulary], N.probs [layers, heads, n, n]
  of the encoder-decoder also N.source_ids [m] (the text), N.encoder_probs [layers, heads, m, m], N.cross_probs [layers, heads, n, m];
  its input_ids are <bos> and the model's own translation, word by word the likeliest
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM, PreTrainedTokenizerFast

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ROOT / "assets" / "models"
OUT = ROOT / "tests" / "golden" / "bundled"
OPENERS = {"qwen2": AutoModelForCausalLM, "gpt2": AutoModelForCausalLM, "bert": AutoModelForMaskedLM, "bart": AutoModelForSeq2SeqLM}

SENTENCES = ["The cat that sat on the mat was fluffy", "Anna Stone saw the dog because she was happy .",
             "list : tom anna jack ruth . copy : tom anna jack ruth .", "the girls near the old house are brave ."]
HIDDEN = ["The cat that sat on the mat was <mask>", "Anna Stone saw the dog because <mask> was happy .",
          "list : tom anna jack ruth . copy : tom <mask> jack ruth .", "the girls near the old house <mask> brave ."]
LETTERS = ["k f a m k f a m k f", "q w e r t y q w e r t y q", "b c d b c d b c d b c d", "z y x w v u t z y x w v u t z"]
SOURCES = ["the cat that sat on the mat was fluffy .", "the dogs are loud .", "the cats feed the dog .", "a dog runs ."]
TEXTS = {"induction": LETTERS, "grammar-masked": HIDDEN, "grammar-translation": SOURCES}
MAX_BYTES = 160_000


def open_model(name):
    folder = MODELS / name
    kind = json.loads((folder / "config.json").read_text())["model_type"]
    model, info = OPENERS[kind].from_pretrained(folder, attn_implementation="eager", output_loading_info=True, dtype=torch.float64)
    wrong = {key: sorted(info[key]) for key in ("missing_keys", "unexpected_keys", "mismatched_keys") if info[key]}
    assert not wrong, f"{name}: {wrong}"
    return model.eval(), PreTrainedTokenizerFast.from_pretrained(folder)


def translate(model, source):
    """<bos> and the likeliest word after each, without <eos>."""
    ids = [model.config.decoder_start_token_id]
    while len(ids) < model.config.max_position_embeddings:
        logits = model(input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([ids])).logits[0, -1]
        word = int(logits.argmax())
        if word == model.config.eos_token_id:
            break
        ids.append(word)
    return ids


def attention(layers):
    return torch.stack([layer[0] for layer in layers])


def outputs(model, ids):
    """Logits and probabilities of one text, with its ids."""
    if not model.config.is_encoder_decoder:
        out = model(input_ids=torch.tensor([ids]), output_attentions=True)
        return {"input_ids": ids, "logits": out.logits[0], "probs": attention(out.attentions)}
    target = translate(model, ids)
    out = model(input_ids=torch.tensor([ids]), decoder_input_ids=torch.tensor([target]), output_attentions=True)
    return {"input_ids": target, "source_ids": ids, "logits": out.logits[0], "probs": attention(out.decoder_attentions),
            "encoder_probs": attention(out.encoder_attentions), "cross_probs": attention(out.cross_attentions)}


def write(name):
    model, tokenizer = open_model(name)
    tensors, metadata = {}, {}
    for n, text in enumerate(TEXTS.get(name, SENTENCES)):
        metadata[f"{n}.text"] = text
        ids = tokenizer(text).input_ids
        with torch.no_grad():
            values = outputs(model, ids)
        for key, value in values.items():
            tensors[f"{n}.{key}"] = torch.tensor(value, dtype=torch.int32) if key.endswith("ids") else value.float().contiguous()
        if "source_ids" in values:
            print(f"{name}: {text} -> {' '.join(tokenizer.convert_ids_to_tokens(values['input_ids'][1:]))}")
    OUT.mkdir(exist_ok=True)
    path = OUT / f"{name}.safetensors"
    save_file(tensors, path, metadata)
    print(f"{name}: {path.stat().st_size} bytes")
    assert path.stat().st_size < MAX_BYTES


if __name__ == "__main__":
    torch.set_num_threads(1)
    names = sys.argv[1:] or sorted(folder.name for folder in MODELS.iterdir() if (folder / "config.json").exists())
    for each in names:
        write(each)
