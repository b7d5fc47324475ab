"""Checks for the chapter on a run that can be trusted."""

from __future__ import annotations

import math
import os
import sys
import tempfile
from pathlib import Path

import torch

from gpt2course.config import GPT2Config
from gpt2course.course.exercises import NotYet, checker
from gpt2course.data import epoch_seed
from gpt2course.files import write_bytes, write_text
from gpt2course.model import GPT2
from gpt2course.training import parameter_groups, rows_of_step


@checker("training-steps")
def steps(f) -> str:
    cases = (
        (160, 4, 1, 1, 1, 40),
        (160, 4, 2, 1, 1, 20),
        (160, 4, 2, 4, 1, 5),
        (160, 4, 2, 4, 3, 15),
    )
    for *arguments, right in (
        *cases,
        (100, 4, 2, 1, 1, 13),
        (10, 4, 1, 1, 2, 5),
        (10, 4, 1, 1, 0.5, 2),
    ):
        got = f(*arguments)
        n_rows, rows_at_once, accumulate, processes, epochs = arguments
        asked = (
            f"{n_rows} rows, {rows_at_once} per device, accumulated {accumulate} times "
            "in "
            f"{processes} process(es), "
            f"{epochs} epoch(s)"
        )
        if got == right:
            continue
        if accumulate > 1 and got == math.ceil(
            n_rows * epochs / (rows_at_once * processes)
        ):
            raise NotYet(
                f"for {asked} yours is {got}: you count pieces; the optimizer steps "
                f"once in {accumulate}"
            )
        if processes > 1 and got == math.ceil(
            n_rows * epochs / (rows_at_once * accumulate)
        ):
            raise NotYet(
                f"for {asked} yours is {got}: the processes share the rows, and step "
                "together"
            )
        if got == math.ceil(n_rows / (rows_at_once * accumulate * processes)) * epochs:
            raise NotYet(
                f"for {asked} yours is {got}: epochs follow without a gap, so round up "
                "once, at the very end"
            )
        if got == right - 1:
            raise NotYet(
                f"for {asked} yours is {got}: the last step counts, even if fewer rows "
                "are left for it"
            )
        raise NotYet(f"for {asked} it is {right}; yours is {got}")
    return (
        "Warm-up and cosine are laid over this number, not over the number of pieces."
    )


@checker("training-groups", without=(parameter_groups,))
def groups(f) -> str:
    model = GPT2(
        GPT2Config(vocab_size=11, n_positions=4, n_embd=8, n_layer=2, n_head=2)
    )
    got = f(model, 0.1)
    if (
        not isinstance(got, list)
        or len(got) != 2
        or not all(isinstance(group, dict) for group in got)
    ):
        raise NotYet(
            "give a list of two dicts, each with the keys 'params' and 'weight_decay'"
        )
    if missing := [
        key for group in got for key in ("params", "weight_decay") if key not in group
    ]:
        raise NotYet(
            f"a group has no {missing[0]!r}; without it AdamW takes its own decay, "
            "0.01, or has nothing to do"
        )
    names = {id(p): name for name, p in model.named_parameters()}
    for number, (mine, right) in enumerate(
        zip(got, parameter_groups(model, 0.1), strict=True)
    ):
        if mine["weight_decay"] != right["weight_decay"]:
            raise NotYet(
                f"the weight_decay of group {number} should be "
                f"{right['weight_decay']}; it is {mine['weight_decay']}"
            )
        given, wanted = [
            [id(p) for p in params]
            for params in (list(mine["params"]), right["params"])
        ]
        for p in wanted:
            if p not in given:
                raise NotYet(f"{names[p]} belongs in group {number}, and is not there")
        for p in given:
            if p not in wanted:
                raise NotYet(
                    f"{names.get(p, 'something')} does not belong in group {number}"
                )
        if len(given) != len(wanted):
            raise NotYet(f"group {number} holds a parameter twice")
    torch.optim.AdamW(got)
    if (other := f(model, 0.3)[0]["weight_decay"]) != 0.3:
        raise NotYet(f"asked for a weight_decay of 0.3, the first group has {other}")
    return "Norms and biases keep the size that the gradient gives them."


@checker("training-clip")
def clip(f) -> str:
    given = [torch.tensor([2.0, 1.0]), torch.tensor([[2.0]])]  # a norm of 3 together
    passed = [g.clone() for g in given]
    got = [torch.as_tensor(g) for g in f(passed, 1.0)]
    if [g.shape for g in got] != [g.shape for g in given]:
        raise NotYet("give a list of tensors with the shapes of the gradients")
    if torch.allclose(got[0], given[0] / given[0].norm()):
        raise NotYet(
            "you clip each tensor by its own norm: their sizes relative to each other "
            "change"
        )
    if torch.equal(got[0], given[0].clamp(-1, 1)):
        raise NotYet(
            "you clamp each number; that changes the direction of the gradient"
        )
    for mine, g in zip(got, given, strict=True):
        if not torch.allclose(mine, g / 3, atol=1e-5):
            raise NotYet(
                f"norm 3, limit 1: each number should be a third, {(g / 3).tolist()}; "
                f"yours is {mine.tolist()}"
            )
    looser = [torch.as_tensor(g) for g in f([g.clone() for g in given], 2.0)]
    if not torch.allclose(looser[0], given[0] * 2 / 3, atol=1e-5):
        raise NotYet(
            "norm 3, limit 2: each number should be two thirds, "
            f"{(given[0] * 2 / 3).tolist()}; yours is {looser[0].tolist()}"
        )
    if not all(map(torch.equal, passed, given)):
        raise NotYet("the gradients that came in have changed: return new tensors")
    for limit in (1.0, 2.0):
        small = next(iter(f([torch.tensor([0.3, 0.4])], limit)))
        if not torch.allclose(torch.as_tensor(small), torch.tensor([0.3, 0.4])):
            raise NotYet(
                f"a gradient below the limit stays as it is; a norm of 0.5 with limit "
                f"{limit:g} was changed"
            )
    zero = torch.as_tensor(next(iter(f([torch.zeros(2)], 1.0))))
    if not torch.isfinite(zero).all():
        raise NotYet(
            "a gradient of zeros gives NaN: its norm is 0, do not divide by it"
        )
    return "torch.nn.utils.clip_grad_norm_ does the same in place."


@checker("training-atomic", without=(write_text, write_bytes))
def atomic(f) -> str:
    old, new = "old " * 5, "new " * 100_000  # more than any buffer holds
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        path.write_text(old, encoding="utf-8")
        seen: list[str] = []
        beside = False

        def pull_the_plug(*_: object) -> None:
            """Called around everything that happens: what would a reader find now?"""
            nonlocal beside
            beside = beside or os.listdir(folder) not in ([], [path.name])
            found = path.read_text(encoding="utf-8") if path.exists() else None
            if found not in (old, new) and not seen:
                seen.append(
                    "no file at all"
                    if found is None
                    else f"{len(found):,} of {len(new):,} characters"
                )

        before = sys.getprofile()
        sys.setprofile(pull_the_plug)
        try:
            f(new, path)
        finally:
            sys.setprofile(before)
        if seen:
            raise NotYet(
                f"pulled at the wrong moment, the plug leaves {seen[0]}; write beside "
                "it, close, then rename"
            )
        if path.read_text(encoding="utf-8") != new:
            raise NotYet(
                "afterwards the file still holds the old text; it should hold the new "
                "one"
            )
        if left := [other.name for other in Path(folder).iterdir() if other != path]:
            raise NotYet(
                f"the new text is there, and so is {left[0]!r}; rename it instead of "
                "copying"
            )
        if not beside:
            raise NotYet(
                "the new text was written in another folder, which may lie on another "
                "disk, where a rename becomes a copy: write it beside the file"
            )
        other = Path(folder) / "first"
        f(new, other)
        if not other.exists() or other.read_text(encoding="utf-8") != new:
            raise NotYet("where there is no file yet, there should be one afterwards")
    return "Against a power cut it also takes os.fsync: gpt2course/files.py has it."


@checker("training-resume", without=(rows_of_step,))
def resume(f) -> str:
    for n_rows, per_step, seed in ((6, 3, 1), (6, 4, 2), (5, 2, 3), (3, 7, 4)):
        epochs = 3 * per_step
        orders = [
            torch.randperm(
                n_rows, generator=torch.Generator().manual_seed(epoch_seed(seed, epoch))
            ).tolist()
            for epoch in range(epochs + per_step)
        ]
        for step in range(n_rows * epochs // per_step):
            right = rows_of_step(step, n_rows, per_step, seed).tolist()
            got = [
                int(row) for row in f(step, [list(order) for order in orders], per_step)
            ]
            if got == right:
                continue
            asked = (
                f"step {step} with {per_step} rows a step and the orders {orders[:3]}"
            )
            if len(got) < per_step:
                raise NotYet(
                    f"{asked}…: a step always has {per_step} rows, the rest from the "
                    f"next epoch; yours {got}"
                )
            if step and got == rows_of_step(step - 1, n_rows, per_step, seed).tolist():
                raise NotYet(
                    f"{asked}…: yours are the rows of the step before; steps count "
                    "from 0"
                )
            raise NotYet(f"{asked}… reads {right}; yours {got}")
    return "Nothing of it needs to be saved: it follows from the number of the step."
