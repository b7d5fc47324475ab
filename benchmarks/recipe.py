r"""The recipe for gpt2-xl on a T4, run on the mini and a CPU: losses, time, memory.

    python benchmarks/recipe.py --output gpt2course/course/measurements/recipe.json

`gpt2course finetune-jokes` runs with LoRA, float16 with a gradient scaler and gradient
checkpointing together, and once more with none of the three. A second is one of
processor time of the whole command on one thread. The memory is that of all tensors
that live at one time, counted in a second, shorter run; beside it stands the formula's,
with the weights that the command read and keeps while it trains a copy.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import torch
from allocated import Allocated

from gpt2course.checkpoints import MINI, read_config
from gpt2course.cli import main as gpt2course
from gpt2course.course import measurements
from gpt2course.training import FinetuneConfig, parameter_count, training_memory

ROW_LENGTH = 128
RANK = 8
# the learning rates are the best of benchmarks/lora.py, for LoRA and for all weights
RUNS = {
    "the recipe": [
        *("--lora", str(RANK), "--mixed-precision", "fp16"),
        *("--gradient-checkpointing", "--learning-rate", "0.01"),
    ],
    "none of the three": ["--learning-rate", "0.002"],
}


def arguments(options: list[str], steps: int) -> list[str]:
    """What is typed after gpt2course, without the folder."""
    return [
        *("finetune-jokes", "--checkpoint", "mini", "--device", "cpu"),
        *("--max-steps", str(steps), *options),
    ]


def run(options: list[str], steps: int) -> dict:
    """The command in a process of its own: losses and processor seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "gpt2course", *arguments(options, steps)),
                *("--output", str(Path(folder, "run")), "--json"),
            ],
            check=True,
            stdout=subprocess.PIPE,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = json.loads(done.stdout)
    return {
        "trained_parameters": found["trained_parameters"],
        "loss_before": round(found["first_loss"], 4),
        "loss": round(found["best_loss"], 4),
        "best_step": found["best_step"],
        "seconds": round(
            after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, 1
        ),
    }


def peak_bytes(options: list[str], steps: int) -> int:
    """The most bytes of tensors at one time, in the same command in this process."""
    allocated, shown = Allocated(), io.StringIO()
    with tempfile.TemporaryDirectory() as folder:
        command = [*arguments(options, steps), "--output", str(Path(folder, "run"))]
        with allocated, redirect_stdout(shown), redirect_stderr(shown):
            code = gpt2course(command)
    if code:
        raise RuntimeError(f"gpt2course {' '.join(command)}: {shown.getvalue()}")
    return allocated.peak


def formula_bytes(options: list[str]) -> int:
    """What the formula says of a step, and the weights that the command has read."""
    recipe = "--lora" in options
    config = read_config(MINI)
    memory = training_memory(
        config,
        batch_size=FinetuneConfig().per_device_train_batch_size,
        length=ROW_LENGTH,
        mixed_precision="fp16" if recipe else "no",
        gradient_checkpointing=recipe,
        lora_rank=RANK if recipe else 0,
        device="cpu",
    )
    return memory.total + 4 * parameter_count(config)


def parse(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--counted-steps", type=int, default=3)
    return parser.parse_args(given)


def measure(options: argparse.Namespace) -> dict:
    """The content of the file."""
    torch.set_num_threads(1)
    rows = [
        {
            "run": name,
            "command": " ".join(["gpt2course", *arguments(way, options.steps)]),
        }
        | run(way, options.steps)
        | {
            "peak_bytes": peak_bytes(way, options.counted_steps),
            "formula_bytes": formula_bytes(way),
        }
        for name, way in RUNS.items()
    ]
    return {
        "command": " ".join(["python benchmarks/recipe.py", *sys.argv[1:]]),
        "machine": measurements.machine("peft"),
        "checkpoint": "mini",
        "steps": options.steps,
        "rows_per_step": FinetuneConfig().rows_per_step,
        "row_length": ROW_LENGTH,
        "rows": rows,
    }


def main() -> None:
    options = parse()
    measurements.write(measure(options), options.output)


if __name__ == "__main__":
    main()
