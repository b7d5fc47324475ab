"""Self-tests as chapters write them: questions, choices, and what each choice says.

    ```{quiz}
    A question, on one line or several?
    - a wrong choice
      why it is wrong
    + the right choice
      why it is right
    ```

A blank line ends a question. The site shows it by tools/sphinx_ext/quiz.py, notebooks
by tools/notebooks/blocks.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CHOICES = range(3, 6)  # how many a question may have


@dataclass(frozen=True)
class Choice:
    """One answer that a reader can choose."""

    text: str
    why: str
    right: bool


@dataclass(frozen=True)
class Question:
    """A question with its choices, exactly one of which is right."""

    text: str
    choices: tuple[Choice, ...]


def read_quiz(source: str) -> list[Question]:
    """The questions of a self-test.

    Args:
        source: what stands in the directive.

    Raises:
        ValueError: a question that a reader could not answer or learn from.
    """
    blocks = re.split(r"\n\s*\n", source.strip())
    return [read_question(block) for block in blocks]


def read_question(block: str) -> Question:
    """One question, from its lines."""
    text, *choices = re.split(r"^([+-]) ", block, flags=re.M)
    question = " ".join(text.split())
    found = []
    for sign, choice in zip(choices[::2], choices[1::2], strict=True):
        said, _, why = choice.partition("\n")
        if not why.strip():
            raise ValueError(f"{question!r}: the choice {said!r} explains nothing")
        found.append(Choice(said.strip(), " ".join(why.split()), sign == "+"))
    if not question:
        raise ValueError(f"there is no question above {block[:40]!r}")
    if len(found) not in CHOICES:
        raise ValueError(
            f"{question!r} has {len(found)} choices; it needs {CHOICES.start} to "
            f"{CHOICES.stop - 1}"
        )
    if sum(choice.right for choice in found) != 1:
        raise ValueError(f"{question!r} needs one right choice, which begins with +")
    return Question(question, tuple(found))
