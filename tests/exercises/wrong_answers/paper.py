"""Wrong answers to the exercises on the paper, and what each is told."""

from __future__ import annotations

import re


def rises(before, ours, larger):
    """More is better everywhere."""
    return sorted({c.split(",")[0] for c in before if ours[c] > before[c]})


def gains(before, ours, larger):
    """By column, with the right direction."""
    return {c: (ours[c] - before[c]) * (1 if c in larger else -1) for c in before}


def any_column(before, ours, larger):
    """One column is enough."""
    won = gains(before, ours, larger)
    return sorted({c.split(",")[0] for c in won if won[c] > 0})


def ties(before, ours, larger):
    """A tie is a win."""
    won = gains(before, ours, larger)
    lost = {c.split(",")[0] for c in won if won[c] < 0}
    return sorted({c.split(",")[0] for c in won} - lost)


def columns(before, ours, larger):
    """Columns, not data sets."""
    won = gains(before, ours, larger)
    return sorted(c for c in won if won[c] > 0)


def grams(text, n, lower=True):
    words = re.findall(r"[A-Za-z0-9]+", text.lower() if lower else text)
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def exact(test, train, n=8):
    """Whole words as they stand."""
    words, known = test.split(), set()
    for text in train:
        w = text.split()
        known |= {tuple(w[i : i + n]) for i in range(len(w) - n + 1)}
    runs = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    return sum(run in known for run in runs) / len(runs) if runs else 0.0


def as_sets(test, train, n=8):
    """Each n-gram of the test text once."""
    known = {g for text in train for g in grams(text, n)}
    own = set(grams(test, n))
    return len(own & known) / len(own) if own else 0.0


def joined(test, train, n=8):
    """The training texts run into one another."""
    known, own = set(grams(" ".join(train), n)), grams(test, n)
    return sum(g in known for g in own) / len(own) if own else 0.0


def per_word(test, train, n=8):
    """Divides by words."""
    known = {g for text in train for g in grams(text, n)}
    return sum(g in known for g in grams(test, n)) / len(test.split())


def lines(pairs, sentence, sep=" = ", end=" =", between="\n"):
    return between.join([f"{a}{sep}{b}" for a, b in pairs] + [f"{sentence}{end}"])


def last_column(before, ours, larger):
    """A later column overwrites an earlier one."""
    won = {c.split(",")[0]: gain > 0 for c, gain in gains(before, ours, larger).items()}
    return sorted(name for name in won if won[name])


def without_punctuation(test, train, n=8):
    """Punctuation is deleted and separates nothing."""
    clean = [re.sub(r"[^\w\s]|_", "", text) for text in (test, *train)]
    known = {g for text in clean[1:] for g in grams(text, n)}
    own = grams(clean[0], n)
    return sum(g in known for g in own) / len(own) if own else 0.0


def with_underscores(test, train, n=8):
    """An underscore is a letter."""
    joined_up = [text.replace("_", "") for text in (test, *train)]
    known = {g for text in joined_up[1:] for g in grams(text, n)}
    own = grams(joined_up[0], n)
    return sum(g in known for g in own) / len(own) if own else 0.0


def parts_of_words(test, train, n=8):
    """As texts, not as words."""
    whole = [" ".join(g[0] for g in grams(text, 1)) for text in train]
    own = [" ".join(g) for g in grams(test, n)]
    return sum(any(g in t for t in whole) for g in own) / len(own) if own else 0.0


WRONG = {
    "paper-improved": [
        (rises, "less is better there"),
        (any_column, "needs every column"),
        (ties, "a tie is no win"),
        (columns, "these are columns"),
        (last_column, "not only the last"),
    ],
    "paper-filter": [
        (lambda s, stop: max(s, key=s.get), "the space in front"),
        (
            lambda s, stop: max(
                (w for w in s if w.strip() not in stop), key=s.get, default=None
            ),
            "capitals do not matter",
        ),
        (
            lambda s, stop: min(
                (w for w in s if w.strip().lower() not in stop), key=s.get
            ),
            "the largest log-probability",
        ),
    ],
    "paper-overlap": [
        (exact, "capitals and punctuation"),
        (as_sets, "counts twice"),
        (joined, "do not cross texts"),
        (per_word, "divide by the number of n-grams"),
        (without_punctuation, "'one-two three' has three words"),
        (with_underscores, "'one_two three' has three words"),
        (parts_of_words, "compare whole words"),
    ],
    "paper-calibrate": [
        (lambda s, p: s.argmax(-1), "without calibration"),
        (lambda s, p: (s - p).argmin(-1), "not the smallest"),
        (lambda s, p: (s - p).argmax(0), "one class per text"),
    ],
    "paper-prompt": [
        (lambda p, s: lines(p, s, end=" = "), "a space at the end"),
        (lambda p, s: lines(p, s, between=" "), "a line of its own"),
        (lambda p, s: lines(p, s, end=""), "the model continues"),
        (lambda p, s: lines(p, s, sep="="), "either side"),
        (lambda p, s: lines([(b, a) for a, b in p], s), "the French one after"),
        (lambda p, s: f"{s} =", "the example pairs come first"),
        (lambda p, s: lines(p, s) + "\n", "a line feed at the end"),
    ],
}
