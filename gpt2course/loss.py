"""How surprised a model is by a text: cross-entropy, perplexity, bits per character.

training/ minimises it; the chapter on the loss explains it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gpt2course.arguments import rows_of_ids, token_ids
from gpt2course.model import GPT2

#: the label of a token that does not count, by the convention of torch and Hugging Face
IGNORE_INDEX = -100


def shift(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Pair every prediction with the token that came next.

    Args:
        logits: (B, T, V), row t predicts token t + 1.
        labels: (B, T) int64, the tokens themselves (or IGNORE_INDEX).

    Returns:
        logits (B, T - 1, V) without the last row, labels (B, T - 1) without the first
        token.

    Raises:
        ValueError: fewer than two tokens, or shapes that do not belong together.

    Source: transformers' ForCausalLMLoss. Chapter: the loss.
    """
    if labels.shape != logits.shape[:-1]:
        raise ValueError(
            f"labels {tuple(labels.shape)} do not match logits {tuple(logits.shape)}; "
            "pass the input_ids"
        )
    if labels.size(-1) < 2:
        raise ValueError(
            f"{labels.size(-1)} token(s): nothing to predict; a loss needs at least "
            "two tokens"
        )
    return logits[..., :-1, :], labels[..., 1:]


def cross_entropy(logits: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
    """Mean of -log p(target), in nats per token, without targets of IGNORE_INDEX.

    Args:
        logits: (..., V).
        targets: (...) int64, already shifted.
        reduction: "mean", "sum" or "none", as in torch.

    Returns:
        a float32 scalar; with "none" one number per target, in the shape of targets.
        The mean of no target at all is NaN.

    Raises:
        ValueError: targets of another shape than the logits.

    Source: torch.nn.functional.cross_entropy, which computes it. Chapter: the loss.
    """
    if targets.shape != logits.shape[:-1]:
        raise ValueError(
            f"targets {tuple(targets.shape)} do not match logits "
            f"{tuple(logits.shape)}; each row of logits has one target"
        )
    loss = F.cross_entropy(
        logits.flatten(0, -2).float(),
        targets.flatten(),
        ignore_index=IGNORE_INDEX,
        reduction=reduction,
    )
    return loss.view(targets.shape) if reduction == "none" else loss


@dataclass(frozen=True)
class TextLoss:
    """What a model paid for a text, and how long the text was.

    Args:
        nats: the sum of -log p over all tokens.
        tokens: how many were predicted.
        characters: length of the text.

    Chapter: the loss.
    """

    nats: float
    tokens: int
    characters: int

    @property
    def loss(self) -> float:
        """Nats per token: what training minimises."""
        return self.nats / self.tokens

    @property
    def perplexity(self) -> float:
        """exp(loss): as unsure as if choosing evenly among this many tokens.

        Comparable only between models with the same tokenizer.
        """
        return math.exp(self.loss)

    @property
    def bits_per_character(self) -> float:
        """Bits that the model would need to store a character.

        Compares models with different tokenizers.
        """
        return self.nats / math.log(2) / self.characters


def _windows(
    ids: Sequence[int], eos: int, window: int, stride: int
) -> Iterator[tuple[list[int], list[int]]]:
    """Cut one text into overlapping windows, inputs and targets.

    Every token is scored once, in the window that has the most context before it.
    """
    inputs = [eos, *ids]
    targets = [*ids, eos]
    scored = 0
    for start in range(0, len(inputs), stride):
        end = min(start + window, len(inputs))
        fresh = [IGNORE_INDEX] * (scored - start) + targets[scored:end]
        yield inputs[start:end], fresh
        scored = end
        if end == len(inputs):
            return


def _window_and_stride(
    model: GPT2, window: int | None, stride: int | None
) -> tuple[int, int]:
    """Fill in what was not given; refuse a stride that leaves tokens out."""
    if window is None:
        window = model.config.n_positions
    if not 1 <= window <= model.config.n_positions:
        raise ValueError(
            f"window is {window}; this model reads 1 to {model.config.n_positions} "
            "tokens at once"
        )
    if stride is None:
        stride = max(1, window // 2)
    if not 1 <= stride <= window:
        raise ValueError(
            f"stride is {stride}; it must lie between 1 and the window of {window} "
            "tokens"
        )
    return window, stride


@torch.no_grad()
def token_losses(
    model: GPT2,
    ids: Sequence[int],
    *,
    window: int | None = None,
    stride: int | None = None,
) -> Tensor:
    """The loss of every token of one text.

    The text starts after `<|endoftext|>`, and the model has to predict its end too.

    Args:
        model: in eval mode.
        ids: T token ids; none are fine, then only the end is scored.
        window, stride: as in `text_loss`, for a text longer than the window.

    Returns:
        (T + 1,) float32 in nats, on the CPU: one number per token, the last one for the
        end of the text.

    Raises:
        ValueError: a text instead of ids, a window outside 1..n_positions, a stride
            outside 1..window.

    Source: Shannon 1948, section 6: -log p is the information in an event.
    Chapter: the loss.
    """
    window, stride = _window_and_stride(model, window, stride)
    ids = token_ids("ids", ids)
    parts = []
    for inputs, targets in _windows(ids, model.config.eos_token_id, window, stride):
        input_ids = torch.tensor([inputs], device=model.device)
        wanted = torch.tensor([targets], device=model.device)
        losses = cross_entropy(model(input_ids), wanted, reduction="none")
        parts.append(losses[wanted != IGNORE_INDEX].cpu())
    return torch.cat(parts)


@torch.no_grad()
def text_loss(
    model: GPT2,
    documents: Sequence[Sequence[int]],
    characters: int,
    *,
    window: int | None = None,
    stride: int | None = None,
    batch_tokens: int = 4096,
) -> TextLoss:
    """The loss of several texts, each on its own.

    A text starts after `<|endoftext|>`, and the model has to predict its end too. A
    text longer than the window is read in steps of `stride`, so that every token but
    the first ones sees at least `window - stride` tokens before it.

    Args:
        model: in eval mode.
        documents: token ids, one list per text.
        characters: their length in characters, all together.
        window: tokens the model sees at once; n_positions by default.
        stride: tokens scored per window after the first; half a window by default.
        batch_tokens: padded tokens computed at once.

    Returns:
        the total, with loss (nats per token), perplexity and bits_per_character.

    Raises:
        ValueError: no documents, something else than lists of ids, no characters, a
            window outside 1..n_positions, or a stride outside 1..window.

    Source: huggingface.co/docs/transformers/perplexity (the strided protocol).
    Chapter: the loss.
    """
    window, stride = _window_and_stride(model, window, stride)
    documents = rows_of_ids("documents", documents, "document {}")
    if not documents:
        raise ValueError("no text to score; pass at least one document")
    if characters < 1:
        raise ValueError(
            f"characters is {characters}; pass the length of all documents together"
        )
    eos = model.config.eos_token_id
    windows = []
    for ids in documents:
        windows += _windows(ids, eos, window, stride)
    nats = 0.0
    tokens = 0
    for batch in _batches_of_similar_length(windows, batch_tokens):
        inputs, targets = zip(*batch, strict=True)
        input_ids = _padded(inputs, eos, model.device)
        wanted = _padded(targets, IGNORE_INDEX, model.device)
        nats += cross_entropy(model(input_ids), wanted, reduction="sum").item()
        tokens += int((wanted != IGNORE_INDEX).sum())
    return TextLoss(nats, tokens, characters)


def _batches_of_similar_length(
    windows: list[tuple[list[int], list[int]]], batch_tokens: int
) -> Iterator[list[tuple[list[int], list[int]]]]:
    """Windows of about one length together, so that little is padding."""
    batch: list[tuple[list[int], list[int]]] = []
    for window in sorted(windows, key=lambda window: len(window[0])):
        longest = len(window[0])
        if batch and longest * (len(batch) + 1) > batch_tokens:
            yield batch
            batch = []
        batch.append(window)
    yield batch


def _padded(rows: Sequence[list[int]], value: int, device: torch.device) -> Tensor:
    """Rows of different lengths as one tensor, filled with a value on the right."""
    longest = max(map(len, rows))
    filled = [row + [value] * (longest - len(row)) for row in rows]
    return torch.tensor(filled, device=device)
