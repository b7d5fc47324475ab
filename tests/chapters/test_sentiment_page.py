"""The page on sentiment: its run is the one that was measured, and its checks say what is wrong with an answer."""

from __future__ import annotations

import ast
import math
from pathlib import Path

import jupytext
import numpy as np
import pytest
import torch

from gpt2course.course import measurements
from gpt2course.course.exercises import NotYet, sentiment

ROOT = Path(__file__).resolve().parents[2]
MEASURED = ("num_train_epochs", "per_device_train_batch_size", "train_sampling_strategy",
            "lr_scheduler_type", "warmup_steps", "weight_decay", "seed")  # fmt: skip


def training_arguments(source: str) -> dict[str, object]:
    """The constants in a program's first call of TrainingArguments and in its SEED."""
    tree = ast.parse(source)
    call = next(
        n
        for n in ast.walk(tree)
        if isinstance(n, ast.Call) and ast.unparse(n.func) == "TrainingArguments"
    )
    seed = [
        n.value
        for n in tree.body
        if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "SEED"
    ]
    found = {
        word.arg: seed[0] if ast.unparse(word.value) == "SEED" else word.value
        for word in call.keywords
    }
    return {name: ast.literal_eval(found[name]) for name in MEASURED}


def test_the_page_trains_what_the_benchmark_measures():
    page = jupytext.read(ROOT / "book/sentiment.md")
    source = "\n\n".join(cell.source for cell in page.cells if cell.cell_type == "code")
    benchmark = (ROOT / "benchmarks/sentiment_accuracy.py").read_text(encoding="utf-8")
    assert training_arguments(source) == training_arguments(benchmark)
    for name in ("PAGE_REVIEWS", "PAGE_TOKENS"):
        assert f"page={name}" in source
        assert name in benchmark
    assert "learning_rate=PAGE_RATE" in source
    assert "learning_rate=PAGE_RATE" in benchmark


def test_the_measured_rows_are_what_their_bits_say():
    found = measurements.read("sentiment_accuracy")
    names = [row["name"] for row in found["rows"]]
    assert {
        "majority",
        "tfidf-few",
        "random",
        "frozen",
        "last-token",
        "page",
        "tfidf",
    } <= set(names)
    for row in found["rows"]:
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(row["right"]), np.uint8))[
            : found["test_reviews"]
        ]
        assert row["accuracy"] == round(float(bits.mean()), 4)


def own_width(lengths, order, size):
    """The mean of the batches' shares."""
    batches = [
        [lengths[i] for i in order[start : start + size]]
        for start in range(0, len(order), size)
    ]
    return sum(sum(batch) / max(batch) / len(batch) for batch in batches) / len(batches)


def padded(rows, pad, left=False):
    T = max(len(row["input_ids"]) for row in rows)
    more = [[pad] * (T - len(row["input_ids"])) for row in rows]
    ids = [
        m + row["input_ids"] if left else row["input_ids"] + m
        for m, row in zip(more, rows, strict=True)
    ]
    return {
        "input_ids": torch.tensor(ids),
        "labels": torch.tensor([row["labels"] for row in rows]),
    }


def matrix(truth, answers):
    return [
        [int(((truth == t) & (answers == a)).sum()) for a in (0, 1)] for t in (0, 1)
    ]


def one_sided(first, second):
    a = sum(x and not y for x, y in zip(first, second, strict=True))
    b = sum(y and not x for x, y in zip(first, second, strict=True))
    return sum(math.comb(a + b, k) for k in range(min(a, b) + 1)) / 2 ** (a + b)


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
        (sentiment.share, own_width, "average the shares"),
        (
            sentiment.share,
            lambda L, order, size: sum(L) / max(L) / len(L),
            "each batch has its own width",
        ),
        (sentiment.share, lambda L, order, size: 1.5, "a share is at most 1"),
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
        (
            sentiment.confusion,
            lambda truth, answers: matrix(answers, truth),
            "rows and columns are exchanged",
        ),
        (sentiment.confusion, lambda truth, answers: [[1, 1], [1, 1]], "it should be"),
        (
            sentiment.confusion,
            lambda truth, answers: [[9, 0], [0, 0]],
            "must add up to 4",
        ),
        (sentiment.paired, one_sided, "one side of the coin alone"),
        (
            sentiment.paired,
            lambda first, second: 2 * one_sided(first, second),
            "at most 1",
        ),
        (sentiment.paired, lambda first, second: 0.5, "it should be 0.2188"),
        (
            sentiment.calibration,
            lambda p, right, low, high: (0.5, 0.5),
            "the mean confidence is 0.535",
        ),
        (
            sentiment.calibration,
            lambda p, right, low, high: (0.5, 0.535),
            "the mean confidence comes first",
        ),
        (
            sentiment.calibration,
            lambda p, right, low, high: (
                p[(p >= low) & (p < high)].mean(),
                right[(p >= low) & (p < high)].float().mean(),
            ),
            "belongs to the last piece",
        ),
    ],
)
def test_a_wrong_answer_is_told_what_is_wrong(checker, answer, message):
    with pytest.raises(NotYet, match=message):
        checker(answer)
