"""Wrong answers to the exercises of the page on counting, and what each is told."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise


def counts(words, word):
    return dict(Counter(b for a, b in pairwise(words) if a == word))


def by_all_words(words, word):
    return {b: n / len(words) for b, n in counts(words, word).items()}


def by_occurrences(words, word):
    return {b: n / words.count(word) for b, n in counts(words, word).items()}


def losses(after, sentence):
    words = ["<end>", *sentence.split(), "<end>"]
    pairs = pairwise(words)
    return [-math.log(after[a][b] / after[a].total() or 1e-9) for a, b in pairs]


def infinite_for_pairs(after, sentence):
    words = ["<end>", *sentence.split(), "<end>"]
    p = [after[a][b] / after[a].total() for a, b in pairwise(words)]
    return math.inf if 0 in p else mean([-math.log(x) for x in p])


def mean(values):
    return sum(values) / len(values)


WRONG = {
    "counting-bigram": [
        (counts, "these are counts"),
        (by_all_words, "you divide by all words"),
        (by_occurrences, "the last word is followed by nothing"),
        (lambda words, word: 1, "return a dictionary"),
    ],
    "counting-perplexity": [
        (lambda p: -sum(map(math.log, p)) / len(p), "this is the cross-entropy"),
        (lambda p: mean([1 / x for x in p]), "you average the numbers of choices"),
        (lambda p: 1 / (math.prod(p) or 1e-300) ** (1 / len(p)), "add logarithms"),
        (lambda p: 1 / math.prod(p), "not the sum"),
    ],
    "counting-sentence": [
        (lambda after, s: sum(losses(after, s)), "this is the sum"),
        (
            lambda after, s: sum(losses(after, s)) / len(s.split()),
            "five terms, not four",
        ),
        (lambda after, s: mean(losses(after, s)) / math.log(2), "this is in bits"),
        (lambda after, s: mean(losses(after, s)), "the loss is infinite"),
        (infinite_for_pairs, "in the line"),
    ],
    "counting-smooth": [
        (lambda together, context, shorter, added: together / context, "plain count"),
        (lambda t, c, s, added: (t + added) / (c + added), "gets its part of them"),
        (lambda t, c, s, added: (t + added * s) / c, "sightings of the context, too"),
    ],
    "counting-bits": [
        (
            lambda loss, tokens, characters: loss * tokens / characters,
            "nats per character",
        ),
        (lambda loss, tokens, characters: loss / math.log(2), "bits per token"),
        (
            lambda loss, tokens, characters: loss * math.log(2) * tokens / characters,
            "you multiply by ln 2",
        ),
    ],
}
