"""Checks for the exercises of the book: each says what is wrong with an answer.

The checks of a chapter live in the module of its name and are imported when one of them
is first asked for.
"""

from __future__ import annotations

import functools
import importlib
import linecache
import pkgutil
import sysconfig
import traceback
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from gpt2course.settings import unknown

Checker = Callable[[object], str]
_checkers: dict[str, Checker] = {}
_read_lists_as_tensors: set[str] = set()

NOTHING_YET = (
    "there is nothing here yet. Put your own code in place of the dots, and return the "
    "result"
)


# what a learner writes with def or lambda, or takes from a library
FUNCTIONS = (
    types.FunctionType,
    types.MethodType,
    types.BuiltinFunctionType,
    functools.partial,
)


class NotYet(Exception):
    """An answer that is not right yet.

    The message says why, so that the learner knows what to look at.
    """


class Verdict(int):
    """1 or 0, for which a notebook shows nothing: the message is printed already."""

    def _ipython_display_(self) -> None:
        pass


def checker(name: str, *, tensors: bool = False) -> Callable[[Checker], Checker]:
    """Register a check.

    It takes the answer; it raises NotYet, or returns what a right answer shows, in a
    sentence.

    Args:
        name: chapter, dash, exercise: "attention-mask" belongs to attention.py and to
            the label ex-attention-mask.
        tensors: whether a list in the answer means a tensor.

    Raises:
        ValueError: another check has this name.
    """

    def register(function: Checker) -> Checker:
        taken = _checkers.get(name)
        if taken and (taken.__module__, taken.__qualname__) != (
            function.__module__,
            function.__qualname__,
        ):
            raise ValueError(
                f"two checks are named {name!r}: {taken.__qualname__} and "
                f"{function.__qualname__}"
            )
        _checkers[name] = function
        if tensors:
            _read_lists_as_tensors.add(name)
        return function

    return register


def check(name: str, answer: object, course: str | None = None) -> Verdict:
    """Print whether an answer is right, and why.

    A wrong answer never raises, whatever its code does.

    Args:
        name: of the exercise, as the page gives it.
        answer: what the learner wrote: a value, a function, or a tuple of them.
        course: the code of a course that has a variant of the exercise (variants.py).

    Returns:
        true if it is right.

    Raises:
        ValueError: no exercise has this name (the nearest is suggested).
    """
    right, message = _judge(name, answer, course)
    print(f"Correct. {message}" if right else f"Not yet: {message}")
    return Verdict(right)


def require(
    name: str, answer: object, course: str | None = None, inputs: str | None = None
) -> None:
    """For grading: an AssertionError with the message of `check` for a wrong answer.

    Args:
        name: of the exercise, as the page gives it.
        answer: what the learner wrote.
        course: the code of a course that has a variant of the exercise.
        inputs: a secret from which other inputs are drawn than those that learners see.
    """
    right, message = _judge(name, answer, course, inputs)
    if not right:
        raise AssertionError(f"{name}: {message}")


def names() -> list[str]:
    """Every exercise that has a check, in alphabetical order."""
    for chapter in _chapters():
        importlib.import_module(f"{__name__}.{chapter}")
    return sorted(_checkers)


def _chapters() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(__path__)]


def _judge(
    name: str, answer: object, course: str | None = None, inputs: str | None = None
) -> tuple[bool, str]:
    function = _variant(name, course, inputs) if course or inputs else _find(name)
    if answer is None:
        return False, NOTHING_YET
    answer = _as_checked(answer, name in _read_lists_as_tensors)
    try:
        # a check must not change the random numbers of later cells
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return True, function(answer)
    except NotYet as problem:
        return False, str(problem)
    except (Exception, SystemExit) as error:
        return False, _explain(error, function)


def _as_checked(answer: object, lists: bool) -> object:
    """An answer in the types that checks compare with.

    What is right in float64 or as a numpy array is right: arrays become tensors, and
    float64 tensors float32. Functions are wrapped, so that this goes for what they
    return.

    Args:
        answer: a value, a function, or a tuple of them.
        lists: whether a list of numbers or of tensors becomes a tensor too.
    """
    if isinstance(answer, FUNCTIONS):

        @functools.wraps(answer)
        def wrapped(*args: object, **kwargs: object) -> object:
            return _as_checked(answer(*args, **kwargs), lists)

        return wrapped
    if type(answer) is tuple:
        return tuple(_as_checked(part, lists) for part in answer)
    if lists and isinstance(answer, list):
        try:
            if answer and all(isinstance(part, torch.Tensor) for part in answer):
                answer = torch.stack(answer)
            else:
                answer = torch.as_tensor(np.array(answer))
        except (TypeError, ValueError, RuntimeError):
            return answer  # no table of numbers; the check says what is wrong
    if isinstance(answer, np.ndarray) and answer.dtype.kind in "fiub":
        answer = torch.as_tensor(answer)
    if isinstance(answer, torch.Tensor) and answer.dtype == torch.float64:
        answer = answer.float()
    return answer


def _variant(name: str, course: str | None, inputs: str | None) -> Checker:
    """A check that compares an answer with the solution of a course's own variant."""
    from gpt2course.course.variants import VARIANTS, compare

    if name not in VARIANTS:
        raise unknown("variant", name, sorted(VARIANTS))

    def function(answer: Callable) -> str:
        if wrong := compare(name, answer, course, inputs):
            raise NotYet(wrong)
        return "It gives the same as the solution."

    return function


def _find(name: str) -> Checker:
    for chapter in _chapters():
        # the chapter a-b has the module a_b and exercises such as a-b-c
        if name not in _checkers and name.startswith(chapter.replace("_", "-") + "-"):
            importlib.import_module(f"{__name__}.{chapter}")
    if name not in _checkers:
        raise unknown("exercise", name, names())
    return _checkers[name]


def _explain(error: BaseException, function: Checker) -> str:
    """Whether the learner's own lines failed, or the check could not use the result."""
    what = f"{type(error).__name__}: {error}".rstrip(": ")
    not_theirs = (
        str(Path(__file__).parents[2]),
        *sysconfig.get_paths().values(),
        "<frozen",
    )
    for frame, number in reversed(list(traceback.walk_tb(error.__traceback__))):
        code = frame.f_code
        if code is not function.__code__ and not code.co_filename.startswith(
            not_theirs
        ):
            line = linecache.getline(code.co_filename, number).strip()
            return f"your code raised {what}" + (
                f", in the line {line!r}" if line else ""
            )
    if "NoneType" in what:
        return NOTHING_YET
    return (
        f"the check could not use your answer ({what}). Is it of the kind that the "
        "exercise asks for?"
    )
