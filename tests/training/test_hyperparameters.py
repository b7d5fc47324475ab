"""The settings: what they mean together, and what cannot be meant."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest
from conftest import run_python
from counting import QUIET

from gpt2course.config import GPT2Config
from gpt2course.training import FinetuneConfig, PretrainConfig, finetune_rate

PRETRAIN = PretrainConfig(
    model=replace(QUIET, n_positions=16),
    max_steps=24,
    tokens_per_step=64,
    warmup_steps=3,
    num_processes=1,
)


def test_the_schedule_is_laid_over_the_real_steps():
    config = FinetuneConfig(
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
        num_processes=2,
        num_train_epochs=3,
        learning_rate=0.5,
        warmup_steps=0.1,
        min_lr_rate=0.1,
    )
    assert config.rows_per_step == 8
    total = config.get_total_steps(100)
    assert total == 38  # 300 rows in steps of 8
    rates = [finetune_rate(config, step, total) for step in range(total)]
    assert max(rates) == rates[3] == 0.5
    assert rates[-1] == pytest.approx(0.05)
    assert replace(config, max_steps=7).get_total_steps(100) == 7
    assert finetune_rate(replace(config, max_steps=1, warmup_steps=0.9), 0, 1) == 0.5
    # cut to the run, it would be another one in a longer run
    with pytest.raises(ValueError, match="warmup_steps is 38 and the run has 38 steps"):
        replace(config, warmup_steps=38).get_total_steps(100)


@pytest.mark.parametrize(
    ("warmup_steps", "steps"), [(0, 0), (0.05, 5), (0.501, 51), (1, 1), (7, 7)]
)
def test_warm_up_counts_as_trainer_counts(warmup_steps, steps):
    from transformers import TrainingArguments

    arguments = TrainingArguments("unused", warmup_steps=warmup_steps, use_cpu=True)
    assert arguments.get_warmup_steps(100) == steps
    for config in (FinetuneConfig(), replace(PRETRAIN, max_steps=100)):
        config = replace(config, warmup_steps=warmup_steps)
        assert config.get_warmup_steps(100) == steps


def test_names_are_those_of_trainer():
    """A learner meets them again."""
    from transformers import TrainingArguments

    theirs = {field.name for field in fields(TrainingArguments)}
    ours = {field.name for field in fields(FinetuneConfig)}
    own = {"num_processes", "min_lr_rate", "document_mask", "mixed_precision", "device"}
    own |= {"lora"}  # Trainer takes a model to which peft has added it
    own |= {
        "max_eval_samples",
        "early_stopping_patience",
    }  # their scripts' and callback's
    assert ours - theirs == own


def test_row_lengths():
    lengths = [PRETRAIN.get_row_length(step) for step in range(24)]
    assert lengths == [8] * 17 + [16] * 7  # 0.7 of 24 steps


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"per_device_train_batch_size": 0}, "must be at least 1"),
        ({"per_device_train_batch_size": 2.5}, "must be a whole number"),
        ({"max_steps": "3"}, "must be a whole number"),
        ({"eval_steps": True}, "must be a whole number"),
        ({"lora": 4.0}, "must be a whole number"),
        ({"gradient_checkpointing": "no"}, "must be True or False"),
        ({"learning_rate": "1e-3"}, "must be a number"),
        ({"num_train_epochs": None}, "must be a number"),
        ({"seed": -1}, "must lie between 0 and 4294967295"),
        ({"seed": 2**32}, "must lie between 0 and 4294967295"),
        ({"seed": None}, "must be a whole number"),
        ({"gradient_accumulation_steps": 0}, "must be at least 1"),
        ({"num_processes": 0}, "must be at least 1"),
        ({"num_train_epochs": 0}, "above 0"),
        ({"num_train_epochs": math.inf}, "above 0"),
        ({"num_train_epochs": math.nan}, "above 0"),
        ({"max_steps": 0}, "at least 1, or -1"),
        ({"max_steps": -2}, "at least 1, or -1"),
        ({"learning_rate": -1.0}, "above 0"),
        ({"learning_rate": math.nan}, "above 0"),
        ({"max_grad_norm": 0}, "above 0"),
        ({"warmup_steps": -1}, "a fraction of all steps"),
        ({"warmup_steps": 1.5}, "a fraction of all steps"),
        ({"min_lr_rate": 1.1}, "between 0 and 1"),
        ({"weight_decay": -0.1}, "between 0 and 1"),
        ({"early_stopping_patience": -1}, "0 means: never stop early"),
        ({"max_eval_samples": -5}, "0 means: evaluate on all rows"),
        ({"lora": 0}, "at least 1; leave it out"),
        ({"lora": -4}, "at least 1; leave it out"),
        ({"mixed_precision": "fp8"}, "one of no, bf16, fp16"),
        ({"device": "tpu"}, "one of auto, cpu, cuda"),
    ],
)
def test_fine_tunings_that_cannot_be_meant(change, says):
    (name, value) = next(iter(change.items()))
    with pytest.raises(ValueError, match=f"{name} is {value!r}.*{says}"):
        FinetuneConfig(**change)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"max_steps": 0}, "max_steps is 0; .* at least 1"),
        ({"max_steps": 3}, "warmup_steps is 3 and the run has 3 steps.*such as 0.05"),
        ({"num_processes": 0}, "num_processes is 0; .* at least 1"),
        ({"max_steps": 10.5}, "max_steps is 10.5; .* a whole number"),
        ({"seed": "one"}, "seed is 'one'; .* a whole number"),
        (
            {"tokens_per_step": 72},
            r"tokens_per_step is 72; .* a multiple of .* 1 \* 16",
        ),
        ({"short_rows_until": 1.5}, "short_rows_until is 1.5; .* between 0 and 1"),
        ({"model": GPT2Config(n_positions=15)}, "n_positions is 15; it must be even"),
        ({"muon_learning_rate": 0}, "muon_learning_rate is 0; .* above 0"),
        ({"device": "auto"}, "device is 'auto'; .* one of cpu, cuda"),
    ],
)
def test_pretrainings_that_cannot_be_meant(change, says):
    with pytest.raises(ValueError, match=says):
        replace(PRETRAIN, **change)


def test_the_settings_need_no_torch():
    code = "import sys, gpt2course.training.config; print('torch' in sys.modules)"
    assert run_python("-c", code).stdout.strip() == "False"
