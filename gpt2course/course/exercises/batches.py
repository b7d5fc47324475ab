"""Checks for the chapter on efficient batches."""

from __future__ import annotations

import math
from functools import partial

import torch

from gpt2course.course.exercises import NotYet, checker
from gpt2course.data import document_mask, pack_sequences


@checker("batches-padding")
def padding(f) -> str:
    got, right = float(f([5, 7, 2, 3])), 1 - 17 / 28
    same = partial(math.isclose, rel_tol=1e-5)
    if same(got, 17 / 28):
        raise NotYet("this is the fraction that holds a token; the rest is padding")
    if same(got, 11):
        raise NotYet("this is the number of padded positions; divide by all positions")
    if same(got, 11 / 17):
        raise NotYet(
            "you divide by the tokens; divide by all positions of the rectangle"
        )
    if not same(got, right):
        raise NotYet(
            f"for the lengths 5, 7, 2 and 3 it is {right:.3f}; yours is {got:.3f}"
        )
    if not abs(float(f([4, 4]))) <= 1e-6:
        raise NotYet("texts of equal length need no padding: the fraction is 0")
    return "The longest text of a batch decides how much is wasted."


@checker("batches-first-fit")
def first_fit(f) -> str:
    for lengths, row_length, right in (
        ([3, 3], 7, [[0, 1]]),
        ([5, 4, 2, 3], 7, [[0, 2], [1, 3]]),
        ([7, 7, 1], 7, [[0], [1], [2]]),
        ([4, 5, 2], 7, [[0, 2], [1]]),  # the second row would be the better fit
    ):
        got = [list(row) for row in f(list(lengths), row_length)]
        asked = f"for the lengths {lengths} and rows of {row_length}"
        if got == right:
            continue
        if sorted(i for row in got for i in row) != list(range(len(lengths))):
            raise NotYet(
                f"{asked} each text belongs in exactly one row; yours is {got}"
            )
        if any(sum(lengths[i] for i in row) > row_length for row in got):
            raise NotYet(f"{asked} a row of yours is longer than that: {got}")
        if len(got) > len(right):
            raise NotYet(
                f"{asked} {len(right)} rows are enough; yours has {len(got)}: look at "
                "all earlier rows, not at the last one alone"
            )
        raise NotYet(f"{asked} first fit gives {right}; yours is {got}")
    return "Best fit, longest first, needs even fewer rows, and costs a sort."


@checker("batches-mask", tensors=True, without=(document_mask,))
def mask(f) -> str:
    for rows in ([[0, 0, 0]], [[0, 0, 1, 1, 1]], [[4, 4, 2, -1], [3, 5, 5, 5]]):
        ids = torch.tensor(rows)
        right, got = document_mask(ids), f(ids)
        if tuple(got.shape) != tuple(right.shape):
            raise NotYet(
                f"for ids of shape {tuple(ids.shape)} the mask has "
                f"{tuple(right.shape)}; yours {tuple(got.shape)}"
            )
        if got.dtype != torch.bool:
            raise NotYet(f"the mask should be of booleans; yours is {got.dtype}")
        if torch.equal(got, right):
            continue
        b, _, looks, at = (got != right).nonzero()[0].tolist()
        if got[b, 0, looks, at] and at > looks:
            raise NotYet(
                f"in {rows[b]} the token at position {looks} may look at position "
                f"{at}, which lies in its future"
            )
        if got[b, 0, looks, at]:
            raise NotYet(
                f"in {rows[b]} the token at position {looks} may look at position "
                f"{at}, which is another text"
            )
        if looks == at:
            raise NotYet(
                f"in {rows[b]} the token at position {looks} may not look at itself, "
                "and should"
            )
        raise NotYet(
            f"in {rows[b]} position {looks} may not look at {at}: same text, and "
            "before it. Are rows and columns swapped?"
        )
    return "GPT2 takes it as mask, Hugging Face's model as attention_mask."


@checker("batches-positions")
def positions(f) -> str:
    toy = pack_sequences([[1] * 4, [2] * 2, [3] * 3], 10)
    for row, right in (
        ([5, 5, 5, 2, 2, -1], [0, 1, 2, 0, 1, 0]),
        ([0, 0], [0, 1]),
        ([7, 3, 3, -1, -1], [0, 0, 1, 0, 0]),
        ([5, 5, 2, 5], [0, 1, 0, 0]),
        (toy.document_ids[0].tolist(), toy.position_ids[0].tolist()),
    ):
        got = [int(position) for position in f(list(row))]
        if got == right:
            continue
        if got == list(range(len(row))):
            raise NotYet(
                f"for {row} yours runs on to the end; it starts again with each text"
            )
        if len(got) != len(row):
            raise NotYet(f"for {row} give {len(row)} positions; yours has {len(got)}")
        if [p for p, document in zip(got, row, strict=True) if document >= 0] == right[
            : sum(d >= 0 for d in row)
        ]:
            raise NotYet(f"for {row} the padding should be at 0; yours gives {got}")
        raise NotYet(f"for {row} it should be {right}; yours is {got}")
    return "A joke in the middle of a row is read as if it stood alone."


@checker("batches-accumulate")
def accumulate(f) -> str:
    for pieces in (
        [(2.0, 30), (5.0, 10)],
        [(3.0, 8), (3.0, 100)],
        [(1.0, 1), (2.0, 2), (4.0, 5)],
        [(2.5, 7)],
    ):
        right = sum(mean * tokens for mean, tokens in pieces) / sum(
            tokens for _, tokens in pieces
        )
        got = float(f(list(pieces)))
        if math.isclose(got, right, rel_tol=1e-6):
            continue
        means = [mean for mean, _ in pieces]
        if math.isclose(got, sum(means) / len(means)):
            raise NotYet(
                f"for {pieces} you give {got:.4g}, the mean of the means: a token of a "
                "short piece weighs more"
            )
        if math.isclose(got, sum(means)):
            raise NotYet(
                f"for {pieces} you give {got:.4g}, the sum of the means: it grows with "
                "the number of pieces"
            )
        if math.isclose(got, sum(mean * tokens for mean, tokens in pieces)):
            raise NotYet(
                f"for {pieces} you give {got:.4g}, the sum over all tokens; divide it "
                "by their number"
            )
        raise NotYet(f"for {pieces} it should be {right:.4g}; yours is {got:.4g}")
    return "However you cut the batch, the number is the same."
