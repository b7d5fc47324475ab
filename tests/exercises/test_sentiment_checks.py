"""The checks of both pages on sentiment say what is wrong with an answer."""

from __future__ import annotations

import math

import pytest
import torch

from gpt2course.course.exercises import (
    NotYet,
    check,
    evaluating_a_classifier,
    sentiment,
)


def mean_of_fractions(lengths, order, size):
    """The mean of the batches' fractions."""
    batches = [
        [lengths[i] for i in order[start : start + size]]
        for start in range(0, len(order), size)
    ]
    return sum(sum(batch) / max(batch) / len(batch) for batch in batches) / len(batches)


def padded(rows, pad, left=False):
    width = max(len(row["input_ids"]) for row in rows)
    input_ids = []
    for row in rows:
        padding = [pad] * (width - len(row["input_ids"]))
        ids = row["input_ids"]
        input_ids.append(padding + ids if left else ids + padding)
    labels = torch.tensor([row["labels"] for row in rows])
    return {"input_ids": torch.tensor(input_ids), "labels": labels}


def matrix(truth, predicted):
    return [
        [int(((truth == t) & (predicted == p)).sum()) for p in (0, 1)] for t in (0, 1)
    ]


def one_sided(first, second):
    a = sum(x and not y for x, y in zip(first, second, strict=True))
    b = sum(y and not x for x, y in zip(first, second, strict=True))
    return sum(math.comb(a + b, k) for k in range(min(a, b) + 1)) / 2 ** (a + b)


def wald(k, n):
    p = k / n
    half_width = 1.96 * math.sqrt(p * (1 - p) / n)
    return p - half_width, p + half_width


def found_above(negative, is_negative, threshold, strictly=False):
    found = negative > threshold if strictly else negative >= threshold
    hits = (found & is_negative).sum()
    return hits / found.sum(), hits / is_negative.sum()


def in_half_open_bin(confidence, correct, low, high):
    inside = (confidence >= low) & (confidence < high)
    return confidence[inside].mean(), correct[inside].float().mean()


@pytest.mark.parametrize(
    ("checker", "answer", "message"),
    [
        (sentiment.cut, lambda ids, n: ids[:n], "the beginning alone"),
        (
            sentiment.cut,
            lambda ids, n: (
                ids if len(ids) <= n else ids[: n // 2] + ids[-(n - n // 2) :]
            ),
            "odd token",
        ),
        (sentiment.cut, lambda ids, n: ids[:1] + ids[-1:], "nothing has to be cut"),
        (
            sentiment.cut,
            lambda ids, n: ids if len(ids) <= n else ids[:3] + ids[-3:],
            "must have 5 tokens; yours has 6",
        ),
        (sentiment.padding, mean_of_fractions, "average the fractions"),
        (
            sentiment.padding,
            lambda lengths, order, size: sum(lengths) / max(lengths) / len(lengths),
            "each batch has its own width",
        ),
        (sentiment.padding, lambda lengths, order, size: 1.5, "at most 1"),
        (
            sentiment.batch,
            lambda rows, pad: padded(rows, pad, left=True),
            "padded on the left",
        ),
        (
            sentiment.batch,
            lambda rows, pad: {"input_ids": padded(rows, pad)["input_ids"]},
            "keys input_ids and labels",
        ),
        (sentiment.batch, lambda rows, pad: padded(rows, 0), "input_ids should be"),
        (sentiment.replication, lambda losses: losses.mean(), "equally"),
        (sentiment.replication, lambda losses: losses[-1], "last position alone"),
        (
            sentiment.replication,
            lambda losses: (
                torch.arange(1, len(losses) + 1) / len(losses) * losses
            ).mean(),
            "divide by T",
        ),
        (sentiment.accumulation, lambda losses, sizes: sum(losses), "add the means"),
        (
            sentiment.accumulation,
            lambda losses, sizes: sum(losses) / len(losses),
            "average the means",
        ),
        (
            evaluating_a_classifier.confusion,
            lambda truth, predicted: matrix(predicted, truth),
            "rows and columns are exchanged",
        ),
        (
            evaluating_a_classifier.confusion,
            lambda truth, predicted: [[1, 1], [1, 1]],
            "it should be",
        ),
        (
            evaluating_a_classifier.confusion,
            lambda truth, predicted: [[9, 0], [0, 0]],
            "must add up to 4",
        ),
        (
            evaluating_a_classifier.threshold,
            lambda p, negative, limit: found_above(p, negative, limit, strictly=True),
            "use >=",
        ),
        (
            evaluating_a_classifier.threshold,
            lambda p, negative, limit: found_above(p, negative, limit)[::-1],
            "precision comes first",
        ),
        (evaluating_a_classifier.threshold, found_above, "nothing is predicted"),
        (evaluating_a_classifier.interval, wald, "the textbook interval"),
        (
            evaluating_a_classifier.interval,
            lambda k, n: (k / n, k / n),
            "it should be 0.5958 to 0.9821",
        ),
        (evaluating_a_classifier.paired, one_sided, "one side alone"),
        (
            evaluating_a_classifier.paired,
            lambda first, second: 2 * one_sided(first, second),
            "at most 1",
        ),
        (
            evaluating_a_classifier.paired,
            lambda first, second: 0.5,
            "it should be 0.2188",
        ),
        (
            evaluating_a_classifier.holm,
            lambda p_values: [min(1.0, len(p_values) * p) for p in p_values],
            "Bonferroni",
        ),
        (
            evaluating_a_classifier.holm,
            lambda p_values: [2 * p for p in p_values],
            "it should be",
        ),
        (evaluating_a_classifier.holm, lambda p_values: [], "3 values; yours has 0"),
        (
            evaluating_a_classifier.calibration,
            lambda p, correct, low, high: (0.5, 0.5),
            "the mean confidence is 0.535",
        ),
        (
            evaluating_a_classifier.calibration,
            lambda p, correct, low, high: (0.5, 0.535),
            "the mean confidence comes first",
        ),
        (
            evaluating_a_classifier.calibration,
            in_half_open_bin,
            "belongs to the last bin",
        ),
    ],
)
def test_a_wrong_answer_is_told_what_is_wrong(checker, answer, message):
    with pytest.raises(NotYet, match=message):
        checker(answer)


def test_a_chapter_with_dashes_in_its_name_finds_its_checks(capsys):
    assert not check("evaluating-a-classifier-holm", None)
    assert "there is nothing here yet" in capsys.readouterr().out
    with pytest.raises(ValueError, match="did you mean 'evaluating-a-classifier-holm'"):
        check("evaluating-a-classifier-hol", None)
