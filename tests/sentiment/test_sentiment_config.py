"""The settings of a sentiment run refuse what cannot work."""

from __future__ import annotations

import dataclasses

import pytest
from conftest import run_python

from gpt2course.sentiment import CHAPTER_RUN, SentimentConfig


@pytest.mark.parametrize(
    "name",
    [
        *("num_train_epochs", "per_device_train_batch_size", "learning_rate"),
        *("layer_decay", "save_steps", "logging_steps", "eval_steps"),
    ],
)
@pytest.mark.parametrize("value", [-1, 0, float("nan"), float("inf")])
def test_values_that_are_not_positive_and_finite_are_refused(name, value):
    says = "(above 0|a whole number)"
    with pytest.raises(ValueError, match=f"{name} is {value}; .*{says}"):
        SentimentConfig(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "limit"),
    [
        ("short_sentences", -1, "at least 0"),
        ("labelled_sentences", -1, "at least 0"),
        ("max_train_samples", 1, "at least 2"),
        ("max_train_samples", 100.0, "a whole number"),
        ("per_device_train_batch_size", 2.5, "a whole number"),
        ("seed", -1, "between 0 and 4294967295"),
        ("max_length", 1, "at least 2"),
        ("target_replication", 2, "between 0 and 1"),
        ("target_replication", -0.1, "between 0 and 1"),
        ("target_replication", float("nan"), "between 0 and 1"),
        ("token_dropout", 1, "at least 0 and below 1"),
        ("token_dropout", -0.1, "at least 0 and below 1"),
        ("token_dropout", float("nan"), "at least 0 and below 1"),
        ("lm_coef", -0.1, "at least 0"),
        ("lm_coef", float("inf"), "finite"),
        ("lm_coef", float("nan"), "finite"),
    ],
)
def test_values_outside_their_range_are_refused(name, value, limit):
    with pytest.raises(ValueError, match=f"{name} is {value}; .*{limit}"):
        SentimentConfig(**{name: value})


def test_the_names_are_trainers():
    import transformers

    theirs = {
        field.name for field in dataclasses.fields(transformers.TrainingArguments)
    }
    ours = {field.name for field in dataclasses.fields(SentimentConfig)}
    assert ours - theirs == {
        *("checkpoint", "max_train_samples", "short_sentences", "max_length"),
        *("layer_decay", "target_replication", "token_dropout", "lm_coef"),
        "labelled_sentences",
    }


def test_the_settings_need_no_torch():
    code = (
        "import sys; from gpt2course.sentiment import SentimentConfig; "
        "SentimentConfig(); print('torch' in sys.modules)"
    )
    assert run_python("-c", code).stdout.strip() == "False"


def test_the_run_of_the_chapter_is_small():
    assert CHAPTER_RUN.max_train_samples * CHAPTER_RUN.num_train_epochs == 2000
