"""All tasks of the package on the mini, each on its embedded set.

    python benchmarks/evaluation.py gpt2course/course/measurements/evaluation-mini.json

`gpt2course evaluate` measures the same; here the machine is noted, too.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from gpt2course.checkpoints import load_checkpoint, load_tokenizer
from gpt2course.course import measurements
from gpt2course.evaluation import TASKS, Reader, evaluate

SUMMARIES = 100  # each takes 100 tokens to write


def main(arguments: list[str]) -> None:
    """Measure every task."""
    reader = Reader(load_checkpoint("mini"), load_tokenizer("mini"))
    rows = []
    for task in TASKS:
        started = time.perf_counter()
        limit = SUMMARIES if task == "summaries" else None
        found = evaluate(task, reader, source="embedded", limit=limit)
        rows.append(
            {
                "task": task,
                "examples": found.examples,
                "seconds": round(time.perf_counter() - started, 1),
                **found.results,
            }
        )
        print(rows[-1], file=sys.stderr)
    result = {
        "command": "python benchmarks/evaluation.py "
        "gpt2course/course/measurements/evaluation-mini.json",
        "machine": measurements.machine("transformers"),
        "window": reader.window,
        "stride": reader.stride,
        "seed": reader.seed,
        "rows": rows,
    }
    measurements.write(result, Path(arguments[0]) if arguments else None)


if __name__ == "__main__":
    main(sys.argv[1:])
