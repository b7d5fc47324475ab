"""Wrong answers to the exercises of the training page, and what each is told."""

from __future__ import annotations

import math
import os

import torch

from gpt2course.course.exercises import training


def one_group(model, weight_decay):
    return [{"params": list(model.parameters()), "weight_decay": weight_decay}]


def groups_by_name(model, weight_decay):
    decayed = [p for n, p in model.named_parameters() if "bias" not in n]
    free = [p for n, p in model.named_parameters() if "bias" in n]
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]


def groups_without_zero(model, weight_decay):
    one, two = (
        [p for p in model.parameters() if (p.dim() >= 2) == matrix]
        for matrix in (True, False)
    )
    return [{"params": one, "weight_decay": weight_decay}, {"params": two}]


def same_text(ids):
    return ids[:, None, :, None] == ids[:, None, None, :]


def causal(ids):
    return torch.ones(ids.size(0), 1, ids.size(1), ids.size(1), dtype=torch.bool).tril()


def straight(text, path):
    path.write_text(text)


def deletes_first(text, path):
    beside = path.with_name("beside")
    beside.write_text(text)
    path.unlink(missing_ok=True)
    beside.rename(path)


def renames_too_early(text, path):
    beside = path.with_name("beside")
    with open(beside, "w") as file:
        file.write(text[:-9])
        file.write(text[-9:])
        os.replace(beside, path)


def leaves_a_copy(text, path):
    straight(text, path.with_name("beside"))
    straight(text, path.with_name("beside2"))
    os.replace(path.with_name("beside2"), path)


def epochs_with_gaps(step, orders, n):
    per_epoch = math.ceil(len(orders[0]) / n)
    return orders[step // per_epoch][step % per_epoch * n :][:n]


def step_before(step, orders, n):
    return [row for order in orders for row in order][max(0, step - 1) * n :][:n]


WRONG = {
    "training-accumulate": [
        (
            lambda pieces: sum(m for m, _ in pieces) / len(pieces),
            "the mean of the means",
        ),
        (lambda pieces: sum(m for m, _ in pieces), "the sum of the means"),
        (lambda pieces: sum(m * t for m, t in pieces), "divide it by their number"),
        (lambda pieces: 0.0, "it should be 2.75; yours is 0"),
    ],
    "training-steps": [
        (
            lambda n, r, a, p, e: math.ceil(n * e / (r * p)),
            "you count pieces; the optimizer",
        ),
        (
            lambda n, r, a, p, e: math.ceil(n * e / (r * a)),
            "the processes share the rows",
        ),
        (
            lambda n, r, a, p, e: math.ceil(n / (r * a * p)) * e,
            "round up once, at the very end",
        ),
        (
            lambda n, r, a, p, e: int(n * e // (r * a * p)),
            "the last step has fewer rows, and counts",
        ),
        (lambda n, r, a, p, e: 7, "it is 40; yours is 7"),
    ],
    "training-groups": [
        (one_group, "a list of two dicts"),
        (groups_by_name, "ln_1.weight does not belong into group 0"),
        (groups_without_zero, "a group has no 'weight_decay'"),
        (
            lambda m, w: groups_without_zero(m, w)[:1] * 2,
            "group 1 should be 0.0; it is 0.1",
        ),
    ],
    "training-mask": [
        (same_text, "which lies in its future"),
        (causal, "which is another text"),
        (lambda ids: training.document_mask(ids).float(), "should be of booleans"),
        (
            lambda ids: training.document_mask(ids)[:, 0],
            "(1, 1, 3, 3); yours (1, 3, 3)",
        ),
        (
            lambda ids: training.document_mask(ids).tril(-1),
            "may not look at itself, and should",
        ),
        (lambda ids: training.document_mask(ids).mT, "in its future"),
    ],
    "training-positions": [
        (lambda row: list(range(len(row))), "yours runs on to the end"),
        (
            lambda row: [row[:i].count(d) for i, d in enumerate(row)],
            "the padding should be at 0",
        ),
        (lambda row: [0], "give 6 positions; yours has 1"),
        (lambda row: [1] * len(row), "it should be"),
    ],
    "training-atomic": [
        (straight, "leaves 0 of 400,000 characters"),
        (deletes_first, "leaves no file at all"),
        (renames_too_early, "of 400,000 characters; write beside it, close"),
        (leaves_a_copy, "so is 'beside'"),
        (lambda text, path: None, "still holds the old text"),
    ],
    "training-resume": [
        (epochs_with_gaps, "a step always has 4 rows, the rest from the next epoch"),
        (step_before, "the rows of the step before"),
        (lambda s, o, n: [0] * n, "reads"),
    ],
}
