"""Exact weights, rearranged once for faster products on a CPU.

    model = pack_weights(load_checkpoint(), rows=8)
    generate_batch(model, prompts)  # 8 of them

MKL has a packed storage of its own for a matrix that is multiplied again and again
(cblas_sgemm_pack in Intel's reference). Measured in benchmarks/generation.py: in a
batch of 8 the packed products save a third of the time, for one row nothing.
quantized.py exchanges the same products for coarser ones.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt2course.model import GPT2, MLP, Block, CausalSelfAttention

#: the modules of a model as it was loaded
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


def is_plain(model: nn.Module, kinds: set[type] = PLAIN) -> bool:
    """Whether the weights alone say what a model computes.

    Args:
        model: any module.
        kinds: the modules that it may consist of; our own by default.

    Returns:
        True for modules of these kinds, none of them hooked or training.
    """
    return all(is_plain_module(module, kinds) for module in model.modules())


def is_plain_module(module: nn.Module, kinds: set[type] = PLAIN) -> bool:
    """As `is_plain`, for a module without those inside it."""
    hooked = module._forward_hooks or module._forward_pre_hooks
    changed = hooked or "forward" in vars(module)
    return type(module) in kinds and not changed and not module.training


class ExchangedGPT2(GPT2):
    """A model whose linear layers, the head included, were exchanged for others.

    Embeddings and layer norms are shared with the model that it comes from.

    Args:
        model: ours, float32, on the CPU.
        linear: from weight (out, in) and bias (out,) or None to the new layer.
        what: what the result is called in errors.

    Raises:
        ValueError: a model on a GPU, not in float32 or in train mode, one whose layers
            were exchanged before, or one with hooks or layers of another kind.
    """

    def __init__(
        self,
        model: GPT2,
        linear: Callable[[Tensor, Tensor | None], nn.Module],
        what: str,
    ) -> None:
        if isinstance(model, ExchangedGPT2):
            raise ValueError(
                f"the layers of this model were exchanged already; make a {what} one "
                "from the model that load_checkpoint returns"
            )
        weight = model.wte.weight
        if weight.device.type != "cpu" or weight.dtype != torch.float32:
            raise ValueError(
                f"the model is in {weight.dtype} on {weight.device}; a {what} one is "
                "made from float32 on the CPU: call model.float().cpu() first"
            )
        if model.training:
            raise ValueError(
                f"the model is in train mode; a {what} one only infers: "
                "call model.eval() first"
            )
        odd = [
            f"{name or 'the model'} ({type(module).__name__})"
            for name, module in model.named_modules()
            if not is_plain_module(module)
        ]
        if odd:
            raise ValueError(
                f"{odd[0]} has hooks, is in train mode or is no module of GPT-2, and a "
                f"{what} model would leave that out; make it from an unchanged one, "
                "after LoRA from what merge_lora returns"
            )
        with torch.device("meta"):  # no memory for weights that are exchanged at once
            super().__init__(model.config)
        self.wte, self.wpe, self.ln_f = model.wte, model.wpe, model.ln_f
        for ours, theirs in zip(self.h, model.h, strict=True):
            ours.ln_1, ours.ln_2 = theirs.ln_1, theirs.ln_2
            for mine, old in ((ours.attn, theirs.attn), (ours.mlp, theirs.mlp)):
                for name, module in old.named_children():
                    if isinstance(module, nn.Linear):
                        setattr(mine, name, linear(module.weight, module.bias))
        self.lm_head = linear(weight, None)
        self.eval()

    def head(self, hidden: Tensor) -> Tensor:
        """A score for every token.  [..., C] -> [..., V]"""
        return self.lm_head(hidden)


class PackedLinear(nn.Module):
    """A linear layer whose weights are packed for a number of rows.

    [..., in] -> [..., out]. Any other number of rows takes the weights as they were.

    Args:
        weight: (out, in) float32; it is kept, and the packed copy beside it.
        bias: (out,), or None.
        rows: of the products that are to be fast.

    Source: what torch.compile does with the weights of a linear layer on a CPU when it
    freezes them. Chapter: the KV cache.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, rows: int) -> None:
        super().__init__()
        self.rows = rows
        self.out_features, self.in_features = weight.shape
        self.register_buffer("weight", weight.detach())
        self.register_buffer("bias", None if bias is None else bias.detach())
        self.packed = torch.ops.mkl._mkl_reorder_linear_weight(
            self.weight.contiguous(), rows
        )

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, self.in_features)
        if len(flat) != self.rows:
            return F.linear(x, self.weight, self.bias)
        y = torch.ops.mkl._mkl_linear(
            flat, self.packed, self.weight, self.bias, self.rows
        )
        return y.view(*x.shape[:-1], self.out_features)


def pack_weights(model: GPT2, rows: int) -> GPT2:
    """The same model with its weights packed for decoding in batches on a CPU.

    It takes the memory of the weights once more. One text at a time gains nothing.

    Args:
        model: ours, float32, on the CPU. It is left as it is.
        rows: texts in a batch.

    Returns:
        a model in eval mode for everything that generates. It cannot be trained.
        Without MKL (on an ARM processor, for one) it is the model itself.

    Raises:
        ValueError: a model on a GPU, not in float32 or in train mode, one with hooks or
            other layers; rows below 1.

    Chapter: the KV cache.
    """
    if rows < 1:
        raise ValueError(f"rows is {rows}; pass the number of texts, at least 1")
    if not torch.backends.mkl.is_available():
        return model
    return ExchangedGPT2(model, partial(PackedLinear, rows=rows), "packed")
