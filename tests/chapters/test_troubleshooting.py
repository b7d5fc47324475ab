"""Each message on the page on troubleshooting is one that a program prints.

Those of other programs name the file of the installed package that has them, or say
that they come from Python or from torch's compiled part.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from references import BOOK, ROOT

from tools.chapters import read_chapter
from tools.messages import boxes, collected, is_inside, listed

PAGE = read_chapter(BOOK / "troubleshooting.md")
# title, and where another program has the message
BOXES = boxes(PAGE)
OWN = [title for title, where in BOXES if not where]
OF_OTHERS = [(title, where) for title, where in BOXES if "/" in where]


def texts(source: str) -> Iterator[str]:
    """The texts in a source; an ellipsis stands for what is filled in at run time."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=str(text)):
                yield re.sub(r"\{[^{}]*\}|%[sr]", "…", text)  # of str.format and %
            case ast.JoinedStr(values=parts):
                yield "".join(
                    part.value if isinstance(part, ast.Constant) else "…"
                    for part in parts
                )


@pytest.fixture(scope="module")
def printed() -> str:
    """Every text in the package, one per line."""
    files = (ROOT / "gpt2course").rglob("*.py")
    return "\n".join(
        text for file in files for text in texts(file.read_text(encoding="utf-8"))
    )


@pytest.mark.parametrize("message", OWN)
def test_a_message_is_one_of_the_package(message: str, printed: str) -> None:
    assert message in printed


@pytest.mark.parametrize(("message", "where"), OF_OTHERS)
def test_a_message_is_one_of_the_program_that_it_is_said_to_be_of(
    message: str, where: str
) -> None:
    package, _, file = where.partition("/")
    path = Path(find_spec(package).origin).parent / file
    assert message in "\n".join(texts(path.read_text(encoding="utf-8")))


def test_the_page_has_the_messages_and_says_where_others_are_from() -> None:
    assert len(OWN) >= 30
    assert len(OF_OTHERS) >= 3
    rest = {where for _, where in BOXES} - {"", *(where for _, where in OF_OTHERS)}
    assert rest == {"Python", "a shell", "torch: compiled"}


def test_every_message_is_in_a_box_or_listed_once() -> None:
    rows = [message for group in listed(PAGE).values() for message in group]
    assert len(rows) > 200
    assert len({(row.room, row.text) for row in rows}) == len(rows)
    of_boxes = [message for message in collected()[0] if message not in rows]
    assert len(of_boxes) > 30
    for message in of_boxes:
        assert any(is_inside(title, message.text) for title in OWN), message
    for row in rows:
        assert not any(is_inside(title, row.text) for title in OWN), row


def test_a_message_with_other_values_is_not_found(printed: str) -> None:
    assert "unknown … …; …known are" in printed
    assert "unknown checkpoint …; …known are" not in printed
