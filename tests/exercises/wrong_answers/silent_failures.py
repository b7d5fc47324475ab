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


def rises(losses):
    return any(loss > losses[0] for loss in losses)


def first_that_does_not_rise(runs):
    return next((rate for rate, losses in runs.items() if not rises(losses)), None)


def last_that_does_not_rise(runs):
    return max((rate for rate, losses in runs.items() if not rises(losses)), default=0)


def lowest_in_the_end(runs):
    return min(runs, key=lambda rate: runs[rate][-1])


def falls_at_once(runs):
    return max(
        (rate for rate, losses in runs.items() if losses[1] < losses[0]), default=None
    )


def loss_at(logits, input_ids, distance, reduction="mean"):
    T = input_ids.size(1)
    return torch.nn.functional.cross_entropy(
        logits[:, : T - distance].flatten(0, 1),
        input_ids[:, distance:].flatten(),
        reduction=reduction,
    )


def smallest_sum(logits, input_ids):
    losses = [loss_at(logits, input_ids, d, "sum") for d in range(3)]
    return int(torch.stack(losses).argmin())


def empty_at_zero(logits, input_ids):
    losses = [
        torch.nn.functional.cross_entropy(
            logits[:, :-d].flatten(0, 1),
            input_ids[:, d : d + logits[:, :-d].size(1)].flatten(),
        )
        for d in range(3)
    ]
    return int(torch.stack(losses).argmin())


def other_direction(logits, input_ids):
    losses = [loss_at(logits.flip(1), input_ids.flip(1), d) for d in range(3)]
    return int(torch.stack(losses).argmin())


def runs(text, n):
    words = text.lower().split()
    k = min(n, len(words))
    return [" ".join(words[i : i + k]) for i in range(len(words) - k + 1)]


def shares_characters(train, test, n=5):
    return [t for t in test if any(r in o.lower() for r in runs(t, n) for o in train)]


def shares_with_all_joined(train, test, n=5):
    whole = f" {' '.join(train).lower()} "
    return [t for t in test if any(f" {r} " in whole for r in runs(t, n))]


def ends_finite(runs):
    sound = [r for r, ls in runs.items() if ls[-1] < 1e9 and not rises(ls)]
    return max(sound, default=None)


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
        (
            lambda rates: (
                "rises to the end"
                if rates[-1] == max(rates) > min(rates)
                else "stops too early"
                if rates[-2] == 0
                else "none"
            ),
            "a rate of 0 in the middle",
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
        (shares_characters, "compare words"),
        (shares_with_all_joined, "one training text into the next"),
    ],
    "silent-failures-rate": [
        (first_that_does_not_rise, "smaller steps only take longer"),
        (last_that_does_not_rise, "ask math.isfinite"),
        (lowest_in_the_end, "it jumped on its way"),
        (falls_at_once, "itself among them"),
        (lambda runs: max(runs), "it jumped on its way"),
        (lambda runs: list(runs).index(max(runs)), "the rate itself is asked for"),
        (ends_finite, "ask math.isfinite"),
    ],
    "silent-failures-ahead": [
        (smallest_sum, "You compare sums"),
        (empty_at_zero, "logits[:, :-0] is empty"),
        (other_direction, "row t of the logits meets token t + d"),
        (lambda logits, input_ids: 1, "the token after the next, so it is 2"),
    ],
}
