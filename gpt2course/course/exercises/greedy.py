"""Checks for the chapter on writing token by token."""

from __future__ import annotations

import itertools

import torch

from gpt2course.config import GPT2Config
from gpt2course.course.exercises import NotYet, checker
from gpt2course.generation import generate, stream_tokens, until_stop
from gpt2course.model import GPT2


def small_model() -> GPT2:
    """A random model, shaken so that it prefers some tokens clearly."""
    torch.manual_seed(0)
    model = GPT2(
        GPT2Config(vocab_size=40, n_positions=16, n_embd=16, n_layer=2, n_head=2)
    ).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return model


@checker("greedy-rank")
def rank(f) -> str:
    logits = torch.tensor([0.5, -1.0, 2.0, 0.1])
    for token, right in ((2, 1), (0, 2), (3, 3), (1, 4)):
        got = f(logits, token)
        if got == right - 1:
            raise NotYet("the most probable token has rank 1, not 0")
        if got == 5 - right:
            raise NotYet(
                "this counts from the least probable; a larger logit is more probable"
            )
        if got != right:
            raise NotYet(
                f"for logits {logits.tolist()}, token {token} has rank {right}; yours "
                f"is {got}"
            )
    equal = torch.tensor([1.0, 3.0, 3.0])
    if [f(equal, token) for token in range(3)] != [3, 1, 1]:
        raise NotYet(
            f"for logits {equal.tolist()} the ranks are 3, 1, 1: an equal logit is not "
            "more probable"
        )
    return "A good model gives most tokens of a real text a small rank."


@checker("greedy-loop", without=(generate, stream_tokens))
def loop(f) -> str:
    model = small_model()
    free = generate(model, [3, 1], 8, stop_ids=())
    got = list(f(model, [3, 1], 8, -1))
    if got[:2] == [3, 1]:
        raise NotYet("return the new ids only, without the prompt")
    if got != free:
        raise NotYet(
            f"without an end of text, eight greedy tokens are {free}; yours are {got}"
        )
    eos = free[3]
    right = free[: free.index(eos) + 1]
    got = list(f(model, [3, 1], 8, eos))
    if got == right[:-1]:
        raise NotYet("the end-of-text token itself belongs to what was written")
    if got != right:
        raise NotYet(
            f"with {eos} as the end of text it should stop after it: {right}; yours "
            f"are {got}"
        )
    try:
        full = list(f(model, [1] * 13, 50, -1))
    except (IndexError, ValueError):
        raise NotYet(
            "the model has 16 positions: stop before the text is longer than that"
        ) from None
    if len(full) != 3:
        raise NotYet(
            f"with 13 of 16 positions used, 3 tokens have room; you wrote {len(full)}"
        )
    if got := list(f(model, [1] * 16, 5, -1)):
        raise NotYet(f"with all 16 positions used there is no room; you wrote {got}")
    after = generate(model, [3, eos], 4, stop_ids=(eos,))
    if (got := list(f(model, [3, eos], 4, eos))) != after:
        raise NotYet(
            f"after a prompt that ends with {eos} it should be {after}; yours are "
            f"{got}: only what you write ends the loop"
        )
    return "Three ends, one loop."


@checker("greedy-circle")
def circle(f) -> str:
    cases = (
        ([7, 1, 2, 1, 2], 2),
        ([1, 2, 3], 0),
        ([5, 5], 1),
        ([5, 5, 5, 5], 1),
        ([1, 2, 1, 2, 3], 0),
        ([1, 1, 2, 1, 1, 2], 3),
        ([1, 2, 3, 2, 1, 2, 3, 2], 4),
        ([4], 0),
        ([], 0),
    )
    for ids, right in cases:
        got = f(ids)
        if right and got and got > right:
            raise NotYet(
                f"{ids} ends with a block of {right} twice in a row; you took a "
                f"longer one, {got}: the shortest is asked for"
            )
        if got and not right:
            raise NotYet(
                f"for {ids} it should be 0, yours is {got}: the list must end with "
                "the block twice; an earlier circle does not count"
            )
        if got != right:
            raise NotYet(f"for {ids} it should be {right}; yours is {got}")
    return (
        "Some programs stop generating when they find a circle. Others lower the "
        "probability of what was there."
    )


@checker("greedy-stop", without=(until_stop,))
def stop(f) -> str:
    for pieces, string, right in (
        (["a b", "c"], ".", "a bc"),
        (["one. two", ". three"], ".", "one"),
        (["wait", " STO", "P now"], "STOP", "wait "),
        (["w S", "T", "OP x"], "STOP", "w "),
        (["a. b. c"], ".", "a"),
        (["", "x"], "x", ""),
    ):
        got = f(iter(pieces), string)
        if not isinstance(got, str):
            raise NotYet("return one text, the pieces joined")
        if got == right + string:
            raise NotYet("end before the stop string: it is not part of the text")
        if got == "".join(pieces) != right:
            raise NotYet(
                f"you missed {string!r} in the pieces {pieces}: it may begin in one "
                "piece and end in another, so look in the joined text"
            )
        if got != right:
            raise NotYet(
                f"for the pieces {pieces} and the stop string {string!r} it should be "
                f"{right!r}; yours is {got!r}"
            )
    pieces = itertools.chain(["enough", "!"], itertools.repeat("more"))
    limited = itertools.islice(pieces, 10_000)
    if f(limited, "!") != "enough" or next(limited, None) is None:
        raise NotYet(
            "stop asking for pieces as soon as the stop string is there: a model would "
            "continue computing"
        )
    return "It works whatever way the tokenizer cuts the stop string."


@checker("greedy-rows")
def rows(f) -> str:
    model = small_model()
    ids = torch.randint(40, (1, 12), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for place in (1, 5, 9, 11):
            ids[0, place] = model(ids)[0, place - 1].argmax()
        guesses = model(ids).argmax(-1)[0]
    right = int((guesses[:-1] == ids[0, 1:]).sum())
    got = f(model, ids)
    if got == int((guesses == ids[0]).sum()) != right:
        raise NotYet("row t guesses token t + 1; you compare it with token t")
    if got == right / (ids.size(1) - 1):
        raise NotYet("this is the fraction of correct predictions; return their number")
    if got != right:
        raise NotYet(f"for this text and model it should be {right}; yours is {got}")
    return (
        "One call, a guess for every position: this is also how training reads a text."
    )
