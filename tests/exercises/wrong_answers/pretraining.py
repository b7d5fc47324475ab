"""Wrong answers to the exercises of the page on pretraining, and what each is told."""

from __future__ import annotations

import copy
import math
import random

import torch
import torch.nn.functional as F

from gpt2course.data import rows_at
from gpt2course.training import learning_rate_at


def warm_up_from_zero(step, peak, warmup, total):
    return peak * step / warmup if step < warmup else peak


def cosine_from_zero(step, peak, warmup, total):
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * step / (total - 1)))


def never_zero(step, peak, warmup, total):
    return learning_rate_at(step, peak=peak, warmup_steps=warmup, total_steps=total + 1)


def one_as_peak(step, peak, warmup, total):
    if step < warmup:
        return peak * (step + 1) / warmup
    return 1 + math.cos(math.pi * (step - warmup) / (total - 1 - warmup))


def from_the_step_before(step, peak, warmup, total):
    if step < warmup:
        return peak * (step + 1) / warmup
    done = (step - (warmup - 1)) / (total - 1 - (warmup - 1))
    return peak * 0.5 * (1 + math.cos(math.pi * done))


def copied(stream, rows, length):
    x = stream[: rows * length].view(rows, length)
    return x, x


def overlapping(stream, rows, length):
    windows = stream.unfold(0, length, 1)
    return windows[:rows], windows[1 : rows + 1]


def trained(
    read=slice(0, -1),
    predict=slice(1, None),
    cut=slice(None),
    rate_at=lambda rates, step: rates[step],
    batch_of=lambda step: step,
    step_every=1,
    zero=True,
    reduction="mean",
    anew=False,
    optimizer_class=torch.optim.AdamW,
    again=False,
    steps=None,
):
    """A training loop with one mistake."""

    def run(model, stream, rates, n_rows, length):
        losses = []
        for step in range(len(rates) if steps is None else steps):
            if anew or step == 0:
                optimizer = optimizer_class(model.parameters())
            for group in optimizer.param_groups:
                group["lr"] = rate_at(rates, step)
            rows = rows_at(stream, batch_of(step), n_rows, length)

            def loss_now(rows=rows):
                logits, targets = model(rows[:, read])[:, cut], rows[:, predict]
                return F.cross_entropy(
                    logits.flatten(0, 1), targets.flatten(), reduction=reduction
                )

            loss = loss_now()
            loss.backward()
            if step < len(rates) * step_every:
                optimizer.step()
            if zero:
                optimizer.zero_grad()
            losses.append(loss_now().item() if again else loss.item())
        return losses

    return run


def each_token(model, stream, rates, n_rows, length):
    rows = rows_at(stream, 0, n_rows, length)
    logits, targets = model(rows[:, :-1]), rows[:, 1:]
    loss = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    return [loss for _ in rates]


def on_a_copy(model, *run):
    return trained()(copy.deepcopy(model), *run)


WRONG = {
    "pretraining-bits": [
        (lambda loss, tokens, chars: loss * tokens / chars, "nats per character"),
        (
            lambda loss, tokens, chars: loss * tokens * math.log(2) / chars,
            "divide by ln 2",
        ),
        (lambda loss, tokens, chars: loss / math.log(2), "bits per token"),
    ],
    "pretraining-schedule": [
        (warm_up_from_zero, "the first step does nothing"),
        (cosine_from_zero, "your half cosine begins at step 0"),
        (never_zero, "at step 60 of 110"),
        (one_as_peak, "at step 10 of 110"),
        (from_the_step_before, "your cosine begins at step warmup - 1"),
    ],
    "pretraining-rows": [
        (copied, "the model could just copy"),
        (overlapping, "your rows begin one token apart"),
    ],
    "pretraining-split": [
        (lambda text: random.random() < 0.1, "decide by the text alone"),
        (lambda text: hash(text) % 10 == 0, "differs from run to run"),
        (lambda text: hash(text) % 100 < 10, "differs from run to run"),
        (lambda text: text[-1] == "0", "you hold out 0.0 %"),
    ],
    "pretraining-loop": [
        (trained(predict=slice(0, -1)), "the targets are the inputs"),
        (trained(predict=slice(2, None), cut=slice(0, -1)), "two tokens ahead"),
        (trained(reduction="sum"), "this is the sum of the losses"),
        (trained(again=True), "the first loss is already lower"),
        (trained(step_every=0), "optimizer.step()?"),
        (trained(batch_of=lambda step: 0), "every step reads the same rows"),
        (trained(zero=False), "old gradients are added to the new"),
        (trained(rate_at=lambda rates, step: rates[0]), "the first learning rate"),
        (trained(anew=True), "each step makes a new optimizer"),
        (trained(steps=5), "yours are 5"),
        (trained(rate_at=lambda rates, step: rates[-1]), "they differ from step 1 on"),
        (trained(step_every=5 / 6), "is the last step taken"),
        (on_a_copy, "in the model that was given"),
        (each_token, "a loss is one number"),
        (trained(optimizer_class=torch.optim.Adam), "the weights do not decay"),
    ],
}
