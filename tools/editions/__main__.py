"""`python -m tools.editions student`, `instructor` or `slides`: see `make help`."""

from __future__ import annotations

import argparse
import os
import sys
import time

from tools import editions
from tools.build import page_name
from tools.execute import ENVIRONMENT
from tools.publication import ROOT
from tools.stale import say


def main(arguments: list[str] | None = None) -> int:
    """Make an edition and say what it took."""
    parser = argparse.ArgumentParser(description="An edition of the book, once built.")
    parser.add_argument("edition", choices=("student", "instructor", "slides"))
    parser.add_argument("--only", metavar="NAME", help="one page")
    given = parser.parse_args(arguments)
    start = time.monotonic()
    os.chdir(ROOT)
    os.environ.update(ENVIRONMENT)  # no bars, one thread
    try:
        folder = getattr(editions, given.edition)(page_name(given.only))
    except ValueError as error:  # a chapter that cannot be shown is one
        say(f"stopped: {error}")
        return 2
    say(f"done in {time.monotonic() - start:.0f} s: {folder.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
