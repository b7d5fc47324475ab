"""The directive `quiz`: a folded self-test whose every choice is explained.

Choosing shows the explanation by style alone, so it works without JavaScript;
book/_static/quiz.js keeps the answers in the reader's browser.
"""

from __future__ import annotations

import html
import zlib

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from tools.quiz import Question, read_quiz


class Quiz(SphinxDirective):
    """The questions of tools/quiz.py as groups of radio buttons."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """A folded box with a group for each question."""
        try:
            questions = read_quiz("\n".join(self.content))
        except ValueError as error:
            raise self.error(str(error)) from None
        count = f"{len(questions)} question{'s' if len(questions) > 1 else ''}"
        page = html.escape(self.env.docname.rpartition("/")[2])
        box = nodes.container(classes=["course-quiz"])
        box += raw(
            f'<details data-page="{page}"><summary>Test yourself: {count}</summary>'
        )
        for number, question in enumerate(questions, 1):
            box += self.group(number, question)
        box += raw("</details>")
        return [box]

    def group(self, number: int, question: Question) -> list[nodes.Node]:
        """A question: its text, its choices, and what each of them says."""
        name = f"quiz-{identity(question.text)}"
        parts = [
            raw(f'<fieldset data-question="{name}"><legend>{number}. '),
            *self.text(question.text),
            raw("</legend>"),
        ]
        for choice in question.choices:
            value = identity(choice.text)
            verdict = "Right." if choice.right else "No."
            parts += [
                raw(
                    f'<div class="{"right" if choice.right else "wrong"}">'
                    f'<input type="radio" name="{name}" value="{value}"'
                    f' id="{name}-{value}"><label for="{name}-{value}">'
                ),
                *self.text(choice.text),
                raw(f"</label><p><strong>{verdict}</strong> "),
                *self.text(choice.why),
                raw("</p></div>"),
            ]
        return [*parts, raw("</fieldset>")]

    def text(self, source: str) -> list[nodes.Node]:
        """A text of one line as MyST reads it."""
        found, messages = self.state.inline_text(source, self.lineno)
        return [nodes.inline("", "", *found), *messages]


def raw(source: str) -> nodes.raw:
    """HTML of our own around the text."""
    return nodes.raw("", source, format="html")


def identity(text: str) -> str:
    """What a question or a choice is called in the reader's browser.

    It follows the text, so that no answer is taken for that to another question.
    """
    return f"{zlib.crc32(text.encode()):08x}"


def setup(app: Sphinx) -> dict:
    """Called by Sphinx."""
    app.add_directive("quiz", Quiz)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
