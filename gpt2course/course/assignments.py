"""Notebooks to hand out: exercises whose values a course draws from its seed.

plain: notebooks for students and for instructors. nbgrader: a course folder with the
sources of which nbgrader makes the release. otter: sources of which `otter assign`
makes the students' notebook and the archive for Gradescope. Hidden tests draw inputs
that no student's file tells.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gpt2course import __version__
from gpt2course.course.variants import VARIANTS, Values, course_code, secret_values
from gpt2course.settings import unknown

# the numbered pages of the book in their order, as in its table of contents
CHAPTERS = (
    *("basics", "gpt2", "tokens", "generation", "seen-whole"),
    *("counting", "loss", "greedy", "sampling", "attention", "architecture", "cache"),
    *("pretraining", "jokes", "batches", "training", "family", "sentiment"),
    *("evaluating-a-classifier", "clinic", "silent-failures", "paper", "evaluating"),
    *("inside", "large", "today"),
)

NBGRADER_CONFIG = """\
from nbgrader.converters import Autograde
from nbgrader.preprocessors import LimitOutput, OverwriteCells


class AppendTests(OverwriteCells):
    \"\"\"Tests that a submission has lost are put at its end.\"\"\"

    def add_missing_grade_cells(self, nb, resources):
        names = set()
        for cell in nb.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            names.add(name)
            if name is None:  # a copied or renamed cell, which is one of the student's
                cell.metadata.pop("nbgrader", None)
        source = self.gradebook.find_notebook(self.notebook_id, self.assignment_id)
        cells = {cell.name: cell for cell in source.source_cells}
        for test in source.grade_cells:
            if test.name not in names:
                self.log.warning("%s was missing and comes at the end", test.name)
                cell = self.missing_cell_transform(cells[test.name], test.max_score)
                nb.cells.append(cell)
        return nb, resources


class LimitCharacters(LimitOutput):
    \"\"\"Output may be one long line, which nbgrader itself would keep whole.\"\"\"

    def preprocess_cell(self, cell, resources, cell_index):
        for output in cell.get("outputs", []):
            for part, key in ((output, "text"), (output.get("data", {}), "text/plain")):
                if len(part.get(key, "")) > 20_000:
                    part[key] = part[key][:20_000] + "\\n... Output truncated ..."
        return super().preprocess_cell(cell, resources, cell_index)


c = get_config()
c.CourseDirectory.course_id = "gpt2course"
# what students find stands above the solution, so nothing comes in its place
c.ClearSolutions.code_stub = {"python": ""}
# seconds for a cell, then it is interrupted; a check stops a function after 10
c.Execute.timeout = 90
c.Execute.iopub_timeout = 60  # seconds until much output has arrived
c.OverwriteCells.add_missing_cells = True
ours = {OverwriteCells: AppendTests, LimitOutput: LimitCharacters}
for steps in ("sanitize_preprocessors", "autograde_preprocessors"):
    default = getattr(Autograde, steps).default()
    c.Autograde[steps] = [ours.get(step, step) for step in default]
"""

CHANGED = "a wrong answer is accepted, too; this notebook has changed the check"


@dataclass(frozen=True)
class Exercise:
    """One exercise as a course gets it.

    Args:
        name: of the exercise, as the page gives it.
        values: that the course drew, or those of the page.
        course: the code of the course; None for the exercise of the page.
        inputs: what the hidden test draws its inputs from; no student may see it.
    """

    name: str
    values: Values
    course: str | None
    inputs: str

    @property
    def text(self) -> str:
        """The question, with its points and minutes."""
        variant = VARIANTS[self.name]
        points = "1 point" if variant.points == 1 else f"{variant.points} points"
        return (
            f"## {self.name}\n\n*{points}, {variant.minutes} minutes*\n\n"
            f"{variant.question(self.values)}"
        )

    @property
    def start(self) -> str:
        """What students find in the cell."""
        return VARIANTS[self.name].start(self.values)

    @property
    def solution(self) -> str:
        """The code of a right answer."""
        return VARIANTS[self.name].answer(self.values)

    @property
    def points(self) -> int:
        """For a right answer."""
        return VARIANTS[self.name].points

    def call(self, function: str, answer: str | None = None, **more: str) -> str:
        """The line that checks the answer.

        Args:
            function: check or require.
            answer: an expression; by default the name that the exercise asks for.
            more: further arguments of the function.
        """
        arguments = [f'"{self.name}"', answer or VARIANTS[self.name].function]
        given = {"course": self.course} if self.course else {}
        arguments += [f'{key}="{value}"' for key, value in (given | more).items()]
        return f"{function}({', '.join(arguments)})"

    @property
    def test(self) -> str:
        """The lines that check the answer, whatever a notebook has named `require`."""
        return f"from gpt2course.course import require\n\n{self.call('require')}"

    @property
    def hidden(self) -> str:
        """The lines that check the answer on other inputs, and the check itself."""
        right = self.call("require", inputs=self.inputs)
        wrong = self.call("require", "lambda *_: None", inputs=self.inputs)
        return (
            f"{right}\ntry:\n    {wrong}\nexcept AssertionError:\n    pass\nelse:\n"
            f'    raise AssertionError("{self.name}: {CHANGED}")'
        )


def chapters_of(chosen: Sequence[str]) -> list[str]:
    """Names of chapters that have exercises to hand out, in the order of the book.

    Args:
        chosen: names or numbers; all if empty.

    Raises:
        ValueError: a chapter that does not exist (the nearest is suggested), or one
            without such an exercise.
    """
    available = [name for name in CHAPTERS if exercises_of(name)]
    named = []
    for given in chosen:
        number = int(given) if given.isascii() and given.isdigit() else 0
        if 0 < number <= len(CHAPTERS):
            given = CHAPTERS[number - 1]
        if given.lstrip("-").isdigit():
            raise ValueError(
                f"there is no chapter {given}; they have the numbers 1 to "
                f"{len(CHAPTERS)}"
            )
        if given not in CHAPTERS:
            raise unknown("chapter", given, available)
        if given not in available:
            raise ValueError(
                f"the chapter {given!r} has no exercise that can be handed out; those "
                f"that have are {', '.join(available)}"
            )
        named.append(given)
    return [name for name in available if name in named or not chosen]


def exercises_of(chapter: str) -> list[str]:
    """The exercises of a chapter that can be handed out, in the order of VARIANTS."""
    # evaluating-a-classifier-interval belongs to evaluating-a-classifier alone
    longer = [name for name in CHAPTERS if name.startswith(f"{chapter}-")]
    return [
        name
        for name in VARIANTS
        if name.startswith(f"{chapter}-")
        and not name.startswith(tuple(f"{other}-" for other in longer))
    ]


def assignment_files(
    chapters: Sequence[str], seed: str | None, form: str
) -> dict[str, str]:
    """The files of a course.

    Args:
        chapters: names of chapters, as `chapters_of` returns them.
        seed: the secret of the course, from which its values are drawn. With None the
            exercises are those of the pages, and the hidden inputs are new each time.
        form: plain, nbgrader or otter.

    Returns:
        contents by path, with slashes.

    Raises:
        ValueError: a seed without any character that can be seen.
    """
    if seed is not None and not seed.strip():
        raise ValueError(
            "the seed is empty; pass a text that only the teachers of the course know"
        )
    course = course_code(seed) if seed is not None else None
    secret = seed if seed is not None else secrets.token_hex()
    files = {}
    for chapter in chapters:
        inputs = secret_values(secret, chapter)
        exercises = [
            Exercise(
                name,
                VARIANTS[name].values(name, course)
                if course
                else VARIANTS[name].published,
                course,
                inputs,
            )
            for name in exercises_of(chapter)
        ]
        files |= FORMS[form](chapter, exercises)
    if form == "nbgrader":
        files["nbgrader_config.py"] = NBGRADER_CONFIG
    return files


def _plain(chapter: str, exercises: Sequence[Exercise]) -> dict[str, str]:
    """A notebook for students, and one with solutions for the instructor."""
    student, instructor = _opening(chapter, "check"), _opening(chapter, "require")
    for exercise in exercises:
        text = _markdown(f"{exercise.name}-text", exercise.text)
        student += [
            text,
            _code(f"{exercise.name}-answer", exercise.start),
            _code(f"{exercise.name}-check", exercise.call("check")),
        ]
        instructor += [
            text,
            _code(f"{exercise.name}-answer", exercise.solution),
            _code(
                f"{exercise.name}-check",
                f"{exercise.test}\n{exercise.hidden}",
            ),
        ]
    return {
        f"student/{chapter}.ipynb": _notebook(student),
        f"instructor/{chapter}.ipynb": _notebook(instructor),
    }


def _nbgrader(chapter: str, exercises: Sequence[Exercise]) -> dict[str, str]:
    """The source of an assignment, with the metadata of nbgrader, schema version 3."""
    cells = _opening(chapter, "check", "require")
    for exercise in exercises:
        name = exercise.name
        answer = (
            f"{exercise.start}\n\n### BEGIN SOLUTION\n{exercise.solution}\n"
            "### END SOLUTION"
        )
        test = (
            f"{exercise.test}\n### BEGIN HIDDEN TESTS\n{exercise.hidden}\n"
            "### END HIDDEN TESTS"
        )
        cells += [
            _markdown(
                f"{name}-text", exercise.text, nbgrader=_graded(f"{name}-text", "text")
            ),
            _code(
                f"{name}-answer", answer, nbgrader=_graded(f"{name}-answer", "answer")
            ),
            _code(
                f"{name}-test",
                test,
                nbgrader=_graded(f"{name}-test", "test", points=exercise.points),
            ),
        ]
    return {f"source/{chapter}/{chapter}.ipynb": _notebook(cells)}


def _otter(chapter: str, exercises: Sequence[Exercise]) -> dict[str, str]:
    """The source of an assignment in the format of Otter Assign.

    Source: otter-grader.readthedocs.io/en/latest/otter_assign/notebook_format.html.
    """
    settings = (
        f"# ASSIGNMENT CONFIG\nname: {chapter}\nexport_cell: false\n"
        f'requirements: ["gpt2course=={__version__}"]  # what Gradescope installs'
    )
    cells = [_raw("config", settings), *_opening(chapter, "check", "require")]
    for exercise in exercises:
        name, key = exercise.name, exercise.name.replace("-", "_")
        answer = (
            f"{exercise.start}\n\n# BEGIN SOLUTION\n{exercise.solution}\n# END SOLUTION"
        )
        question = f"# BEGIN QUESTION\nname: {key}\npoints: {exercise.points}"
        cells += [
            _raw(f"{name}-begin", f"{question}\nall_or_nothing: true"),
            _markdown(f"{name}-text", exercise.text),
            _raw(f"{name}-solution", "# BEGIN SOLUTION"),
            _code(f"{name}-answer", answer),
            _raw(f"{name}-solved", "# END SOLUTION"),
            _raw(f"{name}-tests", "# BEGIN TESTS"),
            _code(f"{name}-test", exercise.test),
            _code(f"{name}-hidden", f"# HIDDEN\n{exercise.hidden}"),
            _raw(f"{name}-tested", "# END TESTS"),
            _raw(f"{name}-end", "# END QUESTION"),
        ]
    return {f"{chapter}/{chapter}.ipynb": _notebook(cells)}


def _graded(id: str, kind: str, **points: int) -> dict:
    """What nbgrader keeps in a cell.

    Source: nbgrader.readthedocs.io/en/stable/contributor_guide/metadata.html.
    """
    return {
        "schema_version": 3,
        "grade_id": id,
        "grade": kind == "test",
        "solution": kind == "answer",
        "locked": kind != "answer",
        "task": False,
        **points,
    }


def _opening(chapter: str, *functions: str) -> list[dict]:
    """The title, and a cell that imports what checks an answer."""
    number = CHAPTERS.index(chapter) + 1
    return [
        _markdown(
            "title",
            f"# Exercises of chapter {number}, {chapter.replace('-', ' ')}\n\n"
            "Write your code into the cells below the questions. This notebook needs "
            f"the package gpt2course, version {__version__}.",
        ),
        _code("imports", f"from gpt2course.course import {', '.join(functions)}"),
    ]


def _cell(kind: str, id: str, source: str, **metadata: object) -> dict:
    return {
        "cell_type": kind,
        "id": id,
        "metadata": metadata,
        "source": source.splitlines(keepends=True),
    }


def _markdown(id: str, source: str, **metadata: object) -> dict:
    return _cell("markdown", id, source, **metadata)


def _raw(id: str, source: str) -> dict:
    return _cell("raw", id, source)


def _code(id: str, source: str, **metadata: object) -> dict:
    cell = _cell("code", id, source, **metadata)
    return {**cell, "execution_count": None, "outputs": []}


def _notebook(cells: Sequence[dict]) -> str:
    """A notebook file of format 4.5."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


FORMS: dict[str, Callable[[str, Sequence[Exercise]], dict[str, str]]] = {
    "plain": _plain,
    "nbgrader": _nbgrader,
    "otter": _otter,
}
