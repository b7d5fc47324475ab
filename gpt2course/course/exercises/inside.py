"""Checks for the chapter that looks inside."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from gpt2course.course.exercises import NotYet, checker
from gpt2course.course.interpret import induction_scores, previous_token_scores


def _weights(heads: int, T: int) -> torch.Tensor:
    """Attention weights (heads, T, T) of random scores."""
    generator = torch.Generator().manual_seed(3)
    scores = torch.randn(heads, T, T, generator=generator)
    return scores.masked_fill(torch.ones(T, T).triu(1).bool(), -torch.inf).softmax(-1)


def _close(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a.double(), b.double(), atol=1e-5)


@checker("inside-previous", tensors=True, without=(previous_token_scores,))
def previous(f) -> str:
    weights = _weights(3, 6)
    got = f(weights.clone())
    diagonal = weights.diagonal(-1, dim1=-2, dim2=-1)
    if not isinstance(got, torch.Tensor) or got.shape != (3,):
        raise NotYet("return one number for each head, a tensor of shape (3,) here")
    if _close(got, weights.diagonal(dim1=-2, dim2=-1).mean(dim=-1)):
        raise NotYet(
            "that is the weight on the token itself; look one column to the left"
        )
    if _close(got, diagonal.sum(dim=-1) / 6):
        raise NotYet("divide by T - 1: the first token has none before it")
    if _close(got, weights.diagonal(1, dim1=-2, dim2=-1).mean(dim=-1)):
        raise NotYet("that is the token after; the mask makes it 0")
    if not _close(got, diagonal.mean(dim=-1)):
        raise NotYet("row t is the token that looks, column t - 1 the one before it")
    return "1 would be a head that looks nowhere else."


@checker("inside-lens", tensors=True)
def lens(f) -> str:
    generator = torch.Generator().manual_seed(0)
    stream = torch.randn(4, 5, 8, generator=generator)
    gain = torch.linspace(0.5, 2, 8)
    matrix = torch.randn(11, 8, generator=generator)

    def ln_f(x):
        return F.layer_norm(x, (8,), gain)

    def head(x):
        return x @ matrix.T

    got = f(stream.clone(), ln_f, head)
    right = head(ln_f(stream))
    if not isinstance(got, torch.Tensor) or got.shape != right.shape:
        raise NotYet("return logits of shape (L + 1, T, V), here (4, 5, 11)")
    if _close(got, head(stream)):
        raise NotYet(
            "the head expects what ln_f gives; put the stream through it first"
        )
    if _close(got, head(ln_f(ln_f(stream)))):
        raise NotYet("ln_f once only")
    if _close(got[:-1], right[:-1]) != _close(got[-1], right[-1]):
        raise NotYet("all rows of the stream are before ln_f, the last one too")
    if not _close(got, right):
        raise NotYet("for each row: ln_f, then the head")
    return "The last row is what the model itself predicts."


@checker("inside-silence", tensors=True)
def silence(f) -> str:
    y = torch.arange(1.0, 25.0).view(1, 2, 12)
    before = y.clone()
    got = f(y, 1, 3)
    if not torch.equal(y, before):
        raise NotYet("the tensor that came in has changed; work on y.clone()")
    right = before.clone()
    right[..., 4:8] = 0
    if not isinstance(got, torch.Tensor) or got.shape != right.shape:
        raise NotYet("return a tensor of the shape of y, (1, 2, 12) here")
    zero = (got == 0).all(dim=1)[0]
    if torch.equal(zero, torch.arange(12) % 3 == 1):
        raise NotYet(
            "a head is not every n_head-th number; its numbers stand side by side"
        )
    if int(zero.sum()) == 3:
        raise NotYet("three heads of 12 numbers have 4 each, not 3: divide C by n_head")
    if int(zero.sum()) == 8:
        raise NotYet("silence one head and keep the others; yours keeps only one")
    if not _close(got, right):
        raise NotYet("head 1 of 3 has the numbers 4 to 7 of 12; set them to 0")
    y = torch.arange(1.0, 49.0).view(2, 2, 12)
    for head, numbers in ((0, slice(0, 3)), (3, slice(9, 12))):
        right = y.clone()
        right[..., numbers] = 0
        if not _close(f(y.clone(), head, 4), right):
            raise NotYet(
                f"right for head 1 of 3 and one text; for head {head} of 4 and two "
                f"texts the numbers {numbers.start} to {numbers.stop - 1} of both are 0"
            )
    return "A hook before c_proj that returns this takes the head out of the model."


@checker("inside-induction", tensors=True, without=(induction_scores,))
def induction(f) -> str:
    weights = _weights(2, 12)
    got = f(weights.clone())
    t = torch.arange(6, 12)
    right = weights[:, t, t - 5].mean(dim=-1)
    if not isinstance(got, torch.Tensor) or got.shape != (2,):
        raise NotYet("return one number for each head, a tensor of shape (2,) here")
    if _close(got, weights[:, t, t - 6].mean(dim=-1)):
        raise NotYet(
            "that is the earlier occurrence itself; induction looks at the next token"
        )
    if _close(got, weights[:, t, t - 1].mean(dim=-1)):
        raise NotYet("that is the token before; go back by length - 1")
    whole = weights.diagonal(-5, dim1=-2, dim2=-1)
    if _close(got, whole.mean(dim=-1)):
        raise NotYet(
            "the last token of the first half is among them; it has not occurred before"
        )
    if not _close(got, right):
        raise NotYet(
            "for t from length on, take the weight of row t at column t - length + 1, "
            "then the mean over t"
        )
    return "On natural text the score would say less: there, much repeats by itself."


@checker("inside-recovered")
def recovered(f) -> str:
    got = float(f(3.0, -1.0, 1.0))
    if math.isclose(got, 1 / 3, rel_tol=1e-6):
        raise NotYet("patched / clean forgets where the corrupted run starts, at -1")
    if math.isclose(got, -0.5):
        raise NotYet(
            "that is how much is missing, with the sign turned; 0 is corrupted"
        )
    if math.isclose(got, 2.0):
        raise NotYet("that is how far it came; divide by how far there was to go")
    if not math.isclose(got, 0.5):
        raise NotYet(
            f"from -1 to 3, a value of 1 is half the way: 0.5; yours is {got:.3f}"
        )
    for patched, right in ((3.0, 1.0), (-1.0, 0.0), (5.0, 1.5), (-3.0, -0.5)):
        got = float(f(3.0, -1.0, patched))
        if not math.isclose(got, right, abs_tol=1e-6):
            raise NotYet(
                f"clean 3, corrupted -1, patched {patched:g}: {right:g}; yours is "
                f"{got:.3f}. It may lie outside 0 to 1"
            )
    for patched, right in ((1.0, 0.5), (-1.0, 1.0), (5.0, -0.5)):
        got = float(f(-1.0, 3.0, patched))
        if not math.isclose(got, right, abs_tol=1e-6):
            raise NotYet(
                f"clean -1, corrupted 3, patched {patched:g}: {right:g}; yours is "
                f"{got:.3f}. The clean value may be the smaller one: keep the signs"
            )
    try:
        got = f(2.0, 2.0, 2.0)
    except ValueError:
        return "0 and 1 have the same meaning for every pair of texts."
    except ZeroDivisionError:
        raise NotYet(
            "clean and corrupted equal: raise a ValueError that says so"
        ) from None
    raise NotYet(
        f"clean and corrupted are equal: raise a ValueError; yours gives {got}"
    )


@checker("inside-split", tensors=True)
def split(f) -> str:
    generator = torch.Generator().manual_seed(1)
    parts = torch.randn(4, 8, generator=generator) + 1
    gain = torch.linspace(0.5, 2, 8)
    direction = torch.randn(8, generator=generator)
    got = f(parts.clone(), gain.clone(), direction.clone())
    if not isinstance(got, torch.Tensor) or got.shape != (4,):
        raise NotYet("return one number for each part, a tensor of shape (4,) here")
    total = parts.sum(dim=0)
    spread = (total.var(correction=0) + 1e-5).sqrt()
    centred = parts - parts.mean(dim=-1, keepdim=True)
    right = centred @ (gain * direction) / spread
    if _close(got, F.layer_norm(parts, (8,), gain) @ direction):
        raise NotYet(
            "each part is divided by its own spread; ln_f divides by that of the sum"
        )
    if _close(got, parts @ (gain * direction) / spread):
        raise NotYet("ln_f takes off the mean first; take each part's own mean off")
    if _close(got, centred @ direction / spread):
        raise NotYet("the gain of ln_f is missing")
    if _close(got, right * spread / (total.var() + 1e-5).sqrt()):
        raise NotYet("layer norm divides by C, not C - 1: var(correction=0)")
    if not _close(got, right):
        logit = F.layer_norm(total, (8,), gain) @ direction
        raise NotYet(
            f"the parts should sum to the logit, {logit:.3f}; yours sum to "
            f"{got.sum():.3f}"
        )
    small = parts / 1000
    total = small.sum(dim=0)
    right = centred / 1000 @ (gain * direction)
    right /= (total.var(correction=0) + 1e-5).sqrt()
    if not _close(f(small.clone(), gain.clone(), direction.clone()), right):
        raise NotYet(
            "for small parts yours differs: 1e-5 is added to the variance, inside the "
            "root"
        )
    return "They sum to the logit."
