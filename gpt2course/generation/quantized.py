"""Int8 weights: a quarter of the bytes to read for each token.

    model = quantize_weights(load_checkpoint())
    generate(model, prompt)

A matrix product with one row waits for its weights to come from memory. So the weights
are rounded to 8 bits, each row of them with a scale of its own, and the rounded numbers
are multiplied. The activations are rounded too, each row with a scale that is found
when it comes (dynamic quantization). packed.py has the same for exact weights.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from gpt2course.generation.packed import ExchangedGPT2
from gpt2course.model import GPT2


class Int8Linear(nn.Module):
    """A linear layer whose weights have 8 bits, for inference on a CPU.

    [..., in] -> [..., out], in float32.

    Args:
        weight: (out, in) float32; it is not kept.
        bias: (out,), or None.

    Raises:
        ValueError: NaN or infinity among the weights.

    Source: torch's operators on FBGEMM, which PyTorch means to drop one day; where they
    are missing, `torch._int_mm`, which torchao calls: about half as fast for one row.
    Chapter: the KV cache.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        weight = weight.detach()
        largest = weight.abs().amax(dim=1)  # (out,)
        if not torch.isfinite(largest).all():
            raise ValueError(
                f"a matrix of shape {tuple(weight.shape)} holds NaN or infinity, which "
                "8 bits cannot show; load the checkpoint again"
            )
        scale = torch.where(largest > 0, largest / weight_limit(), 1.0)
        rounded = (weight / scale[:, None]).round().to(torch.int8).contiguous()
        self.out_features, self.in_features = weight.shape
        bias = torch.zeros_like(scale) if bias is None else bias.detach()
        self.register_buffer("bias", bias)
        self.register_buffer("scale", scale)
        self.product = _fbgemm(rounded, scale) if has_fbgemm() else None
        if self.product is None:
            self.register_buffer("rounded", rounded.t())
        else:  # FBGEMM's own form is in no state dict: this says which weights it holds
            digest = hashlib.sha256(rounded.numpy().tobytes()).digest()
            self.register_buffer(
                "digest", torch.tensor(list(digest), dtype=torch.uint8)
            )

    @torch.no_grad()  # rounding has no gradient: backward must fail, not give zeros
    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, self.in_features)
        largest = rows.abs().amax(dim=1, keepdim=True).clamp_(min=1e-30)
        rows = rows / largest  # now in -1..1, so that 1 / 127 is the scale of all rows
        if self.product is not None:
            y = self.product(rows)
        else:
            rounded = (rows * 127).round_().to(torch.int8)
            y = torch._int_mm(rounded, self.rounded) * (self.scale / 127)
        y = torch.addcmul(self.bias, y, largest)
        return y.view(*x.shape[:-1], self.out_features)


def has_fbgemm() -> bool:
    """Whether this PyTorch has FBGEMM's int8 product, as on all processors by Intel and
    AMD."""
    return "fbgemm" in torch.backends.quantized.supported_engines and hasattr(
        torch.ops.quantized, "linear_with_input_q_dq_qweight_dq_output_fp32"
    )


def _fbgemm(rounded: Tensor, scale: Tensor) -> Callable[[Tensor], Tensor]:
    """Rows in -1..1 times the weights: rounded to 8 bits, multiplied, and scaled."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*deprecated and will be removed")
        weight = torch._make_per_channel_quantized_tensor(
            rounded, scale.double(), torch.zeros_like(scale, dtype=torch.long), 0
        )
        packed = torch.ops.quantized.linear_prepack(weight, None)
    multiply = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32
    return lambda rows: multiply(rows, 1 / 127, 128, packed)


def quantize_weights(model: GPT2) -> GPT2:
    """The same model with int8 weights, for faster decoding on a CPU.

    All matrix products are quantized, the head's included. The embeddings, which are
    only looked up, and the layer norms stay as they are and are shared.

    Args:
        model: ours, float32, on the CPU. It is left as it is.

    Returns:
        a model in eval mode for everything that generates and evaluates. It cannot be
        trained.

    Raises:
        ValueError: a model on a GPU, not in float32 or in train mode, one with hooks or
            other layers, or with NaN or infinity among its weights.

    Chapter: the KV cache.
    """
    return ExchangedGPT2(model, Int8Linear, "quantized")


def weight_limit() -> int:
    """The largest rounded weight: 127, or 63 on a processor without VNNI.

    There two products of an activation and a weight are summed in 16 bits, in which
    larger ones would overflow without a word.
    """
    return 127 if torch.cpu._is_vnni_supported() else 63
