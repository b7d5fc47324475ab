"""Wrong answers to the exercises of the failed-run clinic, and what each is told."""

from __future__ import annotations

import math


def last_sound(log):
    return next(
        (step for step, loss in enumerate(log) if not math.isfinite(loss)), None
    )


def only_nan(log):
    return next(
        (step for step, loss in enumerate(log, start=1) if math.isnan(loss)), None
    )


def stepping(is_sound, look_after=False, clears="always", twice=False, gives=None):
    """A guarded step that looks at too little, or at the wrong time."""

    def step(model, optimizer, loss):
        loss.backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        sound = is_sound(loss, gradients)
        if sound or look_after:
            optimizer.step()
        if sound and twice:
            optimizer.step()
        if clears == "always" or (clears == "after a step" and sound):
            optimizer.zero_grad()
        return sound if gives is None else gives

    return step


def everything(loss, gradients):
    return bool(loss.isfinite()) and all(bool(g.isfinite().all()) for g in gradients)


def no_nan(loss, gradients):
    return not any(bool(t.isnan().any()) for t in (loss, *gradients))


def every_gradient(model, optimizer, loss):
    loss.backward()
    return all(p.grad.isfinite().all() for p in model.parameters())


WRONG = {
    "clinic-death": [
        (last_sound, "the last sound step"),
        (only_nan, "is infinite, which is not finite either"),
        (lambda log: None, "it should be 2; yours is None"),
    ],
    "clinic-nonfinite": [
        (lambda model: "wte.weight", "all weights of this model are sound"),
        (lambda model: None, "yours finds nothing"),
        (
            lambda model: next(
                (n for n, p in model.named_parameters() if p.isnan().any()), None
            ),
            "the first parameter with a number that is not finite is",
        ),
    ],
    "clinic-filter": [
        (lambda loss, steps, every: loss * steps, "you give the sum"),
        (
            lambda loss, steps, every: loss * steps / every,
            "as if each NaN were replaced by the first",
        ),
        (lambda loss, steps, every: loss, "the first loss was"),
    ],
    "clinic-moved": [
        (
            lambda w, s, dtype: (s.to(dtype) != 0).float().mean(),
            "too small for its weight",
        ),
        (lambda w, s, dtype: (w - s != w).float().mean(), "computed in float32"),
        (
            lambda w, s, dtype: ((w - s).to(dtype) != w).float().mean(),
            "only rounded to float16",
        ),
        (
            lambda w, s, dtype: (
                (w.to(dtype) - s.to(dtype) == w.to(dtype)).float().mean()
            ),
            "that stay as they are",
        ),
        (
            lambda w, s, dtype: (w.to(dtype) - s.to(dtype) != w.to(dtype)).sum(),
            "this is their number",
        ),
        (
            lambda w, s, dtype: (w.half() - s.half() != w.half()).float().mean(),
            "is dtype used?",
        ),
        (lambda w, s, dtype: 0.5, "yours is 0.5"),
        (
            lambda w, s, dtype: ((w - s).to(dtype) != w.to(dtype)).float().mean(),
            "round the result",
        ),
    ],
    "clinic-guard": [
        (stepping(lambda loss, _: True), "a loss that is NaN"),
        (stepping(lambda loss, _: bool(loss.isfinite())), "a finite loss can have"),
        (stepping(no_nan), "infinity is not finite either"),
        (stepping(everything, look_after=True), "look before the step"),
        (
            stepping(everything, clears="after a step"),
            "these gradients are still there",
        ),
        (stepping(everything, clears="never"), "the gradients are still there after"),
        (stepping(everything, twice=True), "one step was asked for"),
        (stepping(everything, gives=True), "so the result is False"),
        (stepping(lambda *_: False), "the optimizer has to step"),
        (stepping(everything, gives="yes"), "must be True or False"),
        (every_gradient, "your code raised AttributeError: 'NoneType'"),
        (
            stepping(lambda _, gradients: everything(gradients[0], gradients)),
            "look at the loss, too",
        ),
        (
            stepping(lambda loss, g: any(bool(t.isfinite().all()) for t in (loss, *g))),
            "a loss that is NaN",
        ),
    ],
}
