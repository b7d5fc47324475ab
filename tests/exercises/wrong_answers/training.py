"""Wrong answers to the exercises of the training page, and what each is told."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from pathlib import Path


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


def norm_of(gradients):
    return math.sqrt(sum(float(g.square().sum()) for g in gradients))


def groups_of(model):
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.dim() >= 2]},
        {"params": [p for p in parameters if p.dim() < 2]},
    ]


def elsewhere(text, path):
    with tempfile.TemporaryDirectory() as folder:
        straight(text, Path(folder) / "new")
        shutil.move(Path(folder) / "new", path)


def only_over_an_old_one(text, path):
    if path.exists():
        straight(text, path.with_name("beside"))
        os.replace(path.with_name("beside"), path)


WRONG = {
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
            "the last step counts, even if fewer rows",
        ),
        (lambda n, r, a, p, e: 7, "it is 40; yours is 7"),
    ],
    "training-groups": [
        (one_group, "a list of two dicts"),
        (groups_by_name, "ln_1.weight does not belong in group 0"),
        (groups_without_zero, "a group has no 'weight_decay'"),
        (
            lambda m, w: groups_without_zero(m, w)[:1] * 2,
            "group 1 should be 0.0; it is 0.1",
        ),
        (
            lambda m, w: [
                {**g, "weight_decay": d}
                for g, d in zip(groups_of(m), (0.1, 0.0), strict=True)
            ],
            "asked for a weight_decay of 0.3",
        ),
    ],
    "training-clip": [
        (
            lambda gradients, limit: [g / g.norm() * limit for g in gradients],
            "by its own norm",
        ),
        (
            lambda gradients, limit: [g.clamp(-limit, limit) for g in gradients],
            "the direction of the gradient",
        ),
        (lambda gradients, limit: gradients, "should be a third"),
        (lambda gradients, limit: [g / 3 for g in gradients], "should be two thirds"),
        (
            lambda gradients, limit: [g * limit / 3 for g in gradients],
            "stays as it is",
        ),
        (lambda gradients, limit: gradients[:1], "the shapes of the gradients"),
        (
            lambda gradients, limit: [
                g * (limit / max(norm_of(gradients), 1.0)) for g in gradients
            ],
            "with limit 2 was changed",
        ),
        (
            lambda gradients, limit: [
                g.mul_(limit / 3) if n > limit else g
                for n in [norm_of(gradients)]
                for g in gradients
            ],
            "return new tensors",
        ),
    ],
    "training-atomic": [
        (straight, "leaves 0 of 400,000 characters"),
        (deletes_first, "leaves no file at all"),
        (renames_too_early, "of 400,000 characters; write beside it, close"),
        (leaves_a_copy, "so is 'beside'"),
        (lambda text, path: None, "still holds the old text"),
        (elsewhere, "write it beside the file"),
        (only_over_an_old_one, "where there is no file yet"),
    ],
    "training-resume": [
        (epochs_with_gaps, "a step always has 4 rows, the rest from the next epoch"),
        (step_before, "the rows of the step before"),
        (lambda s, o, n: [0] * n, "reads"),
    ],
}
