"""Checks for the failed-run clinic, float16 and NaN."""

from __future__ import annotations

import math

from gpt2course.config import GPT2Config
from gpt2course.course.exercises import NotYet, checker
from gpt2course.model import GPT2


@checker("clinic-death")
def death(f) -> str:
    nan, inf = math.nan, math.inf
    cases = (
        ([3.1, nan, nan], 2),
        ([nan, 3.0], 1),
        ([3.1, 2.9, inf, nan], 3),
        ([3.0, -inf], 2),
        ([3.0, 2.0, 1.0], None),
    )
    for log, right in cases:
        got = f(list(log))
        if got == right and type(got) is type(right):
            continue
        if right is not None and got == right - 1:
            raise NotYet(
                f"for the log {log} you give {got}, which is the last sound step, or "
                f"counted from 0; want {right}"
            )
        if any(map(math.isinf, log)) and got in (None, 4):
            raise NotYet(
                f"in the log {log} step {right} is infinite, which is not finite "
                f"either; yours gives {got}"
            )
        raise NotYet(f"for the log {log} it should be {right}; yours is {got}")
    return "Stop there, and go back to the weights of the step before."


@checker("clinic-nonfinite")
def nonfinite(f) -> str:
    model = GPT2(
        GPT2Config(vocab_size=11, n_positions=4, n_embd=8, n_layer=2, n_head=2)
    )
    got = f(model)
    if got is not None:
        raise NotYet(
            "all weights of this model are sound, so the answer is None; yours is "
            f"{got!r}"
        )
    parameters = dict(model.named_parameters())
    names = list(parameters)
    for value, number in ((math.nan, -2), (math.inf, 5), (-math.inf, 1)):
        parameters[names[number]].data.view(-1)[-1] = value
        got = f(model)
        if got is None:
            raise NotYet(
                f"one number of {names[number]} is {value}, and yours finds nothing; "
                "look at every number"
            )
        if got != names[number]:
            raise NotYet(
                "the first parameter with a number that is not finite is "
                f"{names[number]}; yours is {got!r}"
            )
    return "Run it on the gradients as well (p.grad): they break one moment earlier."


def _trainer_reports(losses: list[float], log_every: int) -> float:
    """Trainer's training_loss with logging_nan_inf_filter on."""
    total = window = 0.0
    for step, loss in enumerate(losses):
        window += loss if math.isfinite(loss) else window / (1 + step % log_every)
        if (step + 1) % log_every == 0:
            total, window = total + window, 0.0
    return (total + window) / len(losses)


@checker("clinic-filter")
def filtered(f) -> str:
    for loss, steps, log_every in (
        (0.75, 4, 1),
        (0.5, 4, 2),
        (0.7, 100, 10),
        (1551 / 2048, 4689, 500),
        (2.5, 60, 60),
    ):
        reported = _trainer_reports([loss] + [math.nan] * (steps - 1), log_every)
        got = f(reported, steps, log_every)
        asked = f"{reported:.6f} after {steps} steps, a line every {log_every}"
        if math.isclose(got, reported * steps, rel_tol=1e-9) and log_every > 1:
            raise NotYet(
                f"for {asked} you give the sum of the losses; the filter has made it "
                "larger than the first loss"
            )
        if (
            math.isclose(got, reported * steps / log_every, rel_tol=1e-9)
            and log_every > 1
        ):
            raise NotYet(
                f"for {asked} you give {got:.4f}: as if each NaN were replaced by the "
                "first loss. It is the sum so "
                "far, divided by the number of the step, and the sum grows"
            )
        if not math.isclose(got, loss, rel_tol=1e-6):
            raise NotYet(
                f"for {asked} the first loss was {loss:.6f}; yours is {got:.6f}"
            )
    return "A finite number in a log can be made of nothing but its first step."
