"""Wrong answers to the exercises of the failed-run clinic, and what each is told."""

from __future__ import annotations

import math


def last_sound(log):
    return next(
        (step for step, loss in enumerate(log) if not math.isfinite(loss)), None
    )


def only_nan(log):
    return next(
        (step for step, loss in enumerate(log, start=1) if math.isnan(loss)), None
    )


WRONG = {
    "clinic-death": [
        (last_sound, "the last sound step"),
        (only_nan, "is infinite, which is not finite either"),
        (lambda log: None, "it should be 2; yours is None"),
    ],
    "clinic-nonfinite": [
        (lambda model: "wte.weight", "all weights of this model are sound"),
        (lambda model: None, "yours finds nothing"),
        (
            lambda model: next(
                (n for n, p in model.named_parameters() if p.isnan().any()), None
            ),
            "the first parameter with a number that is not finite is",
        ),
    ],
    "clinic-filter": [
        (lambda loss, steps, every: loss * steps, "you give the sum"),
        (
            lambda loss, steps, every: loss * steps / every,
            "as if each NaN were replaced by the first",
        ),
        (lambda loss, steps, every: loss, "the first loss was"),
    ],
}
