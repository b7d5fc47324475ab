"""Checks for the chapter on the loss."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from gpt2course.course.exercises import NotYet, checker
from gpt2course.loss import cross_entropy


@checker("loss-count")
def count(f) -> str:
    labels = torch.tensor([[5, 7, 0, -100], [4, -100, -100, -100], [3, 8, 6, 2]])
    got = int(f(labels.clone()))
    if got == 8:
        raise NotYet(
            "you count all labels that are not -100; the first of each row is never "
            "predicted"
        )
    if got == 7:
        raise NotYet(
            "you leave out the last of each row; it is the first that is never "
            "predicted"
        )
    if got == 9:
        raise NotYet("you count padding too; a label of -100 does not count")
    if got != 5:
        raise NotYet(f"for {labels.tolist()} it is 5; yours is {got}")
    masked_first = torch.tensor([[-100, 3, 8]])
    if (got := int(f(masked_first))) != 2:
        raise NotYet(f"for {masked_first.tolist()} it is 2; yours is {got}")
    return "Two texts of the same number of tokens can weigh differently in a batch."


@checker(
    "loss-logits",
    without=(F.cross_entropy, cross_entropy, torch.nn.CrossEntropyLoss),
)
def logits(f) -> str:
    torch.manual_seed(3)
    scores, targets = torch.randn(6, 11), torch.randint(11, (6,))
    got, right = float(f(scores, targets)), F.cross_entropy(scores, targets).item()
    if abs(got + right) < 1e-4:
        raise NotYet("the sign is wrong: the loss is minus the logarithm")
    if abs(got - 6 * right) < 1e-3:
        raise NotYet("this is the sum; the loss is the mean over the tokens")
    if abs(got - right / math.log(2)) < 1e-4:
        raise NotYet("this is in bits; in nats it is the natural logarithm")
    if abs(got + scores[torch.arange(6), targets].mean().item()) < 1e-4:
        raise NotYet(
            "you took the logits for logarithms of probabilities; they have to be "
            "normalised first"
        )
    if not abs(got - right) <= 1e-4:
        raise NotYet(
            f"for random logits (6, 11) it should be {right:.4f}; yours is {got:.4f}"
        )
    large = torch.tensor([[1000.0, 0.0], [0.0, 1000.0], [0.0, 0.0]])
    got = float(f(large, torch.tensor([0, 0, 0])))
    if math.isnan(got):
        raise NotYet(
            f"a logit of 1000 gives {got}: exp(1000) is infinite. logsumexp or "
            "log_softmax avoid it"
        )
    if math.isinf(got):
        raise NotYet(
            f"logits of 1000 and 0 give {got}: a probability is rounded to 0, and its "
            "logarithm is infinite. logsumexp or log_softmax, for each row, avoid it"
        )
    right = (1000 + math.log(2)) / 3
    if not abs(got - right) <= 1e-2:
        raise NotYet(
            "a certain hit, a miss by 1000 and a choice between two cost "
            f"{right:.2f} nats on average; yours is {got}"
        )
    return "torch.nn.functional.cross_entropy does the same."


@checker("loss-labels", tensors=True)
def labels(f) -> str:
    ids = torch.tensor(
        [[5, 7, 9, 9], [4, 9, 9, 9], [9, 6, 8, 9]]
    )  # 9 ends a text and fills the row
    before, lengths = ids.clone(), torch.tensor([3, 2, 4])
    got = f(ids, lengths)
    if not torch.equal(ids, before):
        raise NotYet(
            "your function changed the ids that it was given; clone them first"
        )
    if got.shape != ids.shape:
        raise NotYet(
            f"labels have the shape of the ids, {tuple(ids.shape)}; yours "
            f"{tuple(got.shape)}"
        )
    if got.is_floating_point():
        raise NotYet(
            "labels are ids, whole numbers; yours are floats, which cross_entropy "
            "refuses"
        )
    right = torch.tensor([[5, 7, 9, -100], [4, 9, -100, -100], [9, 6, 8, 9]])
    if torch.equal(got, torch.where(ids == 9, -100, ids)):
        raise NotYet(
            "you mask by id, and so the real ends are gone; mask by position: what "
            "comes after the length"
        )
    if bool((got[0] == -100).sum() > 1):
        raise NotYet(
            "a text of 3 tokens keeps 3 labels, its end among them; you mask one too "
            "many"
        )
    if not bool((got == -100).any()):
        raise NotYet("nothing is masked: what comes after the length has to be -100")
    if not torch.equal(got, right):
        raise NotYet(f"it should be {right.tolist()}; yours is {got.tolist()}")
    return "The model is told where a text ends, and is not trained on the padding."


@checker("loss-answer")
def answer(f) -> str:
    torch.manual_seed(4)
    scores, ids, n = torch.randn(1, 8, 13), torch.randint(13, (1, 8)), 4
    losses = F.cross_entropy(scores[0, :-1], ids[0, 1:], reduction="none")
    before = ids.clone()
    got = float(f(scores, ids, n))
    if not torch.equal(ids, before):
        raise NotYet(
            "your function changed the ids that it was given; clone them first"
        )
    if abs(got - losses.mean().item()) < 1e-4:
        raise NotYet("this is the loss of the whole text; the prompt must not count")
    if abs(got - losses[n:].mean().item()) < 1e-4:
        raise NotYet(
            "the first token of the answer is missing: the last row of the prompt "
            "predicts it"
        )
    if abs(got - F.cross_entropy(scores[0, n:], ids[0, n:]).item()) < 1e-4:
        raise NotYet(
            "you compare each row with its own token; it predicts the next one"
        )
    if abs(got - losses[n - 1 :].sum().item()) < 1e-4:
        raise NotYet("this is the sum; take the mean over the answer's tokens")
    if not abs(got - losses[n - 1 :].mean().item()) <= 1e-4:
        raise NotYet(
            "with a prompt of 4 of 8 tokens it should be "
            f"{losses[n - 1 :].mean():.4f}; yours is {got:.4f}"
        )
    return (
        "Chat models are trained with this loss: the user's words are read, but not "
        "learned."
    )


@checker("loss-pieces")
def pieces(f) -> str:
    got = float(f([2.0, 5.0], [300, 100]))
    if abs(got - 3.5) < 1e-6:
        raise NotYet(
            "this is the mean of the means; the first piece has three times as many "
            "tokens as the second"
        )
    if abs(got - 1100) < 1e-3:
        raise NotYet(
            "this is the sum of all losses; divide by the number of all tokens"
        )
    if not abs(got - 2.75) <= 1e-6:
        raise NotYet(
            f"300 tokens at 2 and 100 at 5 nats cost 2.75 per token; yours is {got}"
        )
    got = float(f([1.0, float("nan")], [10, 0]))
    if math.isnan(got):
        raise NotYet(
            "a piece without a token that counts has the loss NaN, and 0 times NaN is "
            "NaN: leave it out"
        )
    if not abs(got - 1) <= 1e-6:
        raise NotYet(
            f"a piece of 0 tokens changes nothing: it should be 1; yours is {got}"
        )
    got = float(f([4.0, float("nan"), 1.0], [10, 0, 30]))
    if not abs(got - 1.75) < 1e-6:
        raise NotYet(
            "with the empty piece in the middle it should be 1.75; yours is "
            f"{got}: does each loss still meet its own count?"
        )
    return "So the pieces give the loss of the whole batch, however it was cut."
