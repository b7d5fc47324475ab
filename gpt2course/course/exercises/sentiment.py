"""Checks for the chapter on training a classifier of sentiment."""

from __future__ import annotations

import math

import torch

from gpt2course.course.exercises import NotYet, checker
from gpt2course.sentiment import classification_loss, pad_right


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
                f"{what} you keep the beginning alone; the verdict of a review is "
                "often at its end"
            )
        if len(got) != n:
            raise NotYet(
                f"{what} the result must have {n} tokens; yours has {len(got)}"
            )
        if n % 2 and got == given[: n // 2] + given[-(n - n // 2) :]:
            raise NotYet(
                f"{what} the odd token should come from the beginning: {right}; "
                f"yours is {got}"
            )
        raise NotYet(f"{what} it should be {right}; yours is {got}")
    return "tokenise_reviews cuts reviews in the same way."


@checker("sentiment-padding", without=("token_fraction",))
def padding(f) -> str:
    lengths = [3, 9, 4, 8, 5, 9, 3]
    shuffled, by_length = list(range(7)), sorted(range(7), key=lengths.__getitem__)
    for order, size in (
        (shuffled, 1),
        (shuffled, 2),
        (by_length, 2),
        (shuffled, 3),
        (by_length, 7),
    ):
        expected = _token_fraction(lengths, order, size)
        got = f(list(lengths), list(order), size)
        if math.isclose(got, expected, rel_tol=1e-6):
            continue
        what = f"for lengths {lengths}, the order {order} and batches of {size}"
        raise NotYet(f"{what} {_padding_mistake(lengths, order, size, got)}")
    return "With batches of one there is no padding at all, and a GPU has little to do."


def _batches(lengths: list[int], order: list[int], size: int) -> list[list[int]]:
    return [
        [lengths[i] for i in order[start : start + size]]
        for start in range(0, len(order), size)
    ]


def _token_fraction(lengths: list[int], order: list[int], size: int) -> float:
    batches = _batches(lengths, order, size)
    return sum(lengths) / sum(max(batch) * len(batch) for batch in batches)


def _padding_mistake(
    lengths: list[int], order: list[int], size: int, got: float
) -> str:
    """What is wrong with this number."""

    def is_like(value: float) -> bool:
        return math.isclose(got, value, rel_tol=1e-6)

    batches = _batches(lengths, order, size)
    if got > 1:
        return (
            f"yours is {got:.3f}; a fraction is at most 1: tokens of reviews divided "
            "by all tokens"
        )
    if is_like(sum(lengths) / (max(lengths) * len(lengths))):
        return (
            "you pad every batch to the longest review of all; each batch has its "
            "own width"
        )
    if is_like(sum(lengths) / sum(max(batch) * size for batch in batches)):
        return f"you count {size} rows in every batch; the last one may have fewer"
    of_batches = [sum(batch) / (max(batch) * len(batch)) for batch in batches]
    if is_like(sum(of_batches) / len(of_batches)):
        return "you average the fractions of the batches; wide batches must count more"
    if is_like(_token_fraction(lengths, list(range(len(lengths))), size)):
        return "you ignore the order; use lengths[i] for i in order"
    return (
        f"it should be {_token_fraction(lengths, order, size):.3f}; yours is {got:.3f}"
    )


@checker("sentiment-batch", without=(pad_right,))
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
            "a review has one label, so the labels are [1, 0, 1]; yours are "
            f"{labels.tolist()}"
        )
    if ids.shape != (3, 3):
        raise NotYet(
            "the batch is as wide as its longest review, (3, 3); yours is "
            f"{tuple(ids.shape)}"
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


@checker("sentiment-replication", without=(classification_loss,))
def replication(f) -> str:
    for losses in ([0.5, 1.0, 4.0], [2.0], [0.0, 3.0]):
        T = len(losses)
        weights = [(t + 1) / T for t in range(T)]
        weighted = sum(w * loss for w, loss in zip(weights, losses, strict=True))
        expected = weighted / sum(weights)
        got = float(f(torch.tensor(losses)))
        if math.isclose(got, expected, rel_tol=1e-5):
            continue
        what = f"for the losses {losses}"
        if math.isclose(got, sum(losses) / T, rel_tol=1e-5):
            raise NotYet(f"{what} you weight all positions equally")
        if math.isclose(got, losses[-1], rel_tol=1e-5):
            raise NotYet(f"{what} you return the loss at the last position alone")
        if math.isclose(got, weighted, rel_tol=1e-5):
            raise NotYet(f"{what} you do not divide by the sum of the weights")
        if math.isclose(got, weighted / T, rel_tol=1e-5):
            raise NotYet(f"{what} you divide by T, not by the sum of the weights")
        raise NotYet(f"{what} it should be {expected:.4f}; yours is {got:.4f}")
    return "classification_loss does this for every review of a batch."


@checker("sentiment-accumulation")
def accumulation(f) -> str:
    cases = (([0.7, 0.5], [8, 8]), ([0.9, 0.6, 0.3], [8, 8, 2]), ([0.4], [5]))
    for losses, sizes in cases:
        total = sum(loss * n for loss, n in zip(losses, sizes, strict=True))
        expected = total / sum(sizes)
        got = float(f(list(losses), list(sizes)))
        if math.isclose(got, expected, rel_tol=1e-6):
            continue
        what = f"for the losses {losses} of batches of {sizes} reviews"
        if math.isclose(got, sum(losses), rel_tol=1e-6):
            raise NotYet(f"{what} you add the means, as an uncorrected Trainer does")
        if math.isclose(got, sum(losses) / len(losses), rel_tol=1e-6):
            raise NotYet(
                f"{what} you average the means; a smaller batch must count less"
            )
        if math.isclose(got, total, rel_tol=1e-6):
            raise NotYet(f"{what} you return the sum over reviews, not their mean")
        raise NotYet(f"{what} it should be {expected:.4f}; yours is {got:.4f}")
    return "The gradient of this number is that of one large batch."
