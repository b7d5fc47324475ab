"""Run a task, example by example, so that a long evaluation can stop and resume.

tasks.py says what an example is worth. Start at `evaluate`.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from gpt2course.checkpoints import checkpoint_folder, read_entries
from gpt2course.evaluation.examples import Example, load_examples
from gpt2course.evaluation.scoring import Reader
from gpt2course.evaluation.tasks import TASKS, Results, Row
from gpt2course.files import read_bounded, refuse_reserved_name, sha256, write_text
from gpt2course.settings import unknown
from gpt2course.training import check_same_run, digest_of_start

# raise it when a task is measured in another way: old rows are refused then
PROTOCOL = 3
MAX_BYTES = 2**30  # of the rows of a task


@dataclass(frozen=True)
class Evaluation:
    """What a task has shown.

    Args:
        task: a key of TASKS.
        examples: how many were measured.
        results: numbers by name; TASKS has their units.
        rows: what each example gave.
        resumed: how many of the rows were there before.
    """

    task: str
    examples: int
    results: Results
    rows: list[Row]
    resumed: int = 0


def check_task(name: str) -> str:
    """The name of a task as it was given.

    Raises:
        ValueError: an unknown one; the nearest is suggested.
    """
    if name not in TASKS:
        raise unknown("task", name, list(TASKS))
    return name


def check_language_model(checkpoint: str | None = None) -> None:
    """Refuse a checkpoint that was saved without a language-model head.

    Args:
        checkpoint: as in `load_checkpoint`.

    Raises:
        ValueError: it was saved as another model, such as a classifier.
        CheckpointError, HubError: as `checkpoint_folder`.
    """
    folder = checkpoint_folder(checkpoint)
    names = read_entries(folder).get("architectures") or []
    names = [names] if isinstance(names, str) else names
    if names and not any(
        "LMHead" in str(name) or "DoubleHeads" in str(name) for name in names
    ):
        raise ValueError(
            f"{folder} holds a {', '.join(map(str, names))}, which has no "
            "language-model head; choose a checkpoint that was saved as "
            "GPT2LMHeadModel"
        )


def evaluate(
    task: str,
    reader: Reader,
    *,
    source: str | None = None,
    limit: int | None = None,
    folder: str | os.PathLike | None = None,
    progress: bool = False,
) -> Evaluation:
    """Measure a model on a task.

    Args:
        task: a key of TASKS.
        reader: the model, with its window, stride and seed.
        source: of the examples, as in `load_examples`.
        limit: only the first examples.
        folder: made if it is not there. TASK.jsonl keeps a row for each example, and an
            evaluation that was interrupted resumes from it, with the same or another
            limit; TASK.results.json gets the results.
        progress: show a bar on stderr.

    Raises:
        ValueError: an unknown task, no examples, a stride that no text is long enough
            for, rows of another evaluation, a result that is not finite, a folder that
            Windows reserves.
        OSError: the folder cannot be written.
        KeyboardInterrupt: after ctrl-C; its message says how to resume.

    Chapter: evaluating as the paper did.
    """
    check_task(task)
    if limit is not None and limit < 1:
        raise ValueError(f"limit is {limit}; it must be at least 1")
    every = load_examples(task, source)
    if not every:
        raise ValueError(
            f"no text gives an example of {task}; use another task, or a data folder "
            f"with {task}.jsonl"
        )
    examples = every[:limit]
    if task == "perplexity":
        _check_stride_matters(reader, examples)
    rows: list[Row] = []
    path = None
    if folder is not None:
        folder = Path(folder)
        refuse_reserved_name(folder)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{task}.jsonl"
        rows = _begin_or_resume(path, _settings(task, reader, every))
    resumed = min(len(rows), len(examples))
    try:
        _measure_rest(task, reader, examples, rows, path, progress)
    except KeyboardInterrupt:
        kept = f"; {path} keeps them: the same command resumes" if path else ""
        raise KeyboardInterrupt(
            f"stopped after {len(rows)} of {len(examples)} examples{kept}"
        ) from None
    rows = rows[: len(examples)]
    results = TASKS[task].summarise(rows)
    done = Evaluation(task, len(rows), results, rows, resumed)
    if path:
        report = {"task": task, "examples": done.examples, **results}
        write_text(folder / f"{task}.results.json", json.dumps(report, indent=1) + "\n")
    return done


def _measure_rest(
    task: str,
    reader: Reader,
    examples: Sequence[Example],
    rows: list[Row],
    path: Path | None,
    progress: bool,
) -> None:
    """Measure what is not in rows yet, and write each row at once."""
    bar = tqdm(
        range(len(rows), len(examples)),
        total=len(examples),
        initial=min(len(rows), len(examples)),
        desc=task,
        disable=not progress,
    )
    for index in bar:
        row = TASKS[task].measure(reader, examples[index], index)
        values = [row.get("nats", 0.0), *row.get("scores", [])]
        if not all(map(math.isfinite, values)):
            raise ValueError(
                f"example {index} of {task} has a log-probability of {values}: the "
                "model's weights are broken; use an earlier checkpoint"
            )
        if path:
            with open(path, "a", encoding="utf-8", newline="\n") as file:
                file.write(_line({"index": index, **row}))
        rows.append(row)


def _check_stride_matters(reader: Reader, examples: Sequence[Example]) -> None:
    """A stride, or a window, that changes nothing is a mistake somebody should see."""
    n_positions = reader.model.config.n_positions
    if (reader.window, reader.stride) == (n_positions, n_positions):
        return
    longest = max(len(reader.encode(example["text"])) for example in examples)
    if longest <= reader.window:
        raise ValueError(
            f"window {reader.window} and stride {reader.stride} change nothing: the "
            f"longest of {len(examples)} texts has {longest} tokens and fits into one "
            "window; leave them out, or take a longer text or a smaller window"
        )


def _settings(task: str, reader: Reader, examples: Sequence[Example]) -> dict:
    """By what rows are known again: everything that they depend on."""
    return {
        "task": task,
        "protocol": PROTOCOL,
        "model": digest_of_start(reader.model.config, reader.model.state_dict()),
        "tokenizer": _digest(reader.tokenizer.backend_tokenizer.to_str()),
        "data": _digest(json.dumps(examples, sort_keys=True)),
        "window": reader.window,
        "stride": reader.stride,
        "seed": reader.seed,
    }


def _digest(text: str) -> str:
    """Sixteen characters that change when the text does."""
    return sha256(text.encode())[:16]


def _line(entry: dict) -> str:
    """An entry as a line of the file, with a digest: a changed digit is noticed."""
    return json.dumps({**entry, "sha256": _digest(json.dumps(entry))}) + "\n"


def _entry(line: str) -> dict:
    """What `_line` wrote. Raises ValueError or KeyError if it is not what it wrote."""
    entry = json.loads(line)
    written = entry.pop("sha256")
    if written != _digest(json.dumps(entry)):
        raise ValueError("its digest is not that of its values")
    return entry


def _begin_or_resume(path: Path, settings: dict) -> list[Row]:
    """The rows in a file that belongs to this evaluation; an empty one is begun.

    A last line that is cut short is dropped: the process was killed while it wrote.

    Raises:
        ValueError: the file is damaged, or belongs to another evaluation.
    """
    content = read_bounded(path, MAX_BYTES) if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if not content:
        write_text(path, _line({"settings": settings}))
        return []
    if not whole:  # the first line is written at once, so it is never cut short
        raise ValueError(
            f"{path} holds no evaluation; remove it, or choose an empty folder"
        )
    rows: list[Row] = []
    found = None
    for number, line in enumerate(whole.decode("utf-8", "replace").splitlines()):
        try:
            entry = _entry(line)
            if number == 0:
                found = dict(entry["settings"])
            elif entry.pop("index") == number - 1:
                rows.append(entry)
            else:
                raise ValueError("rows are not in order")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(
                f"{path} is damaged in line {number + 1}, or holds no evaluation; "
                "remove it to start from the beginning, or choose an empty folder"
            ) from None
    check_same_run(path, found, settings)
    if len(whole) < len(content):
        write_text(path, whole.decode())
    return rows
