"""The frame of the exercises' checks: a verdict, a message, never a traceback."""

from __future__ import annotations

import functools
import re
from collections import Counter, OrderedDict
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapter import all_exercises
from conftest import run_python

from gpt2course import model
from gpt2course.course import exercises
from gpt2course.course.exercises import (
    NotYet,
    check,
    checker,
    generation,
    names,
    require,
)
from gpt2course.data import document_mask
from gpt2course.files import write_text
from gpt2course.generation import generate
from gpt2course.model import causal_mask
from gpt2course.sentiment import holm, mcnemar
from gpt2course.training import parameter_groups


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


def rms_norm(x, weight, eps):
    return x / (x.pow(2).mean(-1, keepdim=True) + eps).sqrt() * weight


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
        ("tokens-pairs", lambda texts: Counter(p for t in texts for p in pairwise(t))),
        (
            "tokens-pairs",
            lambda texts: OrderedDict(Counter(p for t in texts for p in pairwise(t))),
        ),
        ("tokens-roundtrip", np.array([66, 64, 83])),
        ("gpt2-memory", lambda n, bits: np.float64(n) * bits / 8e9),
        ("gpt2-memory", lambda n, bits: torch.tensor(n * bits / 8e9).double()),
        ("cache-size", lambda *sizes: np.int64(2 * np.prod(sizes))),
        ("today-rmsnorm", lambda x, w, eps: rms_norm(x, w, eps).tolist()),
        ("today-rmsnorm", lambda x, w, eps: rms_norm(x.double(), w, eps).numpy()),
        (
            "pretraining-rows",
            lambda s, n, T: [s[i : i + n * T].view(n, T).tolist() for i in (0, 1)],
        ),
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


class EqualsAll:
    """Equal to everything, larger and smaller, any number, any list, any function."""

    shape = dtype = (2, 3)
    __hash__ = object.__hash__

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *args, **kwargs):
        return self

    __getitem__ = __abs__ = __add__ = __radd__ = __sub__ = __rsub__ = __call__
    __mul__ = __rmul__ = __truediv__ = __invert__ = __call__
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = lambda self, *_: True
    __contains__ = lambda self, _: True  # noqa: E731
    __ne__ = lambda self, _: False  # noqa: E731
    __float__ = lambda self: 0.0  # noqa: E731
    __int__ = __index__ = __len__ = lambda self: 2
    __iter__ = lambda self: iter((self, self))  # noqa: E731


class EqualNumber(float):
    """A number that says that it equals everything."""

    __hash__ = float.__hash__
    __eq__ = __le__ = __ge__ = lambda self, _: True
    __ne__ = lambda self, _: False  # noqa: E731


class EqualList(list):
    """A list that says that it equals everything."""

    __eq__ = lambda self, _: True  # noqa: E731
    __ne__ = lambda self, _: False  # noqa: E731


class EqualTensor(torch.Tensor):
    """A tensor for which every comparison is true."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return True


@pytest.mark.parametrize(
    "answer", [EqualsAll(), EqualsAll, lambda *_, **__: (EqualsAll(), EqualsAll())]
)
def test_what_equals_everything_is_right_nowhere(answer, monkeypatch):
    monkeypatch.setattr(generation, "_theirs", functools.cache(generation._theirs))
    right = [name for name in all_exercises() if exercises._judge(name, answer)[0]]
    assert right == []


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (EqualNumber(1), 1.0),
        ([EqualNumber(1)], [1.0]),
        (EqualList([1, 2]), [1, 2]),
        ({"a": EqualList()}, {"a": []}),
        ((part for part in [EqualNumber(1)]), [1.0]),
        (torch.ones(2).as_subclass(EqualTensor), torch.ones(2)),
    ],
)
def test_of_a_class_that_compares_in_its_own_way_the_value_is_left(value, plain):
    got = exercises._as_checked(value, tensors=False)
    got = list(got) if isinstance(got, map) else got
    assert type(got) is type(plain)
    assert repr(got) == repr(plain)
    assert not got == "anything"  # noqa: SIM201


def test_an_object_that_no_check_reads_is_named(double, capsys):
    assert not check("test-double", lambda x: EqualsAll.__new__(object))
    assert "an object of the class object in your answer" in capsys.readouterr().out


def helper(T, S):
    return torch.ones(T, S) > 0 if T == 0 else causal_mask(T, S)


def imported_inside(T, S):
    from gpt2course.model import causal_mask as mask

    return mask(T, S)


@pytest.mark.parametrize(
    ("name", "answer", "taken"),
    [
        ("attention-mask", causal_mask, "causal_mask"),
        ("attention-mask", lambda T, S: causal_mask(T, S), "causal_mask"),
        ("attention-mask", lambda T, S: model.causal_mask(T, S), "causal_mask"),
        ("attention-mask", lambda T, S: helper(T, S), "causal_mask"),
        ("attention-mask", functools.partial(helper), "causal_mask"),
        ("attention-mask", imported_inside, "causal_mask"),
        ("attention-formula", model.attention, "attention"),
        ("batches-mask", document_mask, "document_mask"),
        ("cache-loop", generate, "generate"),
        ("evaluating-a-classifier-holm", holm, "holm"),
        ("evaluating-a-classifier-paired", mcnemar, "mcnemar"),
        ("training-groups", parameter_groups, "parameter_groups"),
        ("training-atomic", lambda text, path: write_text(path, text), "write_text"),
        ("loss-logits", lambda s, t: F.cross_entropy(s, t), "cross_entropy"),
        ("today-rmsnorm", lambda x, w, e: F.rms_norm(x, w.shape, w, e), "rms_norm"),
    ],
)
def test_what_is_to_be_written_is_not_taken_from_the_package(name, answer, taken):
    right, message = exercises._judge(name, answer)
    assert not right
    assert message.startswith(f"the result is right, but {taken} computes it")


def test_a_function_of_their_own_may_have_the_name(capsys):
    def causal_mask(T, S):
        return torch.ones(T, S, dtype=torch.bool).tril(S - T)

    require("attention-mask", lambda T, S: causal_mask(T, S))


def test_a_token_of_probability_0_is_never_drawn(capsys):
    def takes_the_last(p, u):
        return min(int((p.cumsum(0) <= u).sum()), len(p) - 1)

    def takes_the_last_that_can_be_drawn(p, u):
        return min(int((p.cumsum(0) <= u).sum()), int(p.nonzero().max()))

    assert not check("sampling-draw", takes_the_last)
    assert "above 0 takes the rest" in capsys.readouterr().out
    require("sampling-draw", takes_the_last_that_can_be_drawn)
