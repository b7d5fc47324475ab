"""Checks for the exercises of the book: each says what is wrong with an answer.

The checks of a chapter live in the module of its name and are imported when one of them
is first asked for.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import linecache
import pkgutil
import sys
import sysconfig
import traceback
import types
from collections import UserDict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from gpt2course.course.passed import note
from gpt2course.course.time_limit import TooLong, time_limit
from gpt2course.settings import unknown

__all__ = [
    *("Checker", "NOTHING_YET", "NotYet", "Verdict", "chapter_of", "check"),
    *("checker", "names", "require"),
]
#: a check: takes the answer, and returns what a right one shows, or raises `NotYet`
Checker = Callable[[object], str]
_checkers: dict[str, Checker] = {}
_read_lists_as_tensors: set[str] = set()
_to_be_written: dict[str, tuple[Callable | str, ...]] = {}

#: what a check says of an answer that is still the dots
NOTHING_YET = (
    "there is nothing here yet. Put your own code in place of the dots, and return the "
    "result"
)


# what an answer may hold as it is: nobody can change how these compare
ATOMS = (
    *(type(None), bool, int, float, complex, str, bytes, bytearray, range, slice),
    *(torch.dtype, torch.device, torch.Size, torch.Tensor, torch.nn.Parameter),
    type(Path()),
)
LIMIT = 60.0  # seconds for a call of the learner's code
VARIANT_LIMIT = 10.0  # the same for a variant: all of them compute for milliseconds
PACKAGE = __name__.partition(".")[0]
# a course's own exercises are not to be answered with what lies here
SOLUTIONS = (f"{PACKAGE}.course.variants", f"{PACKAGE}.course.exercises")
LOOKS = frozenset(
    ("_getframe", "currentframe", "f_back", "f_locals", "get_objects", "get_referrers")
)


class NotYet(Exception):
    """An answer that is not right yet.

    The message says why, so that the learner knows what to look at.
    """


class Verdict(int):
    """1 or 0, for which a notebook shows nothing: the message is printed already."""

    def _ipython_display_(self) -> None:
        pass


def checker(
    name: str, *, tensors: bool = False, without: tuple[Callable | str, ...] = ()
) -> Callable[[Checker], Checker]:
    """Register a check.

    It takes the answer; it raises NotYet, or returns what a right answer shows, in a
    sentence.

    Args:
        name: chapter, dash, exercise: "attention-mask" belongs to attention.py and to
            the label ex-attention-mask.
        tensors: whether a list in the answer means a tensor.
        without: functions that do what the exercise asks for; an answer that calls
            one of them is not the learner's own. One that a page defines is given by
            its name.

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
        _to_be_written[name] = without
        if tensors:
            _read_lists_as_tensors.add(name)
        return function

    return register


def check(name: str, answer: object, course: str | None = None) -> Verdict:
    """Print whether an answer is right, and why.

    A wrong answer never raises, whatever its code does. A right one is noted where
    `progress` was called (passed.py).

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
    if right:
        note(name)
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
    # nbgrader gives no points for a cell that wrote to stderr, as a warning does
    with contextlib.redirect_stderr(sys.stdout):
        right, message = _judge(name, answer, course, inputs)
    if not right:
        raise AssertionError(f"{name}: {message}")


def names(chapter: str | None = None) -> list[str]:
    """Every exercise that has a check, in alphabetical order.

    Args:
        chapter: only its exercises; by default those of all.
    """
    for one in [chapter] if chapter else _chapters():
        _import(one)
    return sorted(
        name for name in _checkers if chapter is None or chapter_of(name) == chapter
    )


def chapter_of(name: str) -> str | None:
    """The chapter of an exercise: "tokens" of "tokens-pairs"; None for no chapter."""
    found = [chapter for chapter in _chapters() if name.startswith(f"{chapter}-")]
    return max(found, key=len, default=None)


def _chapters() -> list[str]:
    return [module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)]


def _import(chapter: str) -> None:
    importlib.import_module(f"{__name__}.{chapter.replace('-', '_')}")


def _judge(
    name: str, answer: object, course: str | None = None, inputs: str | None = None
) -> tuple[bool, str]:
    function = _variant(name, course, inputs) if course or inputs else _find(name)
    if answer is None:
        return False, NOTHING_YET
    if (course or inputs) and (looked := _looks_into_the_check(answer)):
        return False, (
            f"your code uses {looked}, with which it could read the solution or this "
            "check; write it without"
        )
    tensors = name in _read_lists_as_tensors
    limit = VARIANT_LIMIT if course or inputs else LIMIT
    try:
        # a check must not change the random numbers of later cells
        with torch.random.fork_rng(devices=[]), time_limit(limit, _is_theirs) as start:
            torch.manual_seed(0)
            shown = function(_as_checked(answer, tensors, start))
    except NotYet as problem:
        return False, str(problem)
    except TooLong as late:
        return False, (
            f"your code had not ended after {limit:g} seconds and was stopped"
            f"{_their_line(late, function) or ''}. Does a loop never end? See what it "
            "waits for, and whether every round comes closer to that"
        )
    except (Exception, SystemExit) as error:
        return False, _explain(error, function)
    if taken := _not_written(answer, _to_be_written.get(name, ())):
        return False, (
            f"the result is right, but {taken} computes it, which the exercise asks "
            "you to write: put your own code in place of it"
        )
    return True, shown


def _as_checked(
    answer: object,
    tensors: bool,
    start: Callable[[], None] = lambda: None,
    made: type | None = None,
) -> object:
    """An answer in the types that checks compare with.

    What is right in float64 or as a numpy array is right: arrays become tensors, and
    float64 tensors float32. Of a class that compares in its own way only the plain
    value is left. Functions and classes are wrapped, so that this goes for what they
    and the methods of their objects return.

    Args:
        answer: a value, a function, a class, or a list, tuple or dictionary of them.
        tensors: whether a list of numbers or of tensors becomes a tensor too; if not,
            a tensor of one number becomes a number.
        start: called whenever code of the learner begins to run.
        made: the class whose objects the answer may be.

    Raises:
        NotYet: an object that a check can neither compare nor call.
    """
    part = functools.partial(_as_checked, tensors=tensors, start=start)
    if isinstance(answer, np.ndarray | np.generic):
        plain = np.asarray(answer)
        numbers = plain.dtype.kind in "fiub" and isinstance(answer, np.ndarray)
        # a copy: torch does not read an array backwards, as [::-1] leaves it
        return part(torch.as_tensor(plain.copy()) if numbers else plain.tolist())
    if isinstance(answer, torch.Tensor):
        if type(answer) not in ATOMS:
            with torch._C.DisableTorchFunctionSubclass():
                answer = answer.as_subclass(torch.Tensor)
        if answer.dim() == 0 and not tensors:
            return answer.item()
        return answer.float() if answer.dtype == torch.float64 else answer
    if type(answer) in ATOMS:
        return answer
    for kind in (int, float, str, bytes):
        if isinstance(answer, kind):  # a class derived from it: what it was made from
            return kind.__getnewargs__(answer)[0]
    if isinstance(answer, tuple):
        return tuple(map(part, tuple.__iter__(answer)))
    if isinstance(answer, list):
        rows = [_as_checked(row, False) for row in list.__iter__(answer)]
        return _as_tensor(rows) if tensors else rows
    if isinstance(answer, set | frozenset):
        return set(map(part, set(answer)))
    if isinstance(answer, UserDict):
        return part(answer.data)
    if isinstance(answer, dict):
        items = dict.items(answer)
        return {_as_checked(key, False): part(value) for key, value in items}
    if isinstance(answer, Iterable) and type(answer).__module__ in (
        *("builtins", "itertools", "collections"),
    ):
        return (
            list(map(part, answer)) if hasattr(answer, "__len__") else map(part, answer)
        )
    if made and type(answer) is made:
        return _Made(answer, part)
    if callable(answer):

        def called(*args: object, **kwargs: object) -> object:
            start()
            result = answer(*args, **kwargs)
            return part(result, made=answer if isinstance(answer, type) else None)

        return called
    raise NotYet(
        f"there is an object of the class {type(answer).__name__} in your answer. A "
        "check reads numbers, texts and tensors, and lists, tuples and dictionaries of "
        "them"
    )


class _Made:
    """An object of a class that is the answer: its methods return checked values."""

    def __init__(self, made: object, part: Callable[[object], object]) -> None:
        self._made, self._part = made, part

    def __getattr__(self, name: str) -> object:
        return self._part(getattr(self._made, name))


def _as_tensor(rows: list) -> object:
    """A list of numbers or of tensors as a tensor; any other list as it is."""
    try:
        if rows and all(isinstance(row, torch.Tensor) for row in rows):
            return torch.stack(rows)
        return _as_checked(torch.as_tensor(np.array(rows)), tensors=True)
    except (TypeError, ValueError, RuntimeError):
        return rows  # no table of numbers; the check says what is wrong


def _not_written(answer: object, without: tuple[Callable | str, ...]) -> str | None:
    """The name of a function which an answer is, or calls, instead of being written.

    Args:
        answer: what the learner gave.
        without: functions that the answer must not call, in its helpers either. No
            function of the package is an answer, whether it is among them or not.
    """
    parts, seen = list(answer) if type(answer) is tuple else [answer], set()
    while parts:
        part = parts.pop()
        if isinstance(part, functools.partial):
            part = part.func
        if isinstance(part, types.MethodType):
            part = part.__func__
        if id(part) in seen:
            continue
        seen.add(id(part))
        name = part.__name__ if isinstance(part, types.FunctionType) else None
        if any(part is other or name == other for other in without):
            return part.__name__
        elif isinstance(part, types.FunctionType):
            if _is_theirs(part.__code__):
                parts += _used_by(part)
            elif part is answer and part.__module__.startswith(f"{PACKAGE}."):
                return part.__name__
    return None


def _looks_into_the_check(answer: object) -> str | None:
    """What an answer uses to read the solution of a variant, or the running check.

    It sees what such code usually does. Who wants to can hide it: both run in the same
    process.

    Args:
        answer: a function; nothing else is looked at.
    """
    from gpt2course.course.variants import VARIANTS

    parts, seen = [answer], set()
    while parts:
        part = parts.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, types.FunctionType) and _is_theirs(part.__code__):
            if part.__code__.co_filename == "<variant>":
                return SOLUTIONS[0]
            used = set(_names_in(part.__code__))
            if looked := sorted(used & LOOKS):
                return looked[0]
            parts += [*_used_by(part), *used]
            continue
        if isinstance(part, str):
            where = part
        elif isinstance(part, types.ModuleType):
            where = part.__name__
        elif isinstance(part, type | types.FunctionType):
            where = part.__module__
        else:
            where = type(part).__module__
        if part is VARIANTS:
            where = SOLUTIONS[0]
        if where in SOLUTIONS:
            return where
    return None


def _names_in(code: types.CodeType) -> Iterator[str]:
    """The names and the texts in some code, and in the functions inside of it."""
    yield from code.co_names
    for part in code.co_consts:
        if isinstance(part, str):
            yield part
        elif isinstance(part, types.CodeType):
            yield from _names_in(part)


def _used_by(function: types.FunctionType) -> Iterator[object]:
    """What a function may call: its globals, and attributes of modules among them."""
    codes, names = [function.__code__], set()
    for code in codes:  # with those of the functions inside of it
        names |= set(code.co_names)
        codes += [part for part in code.co_consts if isinstance(part, types.CodeType)]
    found: list[object] = []
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # nothing in it yet
            found.append(cell.cell_contents)
    for name in names:
        # the second: it is imported in the function itself
        found += [function.__globals__.get(name), sys.modules.get(name)]
    modules: set[int] = set()
    while found:
        used = found.pop()
        if not isinstance(used, types.ModuleType):
            yield used
        elif id(used) not in modules:  # modules within modules, too
            modules.add(id(used))
            yield used
            found += [vars(used).get(other) for other in names]


def _variant(name: str, course: str | None, inputs: str | None) -> Checker:
    """A check that compares an answer with the solution of a course's own variant."""
    from gpt2course.course.variants import VARIANTS, compare

    if name not in VARIANTS:
        raise unknown("variant", name, sorted(VARIANTS))
    _find(name)  # imports the chapter, which says what an answer may not use

    def function(answer: Callable) -> str:
        if wrong := compare(name, answer, course, inputs):
            raise NotYet(wrong)
        return "It gives the same as the solution."

    return function


def _find(name: str) -> Checker:
    if name not in _checkers and (chapter := chapter_of(name)):
        _import(chapter)
    if name not in _checkers:
        raise unknown("exercise", name, names())
    return _checkers[name]


def _explain(error: BaseException, function: Checker) -> str:
    """Whether the learner's own lines failed, or the check could not use the result."""
    what = f"{type(error).__name__}: {error}".rstrip(": ")
    if (line := _their_line(error, function)) is not None:
        return f"your code raised {what}{line}"
    if "NoneType" in what:
        return NOTHING_YET
    return (
        f"the check could not use your answer ({what}). Is it of the kind that the "
        "exercise asks for?"
    )


def _their_line(error: BaseException, function: Checker) -> str | None:
    """In which line of the learner it happened, for a message; None if in no line."""
    for frame, number in reversed(list(traceback.walk_tb(error.__traceback__))):
        code = frame.f_code
        if code is not function.__code__ and _is_theirs(code):
            line = linecache.getline(code.co_filename, number).strip()
            return f", in the line {line!r}" if line else ""
    return None


def _is_theirs(code: types.CodeType) -> bool:
    """Whether a learner wrote it: it is neither of the package nor of a library."""
    others = (
        str(Path(__file__).parents[2]),
        *sysconfig.get_paths().values(),
        "<frozen",
    )
    return not code.co_filename.startswith(others)
