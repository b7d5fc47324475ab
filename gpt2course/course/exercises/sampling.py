"""Checks for the chapter on sampling."""

from __future__ import annotations

import torch

from gpt2course.course.exercises import NotYet, checker
from gpt2course.generation import Temperature, TopP


@checker("sampling-temperature", tensors=True, without=(Temperature,))
def temperature(f) -> str:
    p = torch.tensor([0.7, 0.2, 0.1])
    for t in (0.5, 2.0, 1.0):
        got, right = f(p.clone(), t), (p.log() / t).softmax(-1)
        if torch.allclose(got, (p / t).softmax(-1), atol=1e-5) and t != 1.0:
            raise NotYet(
                "you divide the probabilities; take their logarithm first, it plays "
                "the part of the logits"
            )
        if not abs(got.sum().item() - 1) <= 1e-4:
            raise NotYet(
                f"at temperature {t} your probabilities add up to {got.sum():.3f}"
            )
        if not torch.allclose(got, right, atol=1e-5):
            raise NotYet(
                f"at temperature {t} it should be {right.tolist()}; yours is "
                f"{got.tolist()}"
            )
    return (
        "At temperature t, each probability is raised to the power 1/t, and all are "
        "scaled to add up to 1."
    )


@checker("sampling-topp", tensors=True, without=(TopP,))
def topp(f) -> str:
    p = torch.tensor([0.1, 0.5, 0.15, 0.25])
    for top_p, kept in (
        (0.4, [1]),
        (0.5, [1]),
        (0.6, [1, 3]),
        (0.8, [1, 2, 3]),
        (1.0, [0, 1, 2, 3]),
    ):
        got = f(p.clone(), top_p)
        if got.shape != p.shape:
            raise NotYet(
                f"the shape must stay {tuple(p.shape)}, with zeros for what is cut; "
                f"yours is {tuple(got.shape)}"
            )
        if got.isnan().any():
            raise NotYet(
                f"for p = {top_p} no token is left, and 0 / 0 is not a number: the "
                "token that crosses p is kept too"
            )
        left = got.nonzero()[:, 0].tolist()
        if len(left) == len(kept) - 1:
            raise NotYet(
                f"for p = {top_p} the token that crosses it is kept too: tokens "
                f"{kept}; yours are {left}"
            )
        if left != kept:
            raise NotYet(
                f"for {p.tolist()} and p = {top_p} the tokens {kept} should be left; "
                f"yours are {left}"
            )
        if not abs(got.sum().item() - 1) <= 1e-4:
            raise NotYet("what is left must add up to 1 again")
        if not torch.allclose(got[kept], p[kept] / p[kept].sum()):
            raise NotYet(
                "the right tokens are left, but their probabilities are not in "
                "proportion any more"
            )
    return "One token always survives, however small p is."


@checker("sampling-ban", tensors=True)
def ban(f) -> str:
    logits = torch.arange(8.0).view(2, 4)
    before = logits.clone()
    got = f(logits, torch.tensor([[0, 2, 3], [3, 2, 1]]))
    if not torch.equal(logits, before):
        raise NotYet("your filter changed the logits that it was given; return a copy")
    if got.shape != before.shape:
        raise NotYet(
            f"the shape must stay {tuple(before.shape)}; yours is {tuple(got.shape)}"
        )
    forbidden = [row.isneginf().nonzero()[:, 0].tolist() for row in got]
    if forbidden == [[], []]:
        raise NotYet(
            "no logit is -inf. A large negative number makes a token improbable; "
            'float("-inf") forbids it'
        )
    if forbidden == [[0, 2, 3], [1, 2, 3]]:
        raise NotYet(
            "you forbid all tokens that were there; only the last one of each row is "
            "meant"
        )
    if forbidden != [[3], [1]]:
        raise NotYet(
            "row 0 should forbid token 3 and row 1 token 1; yours forbid "
            f"{forbidden[0]} and {forbidden[1]}"
        )
    keep = ~got.isneginf()
    if not torch.equal(got[keep], before[keep]):
        raise NotYet("the other logits must stay as they are")
    return "Anything of this form can stand among the filters of Sample and Greedy."


@checker("sampling-draw")
def draw(f) -> str:
    p = torch.tensor([0.2, 0.5, 0.3])
    for u, right in ((0.0, 0), (0.19, 0), (0.21, 1), (0.69, 1), (0.71, 2), (0.999, 2)):
        got = f(p, u)
        if got != right:
            raise NotYet(
                f"for probabilities {p.tolist()} and u = {u} it should be token "
                f"{right}; yours is {got}"
            )
    if f(torch.tensor([0.0, 1.0]), 0.0) != 1:
        raise NotYet(
            "a token with probability 0 must never be drawn, not even for u = 0"
        )
    for p, right in (([0.333, 0.333, 0.333], 2), ([0.333, 0.333, 0.333, 0.0], 2)):
        got = f(torch.tensor(p), 0.9999)
        if got != right:
            raise NotYet(
                "if rounding leaves the sum below 1, the last token of a probability "
                f"above 0 takes the rest: for {p} and u = 0.9999 that is token "
                f"{right}; yours is {got}"
            )
    return "This is all the magic there is in a draw."


@checker("sampling-entropy")
def entropy(f) -> str:
    got = float(f(torch.full((8,), 1 / 8)))
    if abs(got - 2.0794) < 1e-3:
        raise NotYet("this is the entropy itself; the exponential of it counts choices")
    if not abs(got - 8) <= 1e-3:
        raise NotYet(
            f"eight equally probable tokens are eight choices; yours is {got:.3f}"
        )
    certain = float(f(torch.tensor([1.0, 0.0, 0.0])))
    if certain != certain:
        raise NotYet(
            "a token with probability 0 gave NaN: 0 times the logarithm of 0 has to "
            "count as 0"
        )
    if not abs(certain - 1) <= 1e-4:
        raise NotYet(f"a certain token is one choice; yours is {certain:.3f}")
    p = torch.tensor([0.5, 0.25, 0.25])
    if not abs((got := float(f(p))) - 2**1.5) <= 1e-3:
        raise NotYet(f"for {p.tolist()} it should be {2**1.5:.3f}; yours is {got:.3f}")
    return "Perplexity is built in the same way, from the loss on what really came."
