"""Writes the golden data of the training tests with PyTorch and transformers; the tests themselves need neither.

    python3 tests/golden/make_training_golden.py     (pip packages: torch, transformers, safetensors)

  tests/golden/training.safetensors, all computed in double and stored as float32:
    FORM.inputs, .targets          [rows, seq]; a target of -1 is not counted; of bart also .sources [rows, source_seq], .source_lengths
    FORM.loss, .losses, .logits    mean over counted targets; of each position; [rows * seq, vocab]
    FORM.parameter.SLOT            values of a random tiny model, under the names of core/training/layout.h
    FORM.gradient.SLOT             of the mean loss
                                   FORM: qwen2 (rotary, RMSNorm, SwiGLU, grouped heads), gpt2, bert (masked words), bart (two sequences)
    distilled.*                    qwen2 once more, taught by distilled.teacher at weight 0.7 and temperature 2.5
    adamw.parameter.SLOT           before the first step; adamw.N.gradient.SLOT, adamw.N.parameter.SLOT: gradients of step N and the values
                                   after it; adamw.norms: global norms before clipping, adamw.rates: learning rates
    trajectory.*                   ten steps of qwen2 from qwen2.parameter: .inputs, .targets [10, rows, seq], .rates, .losses, .norms [10], and
                                   .parameter.SLOT at the end
"""
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import (BartConfig, BartForConditionalGeneration, BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel, Qwen2Config,
                          Qwen2ForCausalLM)

GOLDEN = pathlib.Path(__file__).resolve().parent
VOCAB = 37
ROWS, SEQ, SOURCE_SEQ = 3, 11, 9
IGNORED = -1
BETAS, DECAY, CLIP = (0.9, 0.98), 0.01, 1.0


def qwen2(rope_theta=100.0):
    config = Qwen2Config(vocab_size=VOCAB, hidden_size=24, intermediate_size=20, num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=1,
                         head_dim=10, max_position_embeddings=32, rms_norm_eps=1e-6, tie_word_embeddings=True,
                         rope_parameters={"rope_type": "default", "rope_theta": rope_theta}, attn_implementation="eager")
    return Qwen2ForCausalLM(config)


def gpt2():
    config = GPT2Config(vocab_size=VOCAB, n_embd=18, n_inner=28, n_layer=2, n_head=3, n_positions=32, activation_function="gelu_new",
                        layer_norm_epsilon=1e-5, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, attn_implementation="eager")
    return GPT2LMHeadModel(config)


def bert():
    config = BertConfig(vocab_size=VOCAB, hidden_size=20, intermediate_size=28, num_hidden_layers=2, num_attention_heads=2,
                        max_position_embeddings=32, hidden_act="gelu_new", layer_norm_eps=1e-12, type_vocab_size=2, hidden_dropout_prob=0,
                        attention_probs_dropout_prob=0, attn_implementation="eager")
    return BertForMaskedLM(config)


def bart():
    config = BartConfig(vocab_size=VOCAB, d_model=18, encoder_layers=2, decoder_layers=1, encoder_attention_heads=3, decoder_attention_heads=3,
                        encoder_ffn_dim=28, decoder_ffn_dim=28, max_position_embeddings=32, activation_function="gelu_new", dropout=0,
                        attention_dropout=0, activation_dropout=0, scale_embedding=False, pad_token_id=1, bos_token_id=0, eos_token_id=2,
                        decoder_start_token_id=0, forced_eos_token_id=None, attn_implementation="eager")
    return BartForConditionalGeneration(config)


# Each slot: our name -> (parameter of the model, how its gradient or value reads in our layout).
def plain(t):
    return t


def flipped(t):
    return t.T


def third(n):
    """GPT-2 keeps q, k and v in one Conv1D [inputs, 3 * outputs]."""
    return lambda t: t.chunk(3, dim=-1)[n].T if t.dim() == 2 else t.chunk(3)[n]


def qwen2_slots(model):
    base = model.model
    slots = {"embedding": (base.embed_tokens.weight, plain), "final_norm": (base.norm.weight, plain)}
    for i, block in enumerate(base.layers):
        a, m = block.self_attn, block.mlp
        parts = {"attention_norm": block.input_layernorm.weight, "w_q": a.q_proj.weight, "w_k": a.k_proj.weight, "w_v": a.v_proj.weight,
                 "b_q": a.q_proj.bias, "b_k": a.k_proj.bias, "b_v": a.v_proj.bias, "w_o": a.o_proj.weight,
                 "mlp_norm": block.post_attention_layernorm.weight, "w_gate": m.gate_proj.weight, "w_up": m.up_proj.weight,
                 "w_down": m.down_proj.weight}
        slots |= {f"layers.{i}.{name}": (t, plain) for name, t in parts.items()}
    return slots


def gpt2_slots(model):
    base = model.transformer
    slots = {"embedding": (base.wte.weight, plain), "positions": (base.wpe.weight, plain), "final_norm": (base.ln_f.weight, plain),
             "final_norm_bias": (base.ln_f.bias, plain)}
    for i, block in enumerate(base.h):
        a, m = block.attn, block.mlp
        parts = {"attention_norm": (block.ln_1.weight, plain), "attention_norm_bias": (block.ln_1.bias, plain), "w_o": (a.c_proj.weight, flipped),
                 "b_o": (a.c_proj.bias, plain), "mlp_norm": (block.ln_2.weight, plain), "mlp_norm_bias": (block.ln_2.bias, plain),
                 "w_up": (m.c_fc.weight, flipped), "b_up": (m.c_fc.bias, plain), "w_down": (m.c_proj.weight, flipped),
                 "b_down": (m.c_proj.bias, plain)}
        for n, which in enumerate("qkv"):
            parts[f"w_{which}"] = (a.c_attn.weight, third(n))
            parts[f"b_{which}"] = (a.c_attn.bias, third(n))
        slots |= {f"layers.{i}.{name}": part for name, part in parts.items()}
    return slots


def bert_slots(model):
    e, head = model.bert.embeddings, model.cls.predictions
    slots = {"embedding": e.word_embeddings.weight, "positions": e.position_embeddings.weight, "embedding_norm": e.LayerNorm.weight,
             "embedding_norm_bias": e.LayerNorm.bias, "head_dense": head.transform.dense.weight, "head_dense_bias": head.transform.dense.bias,
             "head_norm": head.transform.LayerNorm.weight, "head_norm_bias": head.transform.LayerNorm.bias, "output_bias": head.bias}
    for i, block in enumerate(model.bert.encoder.layer):
        s, o = block.attention.self, block.attention.output
        parts = {"w_q": s.query.weight, "b_q": s.query.bias, "w_k": s.key.weight, "b_k": s.key.bias, "w_v": s.value.weight, "b_v": s.value.bias,
                 "w_o": o.dense.weight, "b_o": o.dense.bias, "attention_norm": o.LayerNorm.weight, "attention_norm_bias": o.LayerNorm.bias,
                 "w_up": block.intermediate.dense.weight, "b_up": block.intermediate.dense.bias, "w_down": block.output.dense.weight,
                 "b_down": block.output.dense.bias, "mlp_norm": block.output.LayerNorm.weight, "mlp_norm_bias": block.output.LayerNorm.bias}
        slots |= {f"layers.{i}.{name}": t for name, t in parts.items()}
    return {name: (t, plain) for name, t in slots.items()}


def bart_attention(prefix, a):
    return {f"{prefix}w_q": a.q_proj.weight, f"{prefix}b_q": a.q_proj.bias, f"{prefix}w_k": a.k_proj.weight, f"{prefix}b_k": a.k_proj.bias,
            f"{prefix}w_v": a.v_proj.weight, f"{prefix}b_v": a.v_proj.bias, f"{prefix}w_o": a.out_proj.weight, f"{prefix}b_o": a.out_proj.bias}


def bart_slots(model):
    encoder, decoder = model.model.encoder, model.model.decoder
    slots = {"embedding": (model.model.shared.weight, plain), "output_bias": (model.final_logits_bias, lambda t: t[0])}
    for prefix, stack in (("encoder.", encoder), ("", decoder)):
        slots[f"{prefix}positions"] = (stack.embed_positions.weight, lambda t: t[2:])
        slots[f"{prefix}embedding_norm"] = (stack.layernorm_embedding.weight, plain)
        slots[f"{prefix}embedding_norm_bias"] = (stack.layernorm_embedding.bias, plain)
        for i, block in enumerate(stack.layers):
            parts = bart_attention("", block.self_attn)
            parts |= {"attention_norm": block.self_attn_layer_norm.weight, "attention_norm_bias": block.self_attn_layer_norm.bias,
                      "w_up": block.fc1.weight, "b_up": block.fc1.bias, "w_down": block.fc2.weight, "b_down": block.fc2.bias,
                      "mlp_norm": block.final_layer_norm.weight, "mlp_norm_bias": block.final_layer_norm.bias}
            if not prefix:
                parts |= bart_attention("cross_", block.encoder_attn)
                parts |= {"cross_norm": block.encoder_attn_layer_norm.weight, "cross_norm_bias": block.encoder_attn_layer_norm.bias}
            slots |= {f"{prefix or 'layers.'}{i}.{name}": (t, plain) for name, t in parts.items()}
    return slots


FORMS = {"qwen2": (qwen2, qwen2_slots), "gpt2": (gpt2, gpt2_slots), "bert": (bert, bert_slots), "bart": (bart, bart_slots)}


def stir(model):
    """Random values everywhere, as float32 numbers in double: gains around one, biases not zero, scores that are not all alike."""
    model.double().eval()
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding):
            module.padding_idx = None  # it would hide a part of the gradient
    if hasattr(model, "final_logits_bias"):
        model.final_logits_bias = torch.nn.Buffer(torch.zeros(1, VOCAB, dtype=torch.double))
        model.final_logits_bias.requires_grad_(True)
    with torch.no_grad():
        tensors = dict(model.named_parameters())
        if hasattr(model, "final_logits_bias"):
            tensors["final_logits_bias"] = model.final_logits_bias
        for name, t in tensors.items():
            if "norm" in name.lower() or ".ln_" in name:
                values = 0.3 * torch.randn(t.shape) + (0 if name.endswith("bias") else 1)
            elif name.endswith("bias"):
                values = 0.4 * torch.randn(t.shape)
            else:
                values = torch.randn(t.shape) * 0.35
            t.copy_(values.double())
        # A row of token types that our layout folds into the positions.
        if hasattr(model, "bert"):
            model.bert.embeddings.token_type_embeddings.weight.zero_()
    return model


def batch_of(form):
    inputs = torch.randint(0, VOCAB, (ROWS, SEQ))
    targets = torch.randint(0, VOCAB, (ROWS, SEQ))
    targets[torch.rand(ROWS, SEQ) < 0.2] = IGNORED
    if form == "bert":
        targets[torch.rand(ROWS, SEQ) < 0.5] = IGNORED
    batch = {"inputs": inputs, "targets": targets}
    if form == "bart":
        batch |= {"sources": torch.randint(0, VOCAB, (ROWS, SOURCE_SEQ)), "source_lengths": torch.tensor([9, 5, 7])}
    return batch


def logits_of(model, batch):
    if "sources" not in batch:
        return model(input_ids=batch["inputs"]).logits
    mask = (torch.arange(SOURCE_SEQ)[None, :] < batch["source_lengths"][:, None]).long()
    return model(input_ids=batch["sources"], attention_mask=mask, decoder_input_ids=batch["inputs"]).logits


def loss_of(logits, targets):
    return F.cross_entropy(logits.reshape(-1, VOCAB), targets.reshape(-1), ignore_index=IGNORED)


def values_of(slots):
    return {name: read(t.detach()) for name, (t, read) in slots.items()}


def gradients_of(slots):
    return {name: read(t.grad) for name, (t, read) in slots.items()}


def zero_gradients(slots):
    for t, _ in slots.values():
        t.grad = None


def form_golden(form, out):
    make, slots_of = FORMS[form]
    model = stir(make())
    slots = slots_of(model)
    batch = batch_of(form)
    logits = logits_of(model, batch)
    loss = loss_of(logits, batch["targets"])
    loss.backward()
    losses = F.cross_entropy(logits.reshape(-1, VOCAB), batch["targets"].reshape(-1), ignore_index=IGNORED, reduction="none")
    out |= {f"{form}.{name}": t for name, t in batch.items()}
    out |= {f"{form}.loss": loss.detach().reshape(1), f"{form}.losses": losses.detach().reshape(ROWS, SEQ), f"{form}.logits": logits.detach()}
    out |= {f"{form}.parameter.{name}": t for name, t in values_of(slots).items()}
    out |= {f"{form}.gradient.{name}": t for name, t in gradients_of(slots).items()}
    return model, slots, batch


def distilled_golden(model, slots, batch, out):
    weight, temperature = 0.7, 2.5
    zero_gradients(slots)
    teacher = torch.softmax(torch.randn(ROWS, SEQ, VOCAB, dtype=torch.double), dim=-1).float().double()
    logits = logits_of(model, batch)
    counted = batch["targets"] != IGNORED
    divergence = (teacher * (teacher.log() - torch.log_softmax(logits / temperature, dim=-1))).sum(-1)
    loss = (1 - weight) * loss_of(logits, batch["targets"]) + weight * temperature**2 * divergence[counted].mean()
    loss.backward()
    out |= {"distilled.teacher": teacher, "distilled.loss": loss.detach().reshape(1)}
    out |= {f"distilled.gradient.{name}": t for name, t in gradients_of(slots).items() if name in ("embedding", "layers.0.w_q", "layers.1.w_down")}


def optimiser_of(tensors, learning_rate):
    matrices = [t for t in tensors if t.dim() == 2]
    others = [t for t in tensors if t.dim() != 2]
    return torch.optim.AdamW([{"params": matrices, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}], lr=learning_rate, betas=BETAS,
                             eps=1e-8)


def step(optimiser, tensors, rate):
    norm = torch.nn.utils.clip_grad_norm_(tensors, CLIP)
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.step()
    return norm


def adamw_golden(out):
    # The slots of a model of one layer: d_model 4, one head, d_ff 8, a vocabulary of 5.
    shapes = {"embedding": (5, 4), "final_norm": (4,), "layers.0.attention_norm": (4,), "layers.0.mlp_norm": (4,), "layers.0.w_gate": (8, 4),
              "layers.0.w_up": (8, 4), "layers.0.w_down": (4, 8)}
    shapes |= {f"layers.0.w_{x}": (4, 4) for x in "qkvo"} | {f"layers.0.b_{x}": (4,) for x in "qkv"}
    tensors = {name: torch.randn(shape).double().requires_grad_(True) for name, shape in shapes.items()}
    out |= {f"adamw.parameter.{name}": t.detach().clone() for name, t in tensors.items()}
    rates, norms = [1e-2, 3e-3, 5e-2, 1e-3, 2e-2], []
    optimiser = optimiser_of(list(tensors.values()), rates[0])
    # Norms on both sides of the clip.
    for n, (rate, size) in enumerate(zip(rates, [0.02, 0.5, 10.0, 1e-4, 0.06])):
        for name, t in tensors.items():
            t.grad = (size * torch.randn(t.shape)).double()
            out[f"adamw.{n}.gradient.{name}"] = t.grad.clone()
        norms.append(step(optimiser, list(tensors.values()), rate))
        out |= {f"adamw.{n}.parameter.{name}": t.detach().clone() for name, t in tensors.items()}
    out |= {"adamw.rates": torch.tensor(rates), "adamw.norms": torch.stack(norms)}


def trajectory_golden(model, slots, out):
    steps = 10
    tensors = [t for t, _ in slots.values()]
    rates = [1e-2 * min(1, (n + 1) / 4) for n in range(steps)]
    optimiser = optimiser_of(tensors, rates[0])
    # A language that can be learned: each word is followed by 3 * word + 1 or, one time in five, by any.
    inputs = torch.randint(0, VOCAB, (steps, ROWS, SEQ + 1))
    for i in range(SEQ):
        follows = torch.rand(steps, ROWS) < 0.8
        inputs[..., i + 1] = torch.where(follows, (3 * inputs[..., i] + 1) % VOCAB, inputs[..., i + 1])
    targets = inputs[..., 1:].clone()
    inputs = inputs[..., :-1].clone()
    losses, norms = [], []
    for n in range(steps):
        zero_gradients(slots)
        loss = loss_of(logits_of(model, {"inputs": inputs[n]}), targets[n])
        loss.backward()
        losses.append(loss.detach())
        norms.append(step(optimiser, tensors, rates[n]))
    out |= {"trajectory.inputs": inputs, "trajectory.targets": targets, "trajectory.rates": torch.tensor(rates),
            "trajectory.losses": torch.stack(losses), "trajectory.norms": torch.stack(norms)}
    out |= {f"trajectory.parameter.{name}": t.clone() for name, t in values_of(slots).items()}


def main():
    torch.manual_seed(4)
    out = {}
    made = {form: form_golden(form, out) for form in FORMS}
    out = {name: t.clone() for name, t in out.items()}
    distilled_golden(*made["qwen2"], out)
    trajectory_golden(*made["qwen2"][:2], out)
    adamw_golden(out)
    stored = {name: (t.float() if t.is_floating_point() else t.int()).contiguous() for name, t in out.items()}
    save_file(stored, GOLDEN / "training.safetensors")
    print({form: float(out[f"{form}.loss"]) for form in FORMS}, "distilled", float(out["distilled.loss"]))
    print("trajectory", [round(float(x), 4) for x in out["trajectory.losses"]], "norms", [round(float(x), 3) for x in out["trajectory.norms"]])
    print("adamw norms", [round(float(x), 5) for x in out["adamw.norms"]])


if __name__ == "__main__":
    main()
