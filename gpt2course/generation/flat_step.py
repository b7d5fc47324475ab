"""One decoding step, flat: what model.py computes for one token, without its modules.

With a cache, each step reads one token. In a small model most of its time then goes
into calling modules, not into arithmetic. So here are the same products once more, in
the same order and on the same weights, as plain functions. loop.py calls it. packed.py
and quantized.py exchange the products themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt2course.cache import KVCache
from gpt2course.generation.packed import PLAIN, ExchangedGPT2, PackedLinear, is_plain
from gpt2course.generation.quantized import Int8Linear
from gpt2course.model import GPT2

#: the modules that `pack_weights` and `quantize_weights` put in their place
EXCHANGED = {ExchangedGPT2, PackedLinear, Int8Linear}


def one_token(model: GPT2) -> Callable[..., Tensor]:
    """`model.hidden` for one new token per text, much faster on a small model.

    A model that is no longer plain (in train mode, with hooks, with modules exchanged)
    is left to its own `hidden`.

    Args:
        model: ours, also as `pack_weights` and `quantize_weights` return it.

    Returns:
        a function of input_ids (B, 1), position_ids, mask and cache, all as in
        `GPT2.hidden`, that returns (B, 1, C). It looks at the weights where they are
        now: make it again after moving or exchanging them. It checks nothing; ids that
        the model has read or chosen need no check.

    Chapter: the KV cache.
    """
    if not is_plain(model, PLAIN | EXCHANGED):
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
        blocks.append((attn.layer, [_function(module) for module in used]))
    ln_f = _function(model.ln_f)

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
        for layer, functions in blocks:
            ln_1, c_attn, attn_proj, ln_2, c_fc, mlp_proj = functions
            q, k, v = c_attn(ln_1(x)).view(-1, 3, H, 1, D).unbind(1)
            k, v = cache.update(layer, k, v)
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            x = x + attn_proj(y.reshape(-1, C))
            y = F.gelu(c_fc(ln_2(x)), approximate="tanh")
            x = x + mlp_proj(y)
        cache.advance(1)
        return ln_f(x)[:, None]

    return hidden


def _function(module: nn.Module) -> Callable[[Tensor], Tensor]:
    """What a layer computes, without the checks around a call of a module."""
    if isinstance(module, nn.LayerNorm):
        shape, eps = module.normalized_shape, module.eps
        weight, bias = module.weight, module.bias
        return lambda x: torch.layer_norm(x, shape, weight, bias, eps)
    if isinstance(module, nn.Linear):
        return partial(F.linear, weight=module.weight, bias=module.bias)
    return module.forward
