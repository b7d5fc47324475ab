"""One decoding step, flat: what model.py computes for one token, without its modules.

With a cache, each step reads one token. In a small model most of its time then goes
into calling modules, not into arithmetic. So here are the same products once more, in
the same order and on the same weights, as plain functions. loop.py calls it.
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
    """`model.hidden` for one new token per text, much faster on a small model.

    A model that is no longer plain (in train mode, with hooks, with modules exchanged)
    is left to its own `hidden`.

    Args:
        model: ours.

    Returns:
        a function of input_ids (B, 1), position_ids, mask and cache, all as in
        `GPT2.hidden`, that returns (B, 1, C). It looks at the weights where they are
        now: make it again after moving or exchanging them. It checks nothing; ids that
        the model has read or chosen need no check.

    Chapter: the KV cache.
    """
    if not is_plain(model):
        return model.hidden
    config = model.config
    C = config.n_embd
    H = config.n_head
    D = config.head_size
    wte = model.wte.weight
    wpe = model.wpe.weight
    blocks = []
    for block in model.h:
        attn, mlp = block.attn, block.mlp
        used = (block.ln_1, attn.c_attn, attn.c_proj, block.ln_2, mlp.c_fc, mlp.c_proj)
        blocks.append([(module.weight, module.bias) for module in used])

    def norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return torch.layer_norm(x, (C,), weight, bias, config.layer_norm_epsilon)

    def hidden(
        input_ids: Tensor,
        *,
        position_ids: Tensor | None = None,
        mask: Tensor | None = None,
        cache: KVCache,
    ) -> Tensor:
        if position_ids is None:
            position = wpe[cache.length]
        else:
            position = F.embedding(position_ids[:, 0], wpe)
        x = F.embedding(input_ids[:, 0], wte) + position  # (B, C)
        for layer, weights in enumerate(blocks):
            ln_1, c_attn, attn_proj, ln_2, c_fc, mlp_proj = weights
            qkv = F.linear(norm(x, *ln_1), *c_attn)
            q, k, v = qkv.view(-1, 3, H, 1, D).unbind(1)
            k, v = cache.update(layer, k, v)
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            x = x + F.linear(y.reshape(-1, C), *attn_proj)
            y = F.linear(norm(x, *ln_2), *c_fc)
            x = x + F.linear(F.gelu(y, approximate="tanh"), *mlp_proj)
        cache.advance(1)
        return norm(x, model.ln_f.weight, model.ln_f.bias)[:, None]

    return hidden


def is_plain(model: nn.Module) -> bool:
    """Whether the weights alone say what a model computes.

    Args:
        model: any module.

    Returns:
        True for our own modules, none of them exchanged, hooked or training.
    """
    if model.training:
        return False
    for module in model.modules():
        hooked = module._forward_hooks or module._forward_pre_hooks
        if type(module) not in PLAIN or hooked or "forward" in vars(module):
            return False
    return True
