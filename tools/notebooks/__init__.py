"""Turn chapters (MyST markdown) into notebooks that look right in Jupyter and in Colab.

A notebook knows plain Markdown only. So admonitions become quotations, diagrams become
embedded pictures, references become links, and computed values are written into the
prose. The student edition leaves the solutions out. Anything that has no plain form
here is an error: MyST syntax never reaches a reader of a notebook.

tools/editions says who gets which. opening.py has the first cell, blocks.py directives,
prose.py roles and links, pictures.py images.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import nbformat
from jupytext.myst import CODE_DIRECTIVE, myst_to_notebook
from nbformat import NotebookNode

from tools.chapters import ConvertError, Rating, chapter_files, read_chapter
from tools.notebooks.blocks import Mistakes, Page
from tools.notebooks.opening import opening
from tools.notebooks.prose import escape_bars

__all__ = ["ConvertError", "chapter_files", "convert", "write_notebooks"]

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def write_notebooks(
    chapters: list[Path],
    folder: Path,
    *,
    solutions: bool = False,
    mistakes: Mapping[str, Mistakes] | None = None,
) -> list[Path]:
    """Write a notebook for each chapter, and remove those of other chapters.

    Args:
        chapters: their files.
        folder: where NAME.ipynb goes for the chapter NAME.md.
        solutions: the instructor's edition instead of the students'.
        mistakes: for the instructor's, by chapter.
    """
    mistakes = mistakes or {}
    notebooks = {
        folder / f"{path.stem}.ipynb": convert(
            path, solutions=solutions, mistakes=mistakes.get(path.stem)
        )
        for path in chapters
    }
    folder.mkdir(parents=True, exist_ok=True)
    for path, notebook in notebooks.items():
        nbformat.write(notebook, path)
    for old in set(folder.glob("*.ipynb")) - set(notebooks):
        old.unlink()
    return list(notebooks)


def convert(
    chapter: Path, *, solutions: bool = False, mistakes: Mistakes | None = None
) -> NotebookNode:
    """One chapter as a notebook without outputs; always the same, cell ids included.

    Args:
        chapter: its file.
        solutions: the instructor's edition: it begins with a list of the exercises.
        mistakes: for the instructor's, by exercise; they follow its solution.

    Raises:
        ConvertError: a directive, a role or an option without a plain form, an unknown
            label, a fence left open; the message names the chapter and the line.
    """
    text = read_chapter(chapter)
    source = myst_to_notebook(text, CODE_DIRECTIVE, add_source_map=True)
    page = Page(chapter, solutions, mistakes or {})
    page.ratings = ratings(source.cells, page)
    cells = []
    for cell, start in zip(source.cells, source.metadata["source_map"], strict=True):
        if cell.cell_type == "code":
            tags = cell.metadata.get("tags", [])
            if solutions or not (page.in_solution or "solution" in tags):
                rating = cell.metadata.get("exercise")
                cells.append(code_cell(cell.source, tags, rating))
        elif markdown := page.markdown(cell.source, first_line(text, start)):
            cells.append(nbformat.v4.new_markdown_cell(markdown))
    page.close()
    if any(cell.cell_type == "code" for cell in cells):
        cells = [*opening(page), *for_instructors(page), *cells]
    give_ids(cells, chapter.stem)
    metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def for_instructors(page: Page) -> list[NotebookNode]:
    """A cell that lists the exercises with minutes and points; students get none."""
    rated = [rating for rating in page.ratings if rating]
    if not (page.solutions and rated):
        return []
    minutes, points = (
        sum(getattr(rating, name) for rating in rated) for name in ("minutes", "points")
    )
    text = (
        f"**For instructors.** This notebook has solutions. Its {len(rated)} exercises"
        f" take {minutes} minutes and give {points} points.\n\n"
        "| exercise | difficulty | minutes | points | trains |\n|---|---|---|---|---|\n"
    )
    for heading, rating in zip(page.headings, page.ratings, strict=True):
        if rating:
            trains = escape_bars(rating.trains)
            row = [escape_bars(heading), rating.dots, rating.minutes, rating.points]
            text += f"| {' | '.join(map(str, [*row, trains]))} |\n"
    return [nbformat.v4.new_markdown_cell(text.rstrip())]


def first_line(text: str, start: int) -> int:
    """The number of the first line, from 1, that is not blank after `start` lines."""
    lines = text.split("\n")
    while start < len(lines) and not lines[start].strip():
        start += 1
    return start + 1


def ratings(cells: list[NotebookNode], page: Page) -> list[Rating | None]:
    """The rating of each exercise of a chapter, in order; None where it has none.

    Raises:
        ConvertError: a rating that is not valid.
    """
    found: list[Rating | None] = []
    for cell in cells:
        if "exercise" in cell.metadata.get("tags", []):
            rating = cell.metadata.get("exercise")
            try:
                found.append(Rating.read(dict(rating)) if rating else None)
            except ValueError as error:
                raise page.error(f"exercise {len(found) + 1}: {error}") from None
    return found


def code_cell(source: str, tags: list[str], rating: dict | None = None) -> NotebookNode:
    """A code cell; what is folded on the page is folded in Jupyter and Colab, too."""
    metadata: dict = {"tags": list(tags)} if tags else {}
    if rating:
        metadata["exercise"] = dict(rating)
    if {"hide-input", "hide-cell", "remove-input"} & set(tags):
        metadata |= {"source_hidden": True, "jupyter": {"source_hidden": True}}
    return nbformat.v4.new_code_cell(source, metadata=metadata)


def give_ids(cells: list[NotebookNode], name: str) -> None:
    """Ids that depend on the content alone; two cells may have the same source."""
    seen: Counter[tuple[str, str]] = Counter()
    for cell in cells:
        content = cell.cell_type, cell.source
        key = repr((name, seen[content], content)).encode()
        cell.id = hashlib.sha256(key).hexdigest()[:12]
        seen[content] += 1
