"""The form of the chapters: what every page has, so that readers can use it.

That stubs fail and solutions pass is shown in test_chapters.py, where the chapters run.
Here is what can be seen without running them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from chapter import CHAPTERS, Chapter, checked, code_with_tag
from samples import SAMPLE, spoiled

from tools.chapters import Rating

DESCRIPTION_LENGTH = range(50, 161)  # what search engines show

# ---- the rules: each yields what is wrong with a chapter ---------------------------


def has_description(chapter: Chapter) -> Iterator[str]:
    """Search engines and shared links show it."""
    front = yaml.safe_load(chapter.text.split("---")[1]) or {}
    description = (
        front.get("myst", {}).get("html_meta", {}).get("description lang=en", "")
    )
    if len(description) not in DESCRIPTION_LENGTH:
        yield (
            f"html_meta has a description of {len(description)} characters;"
            " 50 to 160 are shown in full"
        )


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
        yield (
            f"it has {len(chapter.exercises)} exercises;"
            f" at least {chapter.min_exercises} are needed"
        )


def exercises_are_complete(chapter: Chapter) -> Iterator[str]:
    """A label, a stub that is checked, a folded hint, a solution that is checked."""
    for exercise in chapter.exercises:
        call = f"check({exercise.name!r}, …)"
        if not exercise.label.startswith(f"ex-{chapter.name}-"):
            yield f"the label {exercise.label!r} must begin with ex-{chapter.name}-"
        stubs, solutions = (
            code_with_tag(exercise.text, "exercise"),
            code_with_tag(exercise.solution, "solution"),
        )
        if [name for code in stubs for name in checked(code)] != [exercise.name]:
            yield f"{exercise.label}: one cell tagged exercise must call {call}"
        if [name for code in solutions for name in checked(code)] != [exercise.name]:
            yield (
                f"{exercise.label}: one cell tagged solution must call {call}"
                " between its gates"
            )
        if not re.search(r"\{admonition\} Hint\n:class: .*\bdropdown\b", exercise.text):
            yield f"{exercise.label}: there is no folded hint"


def exercises_are_rated(chapter: Chapter) -> Iterator[str]:
    """Readers and teachers choose by difficulty, minutes, points and purpose."""
    cells = [c for c in chapter.cells if "exercise" in c.metadata.get("tags", ())]
    for exercise, cell in zip(chapter.exercises, cells, strict=False):
        try:
            Rating.read(dict(cell.metadata.get("exercise", {})))
        except ValueError as error:
            yield f"{exercise.label}: `:exercise:` in its cell: {error}"


def every_solution_is_gated(chapter: Chapter) -> Iterator[str]:
    """What is outside of the gates would be seen by students, and tested by nobody."""
    for tag, inside in (("exercise", "text"), ("solution", "solution")):
        within = sum(
            len(code_with_tag(getattr(exercise, inside), tag))
            for exercise in chapter.exercises
        )
        everywhere = sum(tag in cell.metadata.get("tags", ()) for cell in chapter.cells)
        if within != everywhere:
            yield (
                f"{everywhere - within} cells tagged {tag} are outside of"
                f" {tag}-start and {tag}-end"
            )


def plumbing_is_folded(chapter: Chapter) -> Iterator[str]:
    """What hands numbers to the text, or draws, explains nothing."""
    for cell in chapter.cells:
        calls = {
            ast.unparse(node.value.func)
            for node in ast.walk(ast.parse(cell.source))
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        }
        folded = {"hide-input", "remove-input", "remove-cell"} & set(
            cell.metadata.get("tags", ())
        )
        if calls & {"glue", "show"} and not folded:
            yield f"a cell glues or shows; tag it hide-input:\n{cell.source}"


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
        exercises_are_rated,
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
        (exercises_are_rated, ":exercise: {", ":other: {", "must have exactly"),
        (exercises_are_rated, "points: 2, ", "", "must have exactly difficulty"),
        (exercises_are_rated, "difficulty: 1", "difficulty: 4", "from 1 to 3"),
        (exercises_are_rated, "points: 2", "points: 2.5", "points is 2.5"),
        (exercises_are_rated, "minutes: 5", "minutes: true", "from 1 to 60"),
        (exercises_are_rated, 'trains: "areas"', 'trains: " "', "in a few words"),
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
