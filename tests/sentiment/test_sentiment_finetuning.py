"""A whole run: it learns, resumes to the same result, and refuses another's folder."""

from __future__ import annotations

import itertools
import json
import shutil

import pytest
import torch
from datasets import DatasetDict
from sentiment_samples import RUN

from gpt2course.sentiment import (
    CLASSIFIER,
    SentimentConfig,
    finetune_sentiment,
    load_classifier,
    new_classifier,
    write_classifier_card,
)
from gpt2course.training import LossNotFinite


def rows_of_log(folder) -> list[dict]:
    return [
        json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()
    ]


def test_it_learns(finished_run):
    assert finished_run.results["test"]["accuracy"] == 1.0
    assert finished_run.results["test"]["reviews"] == 16
    stored = json.loads((finished_run.folder / "results.json").read_text())
    assert stored == finished_run.results
    log = rows_of_log(finished_run.folder)
    losses = [row["loss"] for row in log if "loss" in row]
    assert losses[-1] < 0.5 * losses[0]
    assert all(a["seconds"] <= b["seconds"] for a, b in itertools.pairwise(log))
    kept = sorted(path.name for path in finished_run.folder.glob("checkpoint-*"))
    assert kept == ["checkpoint-220", "checkpoint-240"]


def test_stopped_and_resumed_it_ends_the_same(
    finished_run, small_checkpoint, few_reviews, tmp_path, package_log
):
    shutil.copy(finished_run.folder / "run.json", tmp_path)
    shutil.copytree(finished_run.folder / "checkpoint-220", tmp_path / "checkpoint-220")
    (tmp_path / "checkpoint-240").mkdir()  # stopped while it was being saved
    config = SentimentConfig(small_checkpoint, **RUN)
    assert finetune_sentiment(few_reviews, config, tmp_path) == finished_run.results
    assert "resuming from checkpoint-220" in package_log.messages
    first, second = (
        (folder / "model.safetensors").read_bytes()
        for folder in (finished_run.folder, tmp_path)
    )
    assert first == second


def test_sentences_are_read_as_well_as_some_of_the_reviews(
    small_checkpoint, few_reviews, tmp_path
):
    changes = {"num_train_epochs": 1, "max_train_samples": 16, "short_sentences": 24}
    config = SentimentConfig(small_checkpoint, lm_coef=0.5, **RUN | changes)
    finetune_sentiment(few_reviews, config, tmp_path)
    state = json.loads((tmp_path / "checkpoint-5/trainer_state.json").read_text())
    assert state["max_steps"] == 5  # 40 texts in batches of 8
    write_classifier_card(
        tmp_path, train_reviews=96, command="the command", hardware="a machine"
    )
    card = (tmp_path / "README.md").read_text()
    texts = "16 reviews, and up to 24 short sentences of the training reviews"
    assert f"| training texts | {texts} |" in card
    assert "50% at all; and 0.5 times that of the next token |" in card
    assert "\n    the command\n" in card


def test_labelled_sentences_are_read_and_held_out_ones_are_judged(
    small_checkpoint, few_reviews, tmp_path
):
    changes = {"num_train_epochs": 1, "max_train_samples": 16, "labelled_sentences": 24}
    config = SentimentConfig(small_checkpoint, **RUN | changes)
    results = finetune_sentiment(few_reviews, config, tmp_path)
    state = json.loads((tmp_path / "checkpoint-5/trainer_state.json").read_text())
    assert state["max_steps"] == 5  # 40 texts in batches of 8
    assert results["validation_sentences"]["reviews"] == 853
    assert 0.4 < results["test_sentences"]["accuracy"] < 0.6  # of made-up reviews
    write_classifier_card(
        tmp_path, train_reviews=96, command="the command", hardware="a machine"
    )
    card = (tmp_path / "README.md").read_text()
    assert "16 reviews, and up to 24 labelled sentences of critics" in card
    assert "\n| test sentences | 2,843 | **" in card


def test_a_run_can_start_from_another_classifier(finished_run, few_reviews, tmp_path):
    before = new_classifier(str(finished_run.folder))
    after, _ = load_classifier(finished_run.folder)
    assert torch.equal(before.score.weight, after.score.weight)
    changes = {"num_train_epochs": 1, "learning_rate": 1e-5}
    config = SentimentConfig(f"{finished_run.folder}/", **RUN | changes)
    results = finetune_sentiment(few_reviews, config, tmp_path)
    assert results["test"]["accuracy"] == 1.0


def test_more_tokens_than_positions_are_refused(
    small_checkpoint, few_reviews, tmp_path
):
    config = SentimentConfig(small_checkpoint, max_length=65)
    with pytest.raises(ValueError, match=r"max_length is 65; .* 64 positions"):
        finetune_sentiment(few_reviews, config, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_folder_of_another_run_is_refused(
    finished_run, small_checkpoint, few_reviews
):
    config = SentimentConfig(
        small_checkpoint, **RUN | {"seed": 5, "learning_rate": 1.0}
    )
    with pytest.raises(ValueError, match="a run with another learning_rate, seed"):
        finetune_sentiment(few_reviews, config, finished_run.folder)


def test_a_folder_of_a_run_with_other_reviews_is_refused(
    finished_run, small_checkpoint, few_reviews
):
    other = DatasetDict(few_reviews | {"train": few_reviews["train"].select(range(90))})
    with pytest.raises(ValueError, match="a run with another data"):
        finetune_sentiment(
            other, SentimentConfig(small_checkpoint, **RUN), finished_run.folder
        )


@pytest.mark.parametrize("content", ["", "{", "7"])
def test_damaged_settings_are_named(small_checkpoint, few_reviews, tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(ValueError, match=r"run\.json is damaged"):
        finetune_sentiment(
            few_reviews, SentimentConfig(small_checkpoint, **RUN), tmp_path
        )


def test_a_run_that_diverges_writes_no_results(small_checkpoint, few_reviews, tmp_path):
    changes = {"learning_rate": 1e30, "logging_steps": 1}
    with pytest.raises(LossNotFinite, match=r"loss is (nan|inf) at step"):
        finetune_sentiment(
            few_reviews, SentimentConfig(small_checkpoint, **RUN | changes), tmp_path
        )
    assert not (tmp_path / "results.json").exists()
    assert not (tmp_path / "model.safetensors").exists()


def test_the_shipped_card_has_the_measured_figures():
    card = (CLASSIFIER / "README.md").read_text(encoding="utf-8")
    results = json.loads((CLASSIFIER / "results.json").read_text())
    texts = {"validation": 2500, "test": 2500}
    texts |= {"validation_sentences": 853, "test_sentences": 2843}
    assert {split: one["reviews"] for split, one in results.items()} == texts
    for result in results.values():
        assert f"**{result['accuracy']:.2%}**" in card
    assert results["test"]["accuracy"] > 0.87
    assert results["test_sentences"]["accuracy"] > 0.72


def test_a_run_of_one_step_is_refused(small_checkpoint, few_reviews, tmp_path):
    config = SentimentConfig(small_checkpoint, **RUN | {"num_train_epochs": 0.05})
    with pytest.raises(ValueError, match="make one step, which changes no weight"):
        finetune_sentiment(few_reviews, config, tmp_path)


def test_two_passes_over_one_batch_are_two_steps(
    small_checkpoint, few_reviews, tmp_path
):
    changes = {"num_train_epochs": 2, "per_device_train_batch_size": 96 * 2}
    finetune_sentiment(
        few_reviews, SentimentConfig(small_checkpoint, **RUN | changes), tmp_path
    )
    assert rows_of_log(tmp_path)[-1]["step"] == 2


def test_a_run_from_before_lm_coef_is_known(
    finished_run, few_reviews, small_checkpoint
):
    assert "lm_coef" not in json.loads((finished_run.folder / "run.json").read_text())
    config = SentimentConfig(small_checkpoint, **RUN)
    assert finetune_sentiment(few_reviews, config, finished_run.folder) == (
        finished_run.results
    )
