"""Checks for the chapter on evaluating a classifier."""

from __future__ import annotations

import math
import random

import torch

from gpt2course import sentiment
from gpt2course.course.exercises import NotYet, checker


@checker("evaluating-a-classifier-confusion")
def confusion(f) -> str:
    cases = (
        ([0, 0, 1, 1], [0, 0, 1, 1], [[2, 0], [0, 2]]),
        ([0, 0, 0, 1], [1, 0, 1, 1], [[1, 2], [0, 1]]),
        ([1, 1, 1], [0, 0, 1], [[0, 0], [2, 1]]),
    )
    for truth, predicted, expected in cases:
        got = torch.as_tensor(f(torch.tensor(truth), torch.tensor(predicted))).tolist()
        if got == expected:
            continue
        what = f"for the truth {truth} and the predictions {predicted}"
        if got == [list(column) for column in zip(*expected, strict=True)]:
            raise NotYet(
                f"{what} rows and columns are exchanged: a row is a true class, a "
                "column a predicted class"
            )
        if [len(row) if isinstance(row, list) else 0 for row in got] != [2, 2]:
            raise NotYet(f"{what} there should be two rows of two counts; yours: {got}")
        if sum(map(sum, got)) != len(truth):
            raise NotYet(
                f"{what} the four numbers must add up to {len(truth)}; yours are {got}"
            )
        raise NotYet(f"{what} it should be {expected}; yours is {got}")
    return "The diagonal, divided by the sum of all, is the accuracy."


@checker("evaluating-a-classifier-threshold")
def threshold(f) -> str:
    negative = torch.tensor([0.9, 0.8, 0.5, 0.4, 0.3, 0.1])
    is_negative = torch.tensor([True, False, True, True, False, False])
    cases = (
        (0.5, 2 / 3, 2 / 3),
        (0.3, 3 / 5, 1.0),
        (0.85, 1.0, 1 / 3),
        (0.95, 1.0, 0.0),
    )
    for limit, precision, recall in cases:
        got = tuple(float(value) for value in f(negative, is_negative, limit))
        expected = precision, recall
        if all(
            math.isclose(a, b, abs_tol=1e-6) for a, b in zip(got, expected, strict=True)
        ):
            continue
        what = f"for a threshold of {limit}"
        if limit == 0.5 and math.isclose(got[1], 1 / 3, abs_tol=1e-6):
            raise NotYet(
                f"{what} a probability of exactly the threshold counts as negative: "
                "use >="
            )
        if any(map(math.isnan, got)):
            raise NotYet(f"{what} nothing is predicted negative: the precision is 1")
        if all(
            math.isclose(a, b, abs_tol=1e-6)
            for a, b in zip(got, reversed(expected), strict=True)
        ):
            raise NotYet(f"{what} the precision comes first, the recall second")
        raise NotYet(
            f"{what} they should be {precision:.3f} and {recall:.3f}; "
            f"yours are {got[0]:.3f} and {got[1]:.3f}"
        )
    return "A lower threshold finds more negative reviews and is less often correct."


@checker("evaluating-a-classifier-interval")
def interval(f) -> str:
    z = 1.96
    for k, n in ((9, 10), (5, 5), (0, 5), (2194, 2500)):
        centre = (k + z * z / 2) / (n + z * z)
        half_width = z / (n + z * z) * math.sqrt(k * (n - k) / n + z * z / 4)
        low, high = (float(end) for end in f(k, n))
        if math.isclose(low, centre - half_width, abs_tol=1e-6) and math.isclose(
            high, centre + half_width, abs_tol=1e-6
        ):
            continue
        what = f"for {k} of {n}"
        p = k / n
        textbook = z * math.sqrt(p * (1 - p) / n)
        if math.isclose(high - low, 2 * textbook, abs_tol=1e-6):
            raise NotYet(
                f"{what} yours is {low:.3f} to {high:.3f}, the textbook interval "
                "around "
                "p; Wilson's is not centred at p"
            )
        if low > high:
            raise NotYet(f"{what} the lower end comes first")
        if math.isclose(low, centre - half_width, abs_tol=1e-4) and math.isclose(
            high, centre + half_width, abs_tol=1e-4
        ):
            raise NotYet(
                f"{what} yours differs in the fifth digit: z is 1.96 here, not "
                "1.959964, which wilson_interval takes"
            )
        raise NotYet(
            f"{what} it should be {centre - half_width:.4f} to "
            f"{centre + half_width:.4f}; yours is {low:.4f} to {high:.4f}"
        )
    return (
        "For 5 of 5 the textbook interval has no width at all; Wilson's begins at "
        "0.57, because five predictions say little."
    )


@checker("evaluating-a-classifier-paired", without=(sentiment.mcnemar,))
def paired(f) -> str:
    def exact(a: int, b: int) -> float:
        tail = sum(math.comb(a + b, k) for k in range(min(a, b) + 1))
        return min(1.0, 2 * tail / 2 ** (a + b))

    for only_first, only_second, both, neither in (
        (5, 1, 90, 9),
        (1, 5, 3, 4),
        (10, 10, 0, 0),
        (0, 9, 5, 0),
    ):
        pairs = (
            [(True, False)] * only_first
            + [(False, True)] * only_second
            + [(True, True)] * both
            + [(False, False)] * neither
        )
        random.Random(0).shuffle(pairs)
        first, second = (list(column) for column in zip(*pairs, strict=True))
        expected, got = exact(only_first, only_second), float(f(first, second))
        if math.isclose(got, expected, rel_tol=1e-6):
            continue
        what = (
            f"for {only_first} reviews on which only the first is correct and "
            f"{only_second} on which only the second is,"
        )
        if got > 1:
            raise NotYet(f"{what} yours is {got:.3f}; a probability is at most 1")
        if math.isclose(got, expected / 2, rel_tol=1e-6):
            raise NotYet(
                f"{what} you count one side alone; either of the two could have been "
                "ahead"
            )
        everything = exact(only_first + both, only_second + neither)
        if math.isclose(got, everything, rel_tol=1e-6):
            raise NotYet(
                f"{what} only those reviews count; where both are correct or both are "
                "wrong there is no coin to toss"
            )
        raise NotYet(f"{what} it should be {expected:.4f}; yours is {got:.4f}")
    if not math.isclose(float(f([True, False], [True, False])), 1.0):
        raise NotYet(
            "two classifiers with the same predictions give no evidence of a "
            "difference: the p-value is 1"
        )
    return "gpt2course.sentiment.mcnemar asks SciPy for the same number."


@checker("evaluating-a-classifier-holm", without=(sentiment.holm,))
def holm(f) -> str:
    cases = (
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.2], [0.2]),
        ([0.5, 0.4], [0.8, 0.8]),
        ([0.9, 0.001, 0.9], [1.0, 0.003, 1.0]),
    )
    for p_values, expected in cases:
        got = [float(p) for p in f(list(p_values))]
        m = len(p_values)
        what = f"for {p_values}"
        if len(got) != m:
            raise NotYet(f"{what} there should be {m} values; yours has {len(got)}")
        if _close(got, expected):
            continue
        if max(got) > 1:
            raise NotYet(f"{what} yours has {max(got):.3f}; a p-value is at most 1")
        if _close(got, [min(1.0, m * p) for p in p_values]):
            raise NotYet(
                f"{what} you multiply all by {m}, which is Bonferroni's correction; "
                "Holm's multiplies only the smallest by m"
            )
        if _close(got, sorted(expected)):
            raise NotYet(f"{what} the order should be that of the arguments")
        raise NotYet(f"{what} it should be {expected}; yours is {got}")
    return "Holm's method is never weaker than Bonferroni's, which multiplies all by m."


def _close(first: list[float], second: list[float]) -> bool:
    pairs = zip(first, second, strict=True)
    return all(math.isclose(a, b, abs_tol=1e-6) for a, b in pairs)


@checker("evaluating-a-classifier-calibration")
def calibration(f) -> str:
    cases = (
        ([0.55, 0.95, 0.91, 0.52, 0.99], [1, 1, 0, 0, 1], 0.5, 0.6, (0.535, 0.5)),
        ([0.55, 0.95, 0.91, 0.52, 0.99], [1, 1, 0, 0, 1], 0.9, 1.0, (0.95, 2 / 3)),
        ([0.625, 0.75, 0.875], [1, 0, 1], 0.625, 0.75, (0.625, 1.0)),
        ([1.0, 0.6], [1, 0], 0.9, 1.0, (1.0, 1.0)),
        ([1.0, 0.55], [1, 0], 0.5, 0.6, (0.55, 0.0)),
    )
    for confidence, correct, low, high, expected in cases:
        got = f(
            torch.tensor(confidence),
            torch.tensor(correct, dtype=torch.bool),
            low,
            high,
        )
        mean, accuracy = (float(value) for value in got)
        what = f"for confidences {confidence}, correct {correct}, from {low} to {high},"
        if math.isnan(mean) or math.isnan(accuracy):
            raise NotYet(
                f"{what} yours is NaN; "
                + (
                    "a confidence of exactly 1 belongs to the last bin, too"
                    if high == 1
                    else "a confidence of exactly low belongs to the bin: use >="
                )
            )
        if high < 1 and math.isclose(mean, 0.775, abs_tol=1e-5):
            raise NotYet(
                f"{what} a confidence of 1 belongs to the bin only if high is 1"
            )
        if (
            math.isclose(mean, expected[1], abs_tol=1e-5)
            and math.isclose(accuracy, expected[0], abs_tol=1e-5)
            and mean != accuracy
        ):
            raise NotYet("the mean confidence comes first, the accuracy second")
        if not math.isclose(mean, expected[0], abs_tol=1e-5):
            raise NotYet(
                f"{what} the mean confidence is {expected[0]:.3f}; yours is {mean:.3f}"
            )
        if not math.isclose(accuracy, expected[1], abs_tol=1e-5):
            raise NotYet(
                f"{what} the accuracy is {expected[1]:.3f}; yours is {accuracy:.3f}"
            )
    return "If the two agree in every bin, the classifier is calibrated."
