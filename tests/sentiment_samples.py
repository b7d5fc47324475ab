"""What the tests of the room sentiment share: a small checkpoint, learnable reviews."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
from conftest import random_model

from gpt2course.config import GPT2Config

WORDS = {0: ["bad", "dull", "awful", "a bore"], 1: ["good", "fine", "great", "a joy"]}
RUN = {
    "num_train_epochs": 20,
    "max_length": 32,
    "per_device_train_batch_size": 8,
    "learning_rate": 3e-3,
    "save_steps": 20,
}


def labelled_texts(n: int) -> list[tuple[str, int]]:
    """n reviews of different lengths whose label can be learned."""
    return [
        (f"Film {i}:<br />" + "it was " * (i % 7) + WORDS[i % 2][i // 2 % 4], i % 2)
        for i in range(n)
    ]


def training_arguments(folder, **changes):
    """Trainer's settings for a run of a test."""
    from transformers import TrainingArguments

    settings = {
        "output_dir": str(folder),
        "per_device_train_batch_size": 8,
        "learning_rate": 1e-3,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "dataloader_pin_memory": False,
        "save_strategy": "no",
    }
    return TrainingArguments(**settings | changes)


@pytest.fixture(scope="session")
def small_checkpoint(tmp_path_factory) -> str:
    """A small network with its tokenizer, in a folder."""
    from gpt2course.checkpoints import write_model
    from gpt2course.training import save_tokenizer, train_tokenizer

    folder = tmp_path_factory.mktemp("small")
    config = GPT2Config(vocab_size=280, n_positions=64, n_embd=24, n_layer=2, n_head=2)
    write_model(random_model(config, std=0.02), folder)
    texts = [text for text, _ in labelled_texts(100)]
    save_tokenizer(train_tokenizer(texts, 280), folder, 64)
    return str(folder)


@pytest.fixture
def small_tokenizer(small_checkpoint):
    """A fresh one, because a run writes into it."""
    from gpt2course.checkpoints import load_tokenizer

    return load_tokenizer(small_checkpoint)


@pytest.fixture
def small_classifier(small_checkpoint):
    """Untrained."""
    from gpt2course.sentiment import new_classifier

    return new_classifier(small_checkpoint)


@pytest.fixture(scope="session")
def few_reviews():
    """Splits of the size that a fast run needs."""
    from datasets import Dataset, DatasetDict

    def part(n: int) -> Dataset:
        texts, labels = zip(*labelled_texts(n), strict=True)
        return Dataset.from_dict({"text": list(texts), "label": list(labels)})

    return DatasetDict({"train": part(96), "validation": part(24), "test": part(16)})


@pytest.fixture(scope="session")
def finished_run(small_checkpoint, few_reviews, tmp_path_factory):
    """A run that has ended, with its results."""
    from gpt2course.sentiment import SentimentConfig, finetune_sentiment

    folder = tmp_path_factory.mktemp("run")
    config = SentimentConfig(small_checkpoint, **RUN)
    results = finetune_sentiment(few_reviews, config, folder)
    return SimpleNamespace(folder=folder, results=results)


@pytest.fixture
def package_log(monkeypatch, caplog):
    """What the package logs, also after a command has sent it to stderr alone."""
    monkeypatch.setattr(logging.getLogger("gpt2course"), "propagate", True)
    caplog.set_level(logging.INFO, "gpt2course")
    return caplog
