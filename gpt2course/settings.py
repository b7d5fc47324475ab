"""The three environment variables that decide what a chapter runs on.

A chapter never names a checkpoint, a data source or a number of steps: it asks here.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence

#: the checkpoints of OpenAI on the hub
HUB_CHECKPOINTS = ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")
#: all checkpoints that have a name
CHECKPOINTS = ("mini", *HUB_CHECKPOINTS)
#: where data comes from, if not from a folder
DATA_SOURCES = ("embedded", "hub")
#: the environment variables that the package reads
GPT2COURSE_VARIABLES = (
    "GPT2COURSE_CHECKPOINT",
    "GPT2COURSE_DATA",
    "GPT2COURSE_EFFORT",
)
#: how long a training cell works
EFFORTS = ("quick", "page", "full")


def unknown(what: str, given: str, allowed: Sequence[str]) -> ValueError:
    """The error for a name that is not allowed: it suggests the nearest."""
    near = difflib.get_close_matches(str(given), allowed, n=1, cutoff=0.5)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return ValueError(
        f"unknown {what} {given!r}; {guess}known are {', '.join(allowed)}"
    )


def checkpoint_name(name: str | os.PathLike | None = None) -> str:
    """The checkpoint that somebody asked for, or GPT2COURSE_CHECKPOINT, or "mini".

    Args:
        name: "mini", a published size, or a folder. A known name always wins: a folder
            that is called gpt2 is ./gpt2. None asks the environment, where an empty
            variable is as good as none.

    Returns:
        a known name, or a path in which ~ is the home folder.

    Raises:
        ValueError: neither a known name nor a folder nor a path.
    """
    if name is None:
        name = os.environ.get("GPT2COURSE_CHECKPOINT") or "mini"
    name = os.fspath(name)
    on_the_hub = name.removeprefix("openai-community/")
    if on_the_hub in HUB_CHECKPOINTS:
        return on_the_hub
    return _known_or_folder(name, "checkpoint", CHECKPOINTS)


def data_source(name: str | os.PathLike | None = None) -> str:
    """The data that somebody asked for, or GPT2COURSE_DATA, or the default.

    Args:
        name: "embedded", "hub" or a folder; a known name always wins. By default "hub"
            where GPT2COURSE_CHECKPOINT is one of the four published sizes, else
            "embedded".

    Returns:
        a known name, or a path in which ~ is the home folder.

    Raises:
        ValueError: neither a known name nor a folder nor a path.
    """
    default = "hub" if checkpoint_name() in HUB_CHECKPOINTS else "embedded"
    if name is None:
        name = os.environ.get("GPT2COURSE_DATA") or default
    return _known_or_folder(os.fspath(name), "data source", DATA_SOURCES)


def _known_or_folder(name: str, what: str, known: Sequence[str]) -> str:
    if name in known:
        return name
    path = os.path.expanduser(name)
    if os.sep in path or "/" in path or path in (".", "..") or os.path.isdir(path):
        return path
    raise unknown(what, name, (*known, "./a-folder"))


def folder_argument(folder: str | os.PathLike) -> str:
    """A folder as --checkpoint, --model and --data take it, whatever its name is.

    A relative path gets a ./ in front, so that it is no known name, no option and has
    no ~ at its beginning.
    """
    path = os.fspath(folder)
    return path if os.path.isabs(path) else f"./{os.path.normpath(path)}"


def effort() -> str:
    """GPT2COURSE_EFFORT: "quick" (seconds, for tests), "page" (the default, minutes on
    two cores) or "full"."""
    level = os.environ.get("GPT2COURSE_EFFORT") or "page"
    if level not in EFFORTS:
        raise unknown("effort", level, EFFORTS)
    return level


def by_effort(*, quick: int, page: int, full: int) -> int:
    """One of three numbers, steps for example, chosen by `effort`: the same code with
    fewer steps."""
    return {"quick": quick, "page": page, "full": full}[effort()]
