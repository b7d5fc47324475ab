"""log.jsonl: one JSON object per line, which a kill or a full disk cannot spoil."""

from __future__ import annotations

import json
import math
from pathlib import Path

from gpt2course.files import read_bounded, write_text
from gpt2course.training.folder import damaged

MAX_BYTES = 2**30
# what cards compute with
NUMBERS = ("tokens", "seconds", "loss", "eval_loss", "eval_accuracy")
NUMBERS += ("bits_per_character",)


class Log:
    """A file with one JSON object per line. Each has the entry "step", in optimizer
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
        """All rows. One that a full disk or a kill cut short is left out.

        Raises:
            ValueError: the file is damaged: a line is JSON, and no row of a log.
        """
        return [row for _, row in self._read()]

    def forget_after(self, step: int) -> None:
        """Drop what was written after this step, so that a resumed run repeats
        nothing.

        Raises:
            ValueError: as `rows`.
        """
        if self.path.exists():
            kept = [line for line, row in self._read() if row["step"] <= step]
            write_text(self.path, "".join(line + "\n" for line in kept))

    def _read(self) -> list[tuple[str, dict]]:
        """Lines and what they say."""
        if not self.path.exists():
            return []
        try:
            text = read_bounded(self.path, MAX_BYTES).decode("utf-8-sig", "replace")
            found = []
            for number, line in enumerate(text.split("\n")[:-1], start=1):
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError):
                    continue  # cut short
                if not _is_row(row):
                    raise ValueError(f"line {number} is no row of a log")
                found.append((line.rstrip("\r"), row))
        except ValueError as error:
            raise damaged(self.path, error) from None
        return found


def _is_row(row: object) -> bool:
    """Whether it is an object with a step, and numbers where numbers belong."""
    return (
        isinstance(row, dict)
        and type(row.get("step")) is int
        and row["step"] >= 0
        and all(_is_number(row[name]) for name in NUMBERS if name in row)
    )


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
