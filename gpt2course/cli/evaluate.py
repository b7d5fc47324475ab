"""gpt2course evaluate: test a model as the paper did. The tasks are in evaluation/."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gpt2course.cli.text import print_json

if TYPE_CHECKING:
    from gpt2course.evaluation import Evaluation

EXAMPLE = "gpt2course evaluate last-word endings --limit 100 --output results"


def run(
    texts: list[str],
    checkpoint: str | None = None,
    data: str | None = None,
    limit: int | None = None,
    window: int | None = None,
    stride: int | None = None,
    output: Path | None = None,
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    json: bool = False,
) -> int:
    """Test a model on tasks of the GPT-2 paper, and say how it was measured.

    The tasks are perplexity, last-word, cloze, endings, summaries and translation.
    Interrupted, the same command resumes with --output.

    Args:
        texts: one or more tasks.
        checkpoint: mini, gpt2, gpt2-medium, gpt2-large, gpt2-xl or a folder; by
            default GPT2COURSE_CHECKPOINT, else mini.
        data: embedded (small sets made of film reviews), hub (WikiText-2, LAMBADA,
            HellaSwag and others) or a folder with TASK.jsonl; by default
            GPT2COURSE_DATA, else embedded (hub if GPT2COURSE_CHECKPOINT is a download).
        limit: only the first examples of each task.
        window: tokens the model reads at once to score a text; by default, and for
            tasks in which it writes, all its positions.
        stride: tokens predicted per window after the first, for texts longer than a
            window; by default the window.
        output: folder that keeps the row of each example and the results.
        seed: of what is sampled for summaries.
        device: auto is a GPU if there is one.
        json: print one JSON object.
    """
    from gpt2course.evaluation import (
        TASKS,
        Reader,
        check_language_model,
        check_task,
        evaluate,
    )

    if not texts:
        raise ValueError(f"there is no task; choose from {', '.join(TASKS)}")
    tasks = list(dict.fromkeys(check_task(name) for name in texts))
    check_language_model(checkpoint)
    from gpt2course.checkpoints import load_checkpoint, load_tokenizer
    from gpt2course.training import pick_device

    model = load_checkpoint(checkpoint).to(pick_device(device))
    reader = Reader(model, load_tokenizer(checkpoint), window, stride, seed)
    done = []
    for task in tasks:
        found = evaluate(
            task,
            reader,
            source=data,
            limit=limit,
            folder=output,
            progress=not json,
        )
        done.append(found)
        if not json:
            _print(found)
    if json:
        print_json(
            window=reader.window,
            stride=reader.stride,
            tasks={
                found.task: {
                    "examples": found.examples,
                    "resumed": found.resumed,
                    **found.results,
                }
                for found in done
            },
        )
    return 0


def _print(found: Evaluation) -> None:
    """A task's results, and its protocol."""
    from gpt2course.evaluation import TASKS

    task = TASKS[found.task]
    print(f"{found.task}: {found.examples} examples")
    print(f"  {task.protocol}")
    for name, unit in task.units.items():
        error = found.results.get(f"{name}_stderr")
        note = f" (standard error {error:.3f})" if error is not None else ""
        print(f"  {name} {found.results[name]:.3f}, {unit}{note}")
