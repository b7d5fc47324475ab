"""Shows under the title of an exercise what the metadata of its cell says about it."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx_exercise.nodes import exercise_enumerable_node, exercise_node

from tools.chapters import Rating

logger = logging.getLogger(__name__)


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


def setup(app: Sphinx) -> dict:
    """Called by Sphinx."""
    app.add_transform(Rate)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
