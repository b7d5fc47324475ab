"""gpt2course assignments: notebooks to hand out. They are made in course/."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Literal

from gpt2course.cli.text import print_json

EXAMPLE = "gpt2course assignments --output spring --chapters 10 12 --seed SECRET"

TOOLS = {"nbgrader": "nbgrader", "otter": "otter-grader"}  # what pip calls them
NEXT = {
    "nbgrader": "nbgrader generate_assignment CHAPTER --course-dir={output}",
    "otter": "otter assign {output}/CHAPTER/CHAPTER.ipynb {output}/CHAPTER/dist",
}


def run(
    output: Path,
    chapters: list[str] = [],  # noqa: B006 (never changed)
    seed: str | None = None,
    format: Literal["plain", "nbgrader", "otter"] = "plain",
    json: bool = False,
) -> int:
    """Make notebooks with a course's own exercises.

    Published solutions do not answer them: their numbers, texts and code to repair are
    drawn from the seed. Keep the seed secret; the same seed makes the same files.

    Args:
        output: folder for the notebooks; it must be new or empty.
        chapters: names or numbers of chapters, all by default.
        seed: a secret of the course; without one the exercises are those of the pages.
        format: plain makes a notebook for students and one with solutions; nbgrader a
            course folder with the sources of its assignments, otter the sources that
            otter assign reads.
        json: print one JSON object.
    """
    from gpt2course.course import assignment_files, chapters_of
    from gpt2course.files import refuse_reserved_name, write_text

    refuse_reserved_name(output)
    if format in TOOLS and importlib.util.find_spec(format) is None:
        raise ValueError(
            f"{TOOLS[format]} is not installed; try: pip install {TOOLS[format]}"
        )
    names = chapters_of(chapters)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ValueError(
            f"{output} exists and is not an empty folder; pass a new one, nothing was "
            "written"
        )
    files = assignment_files(names, seed, format)
    for path, content in files.items():
        (output / path).parent.mkdir(parents=True, exist_ok=True)
        write_text(output / path, content)
    if json:
        print_json(output=str(output), chapters=names, files=sorted(files))
        return 0
    for path in sorted(files):
        print(output / path)
    if format in NEXT:
        print(f"Next, for each chapter: {NEXT[format].format(output=output)}")
    return 0
