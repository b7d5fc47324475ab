"""Checks for the chapter on the architecture."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F

from gpt2course.checkpoints import from_hf
from gpt2course.config import SIZES, GPT2Config
from gpt2course.course.exercises import NotYet, checker
from gpt2course.model import GPT2, MLP, Block, CausalSelfAttention


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
    small = 0.001 * torch.randn(2, 6)
    if not torch.allclose(
        f(small, torch.ones(6), torch.zeros(6)), F.layer_norm(small, (6,)), atol=1e-3
    ):
        raise NotYet(
            "for numbers near 0.001 yours differs: eps is added to the variance, under "
            "the root, and is 1e-5"
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


def _no_positions(model: GPT2) -> None:
    model.wpe.weight.zero_()


def _no_last_norm(model: GPT2) -> None:
    model.ln_f = torch.nn.Identity()


def _sees_the_future(model: GPT2) -> None:
    for block in model.h:
        forward = block.attn.forward
        block.attn.forward = lambda x, *_, f=forward: f(
            x, torch.ones(2 * (x.size(1),), dtype=torch.bool)
        )


def _exact_gelu(model: GPT2) -> None:
    for block in model.h:
        block.mlp = torch.nn.Sequential(
            block.mlp.c_fc, torch.nn.GELU(), block.mlp.c_proj
        )


def _no_curve(model: GPT2) -> None:
    for block in model.h:
        block.mlp = torch.nn.Sequential(block.mlp.c_fc, block.mlp.c_proj)


def _no_scale(model: GPT2) -> None:
    C, D = model.config.n_embd, model.config.n_embd // model.config.n_head
    for block in model.h:
        block.attn.c_attn.weight[:C] *= D**0.5  # larger queries: no division by it
        block.attn.c_attn.bias[:C] *= D**0.5


def _one_head(model: GPT2) -> None:
    for block in model.h:
        block.attn.n_head = 1


def _heads_before_the_three(model: GPT2) -> None:
    """A third of each head, in place of all heads' queries, all keys, all values."""
    for linear in (block.attn.c_attn for block in model.h):
        for part in (linear.weight, linear.bias):
            rows = part.unflatten(0, (model.config.n_head, 3, -1)).transpose(0, 1)
            part.copy_(rows.flatten(0, 2).clone())


def _heads_not_side_by_side(model: GPT2) -> None:
    H = model.config.n_head

    def mixed(_, inputs: tuple[torch.Tensor]) -> torch.Tensor:
        heads = inputs[0].unflatten(-1, (H, -1)).transpose(1, 2)  # (B, H, T, D)
        return heads.reshape(inputs[0].shape)

    for block in model.h:
        block.attn.c_proj.register_forward_pre_hook(mixed)


def _nothing_added(model: GPT2) -> None:
    for block in model.h:
        block.forward = lambda x, *_, b=block: b.mlp(b.ln_2(b.attn(b.ln_1(x))))


def _normalised_stream(model: GPT2) -> None:
    def forward(x: torch.Tensor, block: Block) -> torch.Tensor:
        x = block.ln_1(x)
        x = block.ln_2(x + block.attn(x))
        return x + block.mlp(x)

    for block in model.h:
        block.forward = lambda x, *_, b=block: forward(x, b)


#: what makes of a right model one with a mistake, and what to say of it
_MISTAKES: tuple[tuple[Callable[[GPT2], None], str], ...] = (
    (_no_positions, "the positions are missing: add a row of wpe for each position"),
    (_no_last_norm, "the last norm, ln_f, is missing before the head"),
    (_sees_the_future, "your attention sees the future: it needs the causal mask"),
    (
        _exact_gelu,
        "this is the exact GELU; GPT-2 was trained with the tanh form "
        '(approximate="tanh")',
    ),
    (_no_curve, "the GELU between the two matrices of the MLP is missing"),
    (_no_scale, "the scores are not divided by the root of the head size"),
    (_one_head, "all heads are computed as one: cut the vectors into n_head pieces"),
    (
        _heads_before_the_three,
        "c_attn gives the queries of all heads, then all keys, then all values: cut "
        "into three first, then into heads",
    ),
    (
        _heads_not_side_by_side,
        "the heads' outputs are put together in the wrong order: transpose (B, H, T, "
        "D) to (B, T, H, D) before you flatten it",
    ),
    (
        _nothing_added,
        "nothing is added: a part's result is added to the stream, x = x + part(...)",
    ),
    (
        _normalised_stream,
        "you normalise the stream itself; a part reads a normalised copy, and what it "
        "finds is added to the x from before the norm",
    ),
)


@checker(
    "architecture-forward",
    tensors=True,
    without=(GPT2, Block, CausalSelfAttention, MLP),
)
def forward(f) -> str:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=19, n_positions=9, n_embd=12, n_layer=2, n_head=3)
    model = GPT2(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(0.3 * torch.randn_like(parameter))
    input_ids = torch.randint(config.vocab_size, (2, 6))
    weights = {name: p.clone() for name, p in model.state_dict().items()}
    got, right = f(input_ids, weights, config.n_layer, config.n_head), model(input_ids)
    if tuple(got.shape) == (2, 6, config.n_embd):
        raise NotYet(
            "these are vectors (B, T, C): the head is missing, a product with every "
            "row of wte"
        )
    if got.shape != right.shape:
        raise NotYet(
            f"ids (2, 6) and {config.vocab_size} tokens give logits of the shape "
            f"{tuple(right.shape)}; yours have {tuple(got.shape)}"
        )
    if torch.allclose(got, right, atol=1e-4):
        return (
            "This function is GPT-2: with the weights that OpenAI published it gives "
            "what theirs gives."
        )
    for spoil, why in _MISTAKES:
        spoiled = copy.deepcopy(model)
        spoil(spoiled)
        if torch.allclose(got, spoiled(input_ids), atol=1e-4):
            raise NotYet(f"nearly: {why}")
    gap = (got - right).abs().max()
    raise NotYet(
        f"the shape is right, the numbers differ by up to {gap:.2g}. Compare part by "
        "part with the model of this page: first the sum of the two embeddings, then "
        "what each block gives"
    )
