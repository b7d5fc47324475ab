"""Checks for the chapter that introduces GPT-2."""

from __future__ import annotations

import torch

from gpt2course.config import GPT2Config
from gpt2course.course.exercises import NotYet, checker
from gpt2course.generation import generate, stream_tokens
from gpt2course.model import GPT2


@checker("gpt2-needed")
def needed(f) -> str:
    given = [0.1, 0.5, 0.15, 0.25]
    p = torch.tensor(given)
    for fraction, right in ((0.4, 1), (0.5, 1), (0.6, 2), (0.8, 3), (0.99, 4)):
        got = f(p, fraction)
        if got == right - 1:
            raise NotYet(
                f"for a fraction of {fraction} yours is {got}: the token that reaches "
                "the fraction counts too"
            )
        if got == right + 1:
            raise NotYet(
                f"for a fraction of {fraction} yours is {got}, one too many: sort "
                "from large to small, and stop once the sum is at least the fraction"
            )
        if got != right:
            raise NotYet(
                f"probabilities {given} and a fraction of {fraction}: it takes "
                f"{right}; yours is {got}"
            )
    if f(torch.full((3,), 1 / 3), 1.0) > 3:
        raise NotYet(
            "three tokens cannot take more than three: the sum may end at 0.9999999 by "
            "rounding"
        )
    return "Top-p sampling counts in the same way."


@checker("gpt2-memory")
def memory(f) -> str:
    got = f(1_000_000_000, 32)
    if got == 32:
        raise NotYet(
            "a billion weights of 32 bits are 32 billion bits; eight bits are a byte"
        )
    if got == 4e9:
        raise NotYet("these are bytes; a GB is 10**9 of them")
    if abs(got - 4e9 / 2**30) < 1e-6:
        raise NotYet("you divide by 2**30; a GB here is 10**9 bytes")
    if abs(got - 4) > 1e-9:
        raise NotYet(f"a billion weights of 32 bits take 4 GB; yours gives {got}")
    if abs(f(124_439_808, 16) - 0.248879616) > 1e-7:
        raise NotYet(
            "for gpt2 in 16 bits it should be 0.2489 GB: is the second argument used?"
        )
    return (
        "Training needs several times as much: gradients and the optimizer's memory "
        "come on top."
    )


@checker("gpt2-write", without=(generate, stream_tokens))
def write(f) -> str:
    torch.manual_seed(0)
    model = GPT2(
        GPT2Config(vocab_size=30, n_positions=16, n_embd=16, n_layer=2, n_head=2)
    ).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn_like(p))
        ids, right = [3, 1, 4], []
        for _ in range(5):
            right.append(int(model(torch.tensor([ids + right]))[0, -1].argmax()))
    got = [int(i) for i in f(model, ids, 5)]
    if ids != [3, 1, 4]:
        raise NotYet("the list that was passed in has changed: work on a copy")
    if got[:3] == ids:
        raise NotYet("return the new ids only, without the prompt")
    if len(got) != 5:
        raise NotYet(f"five new ids were asked for; yours are {len(got)}")
    if got != right:
        raise NotYet(
            f"expected {right}, yours {got}: is every new id appended before you ask "
            "again, and the last row used?"
        )
    return (
        "This loop reads the whole text again for every token. The package's generate "
        "does not: it keeps a cache."
    )
