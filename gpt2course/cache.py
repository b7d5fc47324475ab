"""The KV cache: what attention has already computed for the tokens read so far."""

from __future__ import annotations

import torch
from torch import Tensor

from gpt2course.config import GPT2Config


class KVCache:
    """Keys and values of every layer, stored once so that a new token needs only its own.

    The memory for `max_length` tokens is taken at the start; nothing is copied when the text grows.

    Args:
        config: the model's shape.
        batch_size: sequences, B.
        max_length: tokens to make room for; at most (and by default) config.n_positions.
        dtype, device: those of the model's weights.

    Raises:
        ValueError: max_length outside 1..n_positions, or more tokens than there is room for.

    Source: the `past` of OpenAI's release; transformers.DynamicCache. Chapter: token by token.
    """

    def __init__(
        self,
        config: GPT2Config,
        batch_size: int = 1,
        max_length: int | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        max_length = config.n_positions if max_length is None else max_length
        if not 1 <= max_length <= config.n_positions:
            raise ValueError(
                f"max_length is {max_length}; the model reads 1 to {config.n_positions} tokens"
            )
        shape = (
            config.n_layer,
            2,
            batch_size,
            config.n_head,
            max_length,
            config.head_size,
        )
        self._store = torch.zeros(shape, dtype=dtype, device=device)
        self.layers = [
            (layer[0], layer[1]) for layer in self._store
        ]  # keys and values, views of the store
        self.length = 0

    @property
    def max_length(self) -> int:
        """Tokens there is room for."""
        return self._store.size(4)

    def update(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store the new keys and values of one layer; return all of them, old and new.

        Args:
            layer: index of the block.
            k, v: (B, H, T, D), the T new tokens.

        Returns:
            keys and values, (B, H, S, D) with S = length + T.
        """
        end = self.length + k.size(2)
        if end > self.max_length:
            raise ValueError(
                f"{end} tokens do not fit in a cache of {self.max_length}; shorten the text or make a larger cache"
            )
        keys, values = self.layers[layer]
        keys[:, :, self.length : end] = k
        values[:, :, self.length : end] = v
        return keys[:, :, :end], values[:, :, :end]

    def reorder(self, rows: Tensor) -> None:
        """Let sequence i go on from what sequence rows[i] has read, as beam search needs it.

        Args:
            rows: (B,) int64.
        """
        self._store[..., : self.length, :] = self._store[
            ..., : self.length, :
        ].index_select(2, rows)

    def advance(self, n_tokens: int) -> None:
        """Count tokens as read, once every layer has stored them."""
        self.length += n_tokens
