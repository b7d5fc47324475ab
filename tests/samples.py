"""The sample chapter, with every construct of the book, and spoiled copies of it."""

from __future__ import annotations

import shutil
from pathlib import Path

SAMPLE = Path(__file__).parent / "sample/sample.md"


def spoiled(folder: Path, old: str, new: str) -> Path:
    """A copy of the sample chapter in which one text is replaced by another."""
    text = SAMPLE.read_text(encoding="utf-8")
    assert old in text, f"the sample has no {old!r}"
    shutil.copytree(SAMPLE.parent, folder, dirs_exist_ok=True)
    (folder / SAMPLE.name).write_text(text.replace(old, new), encoding="utf-8")
    return folder / SAMPLE.name
