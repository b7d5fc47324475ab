"""A wrong answer is told what is wrong with it.

wrong_answers/CHAPTER.py has a table: exercise -> [(wrong answer, phrase that its
message must hold), ...]. A new chapter needs a file of its own there and nothing here.
"""

from __future__ import annotations

import importlib
import pkgutil

import pytest
import torch
import wrong_answers
from chapter import all_exercises

from gpt2course.course.exercises import check, require

ENOUGH = 2  # two typical wrong answers for each exercise
TABLES = {
    module.name: importlib.import_module(f"wrong_answers.{module.name}").WRONG
    for module in pkgutil.iter_modules(wrong_answers.__path__)
}
CASES = [
    pytest.param(exercise, answer, phrase, id=f"{exercise}-{n}")
    for table in TABLES.values()
    for exercise, cases in table.items()
    for n, (answer, phrase) in enumerate(cases, 1)
]


@pytest.mark.parametrize(("exercise", "answer", "phrase"), CASES)
def test_a_wrong_answer_is_told_what_is_wrong(exercise, answer, phrase) -> None:
    with pytest.raises(AssertionError) as refused:
        require(exercise, answer)
    assert phrase in str(refused.value)


def test_tables_belong_to_their_chapters() -> None:
    strange = [
        exercise
        for chapter, table in TABLES.items()
        for exercise in table
        if exercise not in all_exercises()
        or not exercise.startswith(chapter.replace("_", "-") + "-")
    ]
    assert strange == []


def test_every_exercise_has_two_wrong_answers() -> None:
    cases = {name: rows for table in TABLES.values() for name, rows in table.items()}
    fewer = [name for name in all_exercises() if len(cases.get(name, ())) < ENOUGH]
    assert fewer == []


@pytest.mark.parametrize("exercise", all_exercises())
def test_nan_is_no_right_answer(exercise) -> None:
    nan = float("nan")
    for answer in (nan, lambda *_, **__: nan, lambda *_, **__: torch.tensor(nan)):
        assert not check(exercise, answer)
