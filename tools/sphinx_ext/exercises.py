"""Exercises on the pages: their ratings, and an edition without their solutions."""

from __future__ import annotations

import os

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx_exercise.nodes import (
    exercise_enumerable_node,
    exercise_node,
    solution_node,
)

from tools.chapters import Rating

logger = logging.getLogger(__name__)
# the environment of a build whose pages have no solutions; tools/build.py sets it
NO_SOLUTIONS = "GPT2COURSE_NO_SOLUTIONS"
NOTE = "This edition comes without the solutions of its exercises."


class LeaveOut(SphinxTransform):
    """Takes solutions out of a page, before anything else reads it.

    So nothing of them gets into the page, its search index or its pictures.
    """

    default_priority = 15  # after sphinx-exercise has put their cells into them

    def apply(self) -> None:
        """Remove every solution, and every cell tagged as one."""
        if self.config.course_solutions:
            return
        for node in [
            *self.document.findall(solution_node),
            *self.document.findall(is_solution_cell),
        ]:
            if node.parent and node in node.parent:
                node.parent.remove(node)


def is_solution_cell(node: nodes.Node) -> bool:
    """Whether a node is a cell that is tagged as a solution."""
    metadata = isinstance(node, nodes.container) and node.get("cell_metadata", {})
    return bool(metadata) and "solution" in metadata.get("tags", ())


class Rate(SphinxTransform):
    """Difficulty, minutes, points, and what an exercise trains."""

    default_priority = 20  # after sphinx-exercise has put cells into their exercises

    def apply(self) -> None:
        """Add the line to every exercise whose cell has a rating."""
        for kind in (exercise_enumerable_node, exercise_node):
            for exercise in list(self.document.findall(kind)):
                self.rate(exercise)

    def rate(self, exercise: nodes.Element) -> None:
        """Add the line to one exercise."""
        ratings = [
            cell["cell_metadata"]["exercise"]
            for cell in exercise.findall(nodes.container)
            if "exercise" in cell.get("cell_metadata", {})
        ]
        try:
            for metadata in ratings:  # one, as tests see to
                exercise[-1].insert(0, line(Rating.read(dict(metadata))))
        except ValueError as error:
            logger.warning("%s: %s", exercise["label"], error, location=exercise)


def line(rating: Rating) -> nodes.paragraph:
    """The paragraph: dots that a screen reader calls a difficulty, and the rest."""
    dots = (
        f'<span class="course-dots" role="img" aria-label="Difficulty'
        f' {rating.difficulty} of 3">{rating.dots}</span>'
    )
    return nodes.paragraph(
        "",
        "",
        nodes.raw("", dots, format="html"),
        nodes.Text(f" {rating.rest}"),
        classes=["course-rating"],
    )


def say_so(
    app: Sphinx, _page: str, _template: str, context: dict, _doctree: object
) -> None:
    """One line at the foot of every page of the edition without solutions."""
    if not app.config.course_solutions:
        foot = context.get("theme_extra_footer", "")
        context["theme_extra_footer"] = f'<p class="course-foot">{NOTE}</p>{foot}'


def setup(app: Sphinx) -> dict:
    """Called by Sphinx."""
    shown = NO_SOLUTIONS not in os.environ
    app.add_config_value("course_solutions", shown, "env", types=[bool])
    app.add_transform(LeaveOut)
    app.connect("html-page-context", say_so, priority=950)  # after the others' lines
    app.add_transform(Rate)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
