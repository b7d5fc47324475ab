"""Checks for the chapter on large models on small machines."""

from __future__ import annotations

import math

import torch

from gpt2course.course.exercises import NotYet, checker


@checker("large-states")
def states(f) -> str:
    full, short = float(f(1000, 32)), float(f(1000, 8))
    if math.isclose(full, 12_000) and math.isclose(short, 9_000):
        raise NotYet("AdamW keeps two numbers per parameter, not one")
    if math.isclose(full, 12_000) and math.isclose(short, 6_000):
        raise NotYet("the gradients are missing: 4 bytes each")
    if math.isclose(full, 16_000) and math.isclose(short, 4_000):
        raise NotYet(
            "only the optimizer's numbers have so few bits; the rest is float32"
        )
    if math.isclose(full, 4 + 4 + 8) or math.isclose(full, 16 / 1000):
        raise NotYet("that is for one parameter; multiply by how many there are")
    if not math.isclose(full, 16_000):
        raise NotYet(
            f"1,000 parameters with 32 bits take 16,000 bytes, not {full:,.0f}"
        )
    if not math.isclose(short, 10_000):
        raise NotYet(
            f"1,000 parameters with 8 bits take 10,000 bytes, not {short:,.0f}"
        )
    if not math.isclose(tiny := float(f(1000, 4)), 9_000):
        raise NotYet(
            f"1,000 parameters with 4 bits take 9,000 bytes, not {tiny:,.0f}: half a "
            "byte counts"
        )
    return "8 bits save 6 of 16 bytes, and nothing of the activations."


@checker("large-kept")
def kept(f) -> str:
    B, T, C, L = 2, 5, 3, 7
    plain, saving = float(f(B, T, C, L, False)), float(f(B, T, C, L, True))
    if math.isclose(plain, 16 * B * T * C):
        raise NotYet("that is one block; every one of the L blocks keeps so much")
    if math.isclose(plain, 16 * B * T * T * C * L) or math.isclose(
        plain, L * B * T * (15 * C + T)
    ):
        raise NotYet("no term grows with T squared: the kernel is a fused one")
    if not math.isclose(plain, 16 * B * T * C * L):
        raise NotYet(
            f"with B = 2, T = 5, C = 3, L = 7 it is {16 * B * T * C * L:,}; "
            f"yours is {plain:,.0f}"
        )
    if math.isclose(saving, 16 * B * T * C):
        raise NotYet(
            "that is what one block needs when it is computed again; after the forward "
            "pass each of the L blocks has kept its input"
        )
    if math.isclose(saving, plain):
        raise NotYet("with checkpointing a block keeps its input alone")
    if not math.isclose(saving, B * T * C * L):
        raise NotYet(
            f"with checkpointing it is {B * T * C * L:,}; yours is {saving:,.0f}"
        )
    return "A sixteenth. One block at a time comes on top while it is computed again."


@checker("large-lora")
def lora(f) -> str:
    got = float(f(12, 768, 8))
    if math.isclose(got, 12 * 2 * 768 * 8):
        raise NotYet("c_attn writes 3 C numbers, so B is (r, 3 C)")
    if math.isclose(got, 4 * 768 * 8):
        raise NotYet("that is one block; each has its own two factors")
    if math.isclose(got, 12 * 3 * 768 * 768) or got > 12 * 3 * 768 * 768:
        raise NotYet("the matrix itself is frozen; only A and B are trained")
    if math.isclose(got, 12 * 3 * 768 * 8):
        raise NotYet("that is B alone; A is trained too")
    if not math.isclose(got, 294_912):
        raise NotYet(f"for gpt2 and rank 8 it is 294,912; yours is {got:,.0f}")
    if not math.isclose(float(f(48, 1600, 8)), 2_457_600):
        raise NotYet("right for gpt2; for gpt2-xl it should be 2,457,600")
    if not math.isclose(got := float(f(2, 10, 3)), 240):
        raise NotYet(f"2 layers of width 10 with rank 3 have 240; yours is {got:,.0f}")
    return "Not a fifth of a percent of gpt2-xl."


@checker("large-merge", tensors=True)
def merge(f) -> str:
    C, r, alpha = 6, 2, 8.0
    weight, A, B = torch.randn(C, 3 * C), torch.randn(C, r), torch.randn(r, 3 * C)
    given = [t.clone() for t in (weight, A, B)]
    got = f(*given, alpha)
    if not torch.equal(given[0], weight):
        raise NotYet("the frozen weight was changed; return a new matrix")
    if not (torch.equal(given[1], A) and torch.equal(given[2], B)):
        raise NotYet("a factor was changed; a second merge would give another matrix")
    if got.shape != weight.shape:
        raise NotYet(
            f"the merged matrix is (C, 3 C), here (6, 18); yours is {tuple(got.shape)}"
        )
    close = {"atol": 1e-4, "rtol": 1e-4}
    if torch.allclose(got, weight + A @ B, **close):
        raise NotYet("the factors count alpha / r times")
    if torch.allclose(got, weight + alpha * A @ B, **close):
        raise NotYet("the factor is alpha / r; you left the rank out")
    if torch.allclose(got, alpha / r * A @ B, **close):
        raise NotYet("that is what LoRA adds; the weight itself is missing")
    if not torch.allclose(got, weight + alpha / r * A @ B, **close):
        raise NotYet("x @ merged should be x @ weight + alpha / r * x @ A @ B")
    return "After that the model has no trace of LoRA, and is as fast as before."


@checker("large-batch")
def batch(f) -> str:
    got = float(f(100, 40, 25))
    if got == 4:
        raise NotYet("of 100 bytes 40 are taken already")
    if got in (2.4, 3):
        raise NotYet("2.4 rows would fit, so 2 whole ones")
    if got != 2:
        raise NotYet(f"of 100 bytes, 40 fixed, 25 per row: 2 rows; yours is {got:g}")
    if (exact := float(f(100, 40, 20))) != 3:
        raise NotYet(f"3 rows of 20 fill the 60 exactly, and fit; yours is {exact:g}")
    if (most := float(f(100, 40, 35))) != 1:
        raise NotYet(
            f"of 60 bytes 1.7 rows of 35 fit, so 1 whole one; yours is {most:g}"
        )
    if (none := float(f(100, 130, 25))) != 0:
        raise NotYet(f"when fixed alone is too much, it is 0 rows; yours is {none:g}")
    return "A larger batch than that needs gradient accumulation."


@checker("large-shards")
def shards(f) -> str:
    given = (4.0, 4.0, 8.0, 10.0)
    ddp, fsdp = float(f(*given, 4, False)), float(f(*given, 4, True))
    if math.isclose(ddp, 26 / 4) or math.isclose(ddp, 14):
        raise NotYet("DDP divides nothing: each GPU has the whole model")
    if not math.isclose(ddp, 26):
        raise NotYet(f"with DDP each GPU has all four: 26; yours is {ddp:g}")
    if math.isclose(fsdp, 26 / 4):
        raise NotYet("activations belong to a GPU's own rows; they are not divided")
    if math.isclose(fsdp, 26):
        raise NotYet("with FSDP each GPU keeps 1/n of weights, gradients and states")
    if math.isclose(fsdp, 4 + 4 + 8 / 4 + 10) or math.isclose(fsdp, 4 + 12 / 4 + 10):
        raise NotYet("all three are divided: weights, gradients and states")
    if not math.isclose(fsdp, 14):
        raise NotYet(f"with FSDP on 4 GPUs it is 16 / 4 + 10 = 14; yours is {fsdp:g}")
    if not math.isclose(got := float(f(6.0, 5.0, 14.0, 10.0, 5, True)), 15):
        raise NotYet(
            "right for 4 GPUs; with 6 + 5 + 14 bytes of the model on 5 GPUs it is "
            f"25 / 5 + 10 = 15; yours is {got:g}"
        )
    return "With many GPUs, what is left is the activations."
