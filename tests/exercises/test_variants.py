"""Private variants of exercises: their own solution is right, the published is not."""

from __future__ import annotations

import importlib
import math
import re
import sys
import warnings
from collections import Counter

import pytest
import torch
from chapter import all_exercises
from conftest import run_python

from gpt2course.course import exercises
from gpt2course.course.exercises import check, require
from gpt2course.course.variants import (
    VARIANTS,
    compare,
    course_code,
    defined,
    same,
    secret_values,
)

COURSES = [course_code(seed) for seed in ("spring", "autumn", "fünf")]


def written(code: str, name: str):
    """A function as somebody writes it in a cell."""
    space: dict = {"torch": torch, "math": math, "Counter": Counter}
    exec(compile(code, "<cell>", "exec"), space)
    return space[name]


def solution(name: str, values):
    return written(VARIANTS[name].answer(values), VARIANTS[name].function)


def test_variants_belong_to_exercises() -> None:
    assert set(VARIANTS) <= set(all_exercises())
    for variant in VARIANTS.values():
        assert variant.published.keys() == variant.draws.keys()
        for word, choices in variant.draws.items():
            assert word in variant.text + variant.stub
            assert len(set(choices)) == len(choices) > 0


@pytest.mark.parametrize("name", VARIANTS)
def test_with_the_published_values_it_is_the_exercise_of_the_page(name) -> None:
    answer = solution(name, VARIANTS[name].published)
    require(name, answer)
    require(name, answer, inputs=secret_values("spring", name))


@pytest.mark.parametrize("course", COURSES)
@pytest.mark.parametrize("name", VARIANTS)
def test_a_published_solution_does_not_answer_a_variant(name, course, capsys) -> None:
    variant = VARIANTS[name]
    values = variant.values(name, course)
    own, page = solution(name, values), solution(name, variant.published)
    assert check(name, own, course)
    for seed in range(3):  # whatever inputs the hidden tests draw
        inputs = secret_values(str(seed), name)
        require(name, own, course, inputs)
        with pytest.raises(AssertionError, match="the exercise of the page"):
            require(name, page, course, inputs)
    assert not check(name, page, course)
    assert "this answers the exercise of the page" in capsys.readouterr().out


@pytest.mark.parametrize("name", VARIANTS)
def test_texts_are_filled_in(name) -> None:
    variant = VARIANTS[name]
    values = variant.values(name, COURSES[0])
    words = rf"\b({'|'.join(variant.draws)})\b"
    for text in (
        variant.question(values),
        variant.answer(values),
        variant.start(values),
    ):
        assert not re.search(words, text)
    compile(variant.start(values), name, "exec")
    assert variant.function in variant.question(values) + variant.start(values)


@pytest.mark.parametrize("name", VARIANTS)
def test_what_students_find_is_not_right(name) -> None:
    variant = VARIANTS[name]
    values = variant.values(name, COURSES[0])
    with pytest.raises(AssertionError):
        require(name, written(variant.start(values), variant.function), COURSES[0])


def test_courses_differ_and_stay() -> None:
    drawn = [
        {name: variant.values(name, course) for name, variant in VARIANTS.items()}
        for course in (*COURSES, COURSES[0])
    ]
    assert drawn[0] == drawn[3]
    assert sum(drawn[0][name] != drawn[1][name] for name in VARIANTS) > 10


def test_the_code_of_a_course_does_not_tell_its_hidden_inputs() -> None:
    drawn = secret_values("spring", "loss")
    assert course_code("spring") not in drawn
    assert secret_values(course_code("spring"), "loss") != drawn
    assert secret_values("spring", "cache") != drawn


def test_hidden_inputs_see_an_answer_that_knows_only_the_shown_ones() -> None:
    """An answer that looks the expected values up is right only where it looked."""
    variant, course = VARIANTS["cache-size"], COURSES[0]
    right = solution("cache-size", variant.values("cache-size", course))
    seen = {}

    def spy(*arguments):
        seen[arguments] = right(*arguments)
        return seen[arguments]

    require("cache-size", spy, course)
    require("cache-size", lambda *arguments: seen.get(arguments, 0), course)
    with pytest.raises(AssertionError, match="it should be"):
        require(
            "cache-size",
            lambda *arguments: seen.get(arguments, 0),
            course,
            secret_values("spring", "cache"),
        )


def of_the_course(*arguments):
    variant = VARIANTS["cache-size"]
    values = variant.values("cache-size", COURSES[0])
    return defined(variant.answer(values), variant.function)(*arguments)


def imported_inside(*arguments):
    from gpt2course.course import variants

    return variants.defined("...", "cache_bytes")(*arguments)


def imported_by_its_name(*arguments):
    module = importlib.import_module("gpt2course.course.variants")
    return module.defined("...", "cache_bytes")(*arguments)


def of_the_caller(*arguments):
    return sys._getframe(2).f_locals["right"](*arguments)


def helped(*arguments):
    return of_the_caller(*arguments)


@pytest.mark.parametrize(
    ("answer", "uses"),
    [
        (of_the_course, "gpt2course.course.variants"),
        (imported_inside, "gpt2course.course.variants"),
        (imported_by_its_name, "gpt2course.course.variants"),
        (defined("def f(*arguments): ...", "f"), "gpt2course.course.variants"),
        (lambda *_: compare.__code__, "gpt2course.course.variants"),
        (lambda *_: check.__globals__, "gpt2course.course.exercises"),
        (of_the_caller, "_getframe"),
        (helped, "_getframe"),
    ],
)
def test_an_answer_that_reads_the_solution_is_told(answer, uses) -> None:
    with pytest.raises(AssertionError, match=f"your code uses {uses}, with which"):
        require("cache-size", answer, COURSES[0])


def test_a_function_that_never_ends_is_stopped(monkeypatch) -> None:
    def endless(*_):
        while True:
            pass

    monkeypatch.setattr(exercises, "VARIANT_LIMIT", 0.1)
    with pytest.raises(AssertionError, match=r"had not ended after 0\.1 seconds"):
        require("cache-size", endless, COURSES[0])


def test_a_warning_costs_no_points(capsys) -> None:
    """nbgrader gives none for a cell that wrote to stderr."""
    right = solution("cache-size", VARIANTS["cache-size"].published)

    def warns(*arguments):
        warnings.warn("slow", stacklevel=1)
        print("so far", file=sys.stderr)
        return right(*arguments)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *_: print(message, file=sys.stderr)
        require("cache-size", warns, inputs="secret")
    out, err = capsys.readouterr()
    assert "slow" in out
    assert "so far" in out
    assert not err


def test_in_a_fresh_process_a_variant_forbids_what_the_page_forbids() -> None:
    code = (
        "import torch.nn.functional as F\n"
        "from gpt2course.course.exercises import check\n"
        "from gpt2course.course.variants import VARIANTS, defined\n"
        "v = VARIANTS['attention-formula']\n"
        "s = v.values('attention-formula', 'abc')['SCALE']\n"
        "def f(q, k, v):\n"
        "    c = 1 / (s * q.size(-1) ** 0.5)\n"
        "    return F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=c)\n"
        "check('attention-formula', f, 'abc')\n"
    )
    assert "scaled_dot_product_attention computes it" in run_python("-c", code).stdout


@pytest.mark.parametrize("name", ["inside-silence", "training-clip"])
def test_an_answer_that_changes_what_it_is_given_is_told(name) -> None:
    values = VARIANTS[name].values(name, COURSES[0])
    right = solution(name, values)

    def answer(first, *others):
        found = right(first, *others)
        for mine, new in zip(first, found, strict=True):
            mine.copy_(new)
        return found

    with pytest.raises(AssertionError, match="changes what it is given"):
        require(name, answer, COURSES[0])


def test_numbers_of_another_kind_are_told() -> None:
    name = "attention-mask"
    right = solution(name, VARIANTS[name].values(name, COURSES[0]))
    with pytest.raises(AssertionError, match="holds fractions; it should hold truth"):
        require(name, lambda T, S: right(T, S).float(), COURSES[0])


def test_an_unknown_variant_suggests_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"unknown variant 'loss-cout'.*'loss-count'"):
        check("loss-cout", None, COURSES[0])


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (1, 1.0, True),
        (float("nan"), float("nan"), True),
        ([1, (2, 3)], (1, [2, 3]), True),
        (torch.tensor([1, 0]), torch.tensor([1.0, 0.0]), False),
        (torch.tensor([1, 0]), torch.tensor([True, False]), False),
        (torch.tensor([1, 0]), torch.tensor([1, 0], dtype=torch.int32), True),
        ({1: 0.5}, {1: 0.5 + 1e-12}, True),
        ({1: 0.5}, {2: 0.5}, False),
        ("a", "b", False),
        ("1", 1, False),
        (None, 0, False),
    ],
)
def test_same(a, b, equal) -> None:
    assert same(a, b) is equal
