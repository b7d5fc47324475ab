"""No line of code is wider than its column: 88 characters, and 76 where readers see it.

On a desk a page has room for 76 characters; tests/site holds what the browser shows.
"""

from __future__ import annotations

import re
import subprocess
import sys

from chapter import CHAPTERS, Chapter, included
from references import ROOT

SHOWN = 76


def too_wide(source: str, limit: int) -> list[str]:
    """The lines that do not fit."""
    return [line for line in source.split("\n") if len(line) > limit]


def test_code_in_cells_fits_the_page() -> None:
    wide = {
        path.stem: lines
        for path in CHAPTERS
        for cell in Chapter.read(path).cells
        if (lines := too_wide(cell.source, SHOWN))
    }
    assert not wide


def test_options_of_cells_fit_the_page() -> None:
    options = re.compile(r"^```\{code-cell\}.*\n((?::.*\n)+)", flags=re.M)
    wide = {
        path.stem: lines
        for path in CHAPTERS
        for found in options.findall(path.read_text(encoding="utf-8"))
        if (lines := too_wide(found, SHOWN))
    }
    assert not wide


def test_code_that_chapters_show_fits_the_page() -> None:
    wide = {
        path.stem: lines
        for path in CHAPTERS
        for code in included(path)
        if (lines := too_wide(code, SHOWN))
    }
    assert not wide


def test_python_fits_the_column() -> None:
    """Ruff holds it for every file, as `make lint` does."""
    command = [sys.executable, "-m", "ruff", "check", "--select=E501", "--quiet"]
    result = subprocess.run(
        [*command, "--output-format=concise", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr


def test_what_is_too_wide_is_seen() -> None:
    assert too_wide("a" * 76 + "\n" + "b" * 77, SHOWN) == ["b" * 77]


def test_a_chapter_that_shows_code_is_read() -> None:
    shown = {path.stem: included(path) for path in CHAPTERS}
    assert any(shown.values()), "no literalinclude was found in any chapter"
