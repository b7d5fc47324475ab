"""Checks for the chapter on counting words."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from itertools import pairwise

from gpt2course.course.exercises import NotYet, checker


@checker("counting-bigram")
def bigram(f) -> str:
    words = ["a", "b", "a", "b", "a", "c", "b"]
    got = f(words, "a")
    if not isinstance(got, dict):
        raise NotYet(
            "return a dictionary from word to probability; yours is a "
            f"{type(got).__name__}"
        )
    if got == {"b": 2, "c": 1}:
        raise NotYet("these are counts; divide each by their sum")
    right = {"b": 2 / 3, "c": 1 / 3}
    got = {word: p for word, p in got.items() if p}
    if got.keys() != right.keys() or not all(
        math.isclose(got[word], p, rel_tol=1e-6) for word, p in right.items()
    ):
        if any(abs(p - 2 / 7) < 1e-6 for p in got.values()):
            raise NotYet(
                "you divide by all words; only what follows the word counts, here "
                "three words"
            )
        raise NotYet(
            f"in {' '.join(words)!r}, after 'a' it should be {right}; yours is {got}"
        )
    last = f(["a", "b", "a", "b"], "b")
    if not abs(sum(last.values()) - 1) <= 1e-6:
        raise NotYet(
            "the last word is followed by nothing: count the pairs, not the "
            "occurrences of the word"
        )
    return "A row of the table adds up to 1, whatever the word."


@checker("counting-perplexity")
def perplexity(f) -> str:
    got = f([0.25, 0.25, 0.25, 0.25])
    if abs(got - math.log(4)) < 1e-6:
        raise NotYet(
            "this is the cross-entropy, in nats; the perplexity is its exponential"
        )
    if abs(got - 256) < 1e-3:
        raise NotYet(
            "take the mean loss per token, not the sum, or the perplexity grows with "
            "the length of the text"
        )
    if not abs(got - 4) <= 1e-6:
        raise NotYet(f"with 1/4 for every token the perplexity is 4; yours is {got}")
    got = f([1.0, 1 / 9])
    if abs(got - 5) < 1e-6:
        raise NotYet(
            "you average the numbers of choices; average the logarithms, and take the "
            "exponential at the end"
        )
    if not abs(got - 3) <= 1e-6:
        raise NotYet(f"for the probabilities 1 and 1/9 it is 3; yours is {got}")
    long = f([0.01] * 300)
    if not math.isfinite(long) or abs(long - 100) > 1e-3:
        raise NotYet(
            "the product of 300 probabilities of 0.01 is 0 in a computer; add "
            "logarithms instead"
        )
    return "The perplexity is 1 divided by the geometric mean of the probabilities."


@checker("counting-sentence")
def sentence(f) -> str:
    table = defaultdict(Counter)
    for text in ("the film was good", "the film was slow"):
        words = ["<end>", *text.split(), "<end>"]
        for word, following in pairwise(words):
            table[word][following] += 1
    got, right = float(f(table, "the film was good")), math.log(2) / 5
    if abs(got - math.log(2)) < 1e-6:
        raise NotYet("this is the sum over the words; the loss is the mean")
    if abs(got - math.log(2) / 4) < 1e-6:
        raise NotYet(
            "the end of the sentence is predicted as well: five terms, not four"
        )
    if abs(got - right / math.log(2)) < 1e-6:
        raise NotYet("this is in bits; in nats it is the natural logarithm")
    if abs(got + right) < 1e-6:
        raise NotYet("the sign is wrong: the loss is minus the logarithm")
    if not abs(got - right) <= 1e-6:
        raise NotYet(
            f"with one choice of two among five words it is {right:.4f}; yours is {got}"
        )
    if not math.isinf(got := float(f(table, "the film was the film"))):
        raise NotYet(f'"was the" was never seen: the loss is infinite; yours is {got}')
    if not math.isinf(got := float(f(table, "the dog was good"))):
        raise NotYet(
            f'the word "dog" was never seen: the loss is infinite; yours is {got}'
        )
    return "One pair that was never seen, and the whole sentence has an infinite loss."


@checker("counting-smooth")
def smooth(f) -> str:
    right = (3 + 50 * 0.01) / (10 + 50)
    got = float(f(3, 10, 0.01, 50))
    if abs(got - 3 / 10) < 1e-6:
        raise NotYet("this is the plain count; nothing was added")
    if abs(got - (3 + 50) / (10 + 50)) < 1e-6:
        raise NotYet(
            "the added sightings are spread over all tokens; this one gets its part of "
            "them"
        )
    if abs(got - (3 + 50 * 0.01) / 10) < 1e-6:
        raise NotYet(
            "the added sightings count as sightings of the context, too: the result "
            "does not add up to 1"
        )
    if not abs(got - right) <= 1e-6:
        raise NotYet(f"for 3 of 10, 0.01 and 50 it is {right:.4f}; yours is {got}")
    if not abs((got := float(f(0, 0, 0.25, 50))) - 0.25) <= 1e-6:
        raise NotYet(
            "a context that was never seen takes the shorter model's 0.25; yours is "
            f"{got}"
        )
    return "The more often a context was seen, the less the shorter model has to say."


@checker("counting-bits")
def bits(f) -> str:
    right = 4.0 * 250 / math.log(2) / 1000
    got = float(f(4.0, 250, 1000))
    if abs(got - 4.0 * 250 / 1000) < 1e-6:
        raise NotYet("this is in nats per character; a nat is 1 / ln 2 bits")
    if abs(got - 4.0 / math.log(2)) < 1e-6:
        raise NotYet(
            "this is in bits per token; multiply by the tokens, divide by the "
            "characters"
        )
    if abs(got - 4.0 * math.log(2) * 250 / 1000) < 1e-6:
        raise NotYet("you multiply by ln 2; a nat is more than a bit, so divide by it")
    if not abs(got - right) <= 1e-6:
        raise NotYet(
            f"for 4 nats per token, 250 tokens and 1,000 characters it is {right:.4f}; "
            f"yours is {got}"
        )
    return "In this unit models with different tokens can be compared."
