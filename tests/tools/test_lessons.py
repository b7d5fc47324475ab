"""Plans of lessons read the chapters, and say when they no longer fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from references import BOOK
from samples import spoiled

from gpt2course.course import VARIANTS
from tools.chapters import ConvertError
from tools.lessons import exercises, guide, lesson, teaching
from tools.notebooks import convert


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A book of one chapter, the sample, which is its second page."""
    chapter = spoiled(tmp_path / "book", "Some text", "Some text")
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nparts:\n"
        "  - numbered: 1\n    chapters: [{file: book/other}, {file: book/sample}]\n",
        encoding="utf-8",
    )
    (chapter.parent / "other.md").write_text("# Another page\n", encoding="utf-8")
    return chapter.parent


def test_a_plan_has_the_minutes_and_points_of_the_chapters(book: Path) -> None:
    assert lesson("20", ["10 Read", "", "ex-sample-area", "5 Talk"], book) == [
        "- **0:00** (10 min) Read",
        "- **0:10** (5 min) [Exercise 2.1: The area of a square](ex-sample-area)"
        " ●○○ 2 points",
        "- **0:15** (5 min) Talk",
        "",
        "20 of 20 minutes; 2 points.",
        "",
    ]


@pytest.mark.parametrize(
    ("minutes", "lines", "message"),
    [
        ("9", ["5 Read", "ex-sample-area"], "take 10 minutes, the lesson has 9"),
        ("12", ["5 Read", "ex-sample-area"], "take 10 minutes, the lesson has 12"),
        ("10", ["ex-sample-volume"], "'ex-sample-volume' is no exercise"),
        ("ten", ["10 Read"], "not 'ten'"),
    ],
)
def test_a_plan_that_does_not_fit_is_an_error(
    book: Path, minutes: str, lines: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        lesson(minutes, lines, book)


def test_a_longer_exercise_breaks_the_plan(book: Path) -> None:
    plan = ["5 Read", "ex-sample-area"]
    assert lesson("10", plan, book)[-2] == "10 of 10 minutes; 2 points."
    chapter = book / "sample.md"
    text = chapter.read_text(encoding="utf-8").replace("minutes: 5", "minutes: 6")
    chapter.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="take 11 minutes"):
        lesson("10", plan, book)


def test_the_guide_has_objectives_exercises_and_notes(book: Path) -> None:
    text = "\n".join(guide(["@ sample", "They ask: *why?*"], book))
    assert text.startswith(":::{dropdown} 2. A sample chapter: 5 minutes\n")
    assert "- see every construct once." in text
    assert "[Exercise 2.1: The area of a square](ex-sample-area) ●○○" in text
    assert "They ask: *why?*\n:::" in text


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["@ other", "Notes"], "other is no chapter with exercises"),
        (["Notes"], "'Notes' belongs to no chapter"),
    ],
)
def test_notes_belong_to_a_chapter(book: Path, lines: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        guide(lines, book)


def test_the_pages_show_every_chapter_and_only_exercises_that_exist() -> None:
    made = "\n".join(
        cell.source for cell in convert(BOOK / "instructor-chapters.md").cells
    )
    assert made.count("<details>") == len(teaching(BOOK))
    assert made.count("**They ask:**") >= 20
    assert made.count(" min, with a variant") == len(VARIANTS)
    assert sum(len(exercises(chapter)) for chapter in teaching(BOOK)) > 100
    plans = "\n".join(cell.source for cell in convert(BOOK / "instructor.md").cells)
    assert plans.count("- **0:00**") >= 13


def test_a_notebook_says_where_a_plan_is_wrong(book: Path) -> None:
    page = book / "plan.md"
    page.write_text("# Plan\n\n```{lesson} 10\nnothing\n```\n", encoding="utf-8")
    with pytest.raises(ConvertError, match=r"plan\.md, line 3: \{lesson\}: 'nothing'"):
        convert(page)
