"""Checks for the chapter that reads the paper."""

from __future__ import annotations

import torch

from gpt2course.course.exercises import NotYet, checker


@checker("paper-improved")
def improved(f) -> str:
    before = {"A, x": 50.0, "A, y": 20.0, "B": 10.0, "C": 3.0, "D": 60.0}
    ours = {"A, x": 55.0, "A, y": 25.0, "B": 9.0, "C": 3.0, "D": 50.0}
    before |= {"E, x": 5.0, "E, y": 8.0}
    ours |= {"E, x": 6.0, "E, y": 7.0}
    larger = {"A, x", "D"}
    got = f(before, ours, larger)
    if not isinstance(got, list):
        raise NotYet(f"return a sorted list; yours is a {type(got).__name__}")
    if any("," in name for name in got):
        raise NotYet("these are columns; a data set is what stands before the comma")
    if "D" in got:
        raise NotYet("D is an accuracy that fell from 60 to 50; that is no win")
    if "B" not in got:
        raise NotYet(
            "B is a perplexity that fell from 10 to 9; less is better there, and it "
            "is a win"
        )
    if "A" in got:
        raise NotYet(
            "A wins in one column (50 to 55) and loses in the other (20 to 25); a win "
            "needs every column"
        )
    if "E" in got:
        raise NotYet(
            "E loses in its first column (5 to 6) and wins in the last (8 to 7); a win "
            "needs every column, not only the last"
        )
    if "C" in got:
        raise NotYet("C is a tie, and a tie is no win")
    if got != ["B"]:
        raise NotYet(f"it should be ['B']; yours is {got}")
    both = f({"Z": 9.0, "A": 9.0}, {"Z": 1.0, "A": 1.0}, set())
    if both != ["A", "Z"]:
        raise NotYet(f"sort the names: ['A', 'Z'], not {both}")
    return "Seven of eight is this count for the largest GPT-2."


@checker("paper-filter")
def stop_words(f) -> str:
    scores = {" the": -0.1, " The": -0.3, " boat": -1.2, " ship": -2.0}
    got = f(scores, {"the", "a"})
    if got == " the":
        raise NotYet(
            "' the' is a stop word: the space in front belongs to the token, not to "
            "the word"
        )
    if got == " The":
        raise NotYet("' The' is a stop word, too: capitals do not matter")
    if got == " ship":
        raise NotYet("the most probable word has the largest log-probability")
    if got == "boat":
        raise NotYet("return the candidate as it was given, ' boat'")
    if got != " boat":
        raise NotYet(f"it should be ' boat'; yours is {got!r}")
    if f({"a": -1.0}, {"a"}) is not None:
        raise NotYet("where only stop words are left, return None")
    return "This filter is worth ten points of accuracy in the paper."


@checker("paper-overlap")
def overlap(f) -> str:
    train = ["The cat, the dog and the bird.", "It flew far away"]
    got = float(f("the CAT the dog; and then", train, 3))
    if got == 0:
        raise NotYet(
            "'the CAT the' is in the training text once capitals and punctuation are "
            "gone"
        )
    if abs(got - 0.5) < 1e-6:
        raise NotYet(
            "divide by the number of n-grams of the test text: six words have four of "
            "three words"
        )
    if not abs(got - 0.75) <= 1e-6:
        raise NotYet(f"three of four are known: 0.75; yours is {got}")
    if float(f("the bird it flew", train, 3)) > 0:
        raise NotYet(
            "'the bird it' runs from one training text into the next; n-grams do not "
            "cross texts"
        )
    got = float(f("a b a b a x", ["a b"], 2))
    if abs(got - 1 / 3) < 1e-6 or abs(got - 1 / 4) < 1e-9:
        raise NotYet(
            "an n-gram that occurs twice in the test text counts twice; do not make "
            "a set of them"
        )
    if not abs(got - 2 / 5) <= 1e-6:
        raise NotYet(f"two of the five pairs are known: 0.4; yours is {got}")
    for text in ("one-two three", "one_two three"):
        if float(f(text, ["One two three."], 3)) != 1.0:
            raise NotYet(
                f"{text!r} has three words: what is no letter and no digit separates"
            )
    if not abs(float(f("dog and the bi", train, 3)) - 0.5) <= 1e-6:
        raise NotYet("'bi' is only a part of 'bird': compare whole words")
    if f("too short", train, 3) != 0.0:
        raise NotYet("a text with fewer than n words has no n-gram: return 0.0")
    return "A test set that overlaps with the training text flatters the model."


@checker("paper-calibrate", tensors=True)
def calibrate(f) -> str:
    scores = torch.tensor([[-1.0, -1.5], [-1.0, -1.2], [-2.0, -1.0]])
    prior = torch.tensor([-1.0, -1.4])
    got = torch.as_tensor(f(scores.clone(), prior.clone())).long()
    if got.shape != (3,):
        raise NotYet(f"one class per text: shape (3,), not {tuple(got.shape)}")
    if got.tolist() == [0, 0, 1]:
        raise NotYet("these are the choices without calibration; use the prior")
    if torch.equal(got, (scores + prior).argmax(-1)):
        raise NotYet("the prior is divided out: subtract its logarithm, do not add it")
    if torch.equal(got, (scores - prior).argmin(-1)):
        raise NotYet("take the largest difference, not the smallest")
    if got.tolist() != [0, 1, 1]:
        raise NotYet(f"the choices are [0, 1, 1]; yours are {got.tolist()}")
    return "What is left is what the text itself says."


@checker("paper-prompt")
def prompt(f) -> str:
    pairs = [("Good day.", "Bonjour."), ("Thank you.", "Merci.")]
    got, right = (
        f(pairs, "See you."),
        ("Good day. = Bonjour.\nThank you. = Merci.\nSee you. ="),
    )
    if not isinstance(got, str):
        raise NotYet(f"return one text; yours is a {type(got).__name__}")
    if got == right + " ":
        raise NotYet(
            "there is a space at the end: the next token would have to be a word "
            "without its space"
        )
    if "Bonjour" not in got:
        raise NotYet("the example pairs come first, each in a line of its own")
    if "Bonjour. =" in got:
        raise NotYet("the English sentence stands before '=', the French one after it")
    if "=Bonjour" in got or ".=" in got or "= Bonjour" not in got:
        raise NotYet("a space on either side of '=' in the example pairs")
    if got.endswith("=\n"):
        raise NotYet(
            "there is a line feed at the end: the model would start a new line"
        )
    if got.count("\n") < 2:
        raise NotYet("each pair has a line of its own")
    if not got.endswith("="):
        raise NotYet("the last line is the new sentence and ' =': the model continues")
    if got != right:
        raise NotYet(f"it should be {right!r}; yours is {got!r}")
    if f([], "See you.") != "See you. =":
        raise NotYet("without examples only the last line is left")
    return "Two examples make it a few-shot prompt; none would be zero-shot."
