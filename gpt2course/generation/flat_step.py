"""One step of writing, flat: what model.py computes for one new token, without going through its modules.

With a cache, each step reads one token. In a small model most of its time then goes into calling modules, not into
arithmetic. So here are the same products once more, in the same order and on the same weights, as plain functions.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt2course.cache import KVCache
from gpt2course.model import GPT2, MLP, Block, CausalSelfAttention

PLAIN = {
    GPT2,
    Block,
    CausalSelfAttention,
    MLP,
    nn.ModuleList,
    nn.Linear,
    nn.LayerNorm,
    nn.Embedding,
    nn.Dropout,
}


def one_token(model: GPT2) -> Callable[..., Tensor]:
    """`model.hidden` for one new token a text, several times faster on a small model.

    A model that is no longer plain (in train mode, with hooks, with modules exchanged) is left to its own `hidden`.

    Args:
        model: ours.

    Returns:
        a function of input_ids (B, 1), position_ids, mask and cache, all as in `GPT2.hidden`, that returns (B, 1, C).
        It looks at the weights where they are now: make it again after moving or exchanging them. It checks nothing;
        ids that the model has read or chosen need no check.

    Chapter: the KV cache.
    """
    if not is_plain(model):
        return model.hidden
    config = model.config
    C, H, D = config.n_embd, config.n_head, config.head_size
    wte, wpe = model.wte.weight, model.wpe.weight
    blocks = [
        [
            (m.weight, m.bias)
            for m in (
                b.ln_1,
                b.attn.c_attn,
                b.attn.c_proj,
                b.ln_2,
                b.mlp.c_fc,
                b.mlp.c_proj,
            )
        ]
        for b in model.h
    ]

    def norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return torch.layer_norm(x, (C,), weight, bias, config.layer_norm_epsilon)

    def hidden(
        input_ids: Tensor,
        *,
        position_ids: Tensor | None = None,
        mask: Tensor | None = None,
        cache: KVCache,
    ) -> Tensor:
        position = (
            wpe[cache.length]
            if position_ids is None
            else F.embedding(position_ids[:, 0], wpe)
        )
        x = F.embedding(input_ids[:, 0], wte) + position  # (B, C)
        for layer, (ln_1, c_attn, attn_proj, ln_2, c_fc, mlp_proj) in enumerate(blocks):
            q, k, v = F.linear(norm(x, *ln_1), *c_attn).view(-1, 3, H, 1, D).unbind(1)
            k, v = cache.update(layer, k, v)
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            x = x + F.linear(y.reshape(-1, C), *attn_proj)
            x = x + F.linear(
                F.gelu(F.linear(norm(x, *ln_2), *c_fc), approximate="tanh"), *mlp_proj
            )
        cache.advance(1)
        return norm(x, model.ln_f.weight, model.ln_f.bias)[:, None]

    return hidden


def is_plain(model: nn.Module) -> bool:
    """Whether the weights alone say what a model computes: our own modules, none exchanged, hooked or training."""
    return not model.training and all(
        type(module) in PLAIN
        and not (
            module._forward_hooks
            or module._forward_pre_hooks
            or "forward" in vars(module)
        )
        for module in model.modules()
    )
