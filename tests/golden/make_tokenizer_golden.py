#!/usr/bin/env python3
"""Writes tokenizer_golden.json: ids and byte offsets that Hugging Face's `tokenizers` package gives for many texts.

Run from anywhere:  python3 tests/golden/make_tokenizer_golden.py
Needs the Python package `tokenizers`; the tests read only its output. Deterministic.
"""
import json
import pathlib
import random

import tokenizers
from tokenizers import Tokenizer

HERE = pathlib.Path(__file__).resolve().parent
STARTER = HERE.parent.parent / "assets" / "models" / "grammar-base" / "tokenizer.json"

FIXED = [
    "", " ", "\n", "\t \r\n", "a", "The cat that sat on the mat was fluffy", "THE CAT", "the  cat\u00a0sat\u3000on",
    "the cat.", "\"the cat\", said anna: yes.", "don't", "it's the dog's", "3.14", "a_b", "a-b", "x=y+z", "...", "?!", "a...b",
    "\u0130stanbul", "\u0130", "I\u0307", "\u0130\u0130\u0130 cat \u0130", "STRASSE stra\u00dfe STRA\u1e9eE", "\u03a3\u03a3 \u039f\u03a3 \u03c3\u03c2",
    "caf\u00e9 cafe\u0301 CAF\u00c9", "e\u0301\u0302\u0323", "\u0301start", "a\u0323\u0307 a\u0307\u0323", "\u212b \u00c5 A\u030a", "\ufb01sh \u2460 \u00bd \u33a5",
    "\uac00\u1100\u1161\u11a8", "\uac01\u11a8", "\u1100\u1161", "\u0928\u093f\u0928\u094d", "\u0e01\u0e33", "\u0958", "\u2126 \u00b5 \u017f",
    "\U0001f600", "cat\U0001f600dog", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\u2764\ufe0f", "1\ufe0f\u20e3",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645", "\u05e9\u05dc\u05d5\u05dd, \u05e2\u05d5\u05dc\u05dd!", "\u4f60\u597d\uff0c\u4e16\u754c\u3002", "\u3053\u3093\u306b\u3061\u306f \u4e16\u754c",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!", "\u039a\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1", "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\u1780\u17b6\u179a", "\u10d2\u10d0\u10db\u10d0\u10e0\u10ef\u10dd\u10d1\u10d0",
    "\u202ecat\u202c", "a\u200bb", "a\u200cb\u200dc", "\ufeffcat", "a\u00adb", "a\u2060b", "\u2028a\u2029b", "\x85x\x0by\x0cz",
    "\x00", "a\x00b", "\x01\x02 cat \x7f", "\x1b[31mred\x1b[0m", "cat\r\ndog\rbird\nfox",
    "<bos>", "<unk>", "<bos>the cat", "the <bos> cat", "the<bos>cat", "<BOS>", "<bos", "bos>", "<<bos>>", "<bos><unk><bos>", "<bo<bos>s>", "< bos >", "<unk>x", "x<unk>",
    "\u24b6\u24b7 \U0001f130\U0001f150 \U0001f170", "\u00b2\u00b3 x\u00b2", "\u2167 \u2177", "\u203f a\u203fb \u2040", "\uff21\uff22 \uff3f", "\u0660\u0661\u0662", "\u20ac5 $5 5%",
    "\u00ab cat \u00bb", "\u201ccat\u201d \u2018dog\u2019", "\u2014cat\u2014dog", "\u00bfcat? \u00a1dog!", "\u3008cat\u3009", "^`~|<>=+$", "\u00a7\u00b6\u2020",
    "\ufffd", "\ufffe\uffff", "\U0010ffff", "\ue000", "a" * 300, "cat " * 100, "." * 50, "\u0301" * 20, "<bos>" * 10,
]
ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyz     ", "ABCDEFGHIJKLMNOPQRSTUVWXYZ  abc", "0123456789.,:;!? -_", "\u00e0\u00e9\u00ee\u00f5\u00fc\u00df\u00c0\u00c9\u00ce\u00d5\u00dc\u0130\u0131 ",
    "e\u0301\u0300\u0323\u0308a\u030a o\u0302", "\u0391\u0392\u03a3\u03b1\u03b2\u03c3\u03c2 \u0301", "\u0410\u0411\u0412\u0430\u0431\u0432 \u0451\u0401", "\u05d0\u05d1\u05d2\u05b8\u05b0 \u05be", "\u0627\u0628\u062a\u064e\u0650 \u060c\u061f",
    "\u0905\u0915\u093e\u094d\u093f \u0964", "\u4e00\u4e8c\u4e09 \u3002\u3001", "\u304b\u304c\u3099\u30ab\u3099 \u30fb", "\uac00\ub098\u1100\u1161\u11a8 ", "\U0001f600\U0001f3fd\u200d\u2764\ufe0f ab ", "\t\n\r\x0b\x0c \u00a0\u2003\u3000x",
    "\x00\x01\x1f\x7f\x80\x9f a", "<bos>unk ", "\"'()[]{}\u00ab\u00bb\u201c\u201d ab", "\ufb00\ufb01\u2460\u00bd\u00b2\u2122\u1e9b\u0323 ", "\U00010400\U00010428\U0001d400\U0001d7ce \u1e9e",
]
SPECIAL = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}


def texts(count):
    rng = random.Random(20240229)
    result = list(FIXED)
    words = [w for w in json.loads(STARTER.read_text())["model"]["vocab"]]
    while len(result) < count:
        kind = rng.randrange(4)
        if kind == 0:  # words of the vocabulary, odd spacing and case
            piece = []
            for _ in range(rng.randint(1, 12)):
                word = rng.choice(words)
                piece.append(rng.choice([word, word.upper(), word.capitalize(), word + rng.choice(".,!?:")]))
                piece.append(rng.choice([" ", " ", "  ", "\n", ""]))
            result.append("".join(piece))
        elif kind == 1:  # one alphabet
            alphabet = rng.choice(ALPHABETS)
            result.append("".join(rng.choice(alphabet) for _ in range(rng.randint(1, 40))))
        elif kind == 2:  # all alphabets mixed
            result.append("".join(rng.choice(rng.choice(ALPHABETS)) for _ in range(rng.randint(1, 40))))
        else:  # words with foreign letters inside
            word = rng.choice(words)
            at = rng.randint(0, len(word))
            result.append(word[:at] + rng.choice(rng.choice(ALPHABETS)) + word[at:] + " " + rng.choice(words))
    return result


def base(normalizer, pre_tokenizer, added=(), post=None):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": list(added), "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer, "post_processor": post, "decoder": None,
            "model": {"type": "WordLevel", "vocab": {"<unk>": 0}, "unk_token": "<unk>"}}


def with_vocabulary(config, samples):
    """Every second word of the samples, as this pipeline spells them, becomes known."""
    probe = Tokenizer.from_str(json.dumps(config))
    words = {}
    for text in samples:
        if probe.normalizer is not None:
            text = probe.normalizer.normalize_str(text)
        pieces = [w for w, _ in probe.pre_tokenizer.pre_tokenize_str(text)] if probe.pre_tokenizer is not None else [text]
        for piece in pieces:
            words.setdefault(piece, len(words))
    vocab = config["model"]["vocab"]
    for piece, i in words.items():
        if i % 2 == 0 and piece and piece not in vocab:
            vocab[piece] = len(vocab)
    return config


def template(before, after):
    special = lambda t: {"SpecialToken": {"id": t, "type_id": 0}}
    sequence = {"Sequence": {"id": "A", "type_id": 0}}
    ids = {"<s>": 1, "</s>": 2}
    return {"type": "TemplateProcessing", "single": [special(t) for t in before] + [sequence] + [special(t) for t in after],
            "pair": [sequence, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {t: {"id": t, "ids": [ids[t]], "tokens": [t]} for t in dict.fromkeys(before + after)}}


def configs(samples):
    white, split = {"type": "Whitespace"}, {"type": "WhitespaceSplit"}
    lower = {"type": "Lowercase"}
    yield "starter", json.loads(STARTER.read_text())
    for form in ["NFC", "NFD", "NFKC", "NFKD"]:
        yield form, with_vocabulary(base({"type": form}, white), samples)
    strip = {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}, lower]}
    yield "strip accents", with_vocabulary(base(strip, white), samples)
    for behavior in ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]:
        cut = {"type": "Sequence", "pretokenizers": [split, {"type": "Punctuation", "behavior": behavior}]}
        yield "punctuation " + behavior, with_vocabulary(base(None, cut), samples)
    yield "no pre-tokenizer", with_vocabulary(base(lower, None), samples)
    added = [{**SPECIAL, "id": 1, "content": "<s>"}, {**SPECIAL, "id": 2, "content": "</s>"},
             {**SPECIAL, "id": 3, "content": "<bos>", "lstrip": True}, {**SPECIAL, "id": 4, "content": "<unk>"},
             {**SPECIAL, "id": 5, "content": "cat", "single_word": True, "special": False},
             {**SPECIAL, "id": 6, "content": "the", "rstrip": True, "special": False},
             {**SPECIAL, "id": 7, "content": "the cat", "special": False},
             {**SPECIAL, "id": 8, "content": "Dog", "normalized": True, "special": False},
             {**SPECIAL, "id": 9, "content": " ", "lstrip": True, "rstrip": True, "normalized": True, "special": False}]
    config = base(lower, white, added, template(["<s>"], ["</s>", "<s>"]))
    config["model"]["vocab"].update({"<s>": 1, "</s>": 2})
    yield "added tokens", with_vocabulary(config, samples)


def main():
    samples = texts(520)
    output = {"tokenizers": tokenizers.__version__, "sets": []}
    for name, config in configs(samples):
        tokenizer = Tokenizer.from_str(json.dumps(config))
        cases = []
        for text in samples if name == "starter" else samples[::2] + samples[1:len(FIXED):2]:
            encoding = tokenizer.encode(text)
            byte = [0]
            for c in text:
                byte.append(byte[-1] + len(c.encode("utf-8")))
            spans = [[byte[a], byte[b]] for a, b in encoding.offsets]
            cases.append([text, encoding.ids, [x for span in spans for x in span]])
        output["sets"].append({"name": name, "config": None if name == "starter" else config, "cases": cases})
    text = json.dumps(output, ensure_ascii=True, separators=(",", ":"))
    (HERE / "tokenizer_golden.json").write_text(text.replace('{"name"', '\n{"name"').replace('],["', '],\n["') + "\n")
    print(len(text), "bytes,", sum(len(s["cases"]) for s in output["sets"]), "cases")


if __name__ == "__main__":
    main()
