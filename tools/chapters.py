"""The chapters: their files, labels, titles, numbers, and values that a build computed.

The numbers are those that Sphinx gives on the site (`numbered` in _toc.yml); notebooks
take them from here. Next: notebooks/, which turns a chapter into a notebook.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from pathlib import Path

from sphinx_external_toc.parsing import parse_toc_yaml

# str.splitlines and some editors cut lines at these, MyST does not
SEPARATORS = re.compile(r"[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")

# the ranges of an exercise's numbers
RATINGS = {"difficulty": range(1, 4), "minutes": range(1, 61), "points": range(1, 6)}


class ConvertError(ValueError):
    """A chapter that cannot become a notebook; names it, the line, and the reason."""


def read_chapter(path: Path) -> str:
    """The text of a chapter, without byte-order marks.

    Raises:
        ConvertError: bytes that are not UTF-8, or an invisible line separator.
    """
    data = path.read_bytes()
    try:
        text = data.decode("utf-8").lstrip("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConvertError(
            f"{path.name}, line {line}: the byte 0x{data[error.start]:02x} is not"
            " UTF-8; save the file as UTF-8"
        ) from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if found := SEPARATORS.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise ConvertError(
            f"{path.name}, line {line}: the character U+{ord(found[0]):04X} separates"
            " lines and cannot be seen; put a line break or a space in its place"
        )
    return text


def chapter_files(book: Path) -> list[Path]:
    """Every chapter of the table of contents, in its order."""
    toc = parse_toc_yaml(book.parent / "_toc.yml")
    return [book.parent / f"{name}.md" for name in toc]


def page_numbers(book: Path) -> dict[str, int]:
    """The number of each page in a numbered part of _toc.yml: {"tokens": 4, ...}.

    Empty for a folder that belongs to no book.
    """
    toc = book.parent / "_toc.yml"
    if not toc.exists():
        return {}
    parts = parse_toc_yaml(toc).root.subtrees
    pages = [page for part in parts if part.numbered for page in part.items]
    return {Path(page).name: number for number, page in enumerate(pages, 1)}


@dataclass(frozen=True)
class Place:
    """Where a label points to: the chapter, and what the place is called."""

    page: str
    title: str


def labels(book: Path) -> dict[str, Place]:
    """Every label of every chapter in a folder."""
    numbers = page_numbers(book)
    found = {}
    for path in sorted(book.glob("*.md")):
        page, text = path.stem, read_chapter(path)
        for label, after in re.findall(r"^\(([\w:-]+)\)=\n+(.*)", text, flags=re.M):
            found[label] = Place(page, after.lstrip("# "))
        # a directive is called by its title, when it has one
        directive = r"^[`:]{3,}\{[\w-]+\} *(.*)\n(?::.*\n)*?:(?:label|name): *(\S+)"
        for title, label in re.findall(directive, text, flags=re.M):
            titled = title and "." not in title
            found[label] = Place(page, title if titled else "the figure")
        for n, label in enumerate(exercise_labels(text), 1):
            found[label] = Place(page, exercise_name(numbers.get(page), n))
    return found


def exercise_labels(text: str) -> list[str]:
    """The labels of the exercises of a chapter, in their order."""
    start = r"^[`:]{3,}\{exercise(?:-start)?\}.*\n(?::.*\n)*?:label: *(\S+)"
    return re.findall(start, text, flags=re.M)


def exercise_name(page: int | None, number: int) -> str:
    """What an exercise is called, as on the site: "Exercise 4.3"."""
    return f"Exercise {page}.{number}" if page else f"Exercise {number}"


@dataclass(frozen=True)
class Rating:
    """What an exercise asks for: `:exercise: {difficulty: 2, ...}` in its cell."""

    difficulty: int
    minutes: int
    points: int
    trains: str

    @classmethod
    def read(cls, metadata: object) -> Rating:
        """A rating from the metadata of a cell.

        Raises:
            ValueError: a field is missing, unknown, or out of its range.
        """
        wanted = [field.name for field in fields(cls)]
        if not isinstance(metadata, dict) or set(metadata) != set(wanted):
            raise ValueError(f"{metadata!r} must have exactly {', '.join(wanted)}")
        rating = cls(**metadata)
        for name, limits in RATINGS.items():
            value = getattr(rating, name)
            if type(value) is not int or value not in limits:
                raise ValueError(
                    f"{name} is {value!r}; it must be a whole number from"
                    f" {limits[0]} to {limits[-1]}"
                )
        if not isinstance(rating.trains, str) or not rating.trains.strip():
            raise ValueError(f"trains is {rating.trains!r}; say it in a few words")
        return rating

    @property
    def dots(self) -> str:
        """One to three of three dots."""
        return "●" * self.difficulty + "○" * (3 - self.difficulty)

    @property
    def rest(self) -> str:
        """Minutes, points, and what it trains."""
        points = "1 point" if self.points == 1 else f"{self.points} points"
        return f"{self.minutes} minutes · {points} · trains {self.trains}"


def title_of(path: Path) -> str:
    """The first heading of a chapter, or the name of the file."""
    text = read_chapter(path) if path.exists() else ""
    heading = re.search(r"^# (.+)", text, flags=re.M)
    return heading[1].strip() if heading else path.stem


def glued_values(chapter: Path) -> dict[str, str]:
    """What the last build computed for the prose of a chapter; empty if none did."""
    executed = chapter.parent.parent / "_build/jupyter_execute" / chapter.parent.name
    path = executed / f"{chapter.stem}.glue.json"
    if not path.exists():
        return {}
    glued = json.loads(path.read_text(encoding="utf-8"))
    # without the joiner that keeps the book from reading a text as a number
    return {
        name: output["data"]["text/plain"].replace("\N{WORD JOINER}", "")
        for name, output in glued.items()
    }


def run_seconds(chapter: Path) -> float | None:
    """How long the cells of a chapter ran in the last build; None if they did not."""
    path = chapter.parent.parent / "_build/run-seconds.json"
    if not path.exists():
        return None
    return json.loads(path.read_text(encoding="utf-8")).get(chapter.stem)
