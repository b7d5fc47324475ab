"""Wrong answers to the exercises of the joke machine, and what each is told."""

from __future__ import annotations

import torch

from gpt2course.checkpoints import load_tokenizer


def encoded(text, *end, **options):
    tokenizer = load_tokenizer()
    return [
        *tokenizer.encode(text, **options),
        *(tokenizer.eos_token_id for _ in end or (1,)),
    ]


def step_uphill(parameters, rate):
    for p in parameters:
        if p.grad is not None:
            p.data += rate * p.grad
    return parameters


def step_on_a_copy(parameters, rate):
    return [p - rate * p.grad for p in parameters if p.grad is not None]


def step_that_keeps_gradients(parameters, rate):
    for p in parameters:
        if p.grad is not None:
            p.data -= rate * p.grad
    return parameters


def labels(first, fill):
    return lambda rows, n, T: torch.tensor(
        [[first] * n + row[n:] + [fill] * (T - len(row)) for row in rows]
    )


def float_labels(rows, n, T):
    result = torch.ones(len(rows), T) * -100
    for labels_of_row, row in zip(result, rows, strict=True):
        labels_of_row[n : len(row)] = torch.tensor(row[n:])
    return result


def masked_by_id(rows, n, T):
    return torch.tensor(
        [
            [-100 if x in row[:n] else x for x in row] + [-100] * (T - len(row))
            for row in rows
        ]
    )


def as_one_string(text, jokes):
    n = len(text)
    while n and not any(
        " ".join(text[i : i + n]) in " ".join(joke)
        for joke in jokes
        for i in range(len(text) - n + 1)
    ):
        n -= 1
    return n


def from_the_first_occurrence(text, jokes):
    longest = 0
    for joke in jokes:
        for i in range(len(text)):
            n, start = 0, joke.index(text[i]) if text[i] in joke else len(joke)
            while text[i + n : i + n + 1] and (
                text[i + n : i + n + 1] == joke[start + n : start + n + 1]
            ):
                n += 1
            longest = max(longest, n)
    return longest


WRONG = {
    "jokes-encode": [
        (lambda joke: encoded("JOKE: " + joke)[:-1], "the end of text is missing"),
        (lambda joke: encoded("JOKE: " + joke, 1, 2), "there twice"),
        (lambda joke: encoded(joke), 'prefix "JOKE: " is missing'),
        (lambda joke: encoded("JOKE:" + joke), "ends in a space"),
        (lambda joke: encoded("JOKE: ")[:-1] + encoded(joke), "in two pieces"),
        (lambda joke: encoded("JOKE: " + joke), "split_special_tokens"),
    ],
    "jokes-handle": [
        (lambda rows, n, T: rows, "return a tensor"),
        (lambda rows, n, T: torch.zeros(2, 5), "the shape"),
        (
            lambda rows, n, T: torch.tensor([r + [-100] * (T - len(r)) for r in rows]),
            "still count",
        ),
        (
            lambda rows, n, T: torch.tensor(
                [r[n:] + [-100] * (T - len(r) + n) for r in rows]
            ),
            "everything moved",
        ),
        (
            lambda rows, n, T: labels(-100, -100)(
                [[*r[:-1], -100] for r in rows], n, T
            ),
            "end token",
        ),
        (labels(-100, 9), "it should be"),
        (float_labels, "whole numbers"),
        (masked_by_id, "it should be"),
    ],
    "jokes-steps": [
        (lambda n, size, epochs, drop: n * epochs / size, "the number is whole"),
        (lambda n, size, epochs, drop: -(-n * epochs // size), "round in each epoch"),
        (lambda n, size, epochs, drop: epochs * -(-n // size), "drop_last"),
    ],
    "jokes-step": [
        (step_uphill, "uphill"),
        (step_on_a_copy, "did not change"),
        (step_that_keeps_gradients, "the next backward would add to it"),
    ],
    "jokes-ends": [
        (lambda texts, eos, limit: "no answer yet", "no answer yet"),
        (
            lambda texts, eos, limit: sum(eos in t for t in texts) / max(1, len(texts)),
            "not within three",
        ),
        (
            lambda texts, eos, limit: sum(eos in t[:limit] for t in texts),
            "divide by how many",
        ),
        (
            lambda texts, eos, limit: (
                sum(eos in t[:limit] for t in texts) / max(1, len(texts))
            ),
            "None",
        ),
        (
            lambda texts, eos, limit: (
                sum(eos in t[: limit - 1] for t in texts) / len(texts)
                if texts
                else None
            ),
            "the end is the third",
        ),
        (
            lambda texts, eos, limit: (
                sum(0 in t[:limit] for t in texts) / len(texts) if texts else None
            ),
            "the end is the third",
        ),
        (
            lambda texts, eos, limit: (
                sum(eos in t[:limit] or len(t) < limit for t in texts) / len(texts)
                if texts
                else None
            ),
            "holds no end token",
        ),
    ],
    "jokes-stolen": [
        (lambda text, known: max(len({*text} & {*joke}) for joke in known), "in a row"),
        (lambda text, known: min(1, len(text)), "it should be"),
        (as_one_string, "whole words"),
        (from_the_first_occurrence, "['the', 'fox'] it should be 2"),
    ],
}
