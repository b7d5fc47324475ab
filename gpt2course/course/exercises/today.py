"""Checks for the page on what changed after GPT-2."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from gpt2course.course.exercises import NotYet, checker
from gpt2course.model import attention


def _same_shape(got: object, x: torch.Tensor) -> None:
    """Whether the answer returned a tensor of the shape of x."""
    if got is None:
        raise NotYet(
            "your function returns nothing yet; put your own code in place of the dots"
        )
    shape = tuple(getattr(got, "shape", ()))
    if shape != tuple(x.shape):
        raise NotYet(f"the shape must be {tuple(x.shape)}; yours is {shape}")


@checker(
    "today-rmsnorm",
    tensors=True,
    without=(F.rms_norm, torch.rms_norm, torch.nn.RMSNorm),
)
def rmsnorm(f) -> str:
    x, weight, eps = torch.randn(2, 5, 8) + 3, torch.randn(8), 1e-5
    got, right = f(x.clone(), weight, eps), F.rms_norm(x, (8,), weight, eps)
    _same_shape(got, x)
    if torch.allclose(got, F.layer_norm(x, (8,), weight, eps=eps), atol=1e-4):
        raise NotYet(
            "this is layer norm without a bias: RMSNorm does not subtract the mean"
        )
    if torch.allclose(got, F.rms_norm(x, (8,), None, eps), atol=1e-4):
        raise NotYet("the vectors are normalised, but not multiplied by weight")
    if torch.allclose(
        got, x * x.pow(2).sum(-1, keepdim=True).rsqrt() * weight, atol=1e-4
    ):
        raise NotYet(
            "you divide by the length of the vector, the root of the "
            "sum: take the mean of the squares"
        )
    if torch.allclose(
        got, x * x.pow(2).mean(dim=(-2, -1), keepdim=True).rsqrt() * weight, atol=1e-4
    ):
        raise NotYet(
            "each vector has its own mean square: take the mean over the "
            "last dimension only"
        )
    if not torch.allclose(got, right, atol=1e-5):
        raise NotYet(
            "the shape is right and the numbers are not; compare mean "
            "square, root and weight one by one"
        )
    small, eps = torch.full((1, 8), 1e-3), 1e-2
    if not torch.allclose(
        f(small.clone(), weight, eps), F.rms_norm(small, (8,), weight, eps), atol=1e-6
    ):
        raise NotYet(
            "for a small x the result is wrong: eps is added to the mean "
            "square, inside the root"
        )
    return "No mean to subtract, and no bias to learn."


def _rotated(
    x: torch.Tensor, positions: torch.Tensor, interleaved: bool = False
) -> torch.Tensor:
    """Rotary position embedding, with the halves as pairs, or with neighbours."""
    half = x.size(-1) // 2
    angle = positions[:, None] * 10_000.0 ** -(torch.arange(half) / half)
    a, b = (
        (x[..., ::2], x[..., 1::2]) if interleaved else (x[..., :half], x[..., half:])
    )
    turned = a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()
    return (
        torch.stack(turned, dim=-1).flatten(-2)
        if interleaved
        else torch.cat(turned, dim=-1)
    )


@checker("today-rotary", tensors=True)
def rotary(f) -> str:
    x, positions = torch.randn(2, 3, 5, 8), torch.tensor([0, 1, 5, 20, 21])
    got, right = f(x.clone(), positions), _rotated(x, positions)
    _same_shape(got, x)
    if torch.allclose(got, right, atol=1e-4):
        return "Position 0 is left alone, and every other vector keeps its length."
    if not torch.allclose(got.norm(dim=-1), x.norm(dim=-1), atol=1e-4):
        raise NotYet(
            "a rotation keeps the length of a vector; yours changes it. "
            "Look at the signs of the two sines"
        )
    if torch.allclose(got, _rotated(x, -positions), atol=1e-4):
        raise NotYet(
            "you rotate the other way round: a cos - b sin comes first, "
            "then a sin + b cos"
        )
    if torch.allclose(got, _rotated(x, positions, interleaved=True), atol=1e-4):
        raise NotYet(
            "you pair neighbours, as the paper does; here number i goes "
            "with number i + D / 2"
        )
    if torch.allclose(got, _rotated(x, torch.arange(5)), atol=1e-4):
        raise NotYet(
            "you count positions from 0; use those that are given, which "
            "may start anywhere"
        )
    raise NotYet(
        "lengths are kept, but the angles are wrong: pair i turns by "
        "position * 10000 ** (-i / (D / 2))"
    )


@checker("today-groups", tensors=True)
def groups(f) -> str:
    q = torch.randn(2, 6, 5, 4)
    k, v = torch.randn(2, 2, 2, 5, 4).unbind(0)
    right = attention(q, k.repeat_interleave(3, dim=1), v.repeat_interleave(3, dim=1))
    got = f(q.clone(), k.clone(), v.clone())
    _same_shape(got, q)
    if torch.allclose(
        got, attention(q, k.repeat(1, 3, 1, 1), v.repeat(1, 3, 1, 1)), atol=1e-5
    ):
        raise NotYet(
            "heads 0, 1, 0, 1, 0, 1 of the keys: neighbours should "
            "share, so 0, 0, 0, 1, 1, 1"
        )
    k_3, v_3 = k.repeat_interleave(3, dim=1), v.repeat_interleave(3, dim=1)
    if torch.allclose(got, F.scaled_dot_product_attention(q, k_3, v_3), atol=1e-5):
        raise NotYet(
            "the heads are shared well, but tokens look ahead: attention must be causal"
        )
    if not torch.allclose(got, right, atol=1e-5):
        raise NotYet(
            "for 6 query heads and 2 heads of keys, the first three "
            "query heads should use keys 0"
        )
    one = f(q.clone(), k[:, :1].clone(), v[:, :1].clone())
    if not torch.allclose(
        one, attention(q, k[:, :1].expand(q.shape), v[:, :1].expand(q.shape)), atol=1e-5
    ):
        raise NotYet(
            "with a single head of keys and values, all six query heads should use it"
        )
    return "A third of the cache here, and with one head for all a sixth."


@checker("today-swiglu")
def swiglu(f) -> str:
    for C, multiple_of, right in (
        (4096, 256, 11008),
        (768, 256, 2048),
        (768, 100, 2100),
        (6, 1, 16),
        (8, 64, 64),
        (4, 2, 10),
    ):
        got = f(C, multiple_of)
        if got is None:
            raise NotYet(
                "your function returns nothing yet; put your own code in "
                "place of the dots"
            )
        if got == right and not isinstance(got, int):
            raise NotYet(f"a size is a whole number: {right}, not {got!r}")
        if got == right:
            continue
        what = f"for C={C} and multiples of {multiple_of}"
        if got == 8 * C // 3:
            raise NotYet(
                f"{what}, {got} has as many parameters, but it is not a "
                f"multiple of {multiple_of}"
            )
        if got == 8 * C // 3 // multiple_of * multiple_of:
            raise NotYet(
                f"{what}, you round down to {got}; round up, so that no "
                "parameter is lost"
            )
        if got == -(-8 * C // (3 * multiple_of)) * multiple_of:
            raise NotYet(
                f"{what} it should be {right}; yours is {got}: round {8 * C}/3 down to "
                "a whole number first"
            )
        if got == -(-4 * C // multiple_of) * multiple_of:
            raise NotYet(
                f"{what}, {got} comes from 4C: three matrices need two thirds of that"
            )
        raise NotYet(f"{what} it should be {right}; yours is {got}")
    return "11,008 is indeed the hidden size of LLaMA 7B, whose width is 4,096."


@checker("today-experts", tensors=True)
def experts(f) -> str:
    logits = torch.tensor(
        [[2.0, 0.0, 1.0, -1.0], [0.0, -3.0, 0.5, 3.0], [-5.0, -2.0, -4.0, -3.0]]
    )
    got = f(logits.clone(), 2)
    _same_shape(got, logits)
    top, chosen = logits.topk(2, dim=-1)
    right = torch.zeros_like(logits).scatter(-1, chosen, top.softmax(-1))
    probabilities = logits.softmax(-1)
    if torch.allclose(got, probabilities, atol=1e-5):
        raise NotYet(
            "every expert has a weight: all but the best two of each token must be 0"
        )
    if torch.allclose(got, torch.where(right > 0, probabilities, 0.0), atol=1e-5):
        raise NotYet(
            "your weights do not add up to 1: choose the experts first, "
            "then take the softmax of their logits"
        )
    if torch.allclose(got, torch.where(right > 0, logits, 0.0), atol=1e-5):
        raise NotYet(
            "these are logits still; take the softmax of those that were chosen"
        )
    if not torch.allclose(got, right, atol=1e-5):
        raise NotYet(
            f"for logits\n{logits}\nand k=2 it should be\n{right}\nyours is\n{got}"
        )
    if not torch.allclose(
        f(logits.clone(), 1), F.one_hot(logits.argmax(-1), 4).float()
    ):
        raise NotYet("with k=1 the best expert has the weight 1")
    return (
        "Negative logits are no obstacle: only their order and their differences count."
    )
