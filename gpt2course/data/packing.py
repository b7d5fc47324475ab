"""Many texts in few rows: one endless stream for pretraining, whole documents side by
side for fine-tuning. What trains on the rows is in training/."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gpt2course.arguments import rows_of_ids, whole_number
from gpt2course.loss import IGNORE_INDEX
from gpt2course.model import causal_mask


def concatenate(
    documents: Sequence[Sequence[int]], eos_token_id: int
) -> tuple[Tensor, Tensor]:
    """Put the texts one after the other, each closed by `<|endoftext|>`.

    Args:
        documents: token ids, one sequence a text.
        eos_token_id: the id of `<|endoftext|>`.

    Returns:
        tokens (N,) int64, and lengths (number of documents,) int64 in tokens, the
        closing token included.

    Raises:
        ValueError: no documents; ids or an eos_token_id that are no ids.
    """
    documents = _checked(documents)
    eos_token_id = _int64("eos_token_id", eos_token_id)
    if not documents:
        raise ValueError("no documents to pack; pass at least one")
    lengths = torch.tensor([len(ids) + 1 for ids in documents])
    tokens = torch.tensor(
        [token for ids in documents for token in (*ids, eos_token_id)]
    )
    return tokens, lengths


def _checked(documents: Sequence[Sequence[int]]) -> list[list[int]]:
    """Documents as lists of ids. Floats would be cut to ids without a word, and ids
    below 0 be read from the end of the vocabulary or as IGNORE_INDEX."""
    found = rows_of_ids("documents", documents, "document {}")
    for i, ids in enumerate(found):
        if ids and min(ids) < 0:
            raise ValueError(f"document {i} holds {min(ids)}; token ids begin at 0")
    return found


def _int64(name: str, value: object) -> int:
    """A whole number that fits into int64, from 0."""
    value = whole_number(name, value, least=0)
    if value >= 2**63:
        raise ValueError(f"{name} is {value}; it must be below 2**63")
    return value


def epoch_seed(seed: int, epoch: int) -> int:
    """The seed of one epoch's order: far from those of every other epoch and run.

    seed + epoch would not do: the second epoch of seed 1 would be the first of seed 2.

    Args:
        seed: of the run. It is that of epoch 0.
        epoch: from 0.
    """
    return (seed + 1_000_003 * epoch) % 2**63


def shuffled_stream(tokens: Tensor, lengths: Tensor, seed: int) -> Tensor:
    """The same texts in another order, decided by the seed alone.

    Args:
        tokens: (N,) int64, as `concatenate` made them.
        lengths: (documents,) int64.
        seed: from 0 to 2**63 - 1.

    Returns:
        (N,) int64.

    Raises:
        ValueError: another seed.
    """
    seed = _int64("seed", seed)
    order = torch.randperm(len(lengths), generator=torch.Generator().manual_seed(seed))
    parts = tokens.split(lengths.tolist())
    return torch.cat([parts[i] for i in order])


def rows_at(stream: Tensor, step: int, n_rows: int, row_length: int) -> Tensor:
    """The rows that one training step reads: consecutive pieces of the stream.

    Each row has one token more than row_length: the model reads the first row_length
    and predicts the last row_length, so every token is predicted once and every
    position is trained.

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
        raise ValueError(
            f"step {step} needs tokens up to {start + n_rows * row_length}; the stream "
            f"has {len(stream)}"
        )
    return torch.stack(
        [piece[i * row_length : (i + 1) * row_length + 1] for i in range(n_rows)]
    )


@dataclass(frozen=True)
class Packed:
    """Rows that hold several whole documents each. All tensors are (R, T) int64.

    Args:
        input_ids: the documents' tokens; after the last document of a row, padding.
        labels: the same tokens, as Hugging Face wants them (the loss shifts).
            IGNORE_INDEX where nothing may be learned: on padding, and on the first
            token of each document, which nothing before it could predict.
        position_ids: 0, 1, 2, ... from the start of each document.
        document_ids: which of the given documents a token belongs to; -1 for padding.
        too_long: the numbers of the documents that were cut or dropped.
    """

    input_ids: Tensor
    labels: Tensor
    position_ids: Tensor
    document_ids: Tensor
    too_long: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.input_ids)

    def __getitem__(self, rows: Tensor | slice) -> Packed:
        """Some of the rows, padding that all of them share left out."""
        ids = self.document_ids[rows]
        # padding stands at the end only
        used = int((ids >= 0).any(dim=0).sum()) if len(ids) else ids.size(1)
        return Packed(
            self.input_ids[rows][:, :used],
            self.labels[rows][:, :used],
            self.position_ids[rows][:, :used],
            ids[:, :used],
        )

    def to(self, device: torch.device | str) -> Packed:
        """The same rows on another device."""
        tensors = (self.input_ids, self.labels, self.position_ids, self.document_ids)
        return Packed(*(tensor.to(device) for tensor in tensors), self.too_long)

    @property
    def num_label_tokens(self) -> int:
        """Number of tokens with a label: what a loss is averaged over."""
        return int((self.labels != IGNORE_INDEX).sum())

    @property
    def token_fraction(self) -> float:
        """Fraction of the positions that hold a token, 0..1; the rest is padding."""
        return (self.document_ids >= 0).float().mean().item()


def pack_sequences(
    documents: Sequence[Sequence[int]],
    row_length: int,
    *,
    pad_token_id: int = 0,
    too_long: Literal["error", "cut", "drop"] = "error",
) -> Packed:
    """Put whole documents side by side into rows, few rows and little padding.

    Best fit, longest first: each document goes into the row with the least room that
    still holds it, else it opens a new row. No document is split, and none loses its
    first token.

    Args:
        documents: token ids, one sequence per document; what closes it, such as
            `<|endoftext|>`, is part of it.
        row_length: T, in tokens.
        pad_token_id: stands at the ends of rows. No loss and no document ever sees it.
        too_long: what happens to a document longer than a row: "error", "cut" at its
            end, or "drop". What was cut or dropped is named in the result.

    Raises:
        ValueError: no documents, a document shorter than two tokens (nothing to
            predict), one longer than a row; a pad_token_id that is no id.

    Source: Krell et al. 2021, "Efficient Sequence Packing without Cross-contamination".
    Chapter: training.
    """
    if whole_number("row_length", row_length, least=0) < 2:
        raise ValueError(
            f"row_length is {row_length}; a row needs at least 2 tokens, one to read "
            "and one to predict"
        )
    pad_token_id = _int64("pad_token_id", pad_token_id)
    if too_long not in ("error", "cut", "drop"):
        raise ValueError(
            f"too_long is {too_long!r}; it must be 'error', 'cut' or 'drop'"
        )
    documents = _checked(documents)
    lengths = [len(ids) for ids in documents]
    if short := [i for i, n in enumerate(lengths) if n < 2]:
        raise ValueError(
            f"document {short[0]} has {lengths[short[0]]} token(s); leave out what is "
            "shorter than 2"
        )
    long = tuple(i for i, n in enumerate(lengths) if n > row_length)
    if long and too_long == "error":
        raise ValueError(
            f"{len(long)} of {len(lengths)} documents are longer than a row of "
            f"{row_length} tokens, first document {long[0]} with {lengths[long[0]]}; "
            "pass too_long='cut' or 'drop', or a larger row_length"
        )
    kept = [
        i for i in range(len(lengths)) if too_long == "cut" or lengths[i] <= row_length
    ]
    if not kept:
        raise ValueError(
            f"no document fits into a row of {row_length} tokens; pass some, or a "
            "larger row_length"
        )
    rows = _best_fit({i: min(lengths[i], row_length) for i in kept}, row_length)
    return _filled_rows(documents, rows, row_length, pad_token_id, long)


def _filled_rows(
    documents: Sequence[Sequence[int]],
    rows: list[list[int]],
    row_length: int,
    pad_token_id: int,
    too_long: tuple[int, ...],
) -> Packed:
    """The tensors, once it is decided which documents (by number) go into which row."""
    shape = (len(rows), row_length)
    input_ids = torch.full(shape, pad_token_id)
    labels = torch.full(shape, IGNORE_INDEX)
    position_ids = torch.zeros(shape, dtype=torch.int64)
    document_ids = torch.full(shape, -1)
    for r, members in enumerate(rows):
        start = 0
        for i in members:
            ids = torch.as_tensor(documents[i][:row_length])
            place = slice(start, start + len(ids))
            input_ids[r, place] = ids
            labels[r, start + 1 : place.stop] = ids[1:]
            position_ids[r, place] = torch.arange(len(ids))
            document_ids[r, place] = i
            start = place.stop
    return Packed(input_ids, labels, position_ids, document_ids, too_long)


def _best_fit(lengths: dict[int, int], row_length: int) -> list[list[int]]:
    """Divide documents (number -> tokens) among rows. Returns the numbers in each
    row."""
    rows: list[list[int]] = []
    waiting: dict[int, list[int]] = {}  # room left -> rows with that much
    rooms: list[int] = []  # the keys of waiting, in order
    for i in sorted(lengths, key=lambda i: -lengths[i]):
        at = bisect_left(rooms, lengths[i])
        if at == len(rooms):
            room, row = row_length, len(rows)
            rows.append([])
        else:
            room = rooms[at]
            row = waiting[room].pop()
            if not waiting[room]:
                del waiting[room], rooms[at]
        rows[row].append(i)
        left = room - lengths[i]
        if left not in waiting:
            waiting[left] = []
            insort(rooms, left)
        waiting[left].append(row)
    return rows


def document_mask(document_ids: Tensor) -> Tensor:
    """Which tokens each token may attend to: itself and the earlier ones of its
    document.

    Args:
        document_ids: (B, T) int64, as `pack_sequences` made them.

    Returns:
        (B, 1, T, T) bool, True where attention is allowed. GPT2 takes it as mask,
        GPT2LMHeadModel as attention_mask.

    Chapter: training.
    """
    same = document_ids[:, None, :, None] == document_ids[:, None, None, :]
    return same & causal_mask(document_ids.size(1), device=document_ids.device)
