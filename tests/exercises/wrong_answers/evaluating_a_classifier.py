"""Wrong answers to the exercises on evaluating a classifier, and what each is told."""

from __future__ import annotations

import math

from gpt2course.sentiment import wilson_interval


def matrix(truth, predicted):
    return [
        [int(((truth == t) & (predicted == p)).sum()) for p in (0, 1)] for t in (0, 1)
    ]


def one_sided(first, second):
    a = sum(x and not y for x, y in zip(first, second, strict=True))
    b = sum(y and not x for x, y in zip(first, second, strict=True))
    return sum(math.comb(a + b, k) for k in range(min(a, b) + 1)) / 2 ** (a + b)


def wald(k, n):
    p = k / n
    half_width = 1.96 * math.sqrt(p * (1 - p) / n)
    return p - half_width, p + half_width


def found_above(negative, is_negative, threshold, strictly=False):
    found = negative > threshold if strictly else negative >= threshold
    hits = (found & is_negative).sum()
    return hits / found.sum(), hits / is_negative.sum()


def in_half_open_bin(confidence, correct, low, high):
    inside = (confidence >= low) & (confidence < high)
    return confidence[inside].mean(), correct[inside].float().mean()


def ones_everywhere(confidence, correct, low, high):
    inside = (confidence >= low) & ((confidence < high) | (confidence == 1))
    return confidence[inside].mean(), correct[inside].float().mean()


def without_low(confidence, correct, low, high):
    inside = (confidence > low) & ((confidence < high) | (high == 1))
    return confidence[inside].mean(), correct[inside].float().mean()


def with_more_digits(k, n):
    return wilson_interval(k, n)


WRONG = {
    "evaluating-a-classifier-confusion": [
        (
            lambda truth, predicted: matrix(predicted, truth),
            "rows and columns are exchanged",
        ),
        (lambda truth, predicted: [[1, 1], [1, 1]], "it should be"),
        (lambda truth, predicted: [[9, 0], [0, 0]], "must add up to 4"),
        (lambda truth, predicted: [2, 0, 0, 2], "two rows of two counts"),
    ],
    "evaluating-a-classifier-threshold": [
        (
            lambda p, negative, limit: found_above(p, negative, limit, strictly=True),
            "use >=",
        ),
        (
            lambda p, negative, limit: found_above(p, negative, limit)[::-1],
            "precision comes first",
        ),
        (found_above, "nothing is predicted"),
    ],
    "evaluating-a-classifier-interval": [
        (wald, "the textbook interval"),
        (lambda k, n: (k / n, k / n), "it should be 0.5958 to 0.9821"),
        (with_more_digits, "in the fifth digit"),
    ],
    "evaluating-a-classifier-paired": [
        (one_sided, "one side alone"),
        (lambda first, second: 2 * one_sided(first, second), "at most 1"),
        (lambda first, second: 0.5, "it should be 0.2188"),
    ],
    "evaluating-a-classifier-holm": [
        (
            lambda p_values: [min(1.0, len(p_values) * p) for p in p_values],
            "Bonferroni",
        ),
        (lambda p_values: [2 * p for p in p_values], "it should be"),
        (lambda p_values: [], "3 values; yours has 0"),
    ],
    "evaluating-a-classifier-calibration": [
        (lambda p, correct, low, high: (0.5, 0.5), "the mean confidence is 0.535"),
        (lambda p, correct, low, high: (0.5, 0.535), "the mean confidence comes first"),
        (in_half_open_bin, "belongs to the last bin"),
        (ones_everywhere, "only if high is 1"),
        (without_low, "use >="),
    ],
}
