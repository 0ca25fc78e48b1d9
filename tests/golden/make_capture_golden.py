"""Writes small attention captures as other programs leave them, and what must be read from them.

    python tests/golden/make_capture_golden.py        (needs numpy, torch and safetensors)

Each file under tests/golden/captures is written by numpy or safetensors themselves. expected.safetensors holds, under "FILE/STACK/ENTRY/LAYER",
the probabilities [heads, queries, keys] in float32 that a reader must find; what a file says wrongly is in captures_test.cpp.
"""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file as save_contiguous
from safetensors.torch import save_file

FOLDER = Path(__file__).parent / "captures"
WORDS = ["<s>", "The", "cat", "sat", "on", "the", "mat", "and", "purred"]
rng = np.random.default_rng(11)
expected = {}


def save_numpy(tensors, path, metadata=None):
    """safetensors writes an array's memory as it lies: it must be row-major."""
    save_contiguous({name: np.ascontiguousarray(values) for name, values in tensors.items()}, path, metadata=metadata)


def softmax(scores):
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def random_attention(heads, queries, keys, query_start=None):
    """[heads, queries, keys] float64; causal from query_start on unless that is None."""
    scores = rng.normal(size=(heads, queries, keys)) * 2
    if query_start is not None:
        scores[:, np.arange(keys)[None, :] > np.arange(queries)[:, None] + query_start] = -np.inf
    return softmax(scores)


def expect(file, stack, entry, layer, probs):
    expected[f"{file}/{stack}/{entry}/{layer}"] = np.ascontiguousarray(probs.astype(np.float32))


def metadata(**more):
    return {"format": "attention-capture", "version": "1", **more}


def batched():
    """Two texts, the second with two tokens of padding on the right."""
    n, pad = 7, 2
    tensors, mask = {}, np.ones((2, n), np.int64)
    mask[1, n - pad:] = 0
    for layer in range(2):
        probs = np.zeros((2, 3, n, n))
        probs[0] = random_attention(3, n, n, 0)
        probs[1, :, : n - pad, : n - pad] = random_attention(3, n - pad, n - pad, 0)
        probs[1, :, n - pad:, 0] = 1
        tensors[f"attn.{layer:03d}"] = probs.astype(np.float32)
        expect("batched.safetensors", "self", 0, layer, probs[0])
        expect("batched.safetensors", "self", 1, layer, probs[1, :, : n - pad, : n - pad])
    tensors["attention_mask"] = mask
    tensors["input_ids"] = np.stack([np.arange(n), np.arange(10, 10 + n)])
    tokens = [WORDS[:n], ["<s>", "a", "b", "c", "d", "<pad>", "<pad>"]]
    save_numpy(tensors, FOLDER / "batched.safetensors", metadata=metadata(tokens=json.dumps(tokens), causal="true"))


def cross():
    """An encoder-decoder: three kinds of attention, as transformers names them."""
    tensors = {}
    for layer in range(2):
        for stack, name, q, k, start in [("encoder", "encoder_attentions", 9, 9, None), ("self", "decoder_attentions", 5, 5, 0),
                                         ("cross", "cross_attentions", 5, 9, None)]:
            probs = random_attention(4, q, k, start)
            tensors[f"{name}.{layer}"] = probs[None].astype(np.float32)
            expect("cross.safetensors", stack, 0, layer, probs)
    save_numpy(tensors, FOLDER / "cross.safetensors",
               metadata=metadata(tokens=json.dumps(["</s>", "Die", "Katze", "saß", "da"]), key_tokens=json.dumps(WORDS)))


def cached():
    """Three new queries over eight keys, five of them from a cache."""
    tensors = {}
    for layer in range(2):
        probs = random_attention(2, 3, 8, 5)
        tensors[f"attn.{layer:03d}"] = probs.astype(np.float32)
        expect("cached.safetensors", "self", 0, layer, probs)
    save_numpy(tensors, FOLDER / "cached.safetensors",
               metadata=metadata(tokens=json.dumps(WORDS[:8]), causal="true", query_start="5"))


def half():
    """Sixteen bits: float16 in the first layer, bfloat16 in the second; the third is missing, the fourth has more heads."""
    tensors = {}
    for layer, kind, heads in [(0, torch.float16, 2), (1, torch.bfloat16, 2), (3, torch.float16, 3)]:
        stored = torch.from_numpy(random_attention(heads, 6, 6, 0)).to(kind)
        tensors[f"attn.{layer:03d}"] = stored
        expect("half.safetensors", "self", 0, layer, stored.float().numpy())
    save_file(tensors, FOLDER / "half.safetensors", metadata=metadata(tokens=json.dumps(WORDS[:6])))


def transformer_lens():
    """Names of TransformerLens: a pattern, scores, and q and k before and after rotation."""
    n, heads, d = 6, 2, 4
    probs = random_attention(heads, n, n, 0)
    scores = rng.normal(size=(heads, n, n))
    scores[:, np.triu_indices(n, 1)[0], np.triu_indices(n, 1)[1]] = -np.inf
    q, k, v = (rng.normal(size=(n, heads, d)).astype(np.float32) for _ in range(3))
    products = np.einsum("qhd,khd->hqk", q.astype(np.float64), k.astype(np.float64)) / np.sqrt(d)
    products[:, np.triu_indices(n, 1)[0], np.triu_indices(n, 1)[1]] = -np.inf
    tensors = {
        "blocks.0.attn.hook_pattern": probs[None].astype(np.float32),
        "blocks.1.attn.hook_attn_scores": scores[None].astype(np.float32),
        "blocks.2.attn.hook_rot_q": q[None],
        "blocks.2.attn.hook_rot_k": k[None],
        "blocks.2.attn.hook_q": rng.normal(size=(1, n, heads, d)).astype(np.float32),
        "blocks.2.attn.hook_k": rng.normal(size=(1, n, heads, d)).astype(np.float32),
        "blocks.2.attn.hook_v": v[None],
        "blocks.2.hook_resid_post": rng.normal(size=(1, n, 8)).astype(np.float32),
    }
    for layer, found in enumerate([probs, softmax(scores), softmax(products)]):
        expect("transformer_lens.safetensors", "self", 0, layer, found)
    save_numpy(tensors, FOLDER / "transformer_lens.safetensors", metadata={"tokens": json.dumps(WORDS[:n])})


def queries():
    """q, k and v, two query heads to a K/V head; the second layer has a window, a soft cap and no logsumexp."""
    n, heads, kv, d = 8, 4, 2, 6
    tensors = {}
    for layer in range(2):
        q = rng.normal(size=(n, heads, d)).astype(np.float32)
        k, v = (rng.normal(size=(n, kv, d)).astype(np.float32) for _ in range(2))
        scores = np.einsum("qhd,khd->hqk", q.astype(np.float64), np.repeat(k, heads // kv, 1).astype(np.float64)) / np.sqrt(d)
        if layer == 1:
            scores = 2 * np.tanh(scores / 2)
        apart = np.arange(n)[:, None] - np.arange(n)[None, :]
        scores[:, (apart < 0) | (apart >= 3 if layer == 1 else apart < 0)] = -np.inf
        tensors |= {f"q.{layer:03d}": q, f"k.{layer:03d}": k, f"v.{layer:03d}": v}
        if layer == 0:
            tensors["logsumexp.000"] = np.log(np.exp(scores).sum(-1)).astype(np.float32)
        expect("queries.safetensors", "self", 0, layer, softmax(scores))
    save_numpy(tensors, FOLDER / "queries.safetensors",
               metadata=metadata(tokens=json.dumps(WORDS[:n]), causal="true", **{"window.001": "3", "soft_cap.001": "2"}))


def broken():
    """Seven queries, five tokens; NaN, a row that sums to a half, a negative number, one above one, a row of zeros."""
    tensors = {}
    for layer in range(2):
        probs = random_attention(3, 7, 7, 0)
        if layer == 1:
            probs[0, 2, 1] = np.nan
            probs[2, 3] *= 0.5
            probs[1, 4, 0] -= 0.01 + probs[1, 4, 0]
            probs[1, 4, 1] += 0.01
            probs[1, 5, 0] = 1.5
            probs[0, 6] = 0
        tensors[f"attn.{layer:03d}"] = probs.astype(np.float32)
        expect("broken.safetensors", "self", 0, layer, probs)
    save_numpy(tensors, FOLDER / "broken.safetensors", metadata=metadata(tokens=json.dumps(WORDS[:5]), causal="true"))


def arrays():
    stack = np.stack([random_attention(2, 5, 5, 0) for _ in range(3)])
    np.savez(FOLDER / "stack.npz", attentions=stack, tokens=np.array(WORDS[:5]), text=np.array("The cat sat on"))
    for layer in range(3):
        expect("stack.npz", "self", 0, layer, stack[layer])

    layers = [random_attention(2, 6, 6)[None] for _ in range(2)]
    np.savez_compressed(FOLDER / "layers.npz", *[layer.astype(np.float16) for layer in layers])
    for number, layer in enumerate(layers):
        expect("layers.npz", "self", 0, number, layer[0].astype(np.float16))

    np.save(FOLDER / "fortran.npy", np.asfortranarray(stack.astype(">f4")))
    (FOLDER / "fortran.tokens.json").write_text(json.dumps(WORDS[:5]))
    for layer in range(3):
        expect("fortran.npy", "self", 0, layer, stack[layer])

    five = np.stack([stack, stack[::-1]])  # texts x layers
    with open(FOLDER / "batch.npy", "wb") as file:
        np.lib.format.write_array(file, five.astype("<f8"), version=(2, 0))
    for entry in range(2):
        for layer in range(3):
            expect("batch.npy", "self", entry, layer, five[entry, layer])


FOLDER.mkdir(exist_ok=True)
for write in [batched, cross, cached, half, transformer_lens, queries, broken, arrays]:
    write()
save_numpy(expected, FOLDER / "expected.safetensors")
