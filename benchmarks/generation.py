"""Tokens a second: our loop against transformers' generate, LLMs-from-scratch, and the naive loop.

    python benchmarks/generation.py --output benchmarks/results/generation-cpu.json

All write greedily, with random weights of the same shape, never stopping early. Each measurement is a process of its
own, so that its peak memory is its own; contestants take turns, and ratios are medians over rounds. LLMs-from-scratch
is not needed for the book: pip install --no-deps llms-from-scratch.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

CONTESTANTS = ("ours", "transformers", "llms-from-scratch", "naive")
PROMPT = 8


def measure(contestant: str, shape: str, batch: int, lengths: list[int]) -> dict:
    """New tokens a second for each length, counted over all texts, and peak memory. Runs in the child process."""
    import torch

    from gpt2course.config import SIZES
    from gpt2course.model import GPT2

    torch.manual_seed(0)
    config = SIZES[shape]
    prompt = torch.randint(config.vocab_size - 1, (batch, PROMPT))
    write = {"ours": _ours, "transformers": _transformers, "llms-from-scratch": _llms, "naive": _naive}[contestant]
    step = write(config, GPT2(config).eval())
    step(prompt, 4)  # the first call pays for memory and kernels
    rates = {}
    for n in lengths:
        started = time.perf_counter()
        step(prompt, n)
        rates[n] = batch * n / (time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"rates": rates, "peak_mb": peak / (2**20 if sys.platform == "darwin" else 2**10)}


def _ours(config, model):
    from gpt2course.generate import generate, generate_batch

    def step(prompt, n):
        if len(prompt) == 1:
            assert len(generate(model, prompt[0].tolist(), n, stop_ids=())) == n
        else:
            generate_batch(model, prompt.tolist(), n)

    # a text in a batch would end at <|endoftext|>: make that token as improbable as can be
    _never_end(model.wte.weight)
    return step


def _transformers(config, model):
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    theirs = GPT2LMHeadModel(GPT2Config(**config.to_dict())).eval()

    def step(prompt, n):
        with torch.inference_mode():
            out = theirs.generate(
                prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=n, min_new_tokens=n,
                pad_token_id=0, eos_token_id=None,
            )  # fmt: skip
        assert out.shape[1] == PROMPT + n

    return step


def _llms(config, model):
    from llms_from_scratch.kv_cache.generate import generate_text_simple
    from llms_from_scratch.kv_cache.gpt2 import GPTModel

    theirs = GPTModel(
        {
            "vocab_size": config.vocab_size, "context_length": config.n_positions, "emb_dim": config.n_embd,
            "n_heads": config.n_head, "n_layers": config.n_layer, "drop_rate": 0.0, "qkv_bias": True,
        }
    ).eval()  # fmt: skip
    return lambda prompt, n: generate_text_simple(theirs, prompt, n)


def _naive(config, model):
    import torch

    def step(prompt, n):
        with torch.inference_mode():
            for _ in range(n):
                prompt = torch.cat([prompt, model(prompt)[:, -1].argmax(-1, keepdim=True)], dim=1)

    return step


def _never_end(embedding) -> None:
    import torch

    with torch.no_grad():
        embedding[-1] = 0  # a logit of 0, among others that are drawn around 0: never the largest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shapes", nargs="+", default=["mini", "gpt2"])
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        contestant, shape, batch, lengths = options.child
        print(json.dumps(measure(contestant, shape, int(batch), json.loads(lengths))))
        return

    from gpt2course.config import SIZES

    rows = []
    for shape in options.shapes:
        for batch in (1, 8):
            lengths = [32, 256, SIZES[shape].n_positions - 24]
            found: dict[str, list[dict]] = {name: [] for name in CONTESTANTS}
            for _ in range(options.rounds):
                for name in CONTESTANTS:
                    # the naive loop takes minutes at full length, which says nothing new
                    wanted = lengths[:2] if name == "naive" else lengths
                    if name == "naive" and (shape != "mini" or batch != 1):
                        wanted = lengths[:1]
                    child = [sys.executable, __file__, "--child", name, shape, str(batch), json.dumps(wanted)]
                    done = subprocess.run(child, capture_output=True, text=True)
                    if done.returncode:
                        sys.exit(f"{name} failed on {shape}, batch {batch}:\n{done.stderr[-2000:]}")
                    found[name].append(json.loads(done.stdout.splitlines()[-1]))
            for name in CONTESTANTS:
                for n in found[name][0]["rates"]:
                    rates = [run["rates"][n] for run in found[name]]
                    ratios = [
                        ours["rates"][n] / run["rates"][n] for ours, run in zip(found["ours"], found[name], strict=True)
                    ]
                    rows.append(
                        {
                            "shape": shape, "batch": batch, "new_tokens": int(n), "contestant": name,
                            "tokens_per_second": round(statistics.median(rates), 1),
                            "ours_is_times_as_fast": round(statistics.median(ratios), 2),
                            "peak_mb": round(statistics.median(run["peak_mb"] for run in found[name])),
                        }
                    )  # fmt: skip
                    print(json.dumps(rows[-1]), flush=True)
    if options.output:
        options.output.write_text(json.dumps({"machine": machine(options), "rows": rows}, indent=1) + "\n")


def machine(options: argparse.Namespace) -> dict:
    """What a reader has to know to judge the numbers."""
    import torch

    def of(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "not installed"

    return {
        "command": "python benchmarks/generation.py",
        "rounds": options.rounds,
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "versions": {name: of(name) for name in ("torch", "transformers", "llms-from-scratch")},
    }


if __name__ == "__main__":
    main()
