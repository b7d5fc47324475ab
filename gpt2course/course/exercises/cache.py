"""Checks for the chapter on the KV cache."""

from __future__ import annotations

import torch

from gpt2course.course.exercises import NotYet, checker
from gpt2course.course.exercises.greedy import small_model
from gpt2course.generation import beam_search, generate, generate_batch, stream_tokens
from gpt2course.model import GPT2


@checker("cache-size")
def size(f) -> str:
    got, right = f(12, 768, 1024, 1, 2), 36 * 1024 * 1024
    if got == right // 2:
        raise NotYet("this is half of it: both keys and values are kept")
    if got != right:
        raise NotYet(
            f"for gpt2, 1,024 tokens, one text and 16 bits it should be {right:,} "
            f"bytes; yours is {got:,}"
        )
    if f(12, 768, 1024, 3, 2) != 3 * right or f(12, 768, 1024, 1, 4) != 2 * right:
        raise NotYet("it grows with the number of texts, and with the bytes per number")
    return "36 KiB per token for gpt2, 300 KiB for gpt2-xl, in 16 bits."


@checker("cache-work")
def work(f) -> str:
    for prompt, new, cached, right in (
        (10, 1, False, 10),
        (10, 3, False, 33),
        (10, 1, True, 10),
        (10, 3, True, 12),
    ):
        got = f(prompt, new, cached)
        if not cached and new > 1 and got == prompt * new:
            raise NotYet(
                "the text grows: without a cache each step reads the prompt and all "
                "tokens written so far"
            )
        if got == (prompt + new if cached else right + new):
            raise NotYet(
                "the last new token is written and never read: the first step reads "
                "the prompt alone"
            )
        if got != right:
            how = "with" if cached else "without"
            raise NotYet(
                f"a prompt of {prompt} and {new} new tokens, {how} a cache, are "
                f"{right} tokens; yours is {got}"
            )
    return (
        f"For 1,000 new tokens after 10 it is {f(10, 1000, False):,} against "
        f"{f(10, 1000, True):,}."
    )


@checker("cache-simple")
def simple(kind) -> str:
    cache = kind()
    k, v = torch.randn(2, 1, 3, 5, 4).unbind(0)
    first = cache.update(0, k[:, :, :2], v[:, :, :2])
    if first is None:
        raise NotYet("update must return the keys and values of the layer")
    if not torch.equal(first[0], k[:, :, :2]) or not torch.equal(first[1], v[:, :, :2]):
        raise NotYet("the first update should return exactly what was put in")
    other = cache.update(1, 2 * k[:, :, :1], 2 * v[:, :, :1])
    if other[0].size(2) != 1:
        raise NotYet("layer 1 returned tokens of layer 0: keep the layers apart")
    both = cache.update(0, k[:, :, 2:], v[:, :, 2:])
    if tuple(both[0].shape) != (1, 3, 5, 4):
        raise NotYet(
            "after 2 and 3 tokens the keys should be (1, 3, 5, 4); yours are "
            f"{tuple(both[0].shape)}: which dimension?"
        )
    if not torch.equal(both[0], k) or not torch.equal(both[1], v):
        raise NotYet(
            "old tokens come first, new ones after them; keys and values are not to "
            "be mixed up"
        )
    k3, v3 = torch.randn(2, 1, 3, 1, 4).unbind(0)
    three = cache.update(0, k3, v3)
    if not torch.equal(three[0], torch.cat([k, k3], 2)) or not torch.equal(
        three[1], torch.cat([v, v3], 2)
    ):
        raise NotYet(
            "the third update does not return all three: keep what you have joined, "
            "not only the first or the newest part"
        )
    if kind().update(0, k, v)[0].size(2) != 5:
        raise NotYet(
            "a new cache still holds what an older one was given: make the storage in "
            "__init__"
        )
    return (
        "transformers' DynamicCache does just this. Each step copies everything, which "
        "the course's own cache avoids."
    )


@checker("cache-loop", without=(generate, generate_batch, beam_search, stream_tokens))
def loop(f) -> str:
    model, read = small_model(), []
    right = generate(model, [3, 1, 4], 8, stop_ids=())
    hidden = GPT2.hidden

    def counting(self, input_ids, **options):
        read.append(input_ids.size(1))
        return hidden(self, input_ids, **options)

    model.hidden = counting.__get__(model)
    got = list(f(model, [3, 1, 4], 8))
    if got == [3, 1, 4, *right]:
        raise NotYet("return the new ids only, without the prompt")
    if got != right:
        raise NotYet(f"eight greedy tokens are {right}; yours are {got}")
    if read[:1] != [3] or any(n != 1 for n in read[1:]):
        raise NotYet(
            f"right ids, but the model read {read} tokens in its steps; it should be 3 "
            "first and then 1 each time"
        )
    return "Three tokens in the first step, one in each after it."


@checker("cache-ceiling")
def ceiling(f) -> str:
    got = f(1_000_000_000, 4, 50, 1)
    if abs(got - 0.08) < 1e-6:
        raise NotYet("these are seconds per token; tokens per second are asked for")
    if abs(got - 50) < 1e-6:
        raise NotYet("each weight takes several bytes: you read only one of each")
    if not abs(got - 12.5) <= 1e-6:
        raise NotYet(
            "a billion weights of four bytes are 4 GB; at 50 GB/s that is 12.5 tokens "
            f"per second, yours is {got}"
        )
    if not abs(f(1_000_000_000, 2, 50, 1) - 25) <= 1e-6:
        raise NotYet("half the bytes, twice the tokens")
    if not abs(f(1_000_000_000, 4, 50, 8) - 100) <= 1e-6:
        raise NotYet("a batch of 8 reads the weights once and gives 8 tokens")
    return "This is why people store weights in 16, 8 or 4 bits: to read less."
