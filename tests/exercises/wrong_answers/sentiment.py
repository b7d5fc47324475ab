"""Wrong answers to the exercises of the page on sentiment, and what each is told."""

from __future__ import annotations

import math

import torch


def own_width(lengths, order, size):
    """The mean of the batches' shares."""
    batches = [
        [lengths[i] for i in order[start : start + size]]
        for start in range(0, len(order), size)
    ]
    return sum(sum(batch) / max(batch) / len(batch) for batch in batches) / len(batches)


def padded(rows, pad, left=False):
    T = max(len(row["input_ids"]) for row in rows)
    more = [[pad] * (T - len(row["input_ids"])) for row in rows]
    ids = [
        m + row["input_ids"] if left else row["input_ids"] + m
        for m, row in zip(more, rows, strict=True)
    ]
    return {
        "input_ids": torch.tensor(ids),
        "labels": torch.tensor([row["labels"] for row in rows]),
    }


def matrix(truth, answers):
    return [
        [int(((truth == t) & (answers == a)).sum()) for a in (0, 1)] for t in (0, 1)
    ]


def one_sided(first, second):
    a = sum(x and not y for x, y in zip(first, second, strict=True))
    b = sum(y and not x for x, y in zip(first, second, strict=True))
    return sum(math.comb(a + b, k) for k in range(min(a, b) + 1)) / 2 ** (a + b)


WRONG = {
    "sentiment-cut": [
        (lambda ids, n: ids[:n], "the beginning alone"),
        (
            lambda ids, n: (
                ids if len(ids) <= n else ids[: n // 2] + ids[-(n - n // 2) :]
            ),
            "odd token",
        ),
        (lambda ids, n: ids[:1] + ids[-1:], "nothing has to be cut"),
        (
            lambda ids, n: ids if len(ids) <= n else ids[:3] + ids[-3:],
            "must have 5 tokens; yours has 6",
        ),
    ],
    "sentiment-share": [
        (own_width, "average the shares"),
        (
            lambda L, order, size: sum(L) / max(L) / len(L),
            "each batch has its own width",
        ),
        (lambda L, order, size: 1.5, "a share is at most 1"),
    ],
    "sentiment-batch": [
        (lambda rows, pad: padded(rows, pad, left=True), "padded on the left"),
        (
            lambda rows, pad: {"input_ids": padded(rows, pad)["input_ids"]},
            "keys input_ids and labels",
        ),
        (lambda rows, pad: padded(rows, 0), "input_ids should be"),
    ],
    "sentiment-confusion": [
        (
            lambda truth, answers: matrix(answers, truth),
            "rows and columns are exchanged",
        ),
        (lambda truth, answers: [[1, 1], [1, 1]], "it should be"),
        (lambda truth, answers: [[9, 0], [0, 0]], "must add up to 4"),
    ],
    "sentiment-paired": [
        (one_sided, "one side of the coin alone"),
        (lambda first, second: 2 * one_sided(first, second), "at most 1"),
        (lambda first, second: 0.5, "it should be 0.2188"),
    ],
    "sentiment-calibration": [
        (lambda p, right, low, high: (0.5, 0.5), "the mean confidence is 0.535"),
        (lambda p, right, low, high: (0.5, 0.535), "the mean confidence comes first"),
        (
            lambda p, right, low, high: (
                p[(p >= low) & (p < high)].mean(),
                right[(p >= low) & (p < high)].float().mean(),
            ),
            "belongs to the last piece",
        ),
    ],
}
