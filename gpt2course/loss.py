"""How surprised a model is by a text: cross-entropy, perplexity, bits a character."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gpt2course.model import GPT2

IGNORE_INDEX = (
    -100
)  # a label that does not count; torch's and Hugging Face's convention


def shift(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Pair every prediction with the token that came next.

    Args:
        logits: (B, T, V), row t predicts token t + 1.
        labels: (B, T) int64, the tokens themselves (or IGNORE_INDEX).

    Returns:
        logits (B, T - 1, V) without the last row, labels (B, T - 1) without the first token.

    Raises:
        ValueError: fewer than two tokens, or shapes that do not belong together.

    Source: transformers' ForCausalLMLoss. Chapter: the loss.
    """
    if labels.shape != logits.shape[:-1]:
        raise ValueError(
            f"labels {tuple(labels.shape)} do not match logits {tuple(logits.shape)}; pass the input_ids"
        )
    if labels.size(-1) < 2:
        raise ValueError(
            f"{labels.size(-1)} token(s): nothing to predict; a loss needs at least two tokens"
        )
    return logits[..., :-1, :], labels[..., 1:]


def cross_entropy(logits: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
    """Mean of -log p(target), in nats a token. Targets equal to IGNORE_INDEX do not count.

    Args:
        logits: (..., V).
        targets: (...) int64, already shifted.
        reduction: "mean", "sum" or "none", as in torch.

    Returns:
        a scalar; with "none" one number a target, in the shape of targets. The mean of no target at all is NaN.

    Source: torch.nn.functional.cross_entropy, which computes it. Chapter: the loss.
    """
    loss = F.cross_entropy(
        logits.flatten(0, -2).float(),
        targets.flatten(),
        ignore_index=IGNORE_INDEX,
        reduction=reduction,
    )
    return loss.view(targets.shape) if reduction == "none" else loss


@dataclass(frozen=True)
class TextLoss:
    """What a model paid for a text, and how long the text was. Chapter: the loss."""

    nats: float
    tokens: int
    characters: int

    @property
    def loss(self) -> float:
        """Nats a token: what training minimises."""
        return self.nats / self.tokens

    @property
    def perplexity(self) -> float:
        """exp(loss): as unsure as if choosing evenly among this many tokens. Depends on the tokenizer."""
        return math.exp(self.loss)

    @property
    def bits_per_character(self) -> float:
        """Bits the model would need to store a character. Compares models with different tokenizers."""
        return self.nats / math.log(2) / self.characters


def _windows(
    ids: Sequence[int], eos: int, window: int, stride: int
) -> Iterator[tuple[list[int], list[int]]]:
    """Cut one text into overlapping windows in which every token is scored once, with the most context before it."""
    inputs, targets = [eos, *ids], [*ids, eos]
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
    window = model.config.n_positions if window is None else window
    stride = max(1, window // 2) if stride is None else stride
    if not 1 <= stride <= window:
        raise ValueError(
            f"stride is {stride}; it must lie between 1 and the window of {window} tokens"
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
    """The price of every token of one text, which starts after <|endoftext|> and has to predict its own end.

    Args:
        model: in eval mode.
        ids: T token ids; none are fine, then only the end is scored.
        window, stride: as in `text_loss`, for a text longer than the window.

    Returns:
        (T + 1,) float32 in nats, on the CPU: one number a token, the last one for the end of the text.

    Raises:
        ValueError: a stride outside 1..window.

    Source: Shannon 1948, section 6: -log p is the information in an event. Chapter: the loss.
    """
    window, stride = _window_and_stride(model, window, stride)
    parts = []
    for inputs, targets in _windows(ids, model.config.eos_token_id, window, stride):
        wanted = torch.tensor([targets], device=model.device)
        losses = cross_entropy(
            model(torch.tensor([inputs], device=model.device)), wanted, reduction="none"
        )
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
    """Score texts, each on its own: it starts after <|endoftext|> and has to predict its own end.

    A text longer than the window is read in steps of `stride`, so that every token but the first ones sees at least
    `window - stride` tokens before it.

    Args:
        model: in eval mode.
        documents: token ids, one list a text.
        characters: their length in characters, all together.
        window: tokens the model sees at once; n_positions by default.
        stride: tokens scored a window after the first; half a window by default.
        batch_tokens: padded tokens computed at once.

    Returns:
        the total, with loss (nats a token), perplexity and bits_per_character.

    Raises:
        ValueError: no documents, or a stride outside 1..window.

    Source: huggingface.co/docs/transformers/perplexity (the strided protocol). Chapter: the loss.
    """
    window, stride = _window_and_stride(model, window, stride)
    if not documents or characters < 1:
        raise ValueError("no text to score; pass at least one document")
    eos = model.config.eos_token_id
    pieces = [
        piece for ids in documents for piece in _windows(ids, eos, window, stride)
    ]
    pieces.sort(
        key=lambda piece: len(piece[0])
    )  # texts of one length together: little padding
    nats, tokens, batch = 0.0, 0, []
    for i, piece in enumerate(pieces):
        batch.append(piece)
        longest_next = len(pieces[i + 1][0]) if i + 1 < len(pieces) else 0
        if longest_next and longest_next * (len(batch) + 1) <= batch_tokens:
            continue
        T = len(piece[0])
        input_ids = torch.tensor(
            [x + [eos] * (T - len(x)) for x, _ in batch], device=model.device
        )
        targets = torch.tensor(
            [y + [IGNORE_INDEX] * (T - len(y)) for _, y in batch], device=model.device
        )
        nats += cross_entropy(model(input_ids), targets, reduction="sum").item()
        tokens += int((targets != IGNORE_INDEX).sum())
        batch = []
    return TextLoss(nats, tokens, characters)
