"""Checks for the chapter that evaluates as the paper did."""

from __future__ import annotations

import math

import torch

from gpt2course.course.exercises import NOTHING_YET, NotYet, checker
from gpt2course.evaluation import rouge, sliding_windows


@checker("evaluating-windows", without=(sliding_windows,))
def windows(f) -> str:
    got = f(10, 4, 2)
    right = [(0, 0, 4), (2, 4, 6), (4, 6, 8), (6, 8, 10)]
    if not isinstance(got, list) or not all(len(tuple(w)) == 3 for w in got):
        raise NotYet("return a list of triples (start, first predicted, end)")
    got = [tuple(map(int, window)) for window in got]
    predicted = [t for _, first, end in got for t in range(first, end)]
    if len(predicted) > len(set(predicted)):
        raise NotYet(
            f"token {next(t for t in predicted if predicted.count(t) > 1)} is "
            "predicted twice; after the first window only the new tokens count"
        )
    if sorted(predicted) != list(range(10)):
        missing = sorted(set(range(10)) - set(predicted))
        raise NotYet(f"tokens {missing} are never predicted")
    if any(end - start != 4 for start, _, end in got):
        raise NotYet("every window here is full: four tokens")
    if got != right:
        raise NotYet(f"it should be {right}; yours is {got}")
    if [tuple(map(int, w)) for w in f(9, 4, 4)] != [(0, 0, 4), (4, 4, 8), (5, 8, 9)]:
        raise NotYet(
            "with 9 tokens, window 4 and stride 4 the last window reaches back: "
            "(5, 8, 9)"
        )
    if [tuple(map(int, w)) for w in f(3, 4, 2)] != [(0, 0, 3)]:
        raise NotYet("a text shorter than the window is one window: [(0, 0, 3)]")
    return (
        "Each token once; after the first window each has at least window - stride "
        "tokens before it."
    )


@checker("evaluating-unit")
def unit(f) -> str:
    got = float(f(20.0, 300, 200))
    if math.isclose(got, 30.0):
        raise NotYet(
            "perplexities do not scale; losses do. Take the logarithm, scale, then exp"
        )
    if math.isclose(got, 20 ** (200 / 300), rel_tol=1e-6):
        raise NotYet("the other way round: fewer words share the same total loss")
    if math.isclose(got, math.log(20) * 300 / 200, rel_tol=1e-6):
        raise NotYet("that is the loss per word; perplexity is its exponential")
    if not math.isclose(got, 20**1.5, rel_tol=1e-6):
        raise NotYet(f"of 20.0, 300 tokens, 200 words it is 89.44; yours is {got:.2f}")
    if not math.isclose(float(f(7.0, 50, 50)), 7.0, rel_tol=1e-6):
        raise NotYet("with as many words as tokens nothing changes")
    return "A model with other tokens can be compared with this number."


@checker("evaluating-greedy", tensors=True)
def greedy(f) -> str:
    logits = torch.tensor([[0.0, 2.0, 1.0], [3.0, 0.0, 1.0], [0.0, 1.0, 5.0]])
    got = f(logits, torch.tensor([1, 0, 2]))
    if got is None:
        raise NotYet(NOTHING_YET)
    if isinstance(got, torch.Tensor) and got.numel() > 1:
        raise NotYet("one answer for the whole word, not one per token")
    if not bool(got):
        raise NotYet("each token is the most probable one here: True")
    if bool(f(logits, torch.tensor([1, 0, 0]))):
        raise NotYet("the last token is not the most probable one: False")
    if bool(f(logits, torch.tensor([0, 0, 2]))):
        raise NotYet("the first token is not the most probable one: False")
    if bool(f(logits, torch.tensor([1, 2, 2]))):
        raise NotYet("the middle token is not the most probable one: False")
    return "A word of three tokens has to be right three times."


@checker("evaluating-norm")
def norm(f) -> str:
    scores, endings = [-6.0, -20.0, -9.0], ["short.", "a" * 40, "twelve chars"]
    got = f(scores, endings)
    if got == 0:
        raise NotYet(
            "ending 0 has the largest sum because it is short; divide by the length"
        )
    if got == 2:
        raise NotYet(
            "ending 2 has -0.75 per character, ending 1 has -0.5, which is larger"
        )
    if isinstance(got, float) or got not in (0, 1, 2):
        raise NotYet(f"return the index of the ending, 0 to 2; yours is {got}")
    if f([-9.0, -4.0], ["éé", "e"]) != 1:
        raise NotYet("count characters, len(ending), not bytes")
    if f([-5.0, -4.4], ["a b c", "abcd"]) != 0:
        raise NotYet("a space is a character, too: 'a b c' has five, and -1 for each")
    return "So long endings are not punished for being long."


@checker("evaluating-rouge", without=(rouge,))
def rouge_1(f) -> str:
    got = float(f("The film is good, good", "the film is very good"))
    if math.isclose(got, 0.8, rel_tol=1e-6):
        pass
    elif math.isclose(got, 1.0, rel_tol=1e-6):
        raise NotYet("'good' stands twice in one and once in the other: it counts once")
    elif math.isclose(got, 0.6, rel_tol=1e-6):
        raise NotYet("capitals and punctuation do not matter: lower-case words only")
    else:
        raise NotYet(f"four of five words are shared: 0.8; yours is {got:.3f}")
    if not math.isclose(float(f("Good.", "(good)")), 1.0, rel_tol=1e-6):
        raise NotYet("'Good.' and '(good)' are one word; punctuation is no part of it")
    for text in ("well-made", "well_made"):
        if not math.isclose(float(f(text, "Well made!")), 1.0, rel_tol=1e-6):
            raise NotYet(
                f"{text!r} has two words: whatever is no letter and no digit separates"
            )
    got = float(f("a b", "a b c d"))
    if math.isclose(got, 1.0, rel_tol=1e-6):
        raise NotYet("that is precision alone; recall is 2 of 4 here, F1 is 2/3")
    if math.isclose(got, 0.5, rel_tol=1e-6):
        raise NotYet("that is recall alone; precision is 2 of 2 here, F1 is 2/3")
    if not math.isclose(got, 2 / 3, rel_tol=1e-6):
        raise NotYet(f"precision 1 and recall 1/2 have the F1 2/3; yours is {got:.3f}")
    for written in ("x", "...", ""):
        try:
            got = float(f(written, "y"))
        except ZeroDivisionError:
            raise NotYet(
                f"{written!r} and 'y' share no word: 0.0, and no division by zero"
            ) from None
        if got != 0.0:
            raise NotYet(f"{written!r} and 'y' share no word: 0.0; yours is {got}")
    return "Words in common are not a good summary, but they can be counted."
