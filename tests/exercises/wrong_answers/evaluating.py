"""Wrong answers to the exercises on evaluation, and what each is told."""

from __future__ import annotations

import math
import re
from collections import Counter


def all_of_each(n, window, stride):
    """Scores every token of every window."""
    return [(s, s, s + window) for s in range(0, n - window + 1, stride)]


def only_whole(n, window, stride):
    """Forgets what does not fill a window."""
    starts = range(0, n - window, stride)
    return [(s, s if s == 0 else s + window - stride, s + window) for s in starts]


def short_last(n, window, stride):
    """Windows at multiples of the stride: the last is not full."""
    found, done = [], 0
    for start in range(0, n, stride):
        end = min(start + window, n)
        if end > done:
            found.append((start, done, end))
        done = end
    return found


def count_shared(written, reference, lower=True, clip=True):
    """Shared words, and both lengths."""
    pattern = r"[a-z0-9]+" if lower else r"\S+"
    a, b = (
        re.findall(pattern, text.lower() if lower else text)
        for text in (written, reference)
    )
    if clip:
        return (Counter(a) & Counter(b)).total(), len(a), len(b)
    return sum(word in b for word in a), len(a), len(b)


def f1(shared, a, b):
    return 2 * shared / (a + b) if shared else 0.0


def by_spaces(written, reference):
    a, b = (text.lower().split() for text in (written, reference))
    return f1((Counter(a) & Counter(b)).total(), len(a), len(b))


def precision(written, reference):
    shared, words, _ = count_shared(written, reference)
    return shared / words


def recall(written, reference):
    shared, _, words = count_shared(written, reference)
    return shared / words


def by_bytes(scores, endings):
    each = [s / len(e.encode()) for s, e in zip(scores, endings, strict=True)]
    return max(range(len(each)), key=each.__getitem__)


def by_largest(values):
    return max(range(len(values)), key=values.__getitem__)


def without_punctuation(written, reference):
    """Punctuation is deleted and separates nothing."""
    texts = (re.sub(r"[^\w\s]|_", "", text) for text in (written, reference))
    return f1(*count_shared(*texts))


def from_precision_and_recall(written, reference):
    """Divides by the words of a text without words."""
    p, r = precision(written, reference), recall(written, reference)
    return 2 * p * r / (p + r) if p + r else 0.0


WRONG = {
    "evaluating-windows": [
        (all_of_each, "is predicted twice"),
        (only_whole, "are never predicted"),
        (short_last, "reaches back"),
    ],
    "evaluating-unit": [
        (lambda p, tokens, words: p * tokens / words, "losses do"),
        (lambda p, tokens, words: p ** (words / tokens), "the other way round"),
        (lambda p, tokens, words: math.log(p) * tokens / words, "the loss per word"),
    ],
    "evaluating-greedy": [
        (lambda logits, ids: logits.argmax(-1) == ids, "not one per token"),
        (lambda logits, ids: (logits.argmax(-1) == ids).any(), "is not the most"),
        (lambda logits, ids: logits[0].argmax() == ids[0], "the last token"),
        (
            lambda logits, ids: (logits.argmax(-1) == ids)[[0, -1]].all(),
            "the middle token",
        ),
        (lambda logits, ids: None, "nothing here yet"),
    ],
    "evaluating-norm": [
        (lambda scores, endings: by_largest(scores), "because it is short"),
        (by_bytes, "not bytes"),
        (
            lambda scores, endings: max(
                s / len(e) for s, e in zip(scores, endings, strict=True)
            ),
            "return the index",
        ),
        (
            lambda scores, endings: by_largest(
                [
                    s / len(e.replace(" ", ""))
                    for s, e in zip(scores, endings, strict=True)
                ]
            ),
            "a space is a character",
        ),
    ],
    "evaluating-rouge": [
        (lambda w, r: f1(*count_shared(w, r, clip=False)), "it counts once"),
        (lambda w, r: f1(*count_shared(w, r, lower=False)), "lower-case words"),
        (by_spaces, "punctuation is no part of it"),
        (precision, "precision alone"),
        (recall, "recall alone"),
        (without_punctuation, "'well-made' has two words"),
        (from_precision_and_recall, "no division by zero"),
    ],
}
