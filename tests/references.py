"""Chapters as notebooks for nbval, and the reference outputs that it compares with.

`make record` runs this file. It executes the chapters at effort quick and writes, for
each cell tagged nbval-check-output, its source and its text into
tests/chapters/reference/CHAPTER.json. nbval compares nothing in a notebook that never
ran, so the references are put into the notebook as if it had.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"
REFERENCE = ROOT / "tests/chapters/reference"
sys.path.insert(0, str(ROOT))  # `make record` runs this file from its own folder

from gpt2course import (  # noqa: E402
    checkpoints,
    settings,
)
from gpt2course.sentiment import (  # noqa: E402
    CLASSIFIER,
    CLASSIFIER_SHA256,
)
from tools import notebooks as converter  # noqa: E402

CHECKED, ANY_CHECKPOINT = "nbval-check-output", "any-checkpoint"
FORBIDDEN = (
    "nbval-skip",
    "nbval-ignore-output",
    "nbval-raises-exception",
    "raises-exception",
    "skip-execution",
)
AT_A_TIME = 2
CELL_SECONDS = (
    600  # at effort quick a cell takes seconds; a busy machine may need minutes
)


class ChapterError(ValueError):
    """A chapter that cannot be tested as it is. The message says what to do."""


def tags(cell: NotebookNode) -> list[str]:
    """The tags of a cell."""
    return cell.metadata.get("tags", [])


def checked_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells whose text must stay the same."""
    return [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and CHECKED in tags(cell)
    ]


def reference_file(chapter: Path) -> Path:
    """Where the references of a chapter are."""
    return REFERENCE / f"{chapter.stem}.json"


def read_references(chapter: Path) -> list[dict[str, str]]:
    """The recorded cells of a chapter; none for a chapter without a file."""
    path = reference_file(chapter)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def to_run(chapter: Path) -> NotebookNode:
    """A chapter with its solutions: stubs must fail their checks, solutions pass them.

    Raises:
        ChapterError: a tag that would keep a cell from being tested.
    """
    notebook = converter.convert(chapter, solutions=True)
    for cell in notebook.cells:
        if wrong := set(tags(cell)) & set(FORBIDDEN):
            raise ChapterError(
                f"{chapter.stem}: the tag {wrong.pop()} keeps a cell from being tested;"
                " catch the exception"
            )
        if cell.cell_type == "code" and {"exercise", "solution"} & set(tags(cell)):
            cell.source = asserted(cell.source, right="solution" in tags(cell))
    return notebook


def asserted(source: str, *, right: bool) -> str:
    """An exercise, or a solution (right), whose calls of check are now assertions.

    Raises:
        ChapterError: nothing is checked.
    """
    lines = source.splitlines()
    checks = [
        statement
        for statement in ast.parse(source).body
        if isinstance(statement, ast.Expr)
        and ast.unparse(statement).startswith("check(")
    ]
    if not checks:
        raise ChapterError(
            f"an exercise calls check on what was written, this one does not:\n{source}"
        )
    for call in checks:
        lines[call.lineno - 1] = ("assert " if right else "assert not ") + lines[
            call.lineno - 1
        ]
        problem = (
            "the solution does not pass its check"
            if right
            else "the stub passes the check already"
        )
        lines[call.end_lineno - 1] += f", {problem!r}"
    return "\n".join(lines)


def with_references(
    chapter: Path, references: list[dict[str, str]], *, compare_all: bool
) -> NotebookNode:
    """The notebook that nbval runs and compares, each tagged cell with its reference.

    Args:
        chapter: the markdown file.
        references: as `read_references` gives them.
        compare_all: False with another checkpoint than the one recorded: then only
            cells tagged any-checkpoint count.

    Raises:
        ChapterError: a tagged cell has changed since it was recorded, or never was.
    """
    notebook = to_run(chapter)
    cells = checked_cells(notebook)
    recorded, current = (
        [r["source"] for r in references],
        [cell.source for cell in cells],
    )
    if recorded != current:
        different = (
            next((c for c in current if c not in recorded), None)
            or "a recorded cell that is gone, or has moved"
        )
        raise ChapterError(
            f"{chapter.stem}: the references in {reference_file(chapter).name} do not"
            f" fit the cells tagged {CHECKED}; if that is meant, run make record."
            f" The first difference:\n{different}"
        )
    for cell, reference in zip(cells, references, strict=True):
        if compare_all or ANY_CHECKPOINT in tags(cell):
            cell.execution_count = 1  # without it nbval compares nothing
            if "stdout" in reference:
                cell.outputs.append(
                    nbformat.v4.new_output(
                        "stream", name="stdout", text=reference["stdout"]
                    )
                )
            if "result" in reference:
                data = {"text/plain": reference["result"]}
                cell.outputs.append(
                    nbformat.v4.new_output(
                        "execute_result", data=data, execution_count=1
                    )
                )
    return notebook


def record(chapter: Path) -> list[dict[str, str]]:
    """Execute a chapter and return the text of its tagged cells.

    Raises:
        ChapterError: a tagged cell shows nothing, or something else than text.
        CellExecutionError: a cell raised.
    """
    notebook = to_run(chapter)
    if not checked_cells(notebook):
        return []
    with TemporaryDirectory() as folder:
        NotebookClient(
            notebook,
            timeout=CELL_SECONDS,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
            extra_arguments=["--log-level=40"],  # errors only
        ).execute()
    return [
        {"source": cell.source, **text_of(cell, chapter)}
        for cell in checked_cells(notebook)
    ]


def text_of(cell: NotebookNode, chapter: Path) -> dict[str, str]:
    """What an executed cell printed, and the value of its last line."""
    text: dict[str, str] = {}
    for output in cell.outputs:
        if output.output_type == "stream" and output.name == "stdout":
            text["stdout"] = text.get("stdout", "") + output.text
        elif output.output_type == "execute_result" and set(output.data) == {
            "text/plain"
        }:
            text["result"] = output.data["text/plain"]
        else:
            what = output.get("name") or ", ".join(
                output.get("data", [output.output_type])
            )
            raise ChapterError(
                f"{chapter.stem}: a cell tagged {CHECKED} shows {what};"
                f" only text is compared:\n{cell.source}"
            )
    if not text:
        raise ChapterError(
            f"{chapter.stem}: a cell tagged {CHECKED} shows nothing:\n{cell.source}"
        )
    return text


def write_checksums() -> None:
    """The sha256 of each file that ships, except for the cards, which people edit."""
    for folder, record in (
        (checkpoints.MINI, checkpoints.MINI_SHA256),
        (CLASSIFIER, CLASSIFIER_SHA256),
    ):
        files = sorted(
            path
            for path in folder.iterdir()
            if path.is_file() and path.name != "README.md"
        )
        digests = {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files
        }
        record.write_text(json.dumps(digests, indent=2) + "\n")


def main() -> int:
    """Record every chapter; remove the references of chapters that are gone."""
    os.environ |= {"OMP_NUM_THREADS": "1", "GPT2COURSE_EFFORT": "quick"}
    os.environ.setdefault("GPT2COURSE_CHECKPOINT", "mini")
    if settings.checkpoint_name() != "mini":
        print(
            "references are those of the mini checkpoint: unset GPT2COURSE_CHECKPOINT",
            file=sys.stderr,
        )
        return 2
    write_checksums()
    chapters = converter.chapter_files(BOOK)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        recorded = dict(zip(chapters, pool.map(record, chapters), strict=True))
    REFERENCE.mkdir(exist_ok=True)
    for old in REFERENCE.glob("*.json"):
        old.unlink()
    for chapter, cells in recorded.items():
        if cells:
            reference_file(chapter).write_text(
                json.dumps(cells, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
            )
        print(f"{chapter.stem}: {len(cells)} cells")
    return 0


if __name__ == "__main__":
    sys.exit(main())
