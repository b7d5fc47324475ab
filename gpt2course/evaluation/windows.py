"""How probable a model finds a text: in sliding windows, or after a context.

scoring.py builds the tasks' questions from these two; loss.py is the same arithmetic
for training, where the end of a text counts too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from gpt2course.model import GPT2


@dataclass(frozen=True)
class Likelihood:
    """What a model says of some tokens.

    Args:
        nats: log p of all of them together, 0 or below.
        tokens: how many there are.
        greedy: whether each of them is the most probable token at its place.
    """

    nats: float
    tokens: int
    greedy: bool


def check_window(n_positions: int, window: int | None, stride: int | None) -> tuple:
    """Window and stride in tokens, with what was not given filled in.

    Args:
        n_positions: of the model.
        window: n_positions by default.
        stride: the window by default, so that no token is read twice.

    Raises:
        ValueError: a window the model cannot read, or a stride outside 1..window.
    """
    if window is None:
        window = n_positions
    if not 2 <= window <= n_positions:
        raise ValueError(
            f"window is {window}; it must lie between 2 and the model's {n_positions} "
            "positions"
        )
    if stride is None:
        stride = window
    _check_stride(window, stride)
    return window, stride


def _check_stride(window: int, stride: int) -> None:
    if not 1 <= stride <= window:
        raise ValueError(
            f"stride is {stride}; it must lie between 1 and the window of {window} "
            "tokens, or tokens would be left out"
        )


def sliding_windows(
    ids: Sequence[int], prefix: int, window: int, stride: int
) -> Iterator[tuple[list[int], list[int]]]:
    """Cut one text into windows such that every token is predicted once.

    The first window predicts all of its tokens, the first of them from the prefix
    token. Every further window predicts `stride` tokens more. All windows but the first
    are full: the last one reaches back as far as it needs.

    Args:
        ids: T token ids; none give no window.
        prefix: the token before the text, `<|endoftext|>`.
        window: tokens the model reads at once.
        stride: tokens predicted per window after the first.

    Yields:
        inputs and targets; the targets belong to the last inputs.

    Raises:
        ValueError: a stride outside 1..window.

    Source: lm-evaluation-harness, get_rolling_token_windows, whose context_len is
    window - stride + 1. Chapter: evaluating as the paper did.
    """
    _check_stride(window, stride)
    before = [prefix, *ids]  # before[i] stands before ids[i]
    done = min(window, len(ids))
    if done:
        yield before[:done], list(ids[:done])
    while done < len(ids):
        end = min(done + stride, len(ids))
        yield before[end - window : end], list(ids[done:end])
        done = end


@torch.no_grad()
def text_likelihood(
    model: GPT2, ids: Sequence[int], *, window: int | None = None,
    stride: int | None = None,
) -> Likelihood:  # fmt: skip
    """log p of a whole text, read in sliding windows. Its end is not predicted.

    Args:
        model: in eval mode.
        ids: T token ids.
        window, stride: as in `check_window`.

    Raises:
        ValueError: as `check_window`; a text without tokens.

    Source: as `sliding_windows`. Chapter: evaluating as the paper did.
    """
    window, stride = check_window(model.config.n_positions, window, stride)
    if not ids:
        raise ValueError("the text has no tokens; pass one that is not empty")
    nats, greedy = 0.0, True
    for inputs, targets in sliding_windows(
        ids, model.config.eos_token_id, window, stride
    ):
        found = _of_targets(model, [inputs], [targets])[0]
        nats += found.nats
        greedy = greedy and found.greedy
    return Likelihood(nats, len(ids), greedy)


@torch.no_grad()
def continuation_likelihoods(
    model: GPT2,
    pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
    *,
    window: int | None = None,
) -> list[Likelihood]:
    """log p of each continuation after its context, all pairs in one batch.

    What does not fit into the window is cut off at the beginning of the context. An
    empty context stands for `<|endoftext|>`.

    Args:
        model: in eval mode.
        pairs: token ids of the context and of the continuation.
        window: tokens the model reads at once; n_positions by default.

    Raises:
        ValueError: a continuation without tokens, or longer than the window.

    Source: lm-evaluation-harness, loglikelihood.
    Chapter: evaluating as the paper did.
    """
    window, _ = check_window(model.config.n_positions, window, None)
    if not pairs:
        return []
    rows, targets = [], []
    for context, continuation in pairs:
        if not 1 <= len(continuation) <= window:
            remedy = "shorten it"
            if not continuation:
                remedy = "begin it with a space, so that it has tokens of its own"
            raise ValueError(
                f"a continuation has {len(continuation)} tokens; it must have 1 to the "
                f"window's {window}: {remedy}"
            )
        whole = [*(context or [model.config.eos_token_id]), *continuation]
        rows.append(whole[-(window + 1) : -1])
        targets.append(list(continuation))
    return _of_targets(model, rows, targets)


def _of_targets(
    model: GPT2, rows: Sequence[list[int]], targets: Sequence[list[int]]
) -> list[Likelihood]:
    """The targets of each row stand after its last inputs.

    Rows are padded on the right, where causal attention never looks. Only the vectors
    before a target are projected to the vocabulary.
    """
    longest = max(map(len, rows))
    filled = [row + [0] * (longest - len(row)) for row in rows]
    hidden = model.hidden(torch.tensor(filled, device=model.device))
    found = []
    for i, (row, wanted) in enumerate(zip(rows, targets, strict=True)):
        vectors = hidden[i, len(row) - len(wanted) : len(row)]
        log_p = model.head(vectors).float().log_softmax(dim=-1)
        ids = torch.tensor(wanted, device=model.device)
        nats = log_p.gather(1, ids[:, None]).double().sum().item()
        greedy = bool((log_p.argmax(dim=-1) == ids).all())
        found.append(Likelihood(nats, len(wanted), greedy))
    return found
