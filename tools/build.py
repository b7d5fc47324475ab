"""Run the chapters and build the site: what `make book` and `make page` call.

stale.py removes what is out of date, execute.py runs the chapters, jupyter-book makes
the pages with the extensions in sphinx_ext/, and notebooks/ writes the notebooks.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from sphinx_external_toc.parsing import parse_toc_yaml

from tools.chapters import ConvertError, chapter_files
from tools.execute import run_chapters, run_seconds
from tools.notebooks import write_notebooks
from tools.publication import ROOT
from tools.sphinx_ext.exercises import NO_SOLUTIONS
from tools.stale import BUILD, empty_when_stale, say

JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"


def build_pages(
    folder: Path, only: str | None = None, *, solutions: bool = True
) -> bool:
    """Turn chapters and outputs into pages; True without an error or a warning.

    Args:
        folder: pages go to _build/html in it.
        only: one page, with a table of contents of its own; links to other pages cannot
            be checked then, so warnings pass.
        solutions: whether the pages have them.
    """
    command = [sys.executable, "-c", JUPYTER_BOOK, "build", str(ROOT), "--quiet"]
    command += ["--path-output", str(folder)]
    if only:
        folder.mkdir(parents=True, exist_ok=True)
        toc = folder / "_toc.yml"
        toc.write_text(f"format: jb-book\nroot: {only}\n")
        command += ["--toc", str(toc)]
    else:
        command += ["-W", "-n", "--keep-going"]
    environment = os.environ | ({} if solutions else {NO_SOLUTIONS: "1"})
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True
    )
    if result.returncode:
        print(result.stdout, result.stderr, sep="\n", file=sys.stderr)
    elif result.stderr.strip():
        print(result.stderr, file=sys.stderr)
    return result.returncode == 0


def write_root_page(site: Path) -> None:
    """The first page again as the root's index.html, instead of a redirect to it."""

    def from_root(match: re.Match) -> str:
        attribute, target = match.groups()
        if target.startswith("../"):
            target = target.removeprefix("../")
        elif not re.match(r"#|/|[a-z]+:", target):
            target = f"book/{target}"
        return f'{attribute}="{target}"'

    page = (site / "book/index.html").read_text(encoding="utf-8")
    page = page.replace('data-content_root="../"', 'data-content_root="./"')
    page = re.sub(r'\b(href|src|action)="([^"]+)"', from_root, page)
    (site / "index.html").write_text(page, encoding="utf-8")


def page_name(given: str | None) -> str | None:
    """What _toc.yml calls a page that someone names: "book/tokens" for tokens.md."""
    return given and f"book/{Path(given).stem}"


def pages(only: str | None = None) -> list[str]:
    """Every page of the book, as _toc.yml has them, or one.

    Raises:
        ValueError: there is no such page.
    """
    names = list(parse_toc_yaml(ROOT / "_toc.yml"))
    if not only:
        return names
    if only not in names:
        known = ", ".join(name.removeprefix("book/") for name in names)
        raise ValueError(f"there is no page {only!r}; pages are {known}")
    return [only]


def build(only: str | None) -> int:
    """Everything, or one page; 0 when every chapter ran and every page was built."""
    try:
        names = pages(only)
        empty_when_stale()
    except ValueError as error:  # the message says what to do
        say(str(error))
        return 2
    failed = run_chapters(names)
    if failed:
        say(f"stopped: {', '.join(failed)} failed, see above")
        return 1
    say("writing the pages")
    if not build_pages(BUILD / "only" / only if only else ROOT, only):
        say("stopped: see the warnings above")
        return 1
    if not only:
        write_root_page(BUILD / "html")
        seconds = json.dumps(run_seconds(names), indent=1)
        (BUILD / "run-seconds.json").write_text(seconds + "\n", encoding="utf-8")
        write_notebooks(chapter_files(ROOT / "book"), BUILD / "html/notebooks")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Build the book and say what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="NAME", help="run and build one page")
    only = page_name(parser.parse_args(arguments).only)
    start = time.monotonic()
    os.chdir(ROOT)
    try:
        status = build(only)
    except ConvertError as error:  # a chapter that cannot be read, or shown
        say(f"stopped: {error}")
        return 1
    if status == 0:
        page = f"only/{only}/_build/html/{only}.html" if only else "html/index.html"
        say(f"done in {time.monotonic() - start:.0f} s: _build/{page}")
    return status


if __name__ == "__main__":
    sys.exit(main())
