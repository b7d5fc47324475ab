"""How certain an accuracy is, and a difference between two: Wilson, McNemar, Holm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest


def wilson_interval(correct: int, n: int) -> tuple[float, float]:
    """The 95 % confidence interval of an accuracy: scipy's, by Wilson's method.

    Args:
        correct: number of correct predictions.
        n: number of predictions, at least 1.

    Returns:
        its two ends, from 0 to 1.

    Raises:
        ValueError: no predictions, or more correct ones than predictions.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical
    inference". Chapter: evaluating-a-classifier.
    """
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(
            f"{correct} of {n} predictions are correct; an interval needs at least one "
            "prediction, and between 0 and all of them correct"
        )
    interval = binomtest(correct, n).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> float:
    """The p-value of the exact McNemar test of two classifiers on the same reviews.

    Only reviews count that exactly one of the two classifies correctly. If both are
    equally accurate, each of these favours either classifier with probability 1/2.

    Args:
        first: for each review, whether the first classifier is correct.
        second: the same for the second classifier, in the same order.

    Returns:
        the two-sided p-value, from 0 to 1.

    Raises:
        ValueError: different numbers of reviews.

    Source: McNemar 1947, "Note on the sampling error of the difference between
    correlated proportions or percentages". Chapter: evaluating-a-classifier.
    """
    if len(first) != len(second):
        raise ValueError(
            f"there are {len(first)} predictions and {len(second)}; the test compares "
            "two predictions for each review"
        )
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    only_first = int((first & ~second).sum())
    only_second = int((second & ~first).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for several comparisons, by Holm's step-down method.

    With an adjusted p-value below 0.05 as the limit, the probability of one or more
    false findings among all comparisons is at most 5 %.

    Args:
        p_values: one for each comparison.

    Returns:
        the adjusted p-values, in the order of the arguments.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    Chapter: evaluating-a-classifier.
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted
