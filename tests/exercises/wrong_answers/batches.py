"""Wrong answers to the exercises of the page on batches, and what each is told."""

from __future__ import annotations

import torch

from gpt2course.data import document_mask


def same_text(ids):
    return ids[:, None, :, None] == ids[:, None, None, :]


def causal(ids):
    return torch.ones(ids.size(0), 1, ids.size(1), ids.size(1), dtype=torch.bool).tril()


def next_fit(lengths, row_length):
    """Looks at the last row alone."""
    rows, room = [], 0
    for i, length in enumerate(lengths):
        if length > room:
            rows.append([])
            room = row_length
        rows[-1].append(i)
        room -= length
    return rows


def best_fit(lengths, row_length):
    """Looks for the fullest row that still has room."""
    rows, room = [], []
    for i, length in enumerate(lengths):
        fits = [k for k in range(len(rows)) if room[k] >= length]
        if not fits:
            rows.append([])
            room.append(row_length)
        k = min(fits, key=room.__getitem__, default=len(rows) - 1)
        rows[k].append(i)
        room[k] -= length
    return rows


WRONG = {
    "batches-padding": [
        (lambda lengths: sum(lengths) / (max(lengths) * len(lengths)), "holds a token"),
        (lambda lengths: max(lengths) * len(lengths) - sum(lengths), "divide by all"),
        (
            lambda lengths: max(lengths) * len(lengths) / sum(lengths) - 1,
            "you divide by the tokens",
        ),
        (lambda lengths: 0.5, "it is 0.393; yours is 0.500"),
    ],
    "batches-first-fit": [
        (next_fit, "look at all earlier rows"),
        (best_fit, "first fit gives [[0, 2], [1]]"),
        (lambda lengths, n: [[i] for i in range(len(lengths))], "1 rows are enough"),
        (lambda lengths, n: [list(range(len(lengths)))], "is longer than that"),
        (lambda lengths, n: [[0]], "belongs in exactly one row"),
    ],
    "batches-mask": [
        (same_text, "which lies in its future"),
        (causal, "which is another text"),
        (lambda ids: document_mask(ids).float(), "should be of booleans"),
        (
            lambda ids: document_mask(ids)[:, 0],
            "(1, 1, 3, 3); yours (1, 3, 3)",
        ),
        (
            lambda ids: document_mask(ids).tril(-1),
            "may not look at itself, and should",
        ),
        (lambda ids: document_mask(ids).mT, "in its future"),
    ],
    "batches-positions": [
        (lambda row: list(range(len(row))), "yours runs on to the end"),
        (
            lambda row: [row[:i].count(d) for i, d in enumerate(row)],
            "the padding should be at 0",
        ),
        (lambda row: [0], "give 6 positions; yours has 1"),
        (lambda row: [1] * len(row), "it should be"),
        (
            lambda row: [0 if d < 0 else row[:i].count(d) for i, d in enumerate(row)],
            "it should be [0, 1, 0, 0]",
        ),
    ],
    "batches-accumulate": [
        (
            lambda pieces: sum(m for m, _ in pieces) / len(pieces),
            "the mean of the means",
        ),
        (lambda pieces: sum(m for m, _ in pieces), "the sum of the means"),
        (lambda pieces: sum(m * t for m, t in pieces), "divide it by their number"),
        (lambda pieces: 0.0, "it should be 2.75; yours is 0"),
    ],
}
