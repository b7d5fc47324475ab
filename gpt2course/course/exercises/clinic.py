"""Checks for the failed-run clinic, float16 and NaN."""

from __future__ import annotations

import math

import torch

from gpt2course.config import GPT2Config
from gpt2course.course.exercises import NOTHING_YET, NotYet, checker
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
        if math.isclose(got, reported * steps, rel_tol=1e-6) and log_every > 1:
            raise NotYet(
                f"for {asked} you give the sum of the losses; the filter has made it "
                "larger than the first loss"
            )
        if (
            math.isclose(got, reported * steps / log_every, rel_tol=1e-6)
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


@checker("clinic-moved")
def moved(f) -> str:
    weights, steps = torch.tensor(
        [
            *((1.0, 1e-4), (0.5, 1e-5), (0.25, 1e-5), (0.125, 1e-6)),  # lost in float16
            *((0.3, 1e-5), (0.3, 0.0), (0.0, 1e-9)),
            (0.25013, 2e-5),  # lost, but across the middle of two numbers of float16
            *((2.0, 1e-2), (0.7, 1e-3), (0.6, 1e-3), (0.01, 1e-4)),  # not lost
        ]
    ).unbind(1)

    def right(dtype: torch.dtype) -> float:
        w = weights.to(dtype)
        return (w - steps.to(dtype) != w).float().mean().item()

    half = torch.float16
    got = f(weights.clone(), steps.clone(), half)
    for wrong, why in (
        (
            steps.to(half) != 0,
            "a step that float16 can hold may still be too small for its weight: "
            "subtract, and see whether the weight differs",
        ),
        (
            weights - steps != weights,
            "this is computed in float32: turn both tensors to dtype before you "
            "subtract",
        ),
        (
            (weights - steps).to(half) != weights,
            "a weight that is only rounded to float16 has not moved: compare with the "
            "weight in dtype",
        ),
        (
            (weights - steps).to(half) != weights.to(half),
            "you subtract in float32 and round the result: turn both tensors to dtype "
            "before you subtract",
        ),
    ):
        if math.isclose(got, wrong.float().mean().item(), abs_tol=1e-5):
            raise NotYet(why)
    if math.isclose(got, 1 - right(half), abs_tol=1e-5):
        raise NotYet("this is the fraction of weights that stay as they are")
    if math.isclose(got, len(weights) * right(half), abs_tol=1e-5):
        raise NotYet("this is their number; divide by the number of all weights")
    if not math.isclose(got, right(half), abs_tol=1e-5):
        raise NotYet(
            f"of {len(weights)} weights in float16 {right(half):.4f} move; yours is "
            f"{got:.4f}"
        )
    got = f(weights.clone(), steps.clone(), torch.bfloat16)
    if not math.isclose(got, right(torch.bfloat16), abs_tol=1e-5):
        raise NotYet(
            f"right in float16; in bfloat16 it is {right(torch.bfloat16):.4f}, and "
            f"yours {got:.4f}: is dtype used?"
        )
    return (
        "bfloat16 has a longer range and wider gaps: one more reason to keep the "
        "weights in float32."
    )


@checker("clinic-guard")
def guard(f) -> str:
    def made() -> tuple[torch.nn.ParameterDict, torch.optim.Optimizer]:
        model = torch.nn.ParameterDict(
            {
                "sound": torch.ones(1),  # its gradient is 1, whatever the loss
                "weight": torch.tensor([1.0, 2.0, 0.0]),
                "unused": torch.ones(2),
            }
        )
        return model, torch.optim.SGD(model.parameters(), lr=0.5)

    def sound(weight: torch.Tensor) -> torch.Tensor:
        return (weight * torch.tensor([2.0, 4.0, 6.0])).sum()

    def same_place(weight: torch.Tensor) -> torch.Tensor:
        return (weight - weight.detach()).square().sum().sqrt()

    cases = (
        ("a loss that is NaN", lambda weight: sound(weight) * math.nan, ""),
        (
            "a loss of 0, a root, whose gradients are NaN",
            same_place,
            ": a finite loss can have gradients that are not",
        ),
        (
            "a loss of 0, a root, with one infinite gradient",
            lambda weight: weight[2].sqrt(),
            ": infinity is not finite either",
        ),
        (
            "an infinite loss with finite gradients",
            lambda weight: sound(weight) + math.inf,
            ": look at the loss, too",
        ),
    )
    model, optimizer = made()
    start = model["weight"].detach().clone()
    got = f(model, optimizer, sound(model["weight"]) + (model["sound"] - 1).sum())
    if got is None:
        raise NotYet(NOTHING_YET)
    if not isinstance(got, bool):
        raise NotYet(f"the result must be True or False; yours is {got!r}")
    if torch.equal(model["weight"].detach(), start) or not got:
        raise NotYet(
            "loss and gradients are finite, so the optimizer has to step, and the "
            f"result is True; yours is {got}, and the weights "
            f"{'stayed' if torch.equal(model['weight'].detach(), start) else 'moved'}"
        )
    if not torch.allclose(model["weight"], start - torch.tensor([1.0, 2.0, 3.0])):
        raise NotYet(
            "one step was asked for; the weights moved as if it were another one"
        )
    if not _cleared(model):
        raise NotYet("the gradients are still there after a step: clear them")
    for what, loss_of, why in cases:
        model, optimizer = made()
        loss = loss_of(model["weight"]) + (model["sound"] - 1).sum()
        got = f(model, optimizer, loss)
        if not torch.equal(model["weight"].detach(), start):
            raise NotYet(
                f"{what}: the weights became {model['weight'].tolist()}{why}; look "
                "before the step"
            )
        if got:
            raise NotYet(f"{what}: nothing was done, so the result is False")
        if not _cleared(model):
            raise NotYet(
                f"{what}: these gradients are still there, and the next ones would be "
                "added to them: clear them, too"
            )
    return (
        "One bad batch costs one step now, not the run. A gradient scaler for float16 "
        "skips steps in the same way."
    )


def _cleared(model: torch.nn.Module) -> bool:
    return all(p.grad is None or not p.grad.any() for p in model.parameters())
