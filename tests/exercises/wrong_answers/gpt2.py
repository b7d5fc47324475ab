"""Wrong answers to the exercises of the first page, and what each is told."""

from __future__ import annotations

import torch


def below(p, fraction):
    total = p.sort(descending=True).values.cumsum(0)
    return int((total < fraction).sum())


def unsorted(p, fraction):
    return int((p.cumsum(0) < fraction).sum()) + 1


def past_the_end(p, fraction):
    total = p.sort(descending=True).values.cumsum(0)
    return int((total < fraction - 1e-9).sum()) + 1 + int(len(p) == 3)


def next_id(model, ids):
    return int(model(torch.tensor([ids]))[0, -1].argmax())


def in_place(model, ids, n):
    for _ in range(n):
        ids.append(next_id(model, ids))
    return ids[-n:]


def with_the_prompt(model, ids, n):
    return in_place(model, text := list(ids), n) and text


def one_id_repeated(model, ids, n):
    return [next_id(model, ids)] * n


def one_too_few(model, ids, n):
    return in_place(model, list(ids), n - 1)


def pair_by(score, ids_of=lambda ids, place: int(ids[place])):
    def best(model, input_ids, k):
        first, ids = model(torch.tensor([input_ids]))[0, -1].topk(k)
        second = model(torch.tensor([[*input_ids, int(i)] for i in ids]))[:, -1]
        both = score(first[:, None], second)
        place, column = divmod(int(both.argmax()), both.size(1))
        return ids_of(ids, place), column

    return best


def product(first, second):
    """For logits that are logarithms of probabilities: the first row's are."""
    return first.exp() * second.softmax(-1)


def one_after_the_other(model, input_ids, k):
    text = list(input_ids)
    return in_place(model, text, 2)


def in_a_loop(model, input_ids, k):
    p, ids = model(torch.tensor([input_ids]))[0, -1].softmax(-1).topk(k)
    found = []
    for probability, i in zip(p.tolist(), ids.tolist(), strict=True):
        after = model(torch.tensor([[*input_ids, i]]))[0, -1].softmax(-1)
        found.append((probability * after.max().item(), i, int(after.argmax())))
    return max(found)[1:]


def without_the_text(model, input_ids, k):
    p, ids = model(torch.tensor([input_ids]))[0, -1].softmax(-1).topk(k)
    both = p[:, None] * model(ids[:, None])[:, -1].softmax(-1)
    place, column = divmod(int(both.argmax()), both.size(1))
    return int(ids[place]), column


WRONG = {
    "gpt2-needed": [
        (below, "the token that reaches the share counts too"),
        (unsorted, "sort from large to small"),
        (past_the_end, "three tokens cannot take more than three"),
        (lambda p, fraction: len(p), "yours is 4"),
    ],
    "gpt2-memory": [
        (lambda parameters, bits: parameters * bits / 1e9, "eight bits are a byte"),
        (lambda parameters, bits: parameters * bits / 8, "these are bytes"),
        (lambda parameters, bits: parameters * bits / 8 / 2**30, "divide by 2**30"),
        (lambda parameters, bits: parameters * 4 / 1e9, "is the second argument used"),
    ],
    "gpt2-write": [
        (in_place, "work on a copy"),
        (with_the_prompt, "without the prompt"),
        (one_id_repeated, "appended before you ask again"),
        (one_too_few, "yours are 4"),
    ],
    "gpt2-shape": [
        (((4, 10, 768), 4 * 50257), "stand for a token inside"),
        (((4, 50257), 4 * 50257), "a row after each token"),
        (((4, 10), 4), "this is the shape of the ids"),
        (((10, 4, 50257), 4 * 50257), "in this order"),
        (((4, 10, 50257), 4 * 10 * 50257), "tokens that stand in the text already"),
        (((4, 10, 50257), 50257), "there are four"),
        (((4, 10, 50257), 4), "a whole row has to be looked at"),
        ((4, 10, 50257), "two things are asked for"),
    ],
    "gpt2-pair": [
        (one_after_the_other, "may have a surer continuation"),
        (pair_by(lambda first, second: second.softmax(-1)), "multiply by its"),
        (
            pair_by(lambda first, second: first.exp() + second.softmax(-1)),
            "is their product",
        ),
        (pair_by(lambda first, second: first + second), "have no common scale"),
        (pair_by(product, lambda ids, place: place), "an index into the k best"),
        (
            lambda model, ids, k: pair_by(product)(model, ids, k)[::-1],
            "in the wrong order",
        ),
        (without_the_text, "with its first token appended"),
        (lambda model, ids, k: pair_by(product)(model, ids, 5), "with k = 1"),
        (in_a_loop, "the model was asked 6 times"),
    ],
}
