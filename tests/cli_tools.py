"""What the tests of the commands share: a small checkpoint, and how a refusal looks."""

from __future__ import annotations

import pytest
from conftest import random_model

from gpt2course.cli import main
from gpt2course.config import GPT2Config

REVIEWS = {
    name: [
        (f"{name} review {i}:<br />the film was {'good' if i % 2 else 'bad'}", i % 2)
        for i in range(n)
    ]
    for name, n in (("train", 60), ("validation", 10), ("test", 10))
}


def refused(capsys, *arguments: str) -> str:
    """What the command says when it refuses: one line on stderr, exit code 2."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("gpt2course: ")
    assert len(err.splitlines()) == 1, err
    return err


@pytest.fixture
def folder(tmp_path):
    """A small checkpoint with its tokenizer."""
    from gpt2course.checkpoints import write_model
    from gpt2course.training import save_tokenizer, train_tokenizer

    folder = tmp_path / "checkpoint"
    config = GPT2Config(vocab_size=270, n_positions=32, n_embd=24, n_layer=2, n_head=2)
    write_model(random_model(config), folder)
    texts = [text for text, _ in REVIEWS["train"]]
    save_tokenizer(train_tokenizer(texts, 270), folder, 32)
    return folder
