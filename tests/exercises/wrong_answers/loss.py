"""Wrong answers to the exercises of the page on the loss, and what each is told."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F


def by_the_id(input_ids, lengths):
    return torch.where(input_ids == 9, -100, input_ids)


def without_the_end(input_ids, lengths):
    places = torch.arange(input_ids.shape[1])
    return torch.where(places < lengths[:, None] - 1, input_ids, -100)


def in_place(input_ids, lengths):
    for row, length in zip(input_ids, lengths, strict=True):
        row[length:] = -100
    return input_ids


def shifted(input_ids, lengths):
    places = torch.arange(input_ids.shape[1])
    return torch.where(places < lengths[:, None], input_ids, -100)[:, 1:]


def chosen(logits, targets):
    return logits[torch.arange(len(targets)), targets]


def by_exp(logits, targets):
    p = logits.exp() / logits.exp().sum(-1, keepdim=True)
    return -chosen(p, targets).log().mean()


def one_maximum(logits, targets):
    x = logits - logits.max()
    return (x.exp().sum(-1).log() - chosen(x, targets)).mean()


def as_floats(input_ids, lengths):
    result = torch.ones(input_ids.shape) * -100
    for row, ids, length in zip(result, input_ids, lengths, strict=True):
        row[:length] = ids[:length]
    return result


def prompt_overwritten(logits, input_ids, n):
    input_ids[:, :n] = -100
    return costs(logits, input_ids)[n - 1 :].mean()


def misplaced(losses, counts):
    losses = [loss for loss in losses if not math.isnan(loss)]
    return sum(a * n for a, n in zip(losses, counts, strict=False)) / sum(counts)


def costs(logits, input_ids):
    return F.cross_entropy(logits[0, :-1], input_ids[0, 1:], reduction="none")


WRONG = {
    "loss-count": [
        (lambda labels: (labels != -100).sum(), "the first of each row is never"),
        (lambda labels: labels[:, 1:].numel(), "you count padding too"),
        (lambda labels: (labels[:, :-1] != -100).sum(), "the last of each row"),
        (lambda labels: (labels[:, 1:] > 0).sum(), "it is 5; yours is 4"),
    ],
    "loss-logits": [
        (lambda s, t: s.log_softmax(-1)[range(len(t)), t].mean(), "the sign is wrong"),
        (lambda s, t: F.nll_loss(s, t), "they have to be normalised first"),
        (
            lambda s, t: F.cross_entropy(s, t, reduction="sum"),
            "the loss is the mean over the tokens",
        ),
        (lambda s, t: F.cross_entropy(s, t) / math.log(2), "this is in bits"),
        (by_exp, "exp(1000) is infinite"),
        (lambda s, t: -chosen(s.softmax(-1), t).log().mean(), "rounded to 0"),
        (one_maximum, "rounded to 0"),
        (lambda s, t: torch.nn.functional.cross_entropy(s, t), "cross_entropy"),
        (lambda s, t: torch.nn.CrossEntropyLoss()(s, t), "CrossEntropyLoss"),
    ],
    "loss-labels": [
        (by_the_id, "mask by position"),
        (without_the_end, "its end among them"),
        (in_place, "clone them first"),
        (as_floats, "whole numbers"),
        (shifted, "labels have the shape of the ids"),
        (lambda ids, lengths: ids.clone(), "nothing is masked"),
    ],
    "loss-answer": [
        (lambda s, ids, n: costs(s, ids).mean(), "the prompt must not count"),
        (lambda s, ids, n: costs(s, ids)[n:].mean(), "the first token of the answer"),
        (
            lambda s, ids, n: F.cross_entropy(s[0, n:], ids[0, n:]),
            "it predicts the next one",
        ),
        (lambda s, ids, n: costs(s, ids)[n - 1 :].sum(), "take the mean over"),
        (prompt_overwritten, "clone them first"),
        (
            lambda s, ids, n: costs(s, ids)[-(n - 1) :].mean(),
            "the first token of the answer",
        ),
    ],
    "loss-pieces": [
        (lambda losses, counts: sum(losses) / len(losses), "the mean of the means"),
        (
            lambda losses, counts: sum(
                a * n for a, n in zip(losses, counts, strict=True)
            ),
            "divide by the number of all tokens",
        ),
        (
            lambda losses, counts: (
                sum(a * n for a, n in zip(losses, counts, strict=True)) / sum(counts)
            ),
            "0 times NaN is NaN",
        ),
        (misplaced, "its own count"),
    ],
}
