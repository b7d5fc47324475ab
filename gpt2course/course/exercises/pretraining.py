"""Checks for the chapter on pretraining."""

from __future__ import annotations

import math
import subprocess
import sys

import torch

from gpt2course.course.exercises import NotYet, checker
from gpt2course.training import learning_rate_at


@checker("pretraining-bits")
def bits(f) -> str:
    got, right = f(4.0, 1000, 3600), 4.0 * 1000 / math.log(2) / 3600
    if abs(got - 4.0 * 1000 / 3600) < 1e-9:
        raise NotYet("these are nats per character; a nat is 1 / ln 2 = 1.4427 bits")
    if abs(got - 4.0 * 1000 / 3600 * math.log(2)) < 1e-9:
        raise NotYet("divide by ln 2 instead of multiplying: a nat is more than a bit")
    if abs(got - 4.0 / math.log(2)) < 1e-9:
        raise NotYet("these are bits per token; spread them over the characters")
    if abs(got - right) > 1e-6:
        raise NotYet(
            "for a loss of 4, 1000 tokens and 3600 characters it should be "
            f"{right:.4f}; yours is {got:.4f}"
        )
    return "Now models with different vocabularies can be compared."


@checker("pretraining-schedule", without=(learning_rate_at,))
def schedule(f) -> str:
    def right(step: int) -> float:
        return learning_rate_at(step, peak=2.0, warmup_steps=10, total_steps=110)

    if f(0, 2.0, 10, 110) == 0:
        raise NotYet(
            "at step 0 the rate is 0, so the first step does nothing; count from step "
            "+ 1"
        )
    if abs(f(60, 2.0, 10, 110) - (1 + math.cos(math.pi * 60 / 109))) < 0.02:
        raise NotYet(
            "your half cosine begins at step 0; it begins at the end of the warm-up "
            "and has the steps from there to the last one"
        )
    for step in (0, 4, 9, 10, 60, 109):
        got = f(step, 2.0, 10, 110)
        if abs(got - right(step)) > 1e-6:
            raise NotYet(
                f"at step {step} of 110, with warm-up 10 and peak 2, it is "
                f"{right(step):.4f}; yours is {got:.4f}"
            )
    return "Up quickly, down gently, and 0 exactly at the end."


@checker("pretraining-rows", tensors=True)
def rows(f) -> str:
    stream = torch.arange(100, 120)
    x, y = f(stream, 3, 4)
    if tuple(x.shape) != (3, 4) or tuple(y.shape) != (3, 4):
        raise NotYet(
            f"both must have the shape (3, 4); yours are {tuple(x.shape)} and "
            f"{tuple(y.shape)}"
        )
    if torch.equal(x, y):
        raise NotYet(
            "the targets are the inputs: the model could just copy; they come one "
            "token later"
        )
    if torch.equal(x[1:, 0], x[:-1, 0] + 1):
        raise NotYet(
            "your rows begin one token apart and overlap; each row begins where the "
            "one before it ended"
        )
    if not torch.equal(y, x + 1):
        raise NotYet(
            "the target of each input is the token right after it in the stream, also "
            "at the end of a row"
        )
    if not torch.equal(x.flatten(), stream[:12]):
        raise NotYet(
            "the rows should follow one another in the stream, without gap or overlap"
        )
    return "Twelve tokens read, twelve predicted."


@checker("pretraining-split")
def split(f) -> str:
    texts = [f"review number {i}" for i in range(2000)]
    first = [f(text) for text in texts]
    if any(not isinstance(answer, bool) for answer in first):
        raise NotYet(f"the answer must be True or False; yours is {first[0]!r}")
    if [f(text) for text in texts] != first or [
        f(text) for text in reversed(texts)
    ] != first[::-1]:
        raise NotYet(
            "asked again, or in another order, you give other answers: decide by the "
            "text alone"
        )
    share = sum(first) / len(first)
    if not 0.07 <= share <= 0.13:
        raise NotYet(
            "about a tenth should be held out; of 2,000 texts you hold out "
            f"{100 * share:.1f} %"
        )
    salted = [hash(text) % 10 == 0 for text in texts]
    if salted == first:
        program = "print(hash('a') % 1000)"
        other = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True
        ).stdout.strip()
        raise NotYet(
            "you use Python's hash, which differs from run to run (hash('a') % 1000 "
            f"is {other} in another one)"
        )
    return "The same split on every machine, however the texts are ordered."
