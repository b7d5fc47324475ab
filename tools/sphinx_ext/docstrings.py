"""Docstrings for the pages of the package: what only looks like reStructuredText."""

from __future__ import annotations

from sphinx.application import Sphinx


def as_written(app, what, name, thing, options, lines: list[str]) -> None:
    """`<|endoftext|>` and `draw(**values)` in a docstring mean their characters."""
    lines[:] = [line.replace("|", r"\|").replace("**", r"\*\*") for line in lines]


def setup(app: Sphinx) -> dict[str, bool]:
    """Before napoleon, which writes reStructuredText of its own."""
    app.connect("autodoc-process-docstring", as_written, priority=400)
    return {"parallel_read_safe": True}
