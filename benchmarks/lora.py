r"""Fine-tuning on jokes: all weights, and LoRA of several ranks.

    python benchmarks/lora.py --output gpt2course/course/measurements/lora.json

Each method fine-tunes the mini on the same jokes for the same steps, as `gpt2course
finetune-jokes` does, once for each learning rate of a grid. Half of the held-out jokes
choose the rate; the loss in the row is that of the other half. Steps are timed in
turns, one of each method after the other in one process, since only then the ratio of
two times says something on a machine with other work; a second is one of processor
time.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from gpt2course.checkpoints import load_checkpoint, load_tokenizer, read_model
from gpt2course.course import measurements
from gpt2course.data import Packed, encode_jokes, load_jokes, pack_sequences
from gpt2course.model import GPT2
from gpt2course.training import (
    FinetuneConfig,
    add_lora,
    finetune,
    held_out_loss,
    parameter_groups,
    read_state,
    rows_of_step,
    train_step,
)

ROW_LENGTH = 128
RATES = {  # tried for all weights, and for LoRA of any rank
    "all": (5e-4, 1e-3, 2e-3),
    "lora": (3e-3, 1e-2, 3e-2),
}


def load() -> tuple[Packed, Packed, Packed]:
    """Packed jokes: to train on, to choose the learning rate by, to test on."""
    tokenizer, jokes = load_tokenizer(), load_jokes("embedded")
    parts = (jokes.train, jokes.validation[::2], jokes.validation[1::2])
    train, choose, test = (
        pack_sequences(encode_jokes(texts, tokenizer), ROW_LENGTH, too_long="drop")
        for texts in parts
    )
    return train, choose, test


def settings(rank: int | None, rate: float, steps: int) -> FinetuneConfig:
    """One run."""
    every = max(1, steps // 2)
    return FinetuneConfig(
        lora=rank,
        learning_rate=rate,
        max_steps=steps,
        eval_steps=every,
        save_steps=steps,
        max_eval_samples=0,
        device="cpu",
    )


def try_rates(model: GPT2, rank: int | None, steps: int, data: tuple) -> dict:
    """The row of a method: the best learning rate, and what it leads to."""
    train, choose, test = data
    tried = []
    with tempfile.TemporaryDirectory() as parent:
        for rate in RATES["all" if rank is None else "lora"]:
            folder = Path(parent, str(rate))
            done = finetune(model, train, choose, settings(rank, rate, steps), folder)
            tried.append((done.best_loss, rate, done, folder))
        loss, rate, done, folder = min(tried, key=lambda run: run[0])
        moments = read_state(folder / "state.pt")["optimizers"]["optimizer"]["state"]
        return {
            "method": "all weights" if rank is None else "LoRA",
            "rank": rank,
            "trained_parameters": done.trained_parameters,
            "optimizer_bytes": sum(
                moment.nbytes
                for state in moments.values()
                for name, moment in state.items()
                if name != "step"
            ),
            "learning_rate": rate,
            "best_step": done.best_step,
            "choosing_loss": round(loss, 4),
            "loss": round(held_out_loss(read_model(folder), test), 4),
            "rates_tried": [
                {"learning_rate": rate, "choosing_loss": round(loss, 4)}
                for loss, rate, _, _ in tried
            ],
        }


def step_seconds(ranks: list[int | None], rounds: int, train: Packed) -> list[dict]:
    """Processor seconds per optimizer step of each method, measured in turns.

    The ratio to the first method is the median over the rounds.
    """
    runs = []
    for rank in ranks:
        model = load_checkpoint("mini")
        if rank is not None:
            add_lora(model, rank, seed=1)
        groups = parameter_groups(model, weight_decay=0.01)
        runs.append((model, torch.optim.AdamW(groups, lr=1e-4, fused=True)))
    seconds: list[list[float]] = [[] for _ in runs]
    for step in range(rounds + 1):
        rows = train[rows_of_step(step, len(train), 16, seed=1)]
        for (model, optimizer), times in zip(runs, seconds, strict=True):
            started = time.process_time()
            train_step(model, optimizer, [rows])
            times.append(time.process_time() - started)
    found = []
    for times in seconds:
        pairs = zip(times[1:], seconds[0][1:], strict=True)  # the first one warms up
        found.append(
            {
                "step_seconds": round(statistics.median(times[1:]), 4),
                "step_time_ratio": round(
                    statistics.median(mine / first for mine, first in pairs), 3
                ),
            }
        )
    return found


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--ranks", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=10)
    return parser.parse_args(arguments)


def measure(options: argparse.Namespace) -> dict:
    """The content of the file."""
    torch.set_num_threads(1)
    started = time.process_time()
    model, data = load_checkpoint("mini"), load()
    train, choose, test = data
    methods = [None, *options.ranks]
    rows = [try_rates(model, rank, options.steps, data) for rank in methods]
    timed = step_seconds(methods, options.rounds, train)
    return {
        "command": " ".join(["python benchmarks/lora.py", *sys.argv[1:]]),
        "machine": measurements.machine("peft"),
        "minutes": round((time.process_time() - started) / 60, 1),
        "checkpoint": "mini",
        "parameters": sum(p.numel() for p in model.parameters()),
        "target": "c_attn",
        "steps": options.steps,
        "rows_per_step": FinetuneConfig().rows_per_step,
        "row_length": ROW_LENGTH,
        "train_tokens": train.num_label_tokens,
        "choosing_tokens": choose.num_label_tokens,
        "test_tokens": test.num_label_tokens,
        "loss_before": round(held_out_loss(model, test), 4),
        "rows": [row | time for row, time in zip(rows, timed, strict=True)],
    }


def main() -> None:
    options = parse()
    measurements.write(measure(options), options.output)


if __name__ == "__main__":
    main()
