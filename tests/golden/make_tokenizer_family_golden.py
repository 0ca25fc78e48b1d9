#!/usr/bin/env python3
"""Writes tokenizers/FAMILY/{tokenizer.json, hashes.json}: a small tokenizer with exactly the pipeline of each family, trained here on generated text,
and hashes of what Hugging Face's `tokenizers` package makes of 20,000 generated texts.

Run from anywhere:  python3 tests/golden/make_tokenizer_family_golden.py [FAMILY...]
Needs the Python package `tokenizers`; the tests read only its output. Deterministic but for the trainers' ties.
"""
import base64
import json
import pathlib
import struct
import sys
import unicodedata

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tokenizer_texts import Hash, Texts, WORDS, write_tables

HERE = pathlib.Path(__file__).resolve().parent
COUNT, BLOCK, PAIRS = 20000, 100, 2000
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
GPT4 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
BYTES = [f"<0x{b:02X}>" for b in range(256)]


def training_text():
    lines = (HERE.parent.parent / "assets" / "text" / "heldout-grammar.txt").read_text(encoding="utf-8").splitlines()[:400]
    texts = Texts(99, [])
    return lines + [w + " " + v for w in WORDS for v in WORDS[::7]] + [texts.make(i) for i in range(1500)]


TRAINING = training_text()


def special(content, **more):
    return AddedToken(content, special=True, normalized=False, **more)


def train(tokenizer, trainer, texts=None):
    tokenizer.train_from_iterator(texts or TRAINING, trainer)
    return tokenizer


def byte_level(size, names, prefix=False):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    t.decoder = decoders.ByteLevel()
    return train(t, trainers.BpeTrainer(vocab_size=size, show_progress=False, special_tokens=names, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))


def metaspace_bpe(size, names):
    """Byte fallback and spaces as U+2581, trained on words; the caller puts the family's own pipeline around it."""
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    return train(t, trainers.BpeTrainer(vocab_size=size, show_progress=False, special_tokens=names + BYTES, limit_alphabet=300))


def parts(t, **changes):
    """The tokenizer with members of its JSON replaced."""
    config = json.loads(t.to_str())
    for name, value in changes.items():
        config[name] = value
    return config


def added(t, tokens):
    t.add_tokens(tokens)
    return t


def plain_specials(config, names):
    """Byte tokens are words of the model, not added tokens."""
    config["added_tokens"] = [a for a in config["added_tokens"] if a["content"] in names]
    return config


def template(single, pair, ids):
    return processors.TemplateProcessing(single=single, pair=pair, special_tokens=list(ids.items()))


def gpt2():
    t = byte_level(1000, ["<|endoftext|>"])
    config = parts(t, post_processor=json.loads(processors.ByteLevel(trim_offsets=False).__getstate__()))
    model = config["model"]
    del model["type"]  # as older files
    model["merges"] = [" ".join(m) for m in model["merges"]]
    del config["pre_tokenizer"]["use_regex"]
    return config, ["<|endoftext|>"]


def roberta(prefix=False):
    t = byte_level(900, ["<s>", "<pad>", "</s>", "<unk>"], prefix)
    t.add_special_tokens([special("<mask>", lstrip=True)])
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=prefix)
    return parts(t), ["<s>", "</s>", "<mask>", " <mask>", "<unk>"]


def bart():
    return roberta(True)


def gpt_neox():
    t = byte_level(900, ["<|endoftext|>", "<|padding|>"])
    t.normalizer = normalizers.NFC()
    added(t, [AddedToken(" " * n, normalized=True) for n in range(24, 1, -1)])
    t.post_processor = processors.ByteLevel(trim_offsets=True, add_prefix_space=False)
    return parts(t), ["<|endoftext|>", "      ", "  "]


def llama3():
    t = Tokenizer(models.BPE(ignore_merges=True))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    train(t, trainers.BpeTrainer(vocab_size=1000, show_progress=False, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    t.add_special_tokens([special("<|begin_of_text|>"), special("<|end_of_text|>"), special("<|eot_id|>")])
    bos = t.token_to_id("<|begin_of_text|>")
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template("<|begin_of_text|> $A", "<|begin_of_text|> $A <|begin_of_text|>:1 $B:1", {"<|begin_of_text|>": bos})])
    config = parts(t)
    for word in ["international", "\u0120attention", "\u0120x2"]:  # whole words that no merge makes
        config["model"]["vocab"].setdefault(word, len(config["model"]["vocab"]))
    for i, token in enumerate(config["added_tokens"]):
        token["id"] = len(config["model"]["vocab"]) + i
    config["post_processor"]["processors"][1]["special_tokens"]["<|begin_of_text|>"]["ids"] = [config["added_tokens"][0]["id"]]
    return config, ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"]


def qwen2():
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN2), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    train(t, trainers.BpeTrainer(vocab_size=1000, show_progress=False, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    t.add_special_tokens([special("<|endoftext|>"), special("<|im_start|>"), special("<|im_end|>")])
    t.post_processor = processors.ByteLevel(trim_offsets=False, add_prefix_space=False)
    return parts(t), ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def gpt4():
    """An expression that is run by ICU."""
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(GPT4), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    train(t, trainers.BpeTrainer(vocab_size=800, show_progress=False, special_tokens=["<|endoftext|>"], initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return parts(t), ["<|endoftext|>"]


def starcoder():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.decoder = decoders.ByteLevel()
    train(t, trainers.BpeTrainer(vocab_size=800, show_progress=False, special_tokens=["<|endoftext|>"], initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    return parts(t), ["<|endoftext|>"]


LLAMA2 = ["<unk>", "<s>", "</s>"]


def llama2_pipeline(t):
    t.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    t.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.post_processor = template("<s> $A", "<s> $A <s>:1 $B:1", {"<s>": 1})
    return t


def without_pre_tokenizer(config):
    config["pre_tokenizer"] = None
    return config


def llama2():
    t = llama2_pipeline(metaspace_bpe(1100, LLAMA2))
    return plain_specials(without_pre_tokenizer(parts(t)), LLAMA2), ["<s>", "</s>", "<unk>"]


def llama2_new():
    t = llama2_pipeline(metaspace_bpe(1100, LLAMA2))
    t.normalizer = None
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    return plain_specials(parts(t, normalizer=None), LLAMA2), ["<s>", "</s>", "<unk>"]


def phi3():
    t = llama2_pipeline(metaspace_bpe(1000, LLAMA2))
    config = plain_specials(without_pre_tokenizer(parts(t)), LLAMA2)
    n = len(config["model"]["vocab"])
    for i, (content, strip) in enumerate([("<|endoftext|>", False), ("<|user|>", True), ("<|end|>", True), ("<|assistant|>", True)]):
        config["added_tokens"].append({"id": n + i, "content": content, "single_word": False, "lstrip": False, "rstrip": strip, "normalized": False, "special": True})
    return config, ["<|user|>", "<|end|>", "<|end|> ", "<|assistant|>\n", "</s>"]


def gemma():
    names = ["<pad>", "<eos>", "<bos>", "<unk>"]
    t = metaspace_bpe(1100, names)
    t.normalizer = normalizers.Replace(" ", "\u2581")
    t.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    t.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    t.post_processor = template("<bos> $A", "<bos> $A <bos>:1 $B:1", {"<bos>": 2})
    return plain_specials(parts(t), names), ["<bos>", "<eos>", "<unk>"]


def bert(lower=True):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    t.normalizer = normalizers.BertNormalizer(lowercase=lower)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    train(t, trainers.WordPieceTrainer(vocab_size=1500, show_progress=False, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    t.post_processor = template("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", {"[CLS]": 2, "[SEP]": 3})
    return t


def bert_uncased():
    return parts(bert()), ["[CLS]", "[SEP]", "[MASK]", "[mask]"]


def bert_cased():
    return parts(bert(False)), ["[CLS]", "[SEP]", "[MASK]"]


def distilbert():
    t = bert()
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return parts(t), ["[CLS]", "[UNK]", "[MASK]"]


def gpt1():
    t = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.BPEDecoder(suffix="</w>")
    train(t, trainers.BpeTrainer(vocab_size=1200, show_progress=False, special_tokens=["<unk>"], end_of_word_suffix="</w>", limit_alphabet=250))
    return parts(t), ["<unk>"]


class CharacterMap:
    """A double-array trie in the layout of SentencePiece's precompiled rules, written by hand from key to replacement."""
    def __init__(self, rules):
        self.units, self.bases, self.free = {0: 0}, set(), 1
        self.text, places = b"", {}
        for value in rules.values():
            if value not in places:
                places[value] = len(self.text)
                self.text += value.encode() + b"\0"
        root = {}
        for key, value in rules.items():
            node = root
            for byte in key.encode():
                node = node.setdefault(byte, {})
            node[0] = places[value]
        self.place(root, 0, 0)
        n = max(self.units) // 256 * 256 + 256
        self.bytes = struct.pack("<I", 4 * n) + b"".join(struct.pack("<I", self.units.get(i, 0)) for i in range(n)) + self.text

    def place(self, node, position, label):
        while self.free in self.units:
            self.free += 1
        first = min(node)
        candidate = self.free
        while True:
            base = candidate ^ first
            if base not in self.bases and base != position and all((base ^ k) not in self.units and base ^ k > 0 for k in node):
                break
            candidate += 1
        self.bases.add(base)
        for key in node:
            self.units[base ^ key] = 0
        self.units[position] = label | ((position ^ base) << 10) | (256 if 0 in node else 0)
        for key, child in node.items():
            if key == 0:
                self.units[base] = (1 << 31) | child
            else:
                self.place(child, base ^ key, key)


def rules():
    """Much of what SentencePiece's own NFKC rules do, and some that change lengths in every way."""
    result = {}
    for first, last in [(0xa0, 0x17f), (0x2b0, 0x2b8), (0x340, 0x344), (0x1e00, 0x1e3f), (0x2000, 0x200a), (0x2100, 0x2138), (0x2460, 0x2490), (0x3300, 0x3340), (0xfb00, 0xfb06), (0xff01, 0xff9f), (0xac00, 0xac20), (0x1d400, 0x1d420)]:
        for c in range(first, last + 1):
            after = unicodedata.normalize("NFKC", chr(c))
            if after != chr(c):
                result[chr(c)] = after
    for base in "aeiouAEIOUnc":
        for mark in "\u0300\u0301\u0302\u0303\u0308":
            after = unicodedata.normalize("NFKC", base + mark)
            if len(after) == 1:
                result[base + mark] = after
    for c in list(range(1, 9)) + [0xb] + list(range(0xe, 0x20)) + [0x7f, 0x8f, 0x9f, 0xad]:
        result[chr(c)] = ""
    for c in [0x9, 0xa, 0xc, 0xd, 0x1680, 0x200b, 0x200e, 0x200f, 0x2028, 0x2029, 0xfeff, 0xfffd]:
        result[chr(c)] = " "
    result["\u2126"], result["\u212a"], result["\r\n"] = "\u03a9", "K", " "
    return result


CHARACTER_MAP = CharacterMap(rules()).bytes


def unigram(strip):
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Precompiled(CHARACTER_MAP)
    t.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")
    t.decoder = decoders.Metaspace(replacement="\u2581", prepend_scheme="always")
    train(t, trainers.UnigramTrainer(vocab_size=1200, show_progress=False, special_tokens=["<pad>", "</s>", "<unk>"] + (BYTES if strip else []), unk_token="<unk>", shrinking_factor=0.75), TRAINING[:-1500])  # few letters: the others are unknown
    t.post_processor = template("$A </s>", "$A </s> $B </s>", {"</s>": 1})
    config = plain_specials(parts(t), ["<pad>", "</s>", "<unk>"])
    if strip:
        config["normalizer"] = json.loads(normalizers.Sequence([normalizers.Precompiled(CHARACTER_MAP), normalizers.Strip(left=False, right=True), normalizers.Replace(Regex(" {2,}"), "\u2581")]).__getstate__())
        config["model"]["byte_fallback"] = True
    else:  # as older files
        config["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "\u2581", "str_rep": "\u2581", "add_prefix_space": True}]}
    for i, name in enumerate(["<extra_id_1>", "<extra_id_0>"]):
        config["added_tokens"].append({"id": len(config["model"]["vocab"]) + i, "content": name, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True})
    return config, ["</s>", "<extra_id_0>", "<unk>", "<extra_id_1>"]


def t5():
    return unigram(False)


def t5_strip():
    return unigram(True)


FAMILIES = {f.__name__: f for f in [gpt2, roberta, bart, gpt_neox, llama3, qwen2, gpt4, starcoder, llama2, llama2_new, phi3, gemma, bert_uncased, bert_cased, distilbert, gpt1, t5, t5_strip]}


def words_of(text, encoding):
    """Ids and byte offsets of an encoding of one text, a row of integers. Offsets past the end stay as the reference gives them."""
    byte = [0]
    for c in text:
        byte.append(byte[-1] + len(c.encode("utf-8")))
    out = [len(encoding.ids)]
    for i, (a, b) in zip(encoding.ids, encoding.offsets):
        out += [i, byte[min(a, len(text))], byte[min(b, len(text))]]
    return out


def pair_words(first, second, encoding):
    """The same of a pair, with token types; special tokens of the template have no place."""
    spans = []
    for text in (first, second):
        byte = [0]
        for c in text:
            byte.append(byte[-1] + len(c.encode("utf-8")))
        spans.append(byte)
    out = [len(encoding.ids)]
    for i, (a, b), kind, part in zip(encoding.ids, encoding.offsets, encoding.type_ids, encoding.sequence_ids):
        byte = spans[part or 0]
        out += [i, kind, byte[min(a, len(byte) - 1)], byte[min(b, len(byte) - 1)]]
    return out


def hashes(n, row):
    result = []
    for first in range(0, n, BLOCK):
        total = Hash()
        for i in range(first, first + BLOCK):
            total.add(row(i))
        result.append(total.hex())
    return result


def write(name):
    config, specials = FAMILIES[name]()
    folder = HERE / "tokenizers" / name
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(config, ensure_ascii=False, separators=(",", ":"))
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    tokenizer = Tokenizer.from_str(text)
    source = Texts(sum(ord(c) for c in name), specials)
    texts = [source.make(i) for i in range(COUNT)]
    encodings = tokenizer.encode_batch(texts)
    golden = {"tokenizers": tokenizers.__version__, "specials": specials, "seed": source.seed}
    golden["texts"] = hashes(COUNT, lambda i: words_of(texts[i], encodings[i]))
    golden["decoded"] = hashes(COUNT, lambda i: [ord(c) for c in tokenizer.decode(encodings[i].ids, skip_special_tokens=i % 2 == 0)])
    if config["post_processor"] is not None and config["post_processor"]["type"] != "ByteLevel":
        golden["pairs"] = hashes(PAIRS, lambda i: pair_words(texts[i], texts[i + 1], tokenizer.encode(texts[i], texts[i + 1])))
    (folder / "hashes.json").write_text(json.dumps(golden, separators=(",", ":")).replace('","', '",\n"') + "\n")
    print(name, len(text), "bytes,", sum(len(e.ids) for e in encodings), "tokens")


if __name__ == "__main__":
    write_tables()
    for family in sys.argv[1:] or FAMILIES:
        write(family)
