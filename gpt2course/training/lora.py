"""LoRA: two small matrices beside each c_attn are trained, and all else stays as it is.

The matrices are peft's. finetuning.py adds them to the model before the first step and
writes a model into which they are merged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer

from gpt2course.checkpoints import from_hf
from gpt2course.config import GPT2Config
from gpt2course.model import GPT2

if TYPE_CHECKING:
    from transformers import GPT2LMHeadModel

SCALE = 2  # of what the matrices add, whatever their rank: peft's lora_alpha / r
ADAPTER = "default"  # peft's name for the only one


def add_lora(model: GPT2 | GPT2LMHeadModel, rank: int, seed: int) -> None:
    """Freeze a model and put matrices beside each c_attn that are trained instead.

    c_attn then computes x @ W + b + 2 * (x @ A) @ B, with W: (C, 3 * C) and b fixed,
    A: (C, rank) random and B: (rank, 3 * C) zero: at first the model is as it was.

    Args:
        model: it is changed.
        rank: from 1 to n_embd.
        seed: decides A.

    Raises:
        ValueError: the model has such matrices already, which would be lost.

    Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models".
    """
    if any(isinstance(layer, LoraLayer) for layer in model.modules()):
        raise ValueError(
            "the model has LoRA matrices already; train these, or add new ones to "
            "merge_lora(model)"
        )
    config = LoraConfig(
        r=rank,
        lora_alpha=SCALE * rank,
        target_modules=["c_attn"],
        fan_in_fan_out=not isinstance(model, GPT2),  # their Conv1D stores (in, out)
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model, adapter_name=ADAPTER)


def merge_lora(model: GPT2 | GPT2LMHeadModel) -> GPT2:
    """The model of which c_attn is W + 2 * A @ B, without matrices beside it.

    Args:
        model: as `add_lora` made it; it is left as it is.

    Returns:
        an ordinary model of ours, in eval mode. If the model is ours, it shares the
        weights that stay fixed.
    """
    weights = {
        name.replace(".base_layer.", "."): tensor
        for name, tensor in model.state_dict().items()
        if ".lora_" not in name
    }
    with torch.no_grad():
        for name, layer in model.named_modules():
            if isinstance(layer, LoraLayer):
                added = layer.get_delta_weight(ADAPTER)
                weights[f"{name}.weight"] = layer.get_base_layer().weight + added
    config = model.config
    if not isinstance(model, GPT2):
        config = GPT2Config.from_dict(config.to_dict())
        weights = from_hf(weights, config)
    with torch.device("meta"):
        merged = GPT2(config)
    merged.load_state_dict(weights, assign=True)
    return merged.eval()
