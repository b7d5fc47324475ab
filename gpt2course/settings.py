"""The three environment variables that decide what a chapter runs on.

A chapter never names a checkpoint, a data source or a number of steps: it asks here.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence

HUB_CHECKPOINTS = ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")
CHECKPOINTS = ("mini", *HUB_CHECKPOINTS)
EFFORTS = ("quick", "page", "full")


def unknown(what: str, given: str, allowed: Sequence[str]) -> ValueError:
    """The error for a name that is not allowed: it suggests the nearest."""
    near = difflib.get_close_matches(given, allowed, n=1, cutoff=0.5)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return ValueError(
        f"unknown {what} {given!r}; {guess}known are {', '.join(allowed)}"
    )


def checkpoint_name(name: str | None = None) -> str:
    """GPT2COURSE_CHECKPOINT, unless a name is given.

    "mini" (default), a published size, or a path.

    Raises:
        ValueError: neither a known name nor something that looks like a path.
    """
    name = name or os.environ.get("GPT2COURSE_CHECKPOINT") or "mini"
    name = name.removeprefix("openai-community/")
    if name not in CHECKPOINTS and not (
        os.sep in name or "/" in name or name in (".", "..")
    ):
        raise unknown("checkpoint", name, (*CHECKPOINTS, "./a-folder"))
    return name


def data_source() -> str:
    """GPT2COURSE_DATA: "embedded", "hub" or a path. Default.

    Hub for the four published sizes, else embedded.
    """
    default = "hub" if checkpoint_name() in HUB_CHECKPOINTS else "embedded"
    source = os.environ.get("GPT2COURSE_DATA") or default
    if source not in ("embedded", "hub") and not (os.sep in source or "/" in source):
        raise unknown("data source", source, ("embedded", "hub", "./a-folder"))
    return source


def effort() -> str:
    """GPT2COURSE_EFFORT: "quick" (seconds, for tests), "page" (default.

    Minutes on two cores) or "full".
    """
    level = os.environ.get("GPT2COURSE_EFFORT") or "page"
    if level not in EFFORTS:
        raise unknown("effort", level, EFFORTS)
    return level


def by_effort(*, quick: int, page: int, full: int) -> int:
    """One of three numbers, steps for example, chosen by `effort`.

    Same code, fewer steps.
    """
    return {"quick": quick, "page": page, "full": full}[effort()]
