"""Plans of lessons and facts about chapters, for the instructor's pages.

Numbers, titles, minutes and points of exercises are read from the chapters, so a plan
cannot be out of date: one that no longer fits its time is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from gpt2course.course import VARIANTS
from tools.chapters import (
    Rating,
    exercise_name,
    page_numbers,
    read_chapter,
    title_of,
)

EXERCISE = re.compile(
    r"^`{3,}\{exercise-start\} *(?P<title>[^\n]*)\n(?::[^\n]*\n)*?:label: *"
    r"(?P<label>\S+)"
    r"(?P<body>.*?)^`{3,}\{exercise-end\}",
    flags=re.M | re.S,
)
OBJECTIVES = re.compile(
    r"^[`:]{3,}\{admonition\}[^\n]*\n:class:[^\n]*\bobjectives\b[^\n]*\n"
    r"(?P<body>.*?)^[`:]{3,}$",
    flags=re.M | re.S,
)
LEAST_FILLED = 0.9  # of the time that a plan has


@dataclass(frozen=True)
class Listed:
    """An exercise, as a list of exercises shows it."""

    label: str
    name: str
    title: str
    rating: Rating

    @property
    def line(self) -> str:
        """Its name as a link, difficulty and points."""
        points = self.rating.points
        return (
            f"[{self.name}: {self.title}]({self.label}) {self.rating.dots}"
            f" {points} point{'s' if points > 1 else ''}"
        )


def exercises(chapter: Path) -> list[Listed]:
    """The exercises of a chapter, in its order.

    Raises:
        ValueError: one has no rating, or a rating that is not valid.
    """
    number = page_numbers(chapter.parent).get(chapter.stem)
    found = []
    for n, match in enumerate(EXERCISE.finditer(read_chapter(chapter)), 1):
        # an option may go on in the next line, which then begins with a colon, too
        option = r"^:exercise: (\{(?:.*\n:)?.*\})$"
        rating = re.search(option, match["body"], flags=re.M)
        if not rating:
            raise ValueError(f"{match['label']} has no line `:exercise:`")
        found.append(
            Listed(
                match["label"],
                exercise_name(number, n),
                match["title"].strip(),
                Rating.read(yaml.safe_load(rating[1].replace("\n:", "\n"))),
            )
        )
    return found


def lesson(minutes: str, lines: Sequence[str], book: Path) -> list[str]:
    """A plan as a Markdown list, with the minute at which each part begins.

    Args:
        minutes: that the lesson has.
        lines: each is the label of an exercise, or minutes and a text.
        book: folder of the chapters.

    Raises:
        ValueError: minutes that are no number, a line of another form, an exercise
            that does not exist, or a plan that is too long or leaves a gap.
    """
    if not minutes.isdigit():
        raise ValueError(f"a lesson has a number of minutes, not {minutes!r}")
    known = {one.label: one for path in teaching(book) for one in exercises(path)}
    now, points, plan = 0, 0, []
    for line in filter(None, map(str.strip, lines)):
        if line in known:
            rating, text = known[line].rating, known[line].line
            takes, points = rating.minutes, points + rating.points
        elif timed := re.fullmatch(r"(\d+) +(.+)", line):
            takes, text = int(timed[1]), timed[2]
        else:
            raise ValueError(f"{line!r} is no exercise, nor minutes and a text")
        plan.append(f"- **{now // 60}:{now % 60:02}** ({takes} min) {text}")
        now += takes
    if not LEAST_FILLED * int(minutes) <= now <= int(minutes):
        raise ValueError(f"the parts take {now} minutes, the lesson has {minutes}")
    return [*plan, "", f"{now} of {minutes} minutes; {points} points.", ""]


def guide(lines: Sequence[str], book: Path) -> list[str]:
    """Every chapter that has exercises, each a folded box, with notes where given.

    Args:
        lines: `@ NAME` of a chapter, then what is said about it.
        book: folder of the chapters.

    Raises:
        ValueError: notes about a chapter without exercises, or before any name.
    """
    notes: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("@ "):
            name = line.removeprefix("@ ").strip()
            notes[name] = []
        elif notes:
            notes[name].append(line)
        elif line.strip():
            raise ValueError(f"{line!r} belongs to no chapter")
    chapters = {path.stem: path for path in teaching(book)}
    if unknown := sorted(notes.keys() - chapters.keys()):
        raise ValueError(f"{unknown[0]} is no chapter with exercises")
    return [
        line
        for name, path in chapters.items()
        for line in box(path, notes.get(name, []))
    ]


def box(chapter: Path, notes: Sequence[str]) -> Iterator[str]:
    """A folded box: objectives, what is needed, time, exercises, notes."""
    number = page_numbers(chapter.parent).get(chapter.stem)
    listed = exercises(chapter)
    minutes = sum(one.rating.minutes for one in listed)
    points = sum(one.rating.points for one in listed)
    title = title_of(chapter)
    yield f":::{{dropdown}} {f'{number}. ' if number else ''}{title}: {minutes} minutes"
    yield f"Page: [{title}]({chapter.name}). {minutes} minutes of exercises for"
    yield f"{points} points, besides reading."
    yield ""
    if objectives := OBJECTIVES.search(read_chapter(chapter)):
        yield "After it, students can:"
        yield ""
        yield from objectives["body"].strip().split("\n")
        yield ""
    for one in listed:
        variant = one.label.removeprefix("ex-") in VARIANTS
        yield (
            f"- {one.line}, {one.rating.minutes} min"
            f"{', with a variant' if variant else ''}"
        )
    yield ""
    yield from notes
    yield ":::"
    yield ""


def teaching(book: Path) -> list[Path]:
    """The chapters that have exercises, in the order of the book."""
    paths = [book / f"{name}.md" for name in page_numbers(book)]
    return [path for path in paths if EXERCISE.search(read_chapter(path))]
