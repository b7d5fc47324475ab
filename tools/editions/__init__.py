"""Editions of the book from the outputs that `make book` has: nothing runs again.

| edition | what it is | made by |
|---|---|---|
| site | solutions folded, and the students' notebooks | `make book`, _build/html |
| student | the site and its notebooks, no solution | `make book-student` |
| instructor | notebooks with solutions, points, mistakes | `make book-instructor` |
| slides | slides and a speaker's notes, no solution | `make slides` |

leaks.py looks for solutions in what students get, mistakes.py has what the instructor's
notebooks say about wrong answers. tools/slides makes the slides.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from sphinx_external_toc.parsing import parse_toc_yaml

from tools.build import build_pages, pages, write_root_page
from tools.chapters import chapter_files, page_numbers
from tools.editions.leaks import Secrets
from tools.editions.mistakes import common_mistakes
from tools.execute import waiting
from tools.notebooks import write_notebooks
from tools.publication import ROOT
from tools.slides import write_slides
from tools.stale import BUILD, is_current

__all__ = ["instructor", "slides", "student"]


def student(only: str | None = None) -> Path:
    """The site and its notebooks without the solutions; returns its folder.

    What is there already stays until the new edition is complete and has been searched
    for solutions.

    Args:
        only: one page, such as "book/tokens", in a folder of its own.

    Raises:
        ValueError: no such page; the book has not been built as it is now; another
            process is at it; a page cannot be made; a solution was found.
    """
    place = where(only)
    with alone(place / "student"):
        work = place / ".student"
        if not build_pages(work, only, solutions=False):
            raise ValueError("the pages could not be made, see the warnings above")
        new = work / "new"
        shutil.rmtree(new, ignore_errors=True)
        shutil.copytree(work / "_build/html", new)
        if not only:
            write_root_page(new)
        write_notebooks(chosen(only), new / "notebooks")
        put_if_clean(new, place / "student", Secrets.of_book())
    return place / "student"


def instructor(only: str | None = None) -> Path:
    """Notebooks with solutions, points and common mistakes; returns their folder.

    Args:
        only: one page, such as "book/tokens".

    Raises:
        ValueError: no such page; the book has not been built as it is now; another
            process is at it; a check accepts an answer that is listed as wrong.
    """
    place = where(only)
    with alone(place / "instructor"):
        new = place / ".instructor"
        shutil.rmtree(new, ignore_errors=True)
        paths = chosen(only)
        known = {
            path.stem: {
                exercise: [line for mistake in listed for line in mistake.lines]
                for exercise, listed in common_mistakes(path.stem).items()
            }
            for path in paths
        }
        write_notebooks(paths, new, solutions=True, mistakes=known)
        put(new, place / "instructor")
    return place / "instructor"


def slides(only: str | None = None) -> Path:
    """Slides of the chapters, without solutions; returns their folder.

    Args:
        only: one page, such as "book/tokens".

    Raises:
        ValueError: no such page, or one that is no chapter; the book has not been built
            as it is now; another process is at it; a solution was found.
    """
    place, chapters = where(only), page_numbers(ROOT / "book")
    paths = [path for path in chosen(only) if path.stem in chapters]
    if not paths:
        raise ValueError(f"the page {only} is no chapter, so it has no slides")
    with alone(place / "slides"):
        new = place / ".slides"
        shutil.rmtree(new, ignore_errors=True)
        write_slides(paths, new)
        put_if_clean(new, place / "slides", Secrets.of_book())
    return place / "slides"


def where(only: str | None) -> Path:
    """The folder of the editions, once it is certain that they can be made."""
    names = [only] if only else list(parse_toc_yaml(ROOT / "_toc.yml"))
    pages(only)  # raises for a page that is not there
    if not is_current() or waiting(names):
        what = f"the page {only}" if only else "the book"
        command = f"make page P={Path(only).name}" if only else "make book"
        raise ValueError(f"{what} is not built, or not as it is now: {command}")
    return BUILD / "only" / only if only else BUILD


def chosen(only: str | None) -> list[Path]:
    """The chapters of an edition."""
    return [ROOT / f"{only}.md"] if only else chapter_files(ROOT / "book")


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keeps a second process from making the same edition.

    Raises:
        ValueError: another one is making it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = folder.with_name(f".{folder.name}.lock")
    try:
        with FileLock(lock, timeout=0):
            yield
    except Timeout:
        raise ValueError(
            f"another process is making {folder}; wait until it ends"
        ) from None


def put_if_clean(new: Path, folder: Path, secrets: Secrets) -> None:
    """A complete folder for students in the place of an older one.

    Raises:
        ValueError: a solution is in it; the older one stays.
    """
    if found := secrets.leaks(new):
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        raise ValueError(f"students would see a solution: {found[0]}{more}")
    put(new, folder)


def put(new: Path, folder: Path) -> None:
    """A complete folder in the place of an older one."""
    old = new.with_name(f"{new.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
