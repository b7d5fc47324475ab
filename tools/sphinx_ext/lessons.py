"""Directives of the instructor's pages: {lesson} and {chapter-guide}."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from tools.lessons import guide, lesson, teaching


class Lesson(SphinxDirective):
    """A plan: minutes, then parts and exercises."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """The list of the plan."""
        return parsed(
            self, lambda book: lesson(self.arguments[0], list(self.content), book)
        )


class ChapterGuide(SphinxDirective):
    """A box for each chapter with exercises."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """The boxes."""
        return parsed(self, lambda book: guide(list(self.content), book))


def parsed(
    directive: SphinxDirective, lines_of: Callable[[Path], list[str]]
) -> list[nodes.Node]:
    """MyST that tools/lessons.py makes, as if it stood in the page.

    Args:
        directive: where it is to stand.
        lines_of: makes the lines, given the folder of the chapters.
    """
    book = Path(directive.env.doc2path(directive.env.docname)).parent
    for chapter in teaching(book):  # a change there makes this page again
        directive.env.note_dependency(str(chapter))
    return nested(directive, lambda: lines_of(book))


def nested(
    directive: SphinxDirective, lines_of: Callable[[], list[str]]
) -> list[nodes.Node]:
    """Lines of MyST, as if they stood in the page in place of a directive.

    A ValueError of `lines_of` becomes an error of the directive.
    """
    try:
        lines = lines_of()
    except ValueError as error:
        raise directive.error(str(error)) from None
    parent = nodes.Element()
    source = StringList(lines, source=directive.env.docname)
    directive.state.nested_parse(source, directive.content_offset, parent)
    return parent.children


def setup(app: Sphinx) -> dict:
    """Called by Sphinx."""
    app.add_directive("lesson", Lesson)
    app.add_directive("chapter-guide", ChapterGuide)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
