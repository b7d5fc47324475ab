"""Wrong answers to the exercises on silent failures, and what each is told."""

from __future__ import annotations

import torch


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
    "silent-failures-schedule": [
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
    "silent-failures-collator": [
        (hides_every_end, "would never learn to stop"),
        (hides_nothing, "its padding counts"),
        (keeps_the_last_end_only, "has an end inside"),
    ],
    "silent-failures-leak": [
        (shares_any_word, "should not be found"),
        (shares_the_whole_text, "five words in a row are the same"),
        (lambda train, test, n=5: ["another text"], "give the test texts themselves"),
    ],
}
