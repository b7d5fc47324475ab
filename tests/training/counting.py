"""Texts with something to learn, and models that start from the same weights."""

from __future__ import annotations

from dataclasses import replace

import torch

from gpt2course.config import GPT2Config
from gpt2course.data import pack_sequences
from gpt2course.model import GPT2

SHAPE = GPT2Config(vocab_size=61, n_positions=32, n_embd=24, n_layer=2, n_head=2)
QUIET = replace(SHAPE, embd_pdrop=0, attn_pdrop=0, resid_pdrop=0)


def documents(n: int, seed: int) -> list[list[int]]:
    """Each counts upwards from a random number, then ends: something to learn."""
    generator = torch.Generator().manual_seed(seed)
    starts = torch.randint(0, 40, (n,), generator=generator).tolist()
    lengths = torch.randint(2, 16, (n,), generator=generator).tolist()
    return [
        [*range(start, start + length), 60]
        for start, length in zip(starts, lengths, strict=True)
    ]


TRAIN = pack_sequences(documents(60, 1), 32)
VALIDATION = pack_sequences(documents(20, 2), 32)


def fresh(config: GPT2Config = QUIET) -> GPT2:
    torch.manual_seed(0)
    return GPT2(config)


def same_weights(one, other, atol: float) -> bool:
    return all(
        torch.allclose(a, b, atol=atol)
        for a, b in zip(one.parameters(), other.parameters(), strict=True)
    )
