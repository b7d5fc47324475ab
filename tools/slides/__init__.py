"""Slides from a chapter: what a class looks at, and the text for whoever speaks.

A heading of the page opens a slide. Figures, formulas, tables, lists, code with what it
prints, the sentences that introduce a term, questions of the self-test and exercises
stand on slides; all other text is in the speaker's notes. What does not fit continues
under the same heading. reveal.js shows them; it comes with the package sphinx-revealjs.

blocks.py takes a chapter apart, and deck.html is the page around the slides.
"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pygments.formatters import HtmlFormatter

from tools.slides.blocks import HEIGHT, Slide, plain, slides
from tools.sphinx_ext.tidy import bring_mathjax

__all__ = ["HEIGHT", "Slide", "slides", "write_slides"]

COLOURS = HtmlFormatter(style="friendly").get_style_defs(".code")
HERE = Path(__file__).parent
REVEAL_PARTS = (
    *("LICENSE", "dist/reset.css", "dist/reveal.css", "dist/reveal.js"),
    *("plugin/notes/notes.js", "plugin/notes/speaker-view.html"),
)


def write_slides(chapters: list[Path], folder: Path) -> None:
    """Write NAME.html for each chapter, a list of them, and what they need offline.

    Args:
        chapters: their files; the outputs of their cells are in the cache.
        folder: a new one.

    Raises:
        ConvertError: a chapter that cannot be shown.
        ValueError: the cache has no outputs of a chapter.
    """
    folder.mkdir(parents=True)
    environment = Environment(
        loader=FileSystemLoader(HERE), undefined=StrictUndefined, autoescape=False
    )
    decks = {path.stem: slides(path) for path in chapters}
    template = environment.get_template("deck.html")
    for name, made in decks.items():
        page = template.render(colours=COLOURS, slides=made, title=plain(made[0].title))
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    listed = environment.get_template("list.html").render(decks=decks)
    (folder / "index.html").write_text(listed, encoding="utf-8")
    bring_reveal(folder / "reveal")
    bring_mathjax(folder / "mathjax")


def bring_reveal(target: Path) -> None:
    """Copy what the slides need of reveal.js, and its licence."""
    package = Path(importlib.util.find_spec("sphinx_revealjs").origin).parent
    for part in REVEAL_PARTS:
        (target / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(package / "_static/revealjs" / part, target / part)
