"""log.jsonl: one JSON object per line, which a kill or a full disk cannot spoil."""

from __future__ import annotations

import json
import math
from pathlib import Path

from gpt2course.files import write_text


class Log:
    """A file with one JSON object a line. Each has the entry "step", in optimizer
    steps.

    Args:
        path: of the file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, row: dict) -> None:
        """Write a row at the end."""
        with open(self.path, "a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(row) + "\n")  # ASCII: no line separators

    def rows(self) -> list[dict]:
        """All rows. One that a full disk or a kill cut short is left out."""
        return [json.loads(line) for line in self._lines() if _step_of(line) < math.inf]

    def forget_after(self, step: int) -> None:
        """Drop what was written after this step, so that a resumed run repeats
        nothing."""
        if self.path.exists():
            kept = [line for line in self._lines() if _step_of(line) <= step]
            write_text(self.path, "".join(line + "\n" for line in kept))

    def _lines(self) -> list[str]:
        if not self.path.exists():
            return []
        return self.path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]


def _step_of(line: str) -> float:
    """The step of a row; a row that was cut short is younger than every save."""
    try:
        return json.loads(line)["step"]
    except (ValueError, TypeError, KeyError):
        return math.inf
