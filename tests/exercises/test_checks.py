"""The form of the chapters, and the checks of the exercises.

That each stub fails and each solution passes is shown in test_chapters.py, where the chapters run anyway: there the
checks of both are assertions. Here is what can be seen without running them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import jupytext
import numpy as np
import pytest
import torch
import yaml
from conftest import run_python
from references import BOOK, converter
from samples import SAMPLE, spoiled

from gpt2course.course import exercises
from gpt2course.course.exercises import NotYet, check, checker, names, require

MIN_EXERCISES = 3
NO_EXERCISES = (
    "index",
    "basics",
    "glossary",
    "sources",
)  # to read, or to look things up
DESCRIPTION_LENGTH = range(50, 161)  # what search engines show
CHAPTERS = converter.chapter_files(BOOK)

# ---- a chapter, taken apart ----------------------------------------------------------------------------------------


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
            path.read_text(encoding="utf-8"),
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
        gates = r"^`{3,}\{%s-start\} *([^\n]*)\n((?::[^\n]*\n)*)`{3,}\n(.*?)^`{3,}\{%s-end\}"
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
        rf"^`{{3,}}\{{code-cell\}}[^\n]*\n:tags: \[[^\]]*\b{tag}\b[^\]]*\]\n(.*?)^`{{3,}}$",
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


# ---- the rules: each yields what is wrong with a chapter -----------------------------------------------------------


def has_description(chapter: Chapter) -> Iterator[str]:
    """Search engines and shared links show it."""
    front = yaml.safe_load(chapter.text.split("---")[1]) or {}
    description = (
        front.get("myst", {}).get("html_meta", {}).get("description lang=en", "")
    )
    if len(description) not in DESCRIPTION_LENGTH:
        yield f"html_meta has a description of {len(description)} characters; 50 to 160 are shown in full"


def has_objectives(chapter: Chapter) -> Iterator[str]:
    """A reader sees at once what the page is for."""
    if chapter.min_exercises and not re.search(
        r"^[`:]{3,}\{admonition\}.*\n:class:.*\bobjectives\b", chapter.text, re.M
    ):
        yield "there is no admonition of class objectives"


def has_summary(chapter: Chapter) -> Iterator[str]:
    """What to remember."""
    if chapter.min_exercises and not re.search(r"^## Summary$", chapter.text, re.M):
        yield "there is no section named Summary"


def has_exercises(chapter: Chapter) -> Iterator[str]:
    """Reading alone teaches little."""
    if len(chapter.exercises) < chapter.min_exercises:
        yield f"it has {len(chapter.exercises)} exercises; at least {chapter.min_exercises} are needed"


def exercises_are_complete(chapter: Chapter) -> Iterator[str]:
    """An exercise has a label, a stub that is checked, a hint that is folded, and a solution that is checked."""
    for exercise in chapter.exercises:
        if not exercise.label.startswith(f"ex-{chapter.name}-"):
            yield f"the label {exercise.label!r} must begin with ex-{chapter.name}-"
        stubs, solutions = (
            code_with_tag(exercise.text, "exercise"),
            code_with_tag(exercise.solution, "solution"),
        )
        if [name for code in stubs for name in checked(code)] != [exercise.name]:
            yield f"{exercise.label}: one cell tagged exercise must call check({exercise.name!r}, …)"
        if [name for code in solutions for name in checked(code)] != [exercise.name]:
            yield f"{exercise.label}: one cell tagged solution must call check({exercise.name!r}, …) between its gates"
        if not re.search(r"\{admonition\} Hint\n:class: .*\bdropdown\b", exercise.text):
            yield f"{exercise.label}: there is no folded hint"


def every_solution_is_gated(chapter: Chapter) -> Iterator[str]:
    """What is outside of the gates would be seen by students, and tested by nobody."""
    for tag, inside in (("exercise", "text"), ("solution", "solution")):
        within = sum(
            len(code_with_tag(getattr(exercise, inside), tag))
            for exercise in chapter.exercises
        )
        everywhere = sum(tag in cell.metadata.get("tags", ()) for cell in chapter.cells)
        if within != everywhere:
            yield f"{everywhere - within} cells tagged {tag} are outside of {tag}-start and {tag}-end"


def plumbing_is_folded(chapter: Chapter) -> Iterator[str]:
    """A cell that only hands numbers to the text, or only draws, is no part of what the page explains."""
    for cell in chapter.cells:
        lines = [
            node
            for node in ast.parse(cell.source).body
            if not isinstance(node, (ast.Import, ast.ImportFrom))
        ]
        plumbing = [
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Call)
            and ast.unparse(node.value.func)
            for node in lines
        ]
        folded = "hide-input" in cell.metadata.get("tags", ())
        if lines and set(plumbing) <= {"glue", "show"} and not folded:
            yield f"a cell only glues or shows; tag it hide-input:\n{cell.source}"


def pictures_have_alt_text(chapter: Chapter) -> Iterator[str]:
    """For whoever cannot see them."""
    for kind, argument, options in re.findall(
        r"^[`:]{3,}\{(diagram|figure|image)\} *(.*)\n((?::.*\n)*)",
        chapter.text,
        flags=re.M,
    ):
        if not re.search(r"^:alt: *\S", options, flags=re.M):
            yield f"{{{kind}}} {argument} has no alt text"
    for target in re.findall(r"!\[\s*\]\(([^)]*)\)", chapter.text):
        yield f"the image {target} has no alt text"
    for target in re.findall(r"<img(?![^>]*\balt=\"[^\"]+\")[^>]*>", chapter.text):
        yield f"{target} has no alt text"


Rule = Callable[[Chapter], Iterator[str]]
RULES: tuple[Rule, ...] = (
    *(has_description, has_objectives, has_summary, has_exercises),
    *(
        exercises_are_complete,
        every_solution_is_gated,
        plumbing_is_folded,
        pictures_have_alt_text,
    ),
)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_chapters_have_the_form(rule: Rule, chapter: Path) -> None:
    problems = list(rule(Chapter.read(chapter)))
    assert not problems, f"{chapter.stem}: " + "\n".join(problems)


def test_every_exercise_has_a_check_and_every_check_an_exercise() -> None:
    given = sorted(
        exercise.name
        for chapter in CHAPTERS
        for exercise in Chapter.read(chapter).exercises
    )
    ours = [
        name
        for name in names()
        if exercises._checkers[name].__module__.startswith("gpt2course.")
    ]
    assert ours == given


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_sample_has_the_form(rule: Rule) -> None:
    assert list(rule(Chapter.read(SAMPLE, min_exercises=1))) == []


@pytest.mark.parametrize(
    ("rule", "old", "new", "message"),
    [
        (
            has_description,
            "A chapter that uses every construct of the book once, so that",
            "As",
            "of 34 characters",
        ),
        (has_description, "description lang=en", "keywords lang=en", "of 0 characters"),
        (has_description, "of the book once", "of the book once" * 8, "50 to 160"),
        (
            has_objectives,
            ":class: objectives",
            ":class: tip",
            "no admonition of class objectives",
        ),
        (has_summary, "## Summary", "## Results", "no section named Summary"),
        (has_exercises, "exercise-start", "note", "it has 0 exercises"),
        (
            exercises_are_complete,
            ":label: ex-sample-area",
            ":label: ex-other-area",
            "must begin with ex-sample-",
        ),
        (
            exercises_are_complete,
            ":label: ex-sample-area\n",
            "",
            "the label '' must begin",
        ),
        (
            exercises_are_complete,
            "[exercise]",
            "[try]",
            "one cell tagged exercise must call check",
        ),
        (
            exercises_are_complete,
            "[solution]",
            "[answer]",
            "one cell tagged solution must call check",
        ),
        (
            exercises_are_complete,
            "return side * side\n\ncheck(",
            "return side * side\n\nprint(",
            "between its gates",
        ),
        (
            exercises_are_complete,
            'check("sample-area"',
            'check("sample-length"',
            "must call check('sample-area'",
        ),
        (
            exercises_are_complete,
            "{solution-start} ex-sample-area",
            "{solution-start} ex-b",
            "between its gates",
        ),
        (
            exercises_are_complete,
            "{admonition} Hint",
            "{admonition} Aside",
            "no folded hint",
        ),
        (
            exercises_are_complete,
            "Hint\n:class: dropdown",
            "Hint\n:class: tip",
            "no folded hint",
        ),
        (
            every_solution_is_gated,
            "[nbval-check-output, any-checkpoint]",
            "[solution]",
            "1 cells tagged solution",
        ),
        (
            every_solution_is_gated,
            "[nbval-check-output, any-checkpoint]",
            "[exercise]",
            "1 cells tagged exercise",
        ),
        (
            plumbing_is_folded,
            "sides = [1, 2, 3]\n",
            'show("picture")\n```\n\n```{code-cell}\n',
            "tag it hide-input",
        ),
        (
            pictures_have_alt_text,
            ':alt: A black square, "the sample".\n',
            "",
            "{diagram} sample.svg has no alt",
        ),
        (
            pictures_have_alt_text,
            "Some text",
            "![](a.png)",
            "the image a.png has no alt",
        ),
        (pictures_have_alt_text, "Some text", '<img src="a.png">', "has no alt"),
        (
            pictures_have_alt_text,
            "Some text",
            "```{figure} a.png\n:name: a\n```",
            "{figure} a.png has no alt",
        ),
    ],
)
def test_each_rule_can_fail(
    tmp_path: Path, rule: Rule, old: str, new: str, message: str
) -> None:
    problems = list(rule(Chapter.read(spoiled(tmp_path, old, new), min_exercises=1)))
    assert any(message in problem for problem in problems), problems


# ---- the framework -------------------------------------------------------------------------------------------------


@pytest.fixture
def double():
    """A check that is gone after the test: a function that doubles a tensor."""

    @checker("test-double")
    def double(f) -> str:
        result = f(torch.tensor([1.0, 2.0]))
        if not torch.equal(result, torch.tensor([2.0, 4.0])):
            raise NotYet(f"for [1, 2] it gives {result.tolist()}")
        return "Twice as much."

    yield double
    del exercises._checkers["test-double"]


def test_a_right_answer(double, capsys: pytest.CaptureFixture) -> None:
    assert check("test-double", lambda x: 2 * x)
    assert capsys.readouterr().out == "Correct. Twice as much.\n"
    require("test-double", lambda x: 2 * x)


def stub(x):
    """As a learner finds it."""
    ...


def raising(x):
    """Wrong in its own lines."""
    return x / torch.zeros(3)[5]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x: 3 * x, "for [1, 2] it gives [3.0, 6.0]"),
        (None, "there is nothing here yet"),
        (stub, "there is nothing here yet"),
        (raising, r"your code raised IndexError: index 5 is out of bounds"),
        (raising, r"in the line 'return x / torch.zeros(3)[5]'"),
        (lambda x: exit(3), "your code raised SystemExit: 3"),
        (lambda x: [2.0, 4.0], "the check could not use your answer (TypeError"),
        (
            7,
            "the check could not use your answer (TypeError: 'int' object is not callable)",
        ),
        (lambda: 1, "the check could not use your answer (TypeError"),
    ],
)
def test_a_wrong_answer_never_raises_and_says_why(
    double, capsys: pytest.CaptureFixture, answer, message: str
) -> None:
    assert not check("test-double", answer)
    printed = capsys.readouterr().out
    assert printed.startswith("Not yet: ")
    assert message in printed
    with pytest.raises(AssertionError, match=re.escape(message)):
        require("test-double", answer)


def test_a_verdict_shows_nothing_in_a_notebook(double) -> None:
    from IPython.core.formatters import DisplayFormatter

    assert DisplayFormatter().format(check("test-double", None)) == ({}, {})


def test_a_check_leaves_the_random_numbers_alone(double) -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    check("test-double", lambda x: x + torch.rand(2))
    assert torch.equal(torch.rand(1), expected)


def test_an_unknown_exercise_suggests_the_nearest() -> None:
    with pytest.raises(
        ValueError,
        match="unknown exercise 'attention-maks'; did you mean 'attention-mask'",
    ):
        check("attention-maks", None)
    with pytest.raises(ValueError, match="unknown exercise"):
        require("nothing", None)


def test_two_checks_cannot_have_one_name(double) -> None:
    with pytest.raises(ValueError, match="two checks are named 'test-double'"):

        @checker("test-double")
        def another(answer) -> str:
            return ""


def test_chapters_are_imported_when_asked_for() -> None:
    code = (
        "import sys, gpt2course.course.exercises as e; loaded = lambda name: f'gpt2course.course.exercises.{name}' in sys.modules; "
        "print(loaded('attention')); e.check('attention-mask', None); print(loaded('attention'), loaded('tokens'))"
    )
    lines = run_python("-c", code).stdout.splitlines()
    assert (lines[0], lines[-1]) == ("False", "True False")


def softmax(scores):
    return scores.softmax(-1)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("sampling-temperature", lambda p, t: (p.double().log() / t).softmax(-1)),
        ("sampling-temperature", lambda p, t: softmax(p.log() / t).numpy()),
        ("sampling-temperature", lambda p, t: softmax(p.log() / t).tolist()),
        ("attention-softmax", lambda scores: softmax(scores.double())),
        ("attention-softmax", lambda scores: softmax(scores).numpy().astype("float64")),
        ("attention-softmax", lambda scores: softmax(scores).tolist()),
        ("attention-mask", lambda T, S: np.tri(T, S, S - T, dtype=bool)),
        ("attention-mask", lambda T, S: np.tri(T, S, S - T, dtype=bool).tolist()),
        ("generation-positions", lambda mask: (mask.numpy().cumsum(1) - 1).clip(0)),
        (
            "attention-heads",
            (
                lambda x, H: list(x.view(2, 3, H, -1).transpose(1, 2)),
                lambda x: x.transpose(1, 2).flatten(2).numpy(),
            ),
        ),
    ],
)
def test_a_right_answer_is_right_in_other_types_too(name, answer):
    require(name, answer)


@pytest.mark.parametrize(
    ("name", "answer", "says"),
    [
        (
            "sampling-temperature",
            lambda p, t: (p.double() / t).softmax(-1),
            "logarithm",
        ),
        ("attention-softmax", lambda scores: scores.double(), "add up to 1"),
        ("attention-mask", lambda T, S: np.tri(T, S, S - T), "booleans"),
        ("attention-softmax", lambda scores: [[1.0], [1.0, 2.0]], "could not use"),
    ],
)
def test_a_wrong_answer_is_wrong_in_other_types_too(name, answer, says, capsys):
    assert not check(name, answer)
    assert says in capsys.readouterr().out


def test_a_token_of_probability_0_is_never_drawn(capsys):
    def takes_the_last(p, u):
        return min(int((p.cumsum(0) <= u).sum()), len(p) - 1)

    def takes_the_last_that_can_be_drawn(p, u):
        return min(int((p.cumsum(0) <= u).sum()), int(p.nonzero().max()))

    assert not check("sampling-draw", takes_the_last)
    assert "above 0 takes the rest" in capsys.readouterr().out
    require("sampling-draw", takes_the_last_that_can_be_drawn)
