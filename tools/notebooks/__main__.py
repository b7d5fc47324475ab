"""`python -m tools.notebooks FOLDER`: write the notebooks of the whole book."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.notebooks import ConvertError, write_notebooks
from tools.publication import ROOT


def main(arguments: list[str] | None = None) -> int:
    """Write the notebooks of the whole book into a folder."""
    parser = argparse.ArgumentParser(description="Write every chapter as a notebook.")
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--solutions", action="store_true", help="the instructor's edition"
    )
    given = parser.parse_args(arguments)
    try:
        paths = write_notebooks(ROOT / "book", given.folder, solutions=given.solutions)
    except ConvertError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(paths)} notebooks in {given.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
