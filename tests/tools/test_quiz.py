"""Self-tests: how chapters write them, and what notebooks show."""

from __future__ import annotations

import pytest
from chapter import CHAPTERS
from references import converter

from tools.quiz import read_quiz

SOURCE = """
Is `1` *one*?
- no
  It is.
+ yes,
  and *why*
  is here
- maybe
  No.

And two
lines?
+ a
  b
- c
  d
- e
  f
"""


def test_questions_choices_and_explanations_are_read():
    first, second = read_quiz(SOURCE)
    assert first.text == "Is `1` *one*?"
    assert [choice.right for choice in first.choices] == [False, True, False]
    assert first.choices[1].text == "yes,"
    assert first.choices[1].why == "and *why* is here"
    assert second.text == "And two lines?"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("Q?\n- a\n  b\n+ c\n  d", "has 2 choices; it needs 3 to 5"),
        ("Q?\n- a\n  b\n- c\n  d\n- e\n  f", "needs one right choice"),
        ("Q?\n+ a\n  b\n+ c\n  d\n- e\n  f", "needs one right choice"),
        ("Q?\n+ a\n- c\n  d\n- e\n  f", "'a' explains nothing"),
        ("+ a\n  b\n- c\n  d\n- e\n  f", "there is no question"),
        ("", "there is no question"),
    ],
)
def test_what_nobody_could_answer_is_refused(source, message):
    with pytest.raises(ValueError, match=message):
        read_quiz(source)


def test_a_notebook_folds_the_explanations(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(f"# Page\n\n```{{quiz}}\n{SOURCE}```\n")
    text = converter.convert(path, solutions=False).cells[-1].source
    assert "**1.** Is `1` *one*?" in text
    assert "- b) yes," in text
    shown, _, folded = text.partition("<details>")
    assert "and *why* is here" not in shown
    assert "- b) *right.* and *why* is here" in folded


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_the_position_of_the_right_choice_tells_nothing(path):
    """Nobody passes a self-test by always choosing the same place."""
    blocks = path.read_text(encoding="utf-8").split("```{quiz}\n")[1:]
    questions = [q for block in blocks for q in read_quiz(block.split("\n```")[0])]
    places = {[c.right for c in q.choices].index(True) for q in questions}
    assert not questions or len(questions) in range(3, 6)
    assert len(places) != 1
