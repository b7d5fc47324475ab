"""Interval, paired test and correction against their definitions."""

from __future__ import annotations

import pytest

from gpt2course.sentiment import holm, mcnemar, wilson_interval


@pytest.mark.parametrize(
    ("correct", "n"), [(0, 5), (9, 10), (250, 500), (2250, 2500), (7, 7)]
)
def test_the_interval_is_wilsons(correct, n):
    """Its ends are the accuracies from which the observed one is 1.96 errors away."""
    low, high = wilson_interval(correct, n)
    assert low - 1e-12 <= correct / n <= high + 1e-12
    for end in (low, high):
        standard_error = (end * (1 - end) / n) ** 0.5
        assert abs(correct / n - end) == pytest.approx(1.96 * standard_error, abs=1e-4)


@pytest.mark.parametrize(("correct", "n"), [(1, 0), (0, 0), (-1, 5), (6, 5)])
def test_no_interval_of_nothing(correct, n):
    with pytest.raises(ValueError, match=f"{correct} of {n} predictions"):
        wilson_interval(correct, n)


def test_mcnemar():
    first = [True] * 5 + [False] + [True] * 90 + [False] * 9
    second = [False] * 5 + [True] + [True] * 90 + [False] * 9
    assert mcnemar(first, second) == pytest.approx(2 * (1 + 6) / 2**6)
    assert mcnemar(second, first) == mcnemar(first, second)
    assert mcnemar(first, first) == 1.0
    assert mcnemar([True] * 20, [False] * 20) == pytest.approx(2 / 2**20)
    with pytest.raises(ValueError, match="1 predictions and 2"):
        mcnemar([True], [True, False])


def test_holm():
    """The example of R's p.adjust, and what makes the method step down."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.4]) == pytest.approx([0.8, 0.8])
    assert holm([0.9, 0.9, 0.9]) == pytest.approx([1.0] * 3)
    assert holm([0.02]) == [0.02]
    assert holm([]) == []
