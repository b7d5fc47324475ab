"""All tasks of the package on a checkpoint: the mini, or a published size.

    python benchmarks/evaluation.py gpt2course/course/measurements/evaluation-mini.json
    python benchmarks/evaluation.py --checkpoint gpt2
    gpt2course/course/measurements/evaluation-gpt2.json

The mini is measured on the embedded sets. A published size needs the hub, for its
weights and the real sets, and takes minutes on a GPU; book/evaluating.md shows the
files evaluation-gpt2.json, evaluation-gpt2-medium.json and so on as soon as they exist.
`gpt2course evaluate` measures the same; here the machine is noted, too.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch

from gpt2course.checkpoints import REVISIONS, load_checkpoint, load_tokenizer
from gpt2course.course import measurements
from gpt2course.evaluation import HUB, TASKS, Reader, evaluate
from gpt2course.settings import HUB_CHECKPOINTS

LIMITS = {"summaries": 100, "translation": 100}  # each takes up to 100 tokens to write


def tasks_with_data(source: str) -> list[str]:
    """The tasks that a source of data has examples of."""
    if source == "embedded":
        return list(TASKS)
    if source == "hub":
        return [task for task in TASKS if task in HUB]
    found = [task for task in TASKS if Path(source, f"{task}.jsonl").exists()]
    if not found:
        files = ", ".join(f"{task}.jsonl" for task in TASKS)
        raise ValueError(f"{source} holds none of {files}; write one of them")
    return found


def measure(checkpoint: str, source: str) -> dict:
    """The content of the file."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = load_checkpoint(checkpoint).to(device)
    reader = Reader(model, load_tokenizer(checkpoint))
    rows = []
    for task in tasks_with_data(source):
        started = time.perf_counter()
        found = evaluate(task, reader, source=source, limit=LIMITS.get(task))
        rows.append(
            {
                "task": task,
                "examples": found.examples,
                "seconds": round(time.perf_counter() - started, 1),
                **found.results,
            }
        )
        print(rows[-1], file=sys.stderr)
    return {
        "command": " ".join(["python benchmarks/evaluation.py", *sys.argv[1:]]),
        "machine": measurements.machine("transformers"),
        "checkpoint": checkpoint,
        "revision": REVISIONS.get(checkpoint),
        "data": source,
        "window": reader.window,
        "stride": reader.stride,
        "seed": reader.seed,
        "rows": rows,
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure every task that has data."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "output", type=Path, nargs="?", help="the file; else it is printed"
    )
    parser.add_argument("--checkpoint", default="mini", help="gpt2, ..., or a folder")
    parser.add_argument("--data", help="embedded, hub, or a folder with TASK.jsonl")
    options = parser.parse_args(arguments)
    published = options.checkpoint in HUB_CHECKPOINTS
    source = options.data or ("hub" if published else "embedded")
    measurements.write(measure(options.checkpoint, source), options.output)


if __name__ == "__main__":
    main()
