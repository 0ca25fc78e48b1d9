#!/usr/bin/env python3
"""Writes bpe_golden.json: vocabularies that Hugging Face's `tokenizers` package trains on two texts, and the ids that it gives for many.

Run from anywhere:  python3 tests/golden/make_bpe_golden.py
Needs the Python package `tokenizers`; the tests read only its output. Deterministic.
"""
import json
import pathlib
import random

import tokenizers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).resolve().parent
LONG = HERE.parent.parent / "assets" / "text" / "heldout-grammar.txt"

# Endings, digits, runs of one letter, accents, other scripts, signs, and white space of all kinds.
SHORT = """It's the cat's mat, isn't it? They've said we'll see 'em; I'd say I'm sure you're right.
aaaa aaaaa aaaaaaaa aaa baaaab baaab abab ababab abababab
  indented by two,\tand a tab.\n\n\nThree line ends, then  two spaces and a trailing one. \n
1 12 123 1234 12345 3.14159 2,000,000 x2 y10 \u00bd \u2167
na\u00efve caf\u00e9 na\u00efve caf\u00e9 \u00fcber \u00dcber stra\u00dfe Stra\u00dfe \u041f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440 \u041f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440 \u4f60\u597d\u4e16\u754c\u4f60\u597d \U0001f600\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467
the the the then them there these those thought through though thorough thoroughly
--- ... ?! ((())) <tag> </tag> a+b=c $5 \u20ac7 ~~~ \u00a0no\u00a0break\u3000wide
"""
TEXTS = ["", " ", "  ", "a", " a", "  a", "a ", "a  ", "\n", "\n\n", "a\n\nb", "a \n b", "\t\tx", "it's", "it'S", "don't 'tis rock'n'roll", "'s 't 're 've 'm 'll 'd", "''s", "'",
         "The cat that sat on the mat was fluffy .", "aaaa", "aaaaa", "aaaaaaaaaaa", "ababa", "12345678 90", "x2y3 z", "a_b-c", "\u00bd\u00b2\u2167 5\u20ac", "caf\u00e9 e\u0301", "\u4f60\u597d, \u4e16\u754c\u3002",
         "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467!", "\u00a0a\u3000b\u2028c", "\x00\x01\x7f", "\ufffd", "<bos>", "<bos>cat", "the <bos> cat", "<mask><bos>", "<bos", "\u0130\u0131", "thethethethe", " " * 9 + "x", "x" + " " * 9, "the " * 30]
ALPHABETS = ["abtheno    ", "ab'stredvml ", "12 a.\u00bd", " \n\t\u00a0a", "\u00e9\u00fc\u00dfa \u0301", "\u4f60\u597d\u4e16 \U0001f600"]


def train(text, size):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator([text], trainers.BpeTrainer(vocab_size=size, min_frequency=2, show_progress=False, special_tokens=["<bos>", "<mask>"],
                                                              initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", pair="<bos> $A $B", special_tokens=[("<bos>", 0)])
    return tokenizer


def main():
    rng = random.Random(7)
    texts = TEXTS + ["".join(rng.choice(alphabet) for _ in range(rng.randrange(1, 40))) for alphabet in ALPHABETS for _ in range(12)]
    golden = {"tokenizers": tokenizers.__version__, "short_text": SHORT, "texts": texts, "trained": []}
    for name, text, size in [("short", SHORT, 400), ("short", SHORT, 5000), ("long", LONG.read_text(encoding="utf-8"), 700)]:
        tokenizer = train(text, size)
        golden["trained"].append({"text": name, "size": size, "tokenizer": tokenizer.to_str(), "reached": tokenizer.get_vocab_size(),
                                  "ids": [tokenizer.encode(t).ids for t in texts]})
    (HERE / "bpe_golden.json").write_text(json.dumps(golden, ensure_ascii=True, separators=(",", ":")), encoding="utf-8")


if __name__ == "__main__":
    main()
