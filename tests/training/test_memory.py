"""Bytes by formula against what PyTorch really keeps and allocates."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from allocated import Allocated
from conftest import TINY, random_ids
from torch import nn

from gpt2course.cache import KVCache
from gpt2course.config import SIZES, GPT2Config
from gpt2course.generation import quantized
from gpt2course.loss import cross_entropy
from gpt2course.model import GPT2
from gpt2course.training import (
    cache_bytes,
    gradient_checkpointing,
    inference_memory,
    optimizer_bytes,
    parameter_count,
    training_memory,
)

STILL = {"embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0}
MANY_TOKENS = (
    GPT2Config(vocab_size=200, n_positions=256, n_embd=48, n_layer=5, n_head=4),
    2,
    160,
)
MANY_WORDS = (
    GPT2Config(vocab_size=3000, n_positions=128, n_embd=48, n_layer=3, n_head=6),
    3,
    60,
)
FEW_TOKENS = (
    GPT2Config(vocab_size=400, n_positions=64, n_embd=96, n_layer=4, n_head=6),
    1,
    20,
)
SHAPES = [
    pytest.param(*shape, id=name)
    for shape, name in (
        (MANY_TOKENS, "many-tokens"),
        (MANY_WORDS, "many-words"),
        (FEW_TOKENS, "few-tokens"),
    )
]
WAYS = [
    {},
    {"gradient_checkpointing": True},
    {"mixed_precision": "bf16"},
    {"mixed_precision": "bf16", "gradient_checkpointing": True},
    {"lora_rank": 4},
    {"lora_rank": 4, "mixed_precision": "bf16", "gradient_checkpointing": True},
    {"lora_rank": 4, "mixed_precision": "bf16", "frozen_dtype": "bfloat16"},
]


class LoRA(nn.Module):
    """A frozen layer, and beside it two factors that are trained."""

    def __init__(self, frozen: nn.Linear, rank: int) -> None:
        super().__init__()
        self.frozen = frozen
        self.down = nn.Linear(frozen.in_features, rank, bias=False)
        self.up = nn.Linear(rank, frozen.out_features, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.frozen(x) + self.up(self.down(x.to(self.down.weight.dtype)))


def build(config: GPT2Config, lora_rank: int, frozen_dtype: str) -> GPT2:
    model = GPT2(config)
    if lora_rank:
        model.requires_grad_(False).to(getattr(torch, frozen_dtype))
        for block in model.h:
            block.attn.c_attn = LoRA(block.attn.c_attn, lora_rank)
    return model


def kept_and_peak(config: GPT2Config, B: int, T: int, **way) -> tuple[int, int]:
    """Bytes that autograd keeps without parameters, and all bytes at the peak of a step
    of two accumulated batches."""
    model = build(config, way.get("lora_rank", 0), way.get("frozen_dtype", "float32"))
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, fused=True)
    input_ids = random_ids(config, B, T)
    parameters = {p.untyped_storage()._cdata for p in model.parameters()}
    half = way.get("mixed_precision", "no") != "no"
    saving = way.get("gradient_checkpointing", False)
    kept: dict[int, torch.UntypedStorage] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in parameters:
            kept[storage._cdata] = storage  # alive, or its number would come again
        return tensor

    def loss() -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = model(input_ids)
        return cross_entropy(logits, input_ids)

    def step() -> None:
        optimizer.zero_grad()
        for _ in range(2):
            loss().backward()
        optimizer.step()

    allocated = Allocated()
    with gradient_checkpointing(model) if saving else nullcontext():
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            loss()
        size = sum(storage.nbytes() for storage in kept.values())
        kept.clear()
        for p in model.parameters():
            allocated.see(p)
        with allocated:
            step()  # the first makes the optimizer's state
            allocated.peak = 0
            step()
    return size, allocated.peak


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(way) or "plain")
@pytest.mark.parametrize(("config", "B", "T"), SHAPES)
def test_formula_is_what_torch_keeps_and_allocates(config, B, T, way):
    config = replace(config, **STILL)
    memory = training_memory(config, batch_size=B, length=T, device="cpu", **way)
    kept, peak = kept_and_peak(config, B, T, **way)
    # the first block keeps less with LoRA: nothing before it is trained
    near = 0.05 if "lora_rank" in way else 0.01
    assert memory.activations + memory.weight_copies == pytest.approx(kept, rel=near)
    assert memory.total == pytest.approx(peak, rel=0.04)


@pytest.mark.parametrize("way", WAYS[:2], ids=lambda way: "-".join(way) or "plain")
def test_dropout_on_a_cpu(way):
    config, B, T = MANY_TOKENS
    memory = training_memory(config, batch_size=B, length=T, device="cpu", **way)
    kept, peak = kept_and_peak(config, B, T, **way)
    assert memory.activations + memory.weight_copies == pytest.approx(kept, rel=0.01)
    assert memory.total == pytest.approx(peak, rel=0.04)


def test_dropout_on_a_gpu_costs_a_byte_per_number():
    config, B, T = MANY_TOKENS
    still = training_memory(replace(config, **STILL), batch_size=B, length=T)
    dropping = training_memory(config, batch_size=B, length=T)
    masks = (2 * config.n_layer + 1) * B * T * config.n_embd
    assert dropping.activations - still.activations == masks


@pytest.mark.parametrize("name", SIZES)
def test_parameters_of_the_sizes(name):
    with torch.device("meta"):
        model = GPT2(SIZES[name])
    assert parameter_count(SIZES[name]) == sum(p.numel() for p in model.parameters())


def test_lora_on_gpt2_xl():
    assert parameter_count(SIZES["gpt2-xl"], lora_rank=8) == 2_457_600
    memory = training_memory(
        SIZES["gpt2-xl"],
        batch_size=1,
        length=128,
        mixed_precision="fp16",
        lora_rank=8,
        frozen_dtype="float16",
    )
    assert memory.weights == 2 * parameter_count(SIZES["gpt2-xl"]) + 4 * 2_457_600
    assert memory.optimizer == 2 * memory.gradients == 8 * 2_457_600
    assert memory.weight_copies == 0


def test_8_bit_optimizer():
    # wte 1,464, wpe 768, c_attn 1,728 and so on: all too small for 8 bits
    assert optimizer_bytes(TINY, "adamw_8bit") == optimizer_bytes(TINY, "adamw_torch")
    one = GPT2Config(vocab_size=65, n_positions=1, n_embd=64, n_layer=1, n_head=1)
    # Trainer keeps the embeddings, 66 * 64, in float32, as small tensors are
    in_float = parameter_count(one) - 12 * 64 * 64
    scales = 48 + 16 + 64 + 64  # of c_attn, attn.c_proj, c_fc, mlp.c_proj
    expected = 2 * (12 * 64 * 64 + 4 * scales) + 8 * in_float
    assert optimizer_bytes(one, "adamw_8bit") == expected
    xl = SIZES["gpt2-xl"]
    embeddings = (xl.vocab_size + xl.n_positions) * xl.n_embd
    rest = optimizer_bytes(xl, "adamw_8bit") - 8 * embeddings
    per_parameter = rest / (parameter_count(xl) - embeddings)
    assert per_parameter == pytest.approx(2 + 8 / 256, rel=3e-3)
    # LoRA trains no embedding: its factors alone decide, 4,800 and 14,400 numbers
    factors = 48 * 2 * (4800 + 4 * 19 + 14400 + 4 * 57)
    assert optimizer_bytes(xl, "adamw_8bit", lora_rank=3) == factors


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_cache(dtype):
    cache = KVCache(TINY, 3, 17, getattr(torch, dtype))
    assert cache_bytes(TINY, 3, 17, dtype) == cache._store.nbytes
    memory = inference_memory(TINY, batch_size=3, length=17, dtype=dtype)
    width = getattr(torch, dtype).itemsize
    assert memory.total == cache._store.nbytes + width * parameter_count(TINY)


def test_int8_weights(monkeypatch):
    monkeypatch.setattr(quantized, "has_fbgemm", lambda: False)  # which hides its bytes
    model = quantized.quantize_weights(GPT2(TINY).eval())
    storages = {
        tensor.untyped_storage()._cdata: tensor.untyped_storage().nbytes()
        for tensor in (*model.parameters(), *model.buffers())
    }
    memory = inference_memory(TINY, length=1, dtype="int8")
    assert memory.weights == sum(storages.values())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0; it must be a whole number of at least 1"),
        ({"batch_size": 1.5}, "batch_size is 1.5"),
        ({"length": True}, "length is True"),
        ({"length": 33}, "length is 33; the model reads at most 32 tokens"),
        ({"mixed_precision": "bf61"}, "'bf61'; did you mean 'bf16'"),
        ({"optim": "adamw-8bit"}, "did you mean 'adamw_8bit'"),
        ({"lora_rank": 25}, "lora_rank is 25; .* to n_embd, 24"),
        ({"lora_rank": -1}, "lora_rank is -1"),
        ({"frozen_dtype": "int8"}, "unknown frozen_dtype 'int8'"),
        ({"frozen_dtype": "float16"}, "16 bits are for LoRA with mixed precision"),
        ({"frozen_dtype": "float16", "lora_rank": 2}, "set lora_rank and mixed"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
    ],
)
def test_what_cannot_be_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        training_memory(TINY, **{"batch_size": 2, "length": 8} | given)


def test_the_parts_refuse_alike():
    with pytest.raises(ValueError, match="did you mean 'adamw_torch'"):
        optimizer_bytes(TINY, "adamw_torch_fused")
    with pytest.raises(ValueError, match="lora_rank is -4"):
        parameter_count(TINY, -4)


def test_generating_refuses_too():
    with pytest.raises(ValueError, match="unknown dtype 'int8'"):
        cache_bytes(TINY, 1, 1, "int8")
    with pytest.raises(ValueError, match="unknown dtype 'fp16'"):
        inference_memory(TINY, length=1, dtype="fp16")
    with pytest.raises(ValueError, match="length is 33"):
        inference_memory(TINY, length=33)
