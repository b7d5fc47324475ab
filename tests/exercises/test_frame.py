"""The frame of the exercises' checks: a verdict, a message, never a traceback."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from chapter import all_exercises
from conftest import run_python

from gpt2course.course import exercises
from gpt2course.course.exercises import NotYet, check, checker, names, require


def test_every_exercise_has_a_check_and_every_check_an_exercise() -> None:
    ours = [
        name
        for name in names()
        if exercises._checkers[name].__module__.startswith("gpt2course.")
    ]
    assert ours == sorted(all_exercises())


@pytest.fixture
def double():
    """A check that is gone after the test: a function that doubles a tensor."""

    @checker("test-double")
    def double(f) -> str:
        result = f(torch.tensor([1.0, 2.0]))
        if not torch.equal(result, torch.tensor([2.0, 4.0])):
            raise NotYet(f"for [1, 2] it gives {result.tolist()}")
        return "Twice as much."

    yield double
    del exercises._checkers["test-double"]


def test_a_right_answer(double, capsys: pytest.CaptureFixture) -> None:
    assert check("test-double", lambda x: 2 * x)
    assert capsys.readouterr().out == "Correct. Twice as much.\n"
    require("test-double", lambda x: 2 * x)


def stub(x):
    """As a learner finds it."""
    ...


def raising(x):
    """Wrong in its own lines."""
    return x / torch.zeros(3)[5]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x: 3 * x, "for [1, 2] it gives [3.0, 6.0]"),
        (None, "there is nothing here yet"),
        (stub, "there is nothing here yet"),
        (raising, r"your code raised IndexError: index 5 is out of bounds"),
        (raising, r"in the line 'return x / torch.zeros(3)[5]'"),
        (lambda x: exit(3), "your code raised SystemExit: 3"),
        (lambda x: [2.0, 4.0], "the check could not use your answer (TypeError"),
        (
            7,
            "the check could not use your answer"
            " (TypeError: 'int' object is not callable)",
        ),
        (lambda: 1, "the check could not use your answer (TypeError"),
    ],
)
def test_a_wrong_answer_never_raises_and_says_why(
    double, capsys: pytest.CaptureFixture, answer, message: str
) -> None:
    assert not check("test-double", answer)
    printed = capsys.readouterr().out
    assert printed.startswith("Not yet: ")
    assert message in printed
    with pytest.raises(AssertionError, match=re.escape(message)):
        require("test-double", answer)


def test_a_verdict_shows_nothing_in_a_notebook(double) -> None:
    from IPython.core.formatters import DisplayFormatter

    assert DisplayFormatter().format(check("test-double", None)) == ({}, {})


def test_a_check_leaves_the_random_numbers_alone(double) -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    check("test-double", lambda x: x + torch.rand(2))
    assert torch.equal(torch.rand(1), expected)


def test_a_chapter_with_dashes_in_its_name_finds_its_checks(
    capsys: pytest.CaptureFixture,
) -> None:
    assert not check("evaluating-a-classifier-holm", None)
    assert "there is nothing here yet" in capsys.readouterr().out


def test_an_unknown_exercise_suggests_the_nearest() -> None:
    with pytest.raises(
        ValueError,
        match="unknown exercise 'attention-maks'; did you mean 'attention-mask'",
    ):
        check("attention-maks", None)
    with pytest.raises(ValueError, match="unknown exercise"):
        require("nothing", None)


def test_two_checks_cannot_have_one_name(double) -> None:
    with pytest.raises(ValueError, match="two checks are named 'test-double'"):

        @checker("test-double")
        def another(answer) -> str:
            return ""


def test_chapters_are_imported_when_asked_for() -> None:
    code = """
import sys
import gpt2course.course.exercises as e
loaded = lambda name: f"{e.__name__}.{name}" in sys.modules
print(loaded("attention"))
e.check("attention-mask", None)
print(loaded("attention"), loaded("tokens"))
"""
    lines = run_python("-c", code).stdout.splitlines()
    assert (lines[0], lines[-1]) == ("False", "True False")


def softmax(scores):
    return scores.softmax(-1)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("sampling-temperature", lambda p, t: (p.double().log() / t).softmax(-1)),
        ("sampling-temperature", lambda p, t: softmax(p.log() / t).numpy()),
        ("sampling-temperature", lambda p, t: softmax(p.log() / t).tolist()),
        ("attention-softmax", lambda scores: softmax(scores.double())),
        ("attention-softmax", lambda scores: softmax(scores).numpy().astype("float64")),
        ("attention-softmax", lambda scores: softmax(scores).tolist()),
        ("attention-mask", lambda T, S: np.tri(T, S, S - T, dtype=bool)),
        ("attention-mask", lambda T, S: np.tri(T, S, S - T, dtype=bool).tolist()),
        ("generation-positions", lambda mask: (mask.numpy().cumsum(1) - 1).clip(0)),
        (
            "attention-heads",
            (
                lambda x, H: list(x.view(2, 3, H, -1).transpose(1, 2)),
                lambda x: x.transpose(1, 2).flatten(2).numpy(),
            ),
        ),
    ],
)
def test_a_right_answer_is_right_in_other_types_too(name, answer):
    require(name, answer)


@pytest.mark.parametrize(
    ("name", "answer", "says"),
    [
        (
            "sampling-temperature",
            lambda p, t: (p.double() / t).softmax(-1),
            "logarithm",
        ),
        ("attention-softmax", lambda scores: scores.double(), "add up to 1"),
        ("attention-mask", lambda T, S: np.tri(T, S, S - T), "booleans"),
        ("attention-softmax", lambda scores: [[1.0], [1.0, 2.0]], "could not use"),
    ],
)
def test_a_wrong_answer_is_wrong_in_other_types_too(name, answer, says, capsys):
    assert not check(name, answer)
    assert says in capsys.readouterr().out


def test_a_token_of_probability_0_is_never_drawn(capsys):
    def takes_the_last(p, u):
        return min(int((p.cumsum(0) <= u).sum()), len(p) - 1)

    def takes_the_last_that_can_be_drawn(p, u):
        return min(int((p.cumsum(0) <= u).sum()), int(p.nonzero().max()))

    assert not check("sampling-draw", takes_the_last)
    assert "above 0 takes the rest" in capsys.readouterr().out
    require("sampling-draw", takes_the_last_that_can_be_drawn)
