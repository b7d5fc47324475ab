"""The pages on sentiment: what they train is what was measured; the rows are right."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from pathlib import Path

import jupytext
import numpy as np

from gpt2course.course import measurements

ROOT = Path(__file__).resolve().parents[2]
MEASURED = (
    "num_train_epochs",
    "per_device_train_batch_size",
    "train_sampling_strategy",
    "lr_scheduler_type",
    "warmup_steps",
    "weight_decay",
    "seed",
)


def code_of(page: str) -> str:
    """All code cells of a page."""
    cells = jupytext.read(ROOT / f"book/{page}.md").cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "code")


def training_arguments(source: str) -> dict[str, object]:
    """The constants in a program's first call of TrainingArguments and in its SEED."""
    tree = ast.parse(source)
    call = next(
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "TrainingArguments"
    )
    seeds = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SEED"
    ]
    found = {keyword.arg: keyword.value for keyword in call.keywords}
    if seeds:
        found["seed"] = seeds[0]
    return {name: ast.literal_eval(found[name]) for name in MEASURED}


def test_the_page_trains_what_the_benchmark_measures():
    page = code_of("sentiment")
    benchmark = (ROOT / "benchmarks/sentiment_accuracy.py").read_text(encoding="utf-8")
    assert training_arguments(page) == training_arguments(benchmark)
    for source in (page, benchmark):
        for name in ("max_train_samples", "max_length", "learning_rate"):
            assert f"CHAPTER_RUN.{name}" in source


def test_the_measured_rows_are_what_their_bits_say():
    found = measurements.read("sentiment-accuracy")
    assert (len(found["rows"]), len(found["sentences"])) == (11, 3)
    for rows, n in (("rows", "test_reviews"), ("sentences", "test_sentences")):
        for row in found[rows]:
            packed = np.frombuffer(bytes.fromhex(row["correct"]), np.uint8)
            correct = np.unpackbits(packed)[: found[n]]
            assert row["accuracy"] == round(float(correct.mean()), 4)


def test_each_row_says_what_it_has_read():
    rows = {row["name"]: row for row in measurements.read("sentiment-accuracy")["rows"]}
    for with_all, with_few_tokens, network in (
        ("tfidf-few", "tfidf-few-short", "page"),
        ("tfidf", "tfidf-short", "shipped"),
    ):
        assert rows[with_all]["max_length"] is None
        assert rows[with_few_tokens]["max_length"] == rows[network]["max_length"]
        assert rows[with_few_tokens]["train_reviews"] == rows[network]["train_reviews"]
        assert rows[with_few_tokens]["chosen"] == "C"


def test_the_old_names_that_the_page_lists_are_gone():
    import transformers

    known = {field.name for field in dataclasses.fields(transformers.TrainingArguments)}
    assert not known & {
        *("evaluation_strategy", "no_cuda", "group_by_length", "warmup_ratio")
    }
    assert known >= {
        *("eval_strategy", "use_cpu", "train_sampling_strategy", "warmup_steps")
    }
    trainer = inspect.signature(transformers.Trainer).parameters
    assert "processing_class" in trainer
    assert "tokenizer" not in trainer
    assert not hasattr(transformers, "AdamW")
