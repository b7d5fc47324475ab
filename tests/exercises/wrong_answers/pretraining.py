"""Wrong answers to the exercises of the page on pretraining, and what each is told."""

from __future__ import annotations

import math
import random

from gpt2course.training import learning_rate_at


def warm_up_from_zero(step, peak, warmup, total):
    return peak * step / warmup if step < warmup else peak


def cosine_from_zero(step, peak, warmup, total):
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * step / (total - 1)))


def never_zero(step, peak, warmup, total):
    return learning_rate_at(step, peak=peak, warmup_steps=warmup, total_steps=total + 1)


def copied(stream, rows, length):
    x = stream[: rows * length].view(rows, length)
    return x, x


def overlapping(stream, rows, length):
    windows = stream.unfold(0, length, 1)
    return windows[:rows], windows[1 : rows + 1]


WRONG = {
    "pretraining-bits": [
        (lambda loss, tokens, chars: loss * tokens / chars, "nats per character"),
        (
            lambda loss, tokens, chars: loss * tokens * math.log(2) / chars,
            "divide by ln 2",
        ),
        (lambda loss, tokens, chars: loss / math.log(2), "bits per token"),
    ],
    "pretraining-schedule": [
        (warm_up_from_zero, "the first step does nothing"),
        (cosine_from_zero, "your half cosine begins at step 0"),
        (never_zero, "at step 60 of 110"),
    ],
    "pretraining-rows": [
        (copied, "the model could just copy"),
        (overlapping, "your rows begin one token apart"),
    ],
    "pretraining-split": [
        (lambda text: random.random() < 0.1, "decide by the text alone"),
        (lambda text: hash(text) % 10 == 0, "differs from run to run"),
    ],
}
