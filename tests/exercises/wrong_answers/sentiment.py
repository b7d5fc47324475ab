"""Wrong answers to the exercises of the page sentiment, and what each is told."""

from __future__ import annotations

import torch


def mean_of_fractions(lengths, order, size):
    """The mean of the batches' fractions."""
    batches = [
        [lengths[i] for i in order[start : start + size]]
        for start in range(0, len(order), size)
    ]
    return sum(sum(batch) / max(batch) / len(batch) for batch in batches) / len(batches)


def padded(rows, pad, left=False):
    width = max(len(row["input_ids"]) for row in rows)
    input_ids = []
    for row in rows:
        padding = [pad] * (width - len(row["input_ids"]))
        ids = row["input_ids"]
        input_ids.append(padding + ids if left else ids + padding)
    labels = torch.tensor([row["labels"] for row in rows])
    return {"input_ids": torch.tensor(input_ids), "labels": labels}


def token_fraction(lengths, order, batch_size=16):
    """As the page has it."""
    batches = [
        [lengths[i] for i in order[start : start + batch_size]]
        for start in range(0, len(order), batch_size)
    ]
    return sum(lengths) / sum(max(batch) * len(batch) for batch in batches)


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
    "sentiment-padding": [
        (mean_of_fractions, "average the fractions"),
        (
            lambda lengths, order, size: sum(lengths) / max(lengths) / len(lengths),
            "each batch has its own width",
        ),
        (lambda lengths, order, size: 1.5, "at most 1"),
        (token_fraction, "token_fraction computes it"),
    ],
    "sentiment-batch": [
        (lambda rows, pad: padded(rows, pad, left=True), "padded on the left"),
        (
            lambda rows, pad: {"input_ids": padded(rows, pad)["input_ids"]},
            "keys input_ids and labels",
        ),
        (lambda rows, pad: padded(rows, 0), "input_ids should be"),
    ],
    "sentiment-replication": [
        (lambda losses: losses.mean(), "equally"),
        (lambda losses: losses[-1], "last position alone"),
        (
            lambda losses: (
                torch.arange(1, len(losses) + 1) / len(losses) * losses
            ).mean(),
            "divide by T",
        ),
    ],
    "sentiment-accumulation": [
        (lambda losses, sizes: sum(losses), "add the means"),
        (lambda losses, sizes: sum(losses) / len(losses), "average the means"),
    ],
}
