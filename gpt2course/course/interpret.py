"""Looking inside a model while it computes. plots.py draws what is found.

model.py holds the model itself; hooks leave it as it is.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gpt2course.model import GPT2, causal_mask


@torch.no_grad()
def attention_weights(model: GPT2, input_ids: Tensor) -> list[Tensor]:
    """Attention weights: how much each token looks at each other one.

    The fused kernel does not give its weights away. A hook on c_attn catches queries
    and keys, and the weights are computed from them once more.

    Args:
        model: in eval mode.
        input_ids: (1, T) int64.

    Returns:
        a tensor (H, T, T) for each layer; rows sum to 1.

    Chapter: attention.
    """
    config = model.config
    result = []

    def catch(module: torch.nn.Module, inputs: tuple, qkv: Tensor) -> None:
        T = qkv.size(1)
        q, k, _ = qkv[0].view(T, 3, config.n_head, config.head_size).permute(1, 2, 0, 3)
        scores = q @ k.transpose(-2, -1) / config.head_size**0.5
        future = ~causal_mask(T, device=qkv.device)
        result.append(scores.masked_fill(future, float("-inf")).softmax(dim=-1))

    hooks = [block.attn.c_attn.register_forward_hook(catch) for block in model.h]
    try:
        model.hidden(input_ids)
    finally:
        for hook in hooks:
            hook.remove()
    return result
