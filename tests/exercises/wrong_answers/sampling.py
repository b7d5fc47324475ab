"""Wrong answers to the exercises of the page on sampling, and what each is told."""

from __future__ import annotations

import torch

from gpt2course.generation import Temperature, TopP


def top_p(crossing, scaled):
    def f(probabilities, p):
        values, order = probabilities.sort(descending=True)
        reached = values.cumsum(0) - (values if crossing else 0)
        kept = torch.zeros_like(probabilities)
        kept[order] = torch.where(reached < p, values, 0.0)
        return kept / kept.sum() if scaled else kept

    return f


def reached_and_one_more(probabilities, p):
    values, order = probabilities.sort(descending=True)
    kept = torch.zeros_like(probabilities)
    kept[order] = torch.where(values.cumsum(0) - values <= p, values, 0.0)
    return kept / kept.sum()


def in_place(logits, input_ids):
    return logits.scatter_(1, input_ids[:, -1:], float("-inf"))


WRONG = {
    "sampling-temperature": [
        (lambda p, t: (p / t).softmax(-1), "you divide the probabilities"),
        (lambda p, t: p ** (1 / t), "add up to"),
        (
            lambda p, t: Temperature(t)(p.log()[None], None).softmax(-1)[0],
            "Temperature computes it",
        ),
    ],
    "sampling-topp": [
        (top_p(False, True), "0 / 0 is not a number"),
        (top_p(False, False), "the token that crosses it is kept too"),
        (top_p(True, False), "must add up to 1 again"),
        (reached_and_one_more, "p = 0.5 the tokens [1]"),
        (
            lambda p, top: TopP(top)(p.log()[None], None).softmax(-1)[0],
            "TopP computes it",
        ),
    ],
    "sampling-ban": [
        (in_place, "return a copy"),
        (
            lambda logits, ids: logits.scatter(1, ids, float("-inf")),
            "only the last one of each row",
        ),
        (
            lambda logits, ids: logits.scatter(1, ids[:, 1:], float("-inf")),
            "yours forbid [2, 3]",
        ),
        (lambda logits, ids: logits.scatter(1, ids[:, -1:], -1e9), "no logit is -inf"),
    ],
    "sampling-draw": [
        (lambda p, u: int((p.cumsum(0) < u).sum()), "must never be drawn"),
        (lambda p, u: int((p.cumsum(0) <= u).sum()), "takes the rest"),
    ],
    "sampling-entropy": [
        (lambda p: float(-(p * p.log()).sum()), "this is the entropy itself"),
        (lambda p: float((-(p * p.log()).sum()).exp()), "0 times the logarithm of 0"),
        (lambda p: int((p > 0).sum()), "it should be 2.828"),
        (lambda p: float(1 / (p**2).sum()), "it should be 2.828"),
    ],
}
