"""The page on sentiment: its run is the one that was measured."""

from __future__ import annotations

import ast
from pathlib import Path

import jupytext
import numpy as np

from gpt2course.course import measurements

ROOT = Path(__file__).resolve().parents[2]
MEASURED = (
    *("num_train_epochs", "per_device_train_batch_size", "train_sampling_strategy"),
    *("lr_scheduler_type", "warmup_steps", "weight_decay", "seed"),
)


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
