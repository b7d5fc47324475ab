"""Checks for the chapter on pretraining."""

from __future__ import annotations

import copy
import math
import subprocess
import sys
from unittest import mock

import torch

from gpt2course.config import GPT2Config
from gpt2course.course.exercises import NotYet, checker
from gpt2course.data import rows_at
from gpt2course.loss import cross_entropy
from gpt2course.model import GPT2
from gpt2course.training import learning_rate_at, pretrain, train_step


@checker("pretraining-bits")
def bits(f) -> str:
    got, right = f(4.0, 1000, 3600), 4.0 * 1000 / math.log(2) / 3600
    if abs(got - 4.0 * 1000 / 3600) < 1e-6:
        raise NotYet("these are nats per character; a nat is 1 / ln 2 = 1.4427 bits")
    if abs(got - 4.0 * 1000 / 3600 * math.log(2)) < 1e-6:
        raise NotYet("divide by ln 2 instead of multiplying: a nat is more than a bit")
    if abs(got - 4.0 / math.log(2)) < 1e-6:
        raise NotYet("these are bits per token; spread them over the characters")
    if not math.isclose(got, right, rel_tol=1e-3):
        raise NotYet(
            "for a loss of 4, 1000 tokens and 3600 characters it should be "
            f"{right:.4f}; yours is {got:.4f}"
        )
    return "Now models with different vocabularies can be compared."


@checker("pretraining-schedule", without=(learning_rate_at,))
def schedule(f) -> str:
    def right(step: int) -> float:
        return learning_rate_at(step, peak=3.0, warmup_steps=10, total_steps=110)

    if f(0, 3.0, 10, 110) == 0:
        raise NotYet(
            "at step 0 the rate is 0, so the first step does nothing; count from step "
            "+ 1"
        )
    if abs(f(60, 3.0, 10, 110) - 1.5 * (1 + math.cos(math.pi * 60 / 109))) < 0.02:
        raise NotYet(
            "your half cosine begins at step 0; it begins at the end of the warm-up "
            "and has the steps from there to the last one"
        )
    if abs(f(10, 3.0, 10, 110) - 1.5 * (1 + math.cos(math.pi / 100))) < 1e-6:
        raise NotYet(
            "your cosine begins at step warmup - 1; it begins at step warmup, which "
            "has the peak, too"
        )
    for step in (0, 4, 9, 10, 60, 109):
        got = f(step, 3.0, 10, 110)
        if not abs(got - right(step)) <= 1e-6:
            raise NotYet(
                f"at step {step} of 110, with warm-up 10 and peak 3, it is "
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
    # no ASCII alone, and all end alike
    texts = [f"{i} cafés, and a review that ends like all others." for i in range(2000)]
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
    real = hash
    with mock.patch("builtins.hash", lambda value: real(("another run", value))):
        again = [f(text) for text in texts]
    if again != first:
        program = "print(hash('a') % 1000)"
        other = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True
        ).stdout.strip()
        raise NotYet(
            "you use Python's hash, which differs from run to run (hash('a') % 1000 "
            f"is {other} in another one)"
        )
    return "The same split on every machine, however the texts are ordered."


#: what somebody may do wrong, in the order in which it shows, and what to say of it
_MISTAKES = {
    "copies": (
        "the targets are the inputs: read all tokens of a row but the last, predict "
        "all but the first"
    ),
    "two ahead": (
        "the targets are two tokens ahead: a row has one token more than is read, so "
        "it is shifted once"
    ),
    "the sum": "this is the sum of the losses; take their mean over all predictions",
    "after the step": (
        "the first loss is already lower: each loss is the one that the gradients come "
        "from, computed before its step"
    ),
    "no step": "the loss is that of the first weights throughout: optimizer.step()?",
    "one batch": (
        "every step reads the same rows: the number of the step says where in the "
        "stream it reads"
    ),
    "gradients pile up": (
        "from the second step on, old gradients are added to the new: set them to "
        "zero after each step"
    ),
    "constant": (
        "all steps use the first learning rate: set that of the step in "
        "optimizer.param_groups"
    ),
    "new optimizer": (
        "each step makes a new optimizer, which knows nothing of the gradients before: "
        "make it once, and change its rate"
    ),
}


def _losses(
    model: GPT2,
    stream: torch.Tensor,
    rates: list[float],
    n_rows: int,
    length: int,
    mistake: str = "",
) -> list[float]:
    """The losses of a run; the model is trained."""
    losses = []
    decay = 0.0 if mistake == "no decay" else 0.01
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=decay)
    for step, rate in enumerate(rates):
        if mistake == "new optimizer":
            optimizer = torch.optim.AdamW(model.parameters())
        optimizer.param_groups[0]["lr"] = rates[0] if mistake == "constant" else rate
        rows = rows_at(stream, 0 if mistake == "one batch" else step, n_rows, length)
        logits, targets = model(rows[:, :-1]), rows[:, 1:]
        if mistake == "copies":
            targets = rows[:, :-1]
        if mistake == "two ahead":
            logits, targets = logits[:, :-1], rows[:, 2:]
        loss = cross_entropy(
            logits, targets, reduction="sum" if mistake == "the sum" else "mean"
        )
        loss.backward()
        if mistake != "no step":
            optimizer.step()
        if mistake != "gradients pile up":
            optimizer.zero_grad()
        if mistake == "after the step":
            loss = cross_entropy(model(rows[:, :-1]), targets)
        losses.append(loss.item())
    return losses


@checker("pretraining-loop", without=(pretrain, train_step))
def loop(f) -> str:
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=17,
        n_positions=8,
        n_embd=16,
        n_layer=1,
        n_head=2,
        embd_pdrop=0,
        attn_pdrop=0,
        resid_pdrop=0,
    )
    start, rates = GPT2(config), [4e-3, 1.2e-2, 1e-2, 6e-3, 2e-3, 1e-3]
    stream = torch.arange(200) ** 2 % 17
    model, theirs = copy.deepcopy(start), copy.deepcopy(start)
    right = _losses(model, stream, rates, 2, 8)
    got = [  # what was a numpy array holds tensors of one number
        loss.item() if isinstance(loss, torch.Tensor) and loss.dim() == 0 else loss
        for loss in f(theirs, stream.clone(), list(rates), 2, 8)
    ]
    if len(got) != len(rates):
        raise NotYet(
            f"{len(rates)} rates make {len(rates)} steps, with a loss each; yours are "
            f"{len(got)}"
        )
    if any(isinstance(loss, torch.Tensor) for loss in got):
        raise NotYet("a loss is one number (.item()), a mean over all predictions")

    def same(a: list[float], b: list[float]) -> bool:
        return all(math.isclose(x, y, rel_tol=1e-3) for x, y in zip(a, b, strict=True))

    if not same(got, right):
        for mistake, why in _MISTAKES.items():
            wrong = _losses(copy.deepcopy(start), stream, rates, 2, 8, mistake)
            if same(got, wrong):
                raise NotYet(why)
        step = next(
            n for n in range(len(got)) if not same(got[n : n + 1], right[n : n + 1])
        )
        raise NotYet(
            f"the losses should be {_short(right)}; yours are {_short(got)}: they "
            f"differ from step {step} on"
        )

    def alike(other: GPT2, atol: float) -> bool:
        pairs = zip(theirs.parameters(), other.parameters(), strict=True)
        return all(torch.allclose(a, b, atol=atol) for a, b in pairs)

    if not alike(model, 1e-4):
        without_decay = copy.deepcopy(start)
        _losses(without_decay, stream, rates, 2, 8, "no decay")
        if alike(without_decay, 1e-5):
            raise NotYet(
                "all losses are right, but the weights do not decay: use "
                "torch.optim.AdamW as it is; Adam has no weight decay"
            )
        raise NotYet(
            "all losses are right, but not the weights at the end: is the last step "
            "taken, at its own rate, in the model that was given?"
        )
    return (
        f"From {right[0]:.2f} to {right[-1]:.2f} nats per token in {len(right)} steps. "
        "What large runs add to this loop makes it faster and safer, not different."
    )


def _short(losses: list[float]) -> str:
    return " ".join(f"{loss:.3f}" for loss in losses)
