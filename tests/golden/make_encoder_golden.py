"""Writes small random checkpoints of encoders and encoder-decoders with what transformers computes from them; the tests need neither.

    python3 tests/golden/make_encoder_golden.py                      (pip packages: torch, transformers, safetensors, tokenizers)
    python3 tests/golden/make_encoder_golden.py NAME ...             these alone
    python3 tests/golden/make_encoder_golden.py --check FOLDER NAME  opens FOLDER, written by Headroom from encoders/NAME, with
                                                                     transformers and compares it with NAME's golden values
    python3 tests/golden/make_encoder_golden.py --buckets            encoders/buckets.safetensors: T5's bucket of each distance

  tests/golden/encoders/NAME/        config.json, model.safetensors, tokenizer.json as transformers saves them, and golden.safetensors, of
                                     one text or of each in turn (0., 1., ...): input_ids, token_types, length (from there on: padding);
                                     logits, hidden [layers + 1, n, d_model], attentions [layers, heads, n, n]; of an encoder-decoder
                                     source_ids, source_length, encoder_hidden, encoder_attentions, cross_attentions too.
Computed in float32 from the stored values with eager attention. Every parameter is random, biases, gains and rows that no token has
included, so that none can be left out unseen.
"""
import argparse
import json
import math
import pathlib
import shutil

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (AutoConfig, BartConfig, BartForConditionalGeneration, BartModel, BertConfig, BertForMaskedLM, BertForPreTraining,
                          BertForSequenceClassification, BertModel, DistilBertConfig, DistilBertForMaskedLM, DistilBertModel,
                          RobertaConfig, RobertaForMaskedLM, RobertaModel, T5Config, T5ForConditionalGeneration, XLMRobertaConfig,
                          XLMRobertaForMaskedLM)
from transformers.models.t5.modeling_t5 import T5Attention

ENCODERS = pathlib.Path(__file__).resolve().parent / "encoders"
VOCABULARY = 41
EAGER = {"attn_implementation": "eager"}

# Ids 0 to 4 stand for special tokens: no text but its padding has them.
PAIR = dict(ids=[5, 12, 40, 7, 7, 20, 11, 9, 33, 21, 6], types=[0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
PADDED = dict(ids=[8, 30, 9, 9, 25, 13, 16], length=5)
LONG = [5 + (i * i * 5 + 3 * i) % 36 for i in range(29)]
TRANSLATION = dict(ids=[6, 19, 5, 5, 37, 40, 11, 28, 9], source=[14, 9, 9, 21, 12, 36, 8, 30, 5, 5, 7, 22, 10])
TRANSLATION_PADDED = dict(ids=[31, 5, 17, 8], source=[9, 33, 5, 40, 12, 26], source_length=4)
# Longer than relative positions reach, in both directions.
TRANSLATION_LONG = dict(ids=LONG[3:27], source=LONG)


def bert(cls=BertForMaskedLM, **changes):
    return cls(BertConfig(**{**dict(vocab_size=VOCABULARY, hidden_size=28, num_hidden_layers=2, num_attention_heads=4, intermediate_size=37,
                                    max_position_embeddings=15, type_vocab_size=2, pad_token_id=1), **EAGER, **changes}))


def roberta(cls=RobertaForMaskedLM, config=RobertaConfig, **changes):
    return cls(config(**{**dict(vocab_size=VOCABULARY, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=35,
                                max_position_embeddings=16, type_vocab_size=1, pad_token_id=1, layer_norm_eps=1e-5), **EAGER, **changes}))


def distilbert(cls=DistilBertForMaskedLM, **changes):
    return cls(DistilBertConfig(**{**dict(vocab_size=VOCABULARY, dim=30, n_layers=3, n_heads=5, hidden_dim=41, max_position_embeddings=14,
                                          pad_token_id=1), **EAGER, **changes}))


def t5(**changes):
    return T5ForConditionalGeneration(T5Config(**{**dict(vocab_size=VOCABULARY, d_model=26, d_kv=7, d_ff=39, num_layers=2,
                                                         num_decoder_layers=3, num_heads=3, relative_attention_num_buckets=8,
                                                         relative_attention_max_distance=20, pad_token_id=1), **EAGER, **changes}))


def bart(cls=BartForConditionalGeneration, **changes):
    return cls(BartConfig(**{**dict(vocab_size=VOCABULARY, d_model=24, encoder_layers=3, decoder_layers=2, encoder_attention_heads=3,
                                    decoder_attention_heads=3, encoder_ffn_dim=33, decoder_ffn_dim=33, max_position_embeddings=32,
                                    pad_token_id=1), **EAGER, **changes}))


# How a checkpoint is written: its class, the type of its floats, names changed afterwards.
MODELS = {
    "bert-pretraining": dict(make=lambda: bert(BertForPreTraining), texts=[PAIR, PADDED]),
    "bert-old-names": dict(make=lambda: bert(BertForMaskedLM, hidden_act="gelu_new", tie_word_embeddings=False), texts=[PAIR, PADDED], old_names=True),
    "bert-classifier": dict(make=lambda: bert(BertForSequenceClassification, num_labels=3, hidden_act="relu"), texts=[PAIR], type=torch.float16),
    "minilm": dict(make=lambda: bert(BertModel, hidden_size=36, num_attention_heads=12, num_hidden_layers=3), texts=[PAIR, PADDED]),
    "minilm-no-pooler": dict(make=lambda: bert(BertModel, pooler=False, type_vocab_size=3), texts=[PADDED], type=torch.bfloat16, prefix="bert."),
    "roberta": dict(make=lambda: roberta(), texts=[dict(ids=PAIR["ids"]), PADDED]),
    "roberta-encoder": dict(make=lambda: roberta(RobertaModel, pad_token_id=3, type_vocab_size=2), texts=[PAIR], type=torch.bfloat16),
    "xlm-roberta": dict(make=lambda: roberta(XLMRobertaForMaskedLM, XLMRobertaConfig, tie_word_embeddings=False), texts=[PADDED]),
    "distilbert": dict(make=lambda: distilbert(), texts=[dict(ids=PAIR["ids"]), PADDED], type=torch.float16),
    "distilbert-sinusoidal": dict(make=lambda: distilbert(DistilBertModel, sinusoidal_pos_embds=True, activation="relu"), texts=[PADDED]),
    "t5": dict(make=lambda: t5(), texts=[TRANSLATION_LONG, TRANSLATION_PADDED]),
    "t5-v1_1": dict(make=lambda: t5(feed_forward_proj="gated-gelu", tie_word_embeddings=False, num_decoder_layers=2), texts=[TRANSLATION_LONG, TRANSLATION_PADDED], type=torch.bfloat16),
    "t5-gated-silu": dict(make=lambda: t5(feed_forward_proj="gated-silu", d_kv=16, relative_attention_num_buckets=5), texts=[TRANSLATION]),
    "bart-scaled": dict(make=lambda: bart(scale_embedding=True, tie_word_embeddings=False, activation_function="relu"), texts=[TRANSLATION, TRANSLATION_PADDED]),
    "bart-model": dict(make=lambda: bart(BartModel), texts=[TRANSLATION_PADDED], type=torch.float16),
}


def stir(model):
    """Random values large enough that errors show; sinusoidal positions stay as they were made."""
    generator = torch.Generator().manual_seed(11)
    tensors = dict(model.named_parameters())
    if hasattr(model, "final_logits_bias"):
        tensors["final_logits_bias"] = model.final_logits_bias
    if isinstance(model, BartForConditionalGeneration):  # one embedding for both stacks, whether the output is tied to it or not
        for stack in (model.model.encoder, model.model.decoder):
            stack.embed_tokens.weight = model.model.shared.weight
    if isinstance(model, T5ForConditionalGeneration) and not model.config.scale_decoder_outputs:
        model.lm_head.weight = torch.nn.Parameter(torch.empty_like(model.lm_head.weight))
        tensors["lm_head.weight"] = model.lm_head.weight
    with torch.no_grad():
        for name, tensor in tensors.items():
            if getattr(model.config, "sinusoidal_pos_embds", False) and "position_embeddings" in name:
                continue
            size = 1.0 if "relative_attention_bias" in name else 0.35
            is_gain = name.endswith("weight") and ("norm" in name.lower())
            tensor.copy_(size * torch.randn(tensor.shape, generator=generator) + (1 if is_gain else 0))


def outputs(model, text):
    ids, source, types = (torch.tensor([text[key]]) if key in text else None for key in ("ids", "source", "types"))
    tensors = {"input_ids": ids[0].int()}
    options = dict(output_attentions=True, output_hidden_states=True)
    part = lambda layers: torch.stack([layer[0] for layer in layers])
    length = text.get("source_length" if source is not None else "length")
    if length is not None:
        options["attention_mask"] = (torch.arange(len(text["source" if source is not None else "ids"])) < length).long()[None]
        tensors["source_length" if source is not None else "length"] = torch.tensor([length], dtype=torch.int32)
    with torch.no_grad():
        if source is not None:
            out = model(input_ids=source, decoder_input_ids=ids, use_cache=False, **options)
            tensors |= {"source_ids": source[0].int(), "hidden": part(out.decoder_hidden_states), "attentions": part(out.decoder_attentions),
                        "encoder_hidden": part(out.encoder_hidden_states), "encoder_attentions": part(out.encoder_attentions),
                        "cross_attentions": part(out.cross_attentions)}
        else:
            if types is not None:
                options["token_type_ids"] = types
                tensors["token_types"] = types[0].int()
            out = model(input_ids=ids, **options)
            tensors |= {"hidden": part(out.hidden_states), "attentions": part(out.attentions)}
    logits = getattr(out, "prediction_logits", None)
    if logits is None and "logits" in out and out.logits.shape[-1] == VOCABULARY:
        logits = out.logits
    if logits is not None:
        tensors["logits"] = logits[0]
    return {name: tensor.contiguous().clone() for name, tensor in tensors.items()}


def all_outputs(model, texts):
    model = model.float().eval()
    return {f"{n}.{name}": tensor for n, text in enumerate(texts) for name, tensor in outputs(model, text).items()}


def change_names(folder, plan):
    """Names as other programs and older versions wrote them."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    if plan.get("old_names"):
        tensors = {name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor for name, tensor in tensors.items()}
    tensors = {plan.get("prefix", "") + name: tensor for name, tensor in tensors.items()}
    save_file(tensors, path, metadata={"format": "pt"})


def write(name):
    plan = MODELS[name]
    torch.manual_seed(5)
    model = plan["make"]()
    if name == "minilm-no-pooler":
        model.pooler = None
    stir(model)
    model = model.to(plan.get("type", torch.float32))
    folder = ENCODERS / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if "old_names" in plan or "prefix" in plan:
        change_names(folder, plan)
    tokenizer = Tokenizer(WordLevel({f"w{i}": i for i in range(VOCABULARY)}, unk_token="w0"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    golden = all_outputs(model, plan["texts"])
    save_file(golden, folder / "golden.safetensors")
    sizes = sum(path.stat().st_size for path in folder.iterdir())
    print(name, sizes, "bytes; logits" if "0.logits" in golden else "bytes; no logits", "tensors", sorted(load_file(folder / "model.safetensors"))[:3])


def check(folder, name):
    plan = MODELS[name]
    with_head = dict(bert=BertForMaskedLM, roberta=RobertaForMaskedLM, distilbert=DistilBertForMaskedLM, t5=T5ForConditionalGeneration,
                     bart=BartForConditionalGeneration, **{"xlm-roberta": XLMRobertaForMaskedLM})
    without = dict(bert=BertModel, roberta=RobertaModel, distilbert=DistilBertModel)
    config = AutoConfig.from_pretrained(folder)
    golden = load_file(ENCODERS / name / "golden.safetensors")
    cls = (with_head if "0.logits" in golden or config.is_encoder_decoder else without)[config.model_type]
    assert config.architectures == [cls.__name__], config.architectures
    model, info = cls.from_pretrained(folder, attn_implementation="eager", output_loading_info=True, dtype=torch.float32)
    found = all_outputs(model, plan["texts"])
    worst = {key: ((value - golden[key]).abs().max() / golden[key].abs().max()).item() for key, value in found.items() if key in golden and value.is_floating_point()}
    missing = {key for key in info["missing_keys"] if "pooler" not in key}
    print(name, "missing", sorted(missing), "unexpected", sorted(info["unexpected_keys"]), "largest difference", max(worst.values()))
    assert not missing and not info["unexpected_keys"] and not info["mismatched_keys"] and max(worst.values()) < 1e-5


def buckets():
    """[both sides ? 1 : 0, buckets, largest distance] and the bucket of each distance from -reach to reach."""
    settings, rows, reach = [], [], 300
    for both in (False, True):
        for n, largest in ((32, 128), (8, 20), (5, 20), (32, 17), (16, 256), (4, 3), (64, 200), (128, 128)):
            settings.append([int(both), n, largest])
            rows.append(T5Attention._relative_position_bucket(torch.arange(-reach, reach + 1), both, n, largest))
    save_file({"settings": torch.tensor(settings, dtype=torch.int32), "buckets": torch.stack(rows).int().contiguous()}, ENCODERS / "buckets.safetensors")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", nargs=2)
    parser.add_argument("--buckets", action="store_true")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    if arguments.check:
        check(*arguments.check)
    elif arguments.buckets:
        buckets()
    else:
        for name in arguments.names or MODELS:
            write(name)
        if not arguments.names:
            buckets()
