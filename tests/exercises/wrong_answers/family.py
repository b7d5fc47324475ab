"""Wrong answers to the exercises of the model family, and what each is told."""

from __future__ import annotations

import torch

B, T, PAD = 2, 6, 60


SHAPES = {
    "GPT2Model": {"last_hidden_state": (B, T, 24)},
    "GPT2LMHeadModel": {"logits": (B, T, 61)},
    "GPT2ForSequenceClassification": {"logits": (B, 3)},
    "GPT2ForQuestionAnswering": {"start_logits": (B, T), "end_logits": (B, T)},
    "GPT2ForTokenClassification": {"logits": (B, T, 3)},
}


def best_pair(start, end, longest):
    """The two best ends, chosen apart."""
    return start.argmax(), end.argmax()


def one_longer(start, end, longest):
    """One token more than allowed."""
    table = start[:, None] + end
    allowed = torch.ones_like(table).triu().tril(longest).bool()
    return divmod(int(table.masked_fill(~allowed, -torch.inf).argmax()), len(end))


WRONG = {
    "family-shapes": [
        (
            lambda B, T, C, V, labels: {},
            "these classes are missing: GPT2ForQuestionAnswering",
        ),
        (
            lambda B, T, C, V, labels: dict.fromkeys(SHAPES, (B, T, labels)),
            "GPT2Model does not give",
        ),
    ],
    "family-random": [
        (lambda model, file: set(model) - set(file), "token embedding"),
        (lambda model, file: set(), "in no file; yours draws nothing"),
    ],
    "family-score": [
        (lambda hidden, ids, weight, pad: hidden[:, -1] @ weight.T, "the last column"),
        (
            lambda hidden, ids, weight, pad: (
                hidden[torch.arange(3), (ids != pad).sum(1) - 1] @ weight.T
            ),
            "on the left, the number of real tokens",
        ),
        (
            lambda hidden, ids, weight, pad: hidden @ weight.T,
            "should give (3, 2) scores",
        ),
    ],
    "family-positions": [
        (lambda mask: mask.cumsum(1), "first real token is at position 0"),
        (lambda mask: mask.cumsum(1) - 1, "negative position"),
        (lambda mask: torch.arange(5).expand_as(mask), "are at 0, 1, 2"),
    ],
    "family-span": [
        (best_pair, "ends before it starts"),
        (lambda start, end, longest: (0, len(end) - 1), "the best span is"),
        (one_longer, "your span (0, 2) has 3 tokens"),
    ],
    "family-words": [
        (
            lambda words, labels: [-100 if w is None else labels[w] for w in words],
            "every token got",
        ),
        (
            lambda words, labels: [
                -100 if w in (None, b) else labels[w]
                for w, b in zip(words, [None, *words], strict=False)
            ],
            "the first token of a word",
        ),
        (
            lambda words, labels: [
                labels[w] if w is not None and after in (w + 1, None) else -100
                for w, after in zip(words, [*words[1:], None], strict=True)
            ],
            "it should be [-100, 5, 7, -100]",
        ),
    ],
}
