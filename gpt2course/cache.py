"""The KV cache: what attention has already computed for the tokens read so far.

model.py fills it; generation/loop.py uses it to read only one new token a step.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gpt2course.config import GPT2Config


class KVCache:
    """Keys and values of every layer, stored, so that a new token needs only its own.

    The memory for `max_length` tokens is taken at the start; nothing is copied when
    the text grows.

    Args:
        config: the model's shape.
        batch_size: sequences, B.
        max_length: tokens to make room for; config.n_positions by default, which is
            also the most.
        dtype, device: those of the model's weights.

    Raises:
        ValueError: max_length outside 1..n_positions; `update` with more tokens than
            there is room for, or with another number of sequences.

    Source: the `past` of OpenAI's release; transformers.DynamicCache.
    Chapter: the KV cache.
    """

    def __init__(
        self,
        config: GPT2Config,
        batch_size: int = 1,
        max_length: int | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        if max_length is None:
            max_length = config.n_positions
        if not 1 <= max_length <= config.n_positions:
            raise ValueError(
                f"max_length is {max_length}; the model reads 1 to "
                f"{config.n_positions} tokens"
            )
        self._store = torch.zeros(
            config.n_layer,
            2,  # keys and values
            batch_size,
            config.n_head,
            max_length,
            config.head_size,
            dtype=dtype,
            device=device,
        )
        # (keys, values) of each layer, views of the store
        self.layers = [(layer[0], layer[1]) for layer in self._store]
        self.length = 0
        self.ids: Tensor | None = None  # (B, length), if decoding has read all of it

    @property
    def max_length(self) -> int:
        """Tokens there is room for."""
        return self._store.size(4)

    def update(
        self,
        layer: int,
        k: Tensor,
        v: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Store the new keys and values of one layer, and return all of them.

        Args:
            layer: index of the block.
            k, v: (B, H, T, D), the T new tokens.

        Returns:
            keys and values, (B, H, S, D) with S = length + T.
        """
        end = self.length + k.size(2)
        if end > self.max_length:
            raise ValueError(
                f"{end} tokens do not fit in a cache of {self.max_length}; "
                "shorten the text or make a larger cache"
            )
        keys, values = self.layers[layer]
        if len(k) != len(keys):
            raise ValueError(
                f"{len(k)} sequences do not belong to a cache of "
                f"{len(keys)}; make one with this batch_size"
            )
        keys[:, :, self.length : end] = k
        values[:, :, self.length : end] = v
        return keys[:, :, :end], values[:, :, :end]

    def reorder(self, rows: Tensor) -> None:
        """Let sequence i continue what sequence rows[i] has read, as beam search does.

        Args:
            rows: (B,) int64.

        Raises:
            ValueError: another number of rows.
        """
        if len(rows) != self._store.size(2):
            raise ValueError(
                f"{len(rows)} rows for a cache of {self._store.size(2)} sequences; "
                "pass one for each"
            )
        filled = self._store[..., : self.length, :]
        filled.copy_(filled.index_select(2, rows))
        if self.ids is not None:
            self.ids = self.ids[rows]

    def advance(self, n_tokens: int) -> None:
        """Count tokens as read, once every layer has stored them."""
        self.length += n_tokens
        self.ids = None  # whoever knows them says so afterwards
