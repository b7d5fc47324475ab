"""Checks for the chapter on attention."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from gpt2course.course.exercises import NotYet, checker
from gpt2course.model import attention, causal_mask, reference_attention


@checker("attention-mask", tensors=True, without=(causal_mask,))
def mask(f) -> str:
    for T, S in ((4, 4), (1, 5), (2, 6)):
        got, right = f(T, S), causal_mask(T, S)
        if got is None:
            raise NotYet(
                "your function returns nothing yet; put your own code in place of the "
                "dots"
            )
        if not isinstance(got, torch.Tensor) or got.shape != right.shape:
            shape = tuple(getattr(got, "shape", ()))
            raise NotYet(
                f"for T={T}, S={S} the shape must be ({T}, {S}); yours is {shape}"
            )
        if got.dtype != torch.bool:
            raise NotYet(f"the mask must hold booleans; yours holds {got.dtype}")
        if torch.equal(got, ~right):
            raise NotYet(
                "True and False are swapped: True means that looking is allowed"
            )
        if not got.any(dim=-1).all():
            raise NotYet(
                f"for T={T}, S={S} some token may look at nothing; each may look at "
                "itself at least"
            )
        if T == S and torch.equal(got, right.tril(-1)):
            raise NotYet(
                "a token may look at itself too: the diagonal belongs to the mask"
            )
        if T != S and torch.equal(got, torch.ones(T, S, dtype=torch.bool).tril()):
            raise NotYet(
                f"for T={T}, S={S} the queries are the last {T} tokens, so query 0 "
                f"stands at position {S - T}"
            )
        if not torch.equal(got, right):
            raise NotYet(
                f"for T={T}, S={S} it should be\n{right.int()}\nyours is\n{got.int()}"
            )
    return (
        "The diagonal starts at S - T, so the mask also works after a part was read "
        "before."
    )


@checker(
    "attention-softmax",
    tensors=True,
    without=(torch.softmax, F.softmax, torch.log_softmax, F.log_softmax),
)
def softmax(f) -> str:
    torch.manual_seed(0)
    scores = torch.randn(2, 3, 5)
    got = f(scores)
    if got.shape != scores.shape:
        raise NotYet(
            f"the shape must stay {tuple(scores.shape)}; yours is {tuple(got.shape)}"
        )
    if not torch.allclose(got.sum(-1), torch.ones(2, 3), atol=1e-5):
        raise NotYet(
            "the weights of each row (last dimension) must add up to 1; did you sum "
            "over another dimension?"
        )
    if not torch.allclose(got, scores.softmax(-1), atol=1e-5):
        raise NotYet(
            "rows add up to 1, but the weights are not proportional to exp(score)"
        )
    large = f(torch.tensor([[1000.0, 999.0, -1000.0]]))
    if not torch.isfinite(large).all():
        raise NotYet(
            "for scores near 1000 the result is not finite: subtract the largest score "
            "of the row first"
        )
    masked = f(torch.tensor([[0.0, float("-inf")]]))
    if not torch.allclose(masked, torch.tensor([[1.0, 0.0]])):
        raise NotYet("a score of -inf must get the weight 0")
    return (
        "Subtracting the maximum changes nothing in the result, and everything in the "
        "arithmetic."
    )


@checker(
    "attention-formula",
    tensors=True,
    without=(attention, reference_attention, F.scaled_dot_product_attention),
)
def formula(f) -> str:
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 3, 5, 4) for _ in range(3))
    got, right = f(q, k, v), attention(q, k, v)
    if got.shape != right.shape:
        raise NotYet(
            f"the shape must be {tuple(right.shape)}; yours is {tuple(got.shape)}"
        )
    unmasked = (q @ k.transpose(-2, -1) / 2).softmax(-1) @ v
    unscaled = (q @ k.transpose(-2, -1)).masked_fill(
        ~causal_mask(5), float("-inf")
    ).softmax(-1) @ v
    if torch.allclose(got, unscaled, atol=1e-5):
        raise NotYet(
            "your mask is right, but the scores are not divided by the square root of D"
        )
    if torch.allclose(got, unmasked, atol=1e-5):
        raise NotYet(
            "your scaling is right, but tokens look into the future: mask the scores "
            "before the softmax"
        )
    if (
        not torch.allclose(got.sum(-2)[..., 0], right.sum(-2)[..., 0], atol=1e-5)
        and not torch.isfinite(got).all()
    ):
        raise NotYet(
            "the result is not finite: a row of the mask may forbid everything"
        )
    if not torch.allclose(got, right, atol=1e-5):
        raise NotYet(
            "the shape is right and the numbers are not; compare scores, mask, "
            "softmax, mix one by one"
        )
    return "The same numbers as the fused kernel, from four lines."


@checker("attention-heads", tensors=True)
def heads(functions) -> str:
    split, join = functions
    x = torch.arange(2 * 3 * 8).view(2, 3, 8)
    got, right = split(x, 4), x.view(2, 3, 4, 2).transpose(1, 2)
    if got is None:
        raise NotYet("split returns nothing yet")
    if got.shape != right.shape:
        raise NotYet(
            "split must turn (2, 3, 8) into (2, 4, 3, 2) for four heads; yours gives "
            f"{tuple(got.shape)}"
        )
    if torch.equal(got, x.view(2, 4, 3, 2)):
        raise NotYet(
            "a bare view to (B, H, T, D) mixes tokens and heads: cut first, then swap "
            "two dimensions"
        )
    if not torch.equal(got, right):
        raise NotYet("head 0 of token 0 should hold the first two numbers of token 0")
    back = join(right)
    if back is None or back.shape != x.shape or not torch.equal(back, x):
        raise NotYet(
            "join must undo split exactly: swap the dimensions back, then flatten the "
            "last two"
        )
    try:
        join(right.contiguous())
    except RuntimeError:
        raise NotYet(
            "join fails on heads that attention has just computed, which lie one after "
            "another in memory: after the swap, flatten(2) or reshape instead of view"
        ) from None
    return "What one head sees of a token lies together, and join undoes split."


@checker("attention-causal")
def causal(is_causal) -> str:
    torch.manual_seed(0)

    def honest(x):
        return x.cumsum(1) / torch.arange(1, x.size(1) + 1)[:, None]

    def everything(x):
        return x + x.mean(1, keepdim=True)

    def one_ahead(x):
        return x + 0.01 * torch.roll(x, -1, dims=1)

    def far_ahead(x):
        return torch.cat([x[:, :1] + x[:, -1:], x[:, 1:]], dim=1)

    def in_the_middle(x):
        t, y = x.size(1) // 2, x.clone()
        y[:, t - 1] += x[:, t]
        return y

    if is_causal(honest) is not True:
        raise NotYet(
            "a running mean of the past is causal; you say that it is not (or did not "
            "return True)"
        )
    for f, what in (
        (everything, "a mean over all tokens to each token"),
        (one_ahead, "a hundredth of the next token to each token"),
        (far_ahead, "the last token to the first"),
        (in_the_middle, "one token in the middle to the one before it"),
    ):
        if is_causal(f) is not False:
            raise NotYet(f"a function that adds {what} looks ahead; you did not notice")
    return "It is the test that this course's own model has to pass."
