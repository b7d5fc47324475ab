"""Directives of the instructor's pages: {lesson} and {chapter-guide}."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from tools.lessons import guide, lesson, teaching


class Planned(SphinxDirective):
    """MyST that tools/lessons.py makes, parsed as if it stood in the page."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """The nodes of the text."""
        book = Path(self.env.doc2path(self.env.docname)).parent
        for chapter in teaching(book):  # a change there makes this page again
            self.env.note_dependency(str(chapter))
        try:
            lines = self.lines(book)
        except ValueError as error:
            raise self.error(str(error)) from None
        parent = nodes.Element()
        source = StringList(lines, source=self.env.docname)
        self.state.nested_parse(source, self.content_offset, parent)
        return parent.children

    def lines(self, book: Path) -> list[str]:
        """What is parsed."""
        raise NotImplementedError


class Lesson(Planned):
    """A plan: minutes, then parts and exercises."""

    required_arguments = 1

    def lines(self, book: Path) -> list[str]:
        """The list of the plan."""
        return lesson(self.arguments[0], list(self.content), book)


class ChapterGuide(Planned):
    """A box for each chapter with exercises."""

    def lines(self, book: Path) -> list[str]:
        """The boxes."""
        return guide(list(self.content), book)


def setup(app: Sphinx) -> dict:
    """Called by Sphinx."""
    app.add_directive("lesson", Lesson)
    app.add_directive("chapter-guide", ChapterGuide)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
