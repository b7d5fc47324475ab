"""Wrong answers to the exercises of the failed-run clinic, and what each is told."""

from __future__ import annotations

import math

import torch


def last_sound(log):
    return next(
        (step for step, loss in enumerate(log) if not math.isfinite(loss)), None
    )


def only_nan(log):
    return next(
        (step for step, loss in enumerate(log, start=1) if math.isnan(loss)), None
    )


def hides_every_end(rows, end):
    T = max(map(len, rows))
    input_ids = torch.tensor([row + [end] * (T - len(row)) for row in rows])
    return input_ids, input_ids.masked_fill(input_ids == end, -100)


def hides_nothing(rows, end):
    input_ids, _ = hides_every_end(rows, end)
    return input_ids, input_ids.clone()


def keeps_the_last_end_only(rows, end):
    input_ids, labels = hides_every_end(rows, end)
    for row, label in zip(rows, labels, strict=True):
        label[len(row) - 1] = end
    return input_ids, labels


def shares_any_word(train, test, n=5):
    seen = set(" ".join(train).lower().split())
    return [text for text in test if seen & set(text.lower().split())]


def shares_the_whole_text(train, test, n=5):
    return [
        text for text in test if any(text.lower() in other.lower() for other in train)
    ]


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
    "clinic-schedule": [
        (lambda rates: "fine", "one of the three texts"),
        (
            lambda rates: "stops too early" if 0 in rates[:-1] else "none",
            "rises to the end",
        ),
        (
            lambda rates: (
                "rises to the end"
                if rates[-1] == max(rates)
                else "stops too early"
                if 0 in rates[1:-1]
                else "none"
            ),
            "a constant rate",
        ),
    ],
    "clinic-collator": [
        (hides_every_end, "would never learn to stop"),
        (hides_nothing, "its padding counts"),
        (keeps_the_last_end_only, "has an end inside"),
    ],
    "clinic-leak": [
        (shares_any_word, "should not be found"),
        (shares_the_whole_text, "five words in a row are the same"),
        (lambda train, test, n=5: ["another text"], "give the test texts themselves"),
    ],
}
