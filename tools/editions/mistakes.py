"""Common mistakes of each exercise, and what the check says about them.

They are the wrong answers that the tests have (tests/exercises/wrong_answers), and the
messages are what the checks answer when asked: nothing of it is written down twice.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import textwrap
from dataclasses import dataclass
from types import ModuleType

from gpt2course.course import require
from tools.publication import ROOT

WRONG_ANSWERS = ROOT / "tests/exercises/wrong_answers"
WIDTH = 76  # of code in chapters


@dataclass(frozen=True)
class Mistake:
    """A wrong answer.

    Args:
        code: the answer, with the functions of its own that it needs.
        message: what the check says about it.
    """

    code: str
    message: str

    @property
    def lines(self) -> list[str]:
        """Code between fences: the answer, and the message as a comment."""
        said = textwrap.wrap(
            f"Not yet: {self.message}",
            WIDTH,
            initial_indent="# ",
            subsequent_indent="# ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        return ["", "```python", *self.code.split("\n"), *said, "```"]


def common_mistakes(chapter: str) -> dict[str, list[Mistake]]:
    """The mistakes of a chapter's exercises, by the name that `check` calls them.

    Raises:
        ValueError: a check accepts an answer that is listed as wrong.
    """
    path = WRONG_ANSWERS / f"{chapter.replace('-', '_')}.py"
    if not path.exists():
        return {}
    module = load(path.stem)
    source = path.read_text(encoding="utf-8")
    codes = sources(source)
    found: dict[str, list[Mistake]] = {}
    for exercise, rows in module.WRONG.items():
        for n, (answer, *_) in enumerate(rows):
            try:
                require(exercise, answer)
            except AssertionError as error:
                message = str(error).removeprefix(f"{exercise}: ")
            else:
                raise ValueError(
                    f"{path.name}: {exercise} accepts wrong answer {n + 1}"
                )
            found.setdefault(exercise, []).append(Mistake(codes[exercise][n], message))
    return found


def load(name: str) -> ModuleType:
    """A module of wrong answers, whatever the search path is."""
    path = WRONG_ANSWERS / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"wrong_answers.{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sources(source: str) -> dict[str, list[str]]:
    """The code of each answer in the table WRONG of a module, by exercise.

    A name stands for the function behind it. Functions that an answer uses come before
    it, unless an earlier answer to the same exercise has them already.
    """
    tree = ast.parse(source)
    own = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            own[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            own[node.targets[0].id] = node
    table = own.pop("WRONG").value
    found = {}
    for key, rows in zip(table.keys, table.values, strict=True):
        shown: set[str] = set()
        found[key.value] = [
            answer(source, row.elts[0], own, shown) for row in rows.elts
        ]
    return found


def answer(
    source: str, node: ast.expr, own: dict[str, ast.stmt], shown: set[str]
) -> str:
    """The code of one answer, after what it uses of its module and is not yet shown."""
    itself = node.id if isinstance(node, ast.Name) else None
    names = [n for n in uses(node, own) if n not in shown or n == itself]
    shown.update(names)
    needed = [text_of(source, own[name]) for name in names]
    if not itself:
        needed.append(text_of(source, node))
    return "\n\n".join(needed)


def uses(node: ast.AST, own: dict[str, ast.stmt]) -> list[str]:
    """The names of its module that a piece of code needs, in the module's order."""
    names: set[str] = set()
    waiting = [node]
    while waiting:
        for part in ast.walk(waiting.pop()):
            if isinstance(part, ast.Name) and part.id in own and part.id not in names:
                names.add(part.id)
                waiting.append(own[part.id])
    return [name for name in own if name in names]


def text_of(source: str, node: ast.AST) -> str:
    """The code of a node as it is written, moved to the left edge."""
    first, *rest = ast.get_source_segment(source, node).split("\n")
    if isinstance(node, ast.stmt):
        return "\n".join([first, *rest])
    # lines after the first are indented as in the table, the last one least
    indents = [len(re.match(" *", line)[0]) for line in rest if line.strip()]
    return "\n".join([first, *(line[min(indents) :] for line in rest)])
