"""Checks for the chapter on sentiment."""

from __future__ import annotations

import math
import random

import torch

from gpt2course.course.exercises import NotYet, checker


@checker("sentiment-cut")
def cut(f) -> str:
    ids = list(range(10, 20))
    cases = (
        (ids[:4], 6, ids[:4]),
        (ids[:6], 6, ids[:6]),
        (ids, 6, [10, 11, 12, 17, 18, 19]),
        (ids, 5, [10, 11, 12, 18, 19]),
        (ids, 2, [10, 19]),
    )
    for given, n, right in cases:
        got = list(f(list(given), n))
        if got == right:
            continue
        what = f"for {given} and n={n}"
        if len(given) <= n:
            raise NotYet(f"{what} nothing has to be cut; yours is {got}")
        if got == given[:n]:
            raise NotYet(
                f"{what} you keep the beginning alone; the verdict of a review is often at its end"
            )
        if len(got) != n:
            raise NotYet(
                f"{what} the result must have {n} tokens; yours has {len(got)}"
            )
        if n % 2 and got == given[: n // 2] + given[-(n - n // 2) :]:
            raise NotYet(
                f"{what} the odd token should come from the beginning: {right}; yours is {got}"
            )
        raise NotYet(f"{what} it should be {right}; yours is {got}")
    return "tokenise_reviews does the same."


@checker("sentiment-share")
def share(f) -> str:
    lengths = [3, 9, 4, 8, 5, 9, 3]

    def real(order: list[int], size: int) -> float:
        batches = [
            [lengths[i] for i in order[start : start + size]]
            for start in range(0, len(order), size)
        ]
        return sum(map(sum, batches)) / sum(
            max(batch) * len(batch) for batch in batches
        )

    shuffled, by_length = list(range(7)), sorted(range(7), key=lengths.__getitem__)
    for order, size in (
        (shuffled, 1),
        (shuffled, 2),
        (by_length, 2),
        (shuffled, 3),
        (by_length, 7),
    ):
        got, right = f(list(lengths), list(order), size), real(order, size)
        if math.isclose(got, right, rel_tol=1e-6):
            continue
        what = f"for lengths {lengths}, the order {order} and batches of {size}"
        if got > 1:
            raise NotYet(
                f"{what} yours is {got:.3f}; a share is at most 1: real tokens divided by all tokens"
            )
        if math.isclose(
            got, sum(lengths) / (max(lengths) * len(lengths)), rel_tol=1e-6
        ):
            raise NotYet(
                f"{what} you pad every batch to the longest review of all; each batch has its own width"
            )
        batches = [order[start : start + size] for start in range(0, 7, size)]
        full = sum(max(lengths[i] for i in batch) * size for batch in batches)
        if math.isclose(got, sum(lengths) / full, rel_tol=1e-6):
            raise NotYet(
                f"{what} you count {size} rows in every batch; the last one may have fewer"
            )
        of_batches = [
            sum(lengths[i] for i in b) / (max(lengths[i] for i in b) * len(b))
            for b in batches
        ]
        if math.isclose(got, sum(of_batches) / len(of_batches), rel_tol=1e-6):
            raise NotYet(
                f"{what} you average the shares of the batches; wide batches must count for more"
            )
        if math.isclose(got, real(shuffled, size), rel_tol=1e-6):
            raise NotYet(
                f"{what} you read the lengths in their own order; use lengths[i] for i in order"
            )
        raise NotYet(f"{what} it should be {right:.3f}; yours is {got:.3f}")
    return "With batches of one there is no padding at all, and a GPU has little to do."


@checker("sentiment-batch")
def batch(f) -> str:
    pad = 9
    rows = [
        {"input_ids": [1, 2], "labels": 1},
        {"input_ids": [3], "labels": 0},
        {"input_ids": [4, 5, 6], "labels": 1},
    ]
    got = f([dict(row) for row in rows], pad)
    if set(got) != {"input_ids", "labels"}:
        raise NotYet(
            f"the batch has the keys input_ids and labels; yours has {sorted(got)}"
        )
    ids, labels = got["input_ids"], got["labels"]
    if not isinstance(ids, torch.Tensor) or not isinstance(labels, torch.Tensor):
        raise NotYet("both values must be tensors")
    if ids.is_floating_point() or labels.is_floating_point():
        raise NotYet("ids and labels are whole numbers")
    if labels.tolist() != [1, 0, 1]:
        raise NotYet(
            f"a review has one label, so the labels are [1, 0, 1]; yours are {labels.tolist()}"
        )
    if ids.shape != (3, 3):
        raise NotYet(
            f"the batch is as wide as its longest review, (3, 3); yours is {tuple(ids.shape)}"
        )
    right = [[1, 2, 9], [3, 9, 9], [4, 5, 6]]
    if ids.tolist() == [[9, 1, 2], [9, 9, 3], [4, 5, 6]]:
        raise NotYet(
            "you padded on the left; then the positions are wrong. Pad on the right"
        )
    if ids.tolist() != right:
        raise NotYet(f"input_ids should be {right}; yours are {ids.tolist()}")
    if f([{"input_ids": [1], "labels": 0}], pad)["input_ids"].tolist() != [[1]]:
        raise NotYet("a batch of one review needs no padding")
    return "Give it to Trainer as data_collator."


@checker("sentiment-confusion")
def confusion(f) -> str:
    cases = (
        ([0, 0, 1, 1], [0, 0, 1, 1], [[2, 0], [0, 2]]),
        ([0, 0, 0, 1], [1, 0, 1, 1], [[1, 2], [0, 1]]),
        ([1, 1, 1], [0, 0, 1], [[0, 0], [2, 1]]),
    )
    for truth, answers, right in cases:
        got = torch.as_tensor(f(torch.tensor(truth), torch.tensor(answers))).tolist()
        if got == right:
            continue
        what = f"for the truth {truth} and the answers {answers}"
        if got == [list(column) for column in zip(*right, strict=True)]:
            raise NotYet(
                f"{what} rows and columns are exchanged: a row is a true class, a column an answer"
            )
        if sum(map(sum, got)) != len(truth):
            raise NotYet(
                f"{what} the four numbers must add up to {len(truth)}; yours are {got}"
            )
        raise NotYet(f"{what} it should be {right}; yours is {got}")
    return "The diagonal, divided by the sum of all, is the accuracy."


@checker("sentiment-paired")
def paired(f) -> str:
    def exact(a: int, b: int) -> float:
        return min(
            1.0,
            2 * sum(math.comb(a + b, k) for k in range(min(a, b) + 1)) / 2 ** (a + b),
        )

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
        right, got = exact(only_first, only_second), float(f(first, second))
        if math.isclose(got, right, rel_tol=1e-6):
            continue
        what = f"{only_first} reviews that only the first has right and {only_second} that only the second has"
        if got > 1:
            raise NotYet(f"for {what} yours is {got:.3f}; a probability is at most 1")
        if math.isclose(got, right / 2, rel_tol=1e-6):
            raise NotYet(
                f"for {what} you count one side of the coin alone; either of the two could have been ahead"
            )
        everything = exact(only_first + both, only_second + neither)
        if math.isclose(got, everything, rel_tol=1e-6):
            raise NotYet(
                f"for {what} only those reviews are thrown; where both are right or both wrong there is no coin"
            )
        raise NotYet(f"for {what} it should be {right:.4f}; yours is {got:.4f}")
    if not math.isclose(float(f([True, False], [True, False])), 1.0):
        raise NotYet(
            "two classifiers with the same answers give no reason to think that they differ: probability 1"
        )
    return "This is gpt2course.sentiment.classify.mcnemar."


@checker("sentiment-calibration")
def calibration(f) -> str:
    cases = (
        ([0.55, 0.95, 0.91, 0.52, 0.99], [1, 1, 0, 0, 1], 0.5, 0.6, (0.535, 0.5)),
        ([0.55, 0.95, 0.91, 0.52, 0.99], [1, 1, 0, 0, 1], 0.9, 1.0, (0.95, 2 / 3)),
        ([0.625, 0.75, 0.875], [1, 0, 1], 0.625, 0.75, (0.625, 1.0)),
        ([1.0, 0.6], [1, 0], 0.9, 1.0, (1.0, 1.0)),
    )
    for confidence, right, low, high, expected in cases:
        got = f(
            torch.tensor(confidence), torch.tensor(right, dtype=torch.bool), low, high
        )
        said, true = (float(value) for value in got)
        what = f"for confidences {confidence}, right {right}, from {low} up to {high}"
        if math.isnan(said) or math.isnan(true):
            raise NotYet(
                f"{what} yours has no answer; a confidence of exactly 1 belongs to the last piece, too"
            )
        if (
            math.isclose(said, expected[1], abs_tol=1e-5)
            and math.isclose(true, expected[0], abs_tol=1e-5)
            and said != true
        ):
            raise NotYet(
                "the mean confidence comes first, the share of right answers second"
            )
        if not math.isclose(said, expected[0], abs_tol=1e-5):
            raise NotYet(
                f"{what} the mean confidence is {expected[0]:.3f}; yours is {said:.3f}"
            )
        if not math.isclose(true, expected[1], abs_tol=1e-5):
            raise NotYet(
                f"{what} the share of right answers is {expected[1]:.3f}; yours is {true:.3f}"
            )
    return "If the two agree in every piece, the classifier is called calibrated."
