"""A chapter, taken apart, for the tests of its form, columns and exercises."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import jupytext
from references import BOOK, converter

from tools.chapters import read_chapter

MIN_EXERCISES = 5
# to read, or to look things up
NO_EXERCISES = (
    *("index", "basics", "measurements", "glossary", "sources"),
    *("seen-whole", "live-model", "contributing", "how-made", "troubleshooting"),
    *("instructor", "instructor-chapters", "api"),
)
CHAPTERS = converter.chapter_files(BOOK)


@dataclass
class Exercise:
    """One exercise with its solution: the text between the gates."""

    label: str
    text: str
    solution: str

    @property
    def name(self) -> str:
        """What `check` calls it."""
        return self.label.removeprefix("ex-")


@dataclass
class Chapter:
    """The parts of a chapter that rules look at."""

    name: str
    text: str
    min_exercises: int = MIN_EXERCISES

    @classmethod
    def read(cls, path: Path, min_exercises: int = MIN_EXERCISES) -> Chapter:
        """A chapter from its file."""
        return cls(
            path.stem,
            read_chapter(path),
            0 if path.stem in NO_EXERCISES else min_exercises,
        )

    @property
    def cells(self) -> list:
        """Its code cells, with their tags."""
        return [
            cell
            for cell in jupytext.reads(self.text, fmt="md:myst").cells
            if cell.cell_type == "code"
        ]

    @property
    def exercises(self) -> list[Exercise]:
        """Its exercises, each with the solution of the same label, or an empty one."""
        gates = (
            r"^`{3,}\{%s-start\} *([^\n]*)\n((?::[^\n]*\n)*)`{3,}\n"
            r"(.*?)^`{3,}\{%s-end\}"
        )
        started, solved = (
            re.findall(gates % (kind, kind), self.text, flags=re.M | re.S)
            for kind in ("exercise", "solution")
        )
        solutions = {label: text for label, _, text in solved}
        found = []
        for _, options, text in started:
            label = (re.search(r":label: *(\S+)", options) or ["", ""])[1]
            found.append(Exercise(label, text, solutions.get(label, "")))
        return found


def code_with_tag(text: str, tag: str) -> list[str]:
    """The code cells of a piece of a chapter that have a tag."""
    return re.findall(
        rf"^`{{3,}}\{{code-cell\}}[^\n]*\n:tags: \[[^\]]*\b{tag}\b[^\]]*\]\n"
        r"(?::[^\n]*\n)*(.*?)^`{3,}$",
        text,
        re.M | re.S,
    )


def checked(code: str) -> list[str]:
    """The names that a cell checks."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    return [
        ast.literal_eval(call.args[0])
        for call in calls
        if ast.unparse(call.func) == "check"
    ]


def all_exercises() -> list[str]:
    """The name of every exercise of the book, in the order of its pages."""
    return [e.name for path in CHAPTERS for e in Chapter.read(path).exercises]


def included(path: Path) -> list[str]:
    """The code of the repository that a chapter shows by literalinclude."""
    notebook = converter.convert(path, solutions=True)
    text = read_chapter(path)
    count = len(re.findall(r"^`{3,}\{literalinclude\}", text, flags=re.M))
    found = [
        code
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        for code in re.findall(r"^```python\n(.*?)^```$", cell.source, re.M | re.S)
    ]
    return found if count else []
