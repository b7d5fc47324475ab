"""Checks for the chapter on the architecture."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from gpt2course.checkpoints import from_hf
from gpt2course.config import SIZES, GPT2Config
from gpt2course.course.exercises import NotYet, checker
from gpt2course.model import GPT2


@checker("architecture-layernorm", tensors=True, without=(F.layer_norm,))
def layer_norm(f) -> str:
    torch.manual_seed(0)
    x, weight, bias = 3 + 2 * torch.randn(2, 3, 6), torch.randn(6), torch.randn(6)
    got, right = f(x, weight, bias), F.layer_norm(x, (6,), weight, bias)
    if got.shape != x.shape:
        raise NotYet(
            f"the shape must stay {tuple(x.shape)}; yours is {tuple(got.shape)}"
        )
    bessel = (x - x.mean(-1, keepdim=True)) / torch.sqrt(
        x.var(-1, keepdim=True) + 1e-5
    ) * weight + bias
    if torch.allclose(got, bessel, atol=1e-5):
        raise NotYet(
            "nearly: torch's var divides by n - 1; a layer norm divides by n "
            "(unbiased=False)"
        )
    if torch.allclose(got, F.layer_norm(x, (6,)), atol=1e-5):
        raise NotYet("the normalisation is right; weight and bias are missing")
    if not torch.allclose(got, right, atol=1e-5):
        raise NotYet(
            "the numbers differ: mean and variance are taken over the last dimension, "
            "for each token alone"
        )
    constant = f(torch.ones(1, 6), torch.ones(6), torch.zeros(6))
    if not torch.isfinite(constant).all():
        raise NotYet(
            "for a constant vector the variance is 0 and yours divides by it: eps "
            "belongs under the root"
        )
    return "Each token is measured by itself, whatever the batch."


@checker("architecture-count")
def count(f) -> str:
    shapes = {
        "a toy": GPT2Config(
            vocab_size=11, n_positions=7, n_embd=6, n_layer=2, n_head=2
        ),
        "gpt2": SIZES["gpt2"],
    }
    for name, config in shapes.items():
        with torch.device("meta"):
            right = sum(p.numel() for p in GPT2(config).parameters())
        got = f(config.vocab_size, config.n_positions, config.n_embd, config.n_layer)
        if got == right + config.vocab_size * config.n_embd:
            raise NotYet(
                "you counted the head; it is the embedding table again and costs "
                "nothing"
            )
        if got == right - 2 * config.n_embd:
            raise NotYet("one more norm stands after the last block: 2C parameters")
        if got != right:
            raise NotYet(
                f"for {name} it should be {right:,}; yours is {got:,} (off by "
                f"{got - right:+,})"
            )
    return "124,439,808 for gpt2: the number that Hugging Face reports too."


@checker("architecture-postnorm", tensors=True)
def postnorm(f) -> str:
    torch.manual_seed(0)
    x, a, m = torch.randn(2, 3, 8), torch.nn.Linear(8, 8), torch.nn.Linear(8, 8)
    n1, n2 = torch.nn.LayerNorm(8), torch.nn.LayerNorm(8)
    with torch.no_grad():
        n1.weight.normal_()
        n2.weight.normal_()
        got = f(x, a, m, n1, n2)
        y = n1(x + a(x))
        right = n2(y + m(y))
        z = x + a(n1(x))
        if torch.allclose(got, z + m(n2(z)), atol=1e-5):
            raise NotYet(
                "this is GPT-2's block: the norm reads a copy; in GPT-1 it comes after "
                "the addition"
            )
        if torch.allclose(got, n2(y + m(x)), atol=1e-5):
            raise NotYet(
                "the MLP reads the result of the attention part, not the old x"
            )
        if not torch.allclose(got, right, atol=1e-5):
            raise NotYet("first attention, add, norm; then MLP, add, norm")
    return "Note what is lost: no part of x passes the block untouched."


@checker("architecture-translate")
def translate(f) -> str:
    from transformers import GPT2Config as HFConfig
    from transformers import GPT2LMHeadModel

    torch.manual_seed(0)
    reference = GPT2LMHeadModel(
        HFConfig(
            vocab_size=20,
            n_positions=8,
            n_embd=8,
            n_layer=1,
            n_head=2,
            bos_token_id=19,
            eos_token_id=19,
        )
    )
    state = {k: v for k, v in reference.state_dict().items() if k != "lm_head.weight"}
    config = GPT2Config(vocab_size=20, n_positions=8, n_embd=8, n_layer=1, n_head=2)
    right = from_hf(state, config)
    for name, tensor in state.items():
        new, got = f(name, tensor)
        if new not in right:
            raise NotYet(f"{name!r} became {new!r}, which our model does not have")
        if got.shape != right[new].shape:
            raise NotYet(
                f"{name!r} has shape {tuple(got.shape)} and should have "
                f"{tuple(right[new].shape)}: Conv1D?"
            )
        if not torch.equal(got, right[new]):
            raise NotYet(
                f"{name!r} has the right shape and the wrong numbers: square matrices "
                "need the transpose too"
            )
    return "Every tensor is in its place, the square one included."
