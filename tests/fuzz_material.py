"""What the fuzz starts from: small checkpoints, tables and runs that are right.

fuzz.py is the command, fuzz_kinds.py spoils what is made here.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch
from cli_tools import REVIEWS
from conftest import perturb, random_model

from gpt2course import data
from gpt2course.checkpoints import write_model
from gpt2course.config import GPT2Config
from gpt2course.training import save_tokenizer, train_tokenizer

SHAPE = GPT2Config(vocab_size=270, n_positions=32, n_embd=24, n_layer=2, n_head=2)
JOKES = [f"film {i} is good" for i in range(40)]
EXAMPLES: dict[str, list[dict]] = {
    "perplexity": [{"text": f"the film {i} was good"} for i in range(4)],
    "last-word": [{"text": f"film {i} is good"} for i in range(4)],
    "cloze": [
        {
            **{"before": f"film {i} is ", "after": ".", "answer": i % 2},
            "candidates": ["good", "bad"],
        }
        for i in range(4)
    ],
    "endings": [
        {"context": f"film {i}", "endings": ["is good", "was a bad film"], "answer": 0}
        for i in range(4)
    ],
    "translation": [
        {"source": f"le film {i}", "target": f"the film {i}", "pairs": [["a", "b"]]}
        for i in range(4)
    ],
}
COMMANDS = {
    "pretrain": [
        *("pretrain", "--model.vocab-size", "270", "--model.n-positions", "16"),
        *("--model.n-embd", "24", "--model.n-layer", "1", "--model.n-head", "2"),
        *("--num-processes", "1", "--tokens-per-step", "64", "--warmup-steps", "0.1"),
        *("--max-steps", "3", "--save-steps", "2", "--logging-steps", "1"),
    ],
    "finetune-jokes": [
        *("finetune-jokes", "--row-length", "32", "--device", "cpu"),
        *("--per-device-train-batch-size", "4", "--learning-rate", "0.01"),
        *("--max-steps", "4", "--eval-steps", "2", "--save-steps", "2"),
        *("--logging-steps", "1"),
    ],
    "finetune-sentiment": [
        *("finetune-sentiment", "--max-length", "16", "--num-train-epochs", "1"),
        *("--per-device-train-batch-size", "16", "--save-steps", "2"),
        *("--learning-rate", "3e-3", "--logging-steps", "1"),
    ],
}


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory):
    """A folder with checkpoints and tables; pretraining on few reviews."""
    path = tmp_path_factory.mktemp("material with a space")
    before = data.embedded_reviews
    few_reviews()
    make_inputs(path)
    yield path
    data.embedded_reviews = before


def few_reviews() -> None:
    """Let pretraining read eighty reviews instead of 25,000."""
    data.embedded_reviews = lambda: REVIEWS


def command(name: str, material: Path, output: Path) -> list[str]:
    """What trains one of the three models on this material."""
    arguments = [*COMMANDS[name], "--output", str(output), "--json"]
    if name != "pretrain":
        arguments += ["--data", f"{material / 'data'}/"]
        arguments += ["--checkpoint", str(material / "checkpoint")]
    return arguments


def make_inputs(material: Path) -> None:
    """A checkpoint, a classifier and a folder with both tables."""
    from transformers import GPT2Config as TransformersConfig
    from transformers import GPT2ForSequenceClassification

    texts = [text for text, _ in REVIEWS["train"]]
    checkpoint, classifier = material / "checkpoint", material / "classifier"
    write_model(random_model(SHAPE), checkpoint)
    save_tokenizer(train_tokenizer(texts, 270), checkpoint, 32)
    shape = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    torch.manual_seed(0)
    model = GPT2ForSequenceClassification(TransformersConfig(**shape, num_labels=2))
    perturb(model, 0.2)
    model.config.pad_token_id = shape["eos_token_id"]
    model.save_pretrained(classifier)
    save_tokenizer(train_tokenizer(texts, 270), classifier, 32)
    folder = material / "data"
    folder.mkdir()
    write_table(folder / "jokes.csv", [("ID", "Joke"), *enumerate(JOKES)])
    rows = [(f"Film {i} was {'fine' if i % 2 else 'poor'}.", i % 2) for i in range(80)]
    write_table(folder / "reviews.csv", [("text", "label"), *rows])
    for task, examples in EXAMPLES.items():
        lines = "".join(json.dumps(example) + "\n" for example in examples)
        (folder / f"{task}.jsonl").write_text(lines, encoding="utf-8")


def write_table(path: Path, rows: list[tuple]) -> None:
    """A CSV file as Python writes it."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
