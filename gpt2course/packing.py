"""Many texts in few rows: pretraining reads one endless stream of tokens."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def concatenate(documents: Sequence[Sequence[int]], eos_token_id: int) -> tuple[Tensor, Tensor]:
    """Put every text behind the other, each closed by <|endoftext|>.

    Args:
        documents: token ids, one sequence a text.
        eos_token_id: the id of <|endoftext|>.

    Returns:
        tokens (N,) int64, and lengths (number of documents,) int64 in tokens, the closing token included.

    Raises:
        ValueError: no documents.
    """
    if not len(documents):
        raise ValueError("no documents to pack; pass at least one")
    lengths = torch.tensor([len(ids) + 1 for ids in documents])
    tokens = torch.tensor([token for ids in documents for token in (*ids, eos_token_id)])
    return tokens, lengths


def shuffled_stream(tokens: Tensor, lengths: Tensor, seed: int) -> Tensor:
    """The same texts in another order, decided by the seed alone.

    Args:
        tokens: (N,) int64, as `concatenate` made them.
        lengths: (documents,) int64.
        seed: any whole number.

    Returns:
        (N,) int64.
    """
    order = torch.randperm(len(lengths), generator=torch.Generator().manual_seed(seed))
    parts = tokens.split(lengths.tolist())
    return torch.cat([parts[i] for i in order])


def rows_at(stream: Tensor, step: int, n_rows: int, row_length: int) -> Tensor:
    """The rows that one training step reads: consecutive pieces of the stream.

    Each row has one token more than row_length: the model reads the first row_length and predicts the last
    row_length, so every token is predicted once and every position is trained.

    Args:
        stream: (N,) int64.
        step: which batch, from 0.
        n_rows, row_length: size of a batch; a step reads n_rows * row_length tokens.

    Returns:
        (n_rows, row_length + 1) int64.

    Raises:
        ValueError: the stream ends before this step does.
    """
    start = step * n_rows * row_length
    piece = stream[start : start + n_rows * row_length + 1]
    if len(piece) < n_rows * row_length + 1:
        raise ValueError(f"step {step} needs tokens up to {start + n_rows * row_length}; the stream has {len(stream)}")
    return torch.stack([piece[i * row_length : (i + 1) * row_length + 1] for i in range(n_rows)])
