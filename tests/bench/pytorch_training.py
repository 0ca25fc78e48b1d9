"""Times a training step (forward, backward, AdamW) in PyTorch in turns with bench_training, on the same shapes and the same machine.

    python3 tests/bench/pytorch_training.py BUILD/tests/bench/bench_training [--rounds 3] [--shapes tiny-gpt,d32,d512] [--threads 1,2]

Each round times one shape here, then the other program, then the next; so a drift of the machine's speed touches both alike. One thread is
timed by its processor time, several by the wall; a figure is the median of the rounds' medians, beside the quickest step of all. PyTorch runs
its own fused attention and, of its three AdamWs (a loop, foreach, fused), the quickest. (pip package: torch)
"""
import argparse
import json
import statistics
import subprocess
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

# name: layers, d_model, heads, vocabulary, rows, tokens of a row; as in tests/bench/training_bench.cpp
SHAPES = {"tiny-gpt": (2, 64, 4, 512, 32, 64), "d32": (2, 32, 4, 366, 16, 48), "d512": (2, 512, 8, 512, 16, 64)}
SECONDS = 1.0


class Block(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.up, self.down = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

    def forward(self, x):
        rows, seq, d = x.shape
        q, k, v = (t.view(rows, seq, self.heads, -1).transpose(1, 2) for t in self.qkv(self.norm1(x)).split(d, dim=-1))
        x = x + self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(rows, seq, d))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class Gpt(nn.Module):
    """GPT-2's block; the output is the embedding."""

    def __init__(self, layers, d, heads, vocabulary, seq):
        super().__init__()
        self.words, self.positions = nn.Embedding(vocabulary, d), nn.Embedding(seq, d)
        self.blocks = nn.ModuleList(Block(d, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(d)

    def forward(self, ids):
        x = self.words(ids) + self.positions.weight[: ids.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.norm(x) @ self.words.weight.T


class Pytorch:
    """One shape's steps."""

    def __init__(self, name):
        layers, d, heads, vocabulary, rows, seq = SHAPES[name]
        torch.manual_seed(1)
        self.model = Gpt(layers, d, heads, vocabulary, seq)
        self.ids = torch.randint(0, vocabulary, (rows, seq))
        self.targets = torch.randint(0, vocabulary, (rows * seq,))
        self.tokens = rows * seq
        self.optimiser = None

    def use(self, **kind):
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01, **kind)

    def step(self):
        self.optimiser.zero_grad(set_to_none=True)
        logits = self.model(self.ids)
        F.cross_entropy(logits.view(-1, logits.shape[-1]), self.targets).backward()
        self.optimiser.step()

    def seconds_of_steps(self, threads, budget):
        clock = time.thread_time if threads == 1 else time.perf_counter
        for _ in range(3):
            self.step()
        seconds, end = [], time.perf_counter() + budget
        while time.perf_counter() < end or len(seconds) < 5:
            begin = clock()
            self.step()
            seconds.append(clock() - begin)
        return seconds


def time_pytorch(name, threads):
    """Seconds of each step with the quickest AdamW, and which that was."""
    torch.set_num_threads(threads)
    shape = Pytorch(name)
    kinds = {"loop": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}
    found = {}
    for kind, options in kinds.items():
        shape.use(**options)
        found[kind] = shape.seconds_of_steps(threads, SECONDS / len(kinds))
    quickest = min(found, key=lambda kind: statistics.median(found[kind]))
    return shape.tokens, found[quickest], quickest


def time_other(program, name, threads):
    run = subprocess.run([program, f"--benchmark_filter=^{name}/threads:{threads}/", "--benchmark_format=json", f"--benchmark_min_time={SECONDS}"],
                         check=True, capture_output=True, text=True)
    return json.loads(run.stdout)["benchmarks"][0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shapes", default=",".join(SHAPES))
    parser.add_argument("--threads", default="1,2")
    arguments = parser.parse_args()
    print(f"PyTorch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}; tokens a second, median of {arguments.rounds} rounds (quickest step)")
    print("| shape | threads | headroom | % of FMA peak | % busy | PyTorch | its AdamW | ratio (of the quickest) |")
    print("|---|---|---|---|---|---|---|---|")
    for name in arguments.shapes.split(","):
        for threads in map(int, arguments.threads.split(",")):
            ours, theirs, kinds = [], [], []
            for _ in range(arguments.rounds):
                ours.append(time_other(arguments.program, name, threads))
                tokens, seconds, kind = time_pytorch(name, threads)
                theirs.append((tokens / statistics.median(seconds), tokens / min(seconds)))
                kinds.append(kind)
            median = statistics.median(o["tokens/s"] for o in ours)
            best = max(o["best tokens/s"] for o in ours)
            share = statistics.median(o["%FMA"] for o in ours)
            busy = statistics.median(o["%busy"] for o in ours)
            torch_median, torch_best = statistics.median(t[0] for t in theirs), max(t[1] for t in theirs)
            print(f"| {name} | {threads} | {median:,.0f} ({best:,.0f}) | {share:.0f} | {busy:.0f} | {torch_median:,.0f} ({torch_best:,.0f}) | "
                  f"{statistics.mode(kinds)} | {median / torch_median:.2f} ({best / torch_best:.2f}) |", flush=True)


if __name__ == "__main__":
    main()
