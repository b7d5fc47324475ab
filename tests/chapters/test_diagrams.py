"""The diagrams: each stands on a page, and its text can be read on a phone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from references import BOOK, converter

PHONE = 342  # what a page of 390 pixels has left for a figure
DIRECTIVE = re.compile(r"^`{3,}\{diagram\} (\S+)$", flags=re.M)
DIAGRAMS = sorted((BOOK / "diagrams").glob("*.svg"))


@pytest.mark.parametrize("path", DIAGRAMS, ids=lambda path: path.stem)
def test_text_is_at_least_11_pixels_on_a_phone(path: Path):
    svg = path.read_text(encoding="utf-8")
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1])
    smallest = min(float(size) for size in re.findall(r'font-size="([\d.]+)', svg))
    assert smallest * min(1, PHONE / width) >= 11


def test_each_diagram_stands_on_a_page_once():
    used = [
        name
        for page in converter.chapter_files(BOOK)
        for name in DIRECTIVE.findall(page.read_text(encoding="utf-8"))
    ]
    assert sorted(used) == [path.name for path in DIAGRAMS]


def test_no_directive_hides_in_a_line():
    for page in converter.chapter_files(BOOK):
        for line in page.read_text(encoding="utf-8").splitlines():
            assert not re.search(r"\S\s*`{3,}\{", line), f"{page.name}: {line[:80]}"
