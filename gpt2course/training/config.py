"""The settings of a pretraining and of a fine-tuning, with the names of Trainer.

No torch in here, so that a command can show its options fast. What the settings do is
in run.py (the loop), pretraining.py and finetuning.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from gpt2course.arguments import check_fields
from gpt2course.config import SIZES, GPT2Config

#: the values of `mixed_precision`
PRECISIONS = ("no", "bf16", "fp16")
#: the longest run: days, for the smallest model
MOST_STEPS = 10**8
MOST_ROWS = 10**6  # of an optimizer step
MOST_PROCESSES = 1024
#: The mini's shape while it is pretrained. No text is read more than about twice, so
#: there is nothing to protect against.
MINI_WITHOUT_DROPOUT = replace(
    SIZES["mini"], embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0
)


@dataclass(frozen=True)
class FinetuneConfig:
    """One fine-tuning run. The same values on the same machine give the same weights,
    interrupted or not.

    Args:
        per_device_train_batch_size: packed rows per process and forward pass.
        gradient_accumulation_steps: forward passes per optimizer step and process.
        num_processes: on one machine; they share every batch.
        num_train_epochs: how often each row is read.
        max_steps: optimizer steps; -1 means that num_train_epochs decides.
        learning_rate: peak of the schedule.
        warmup_steps: optimizer steps until the peak; below 1, a fraction of all steps.
        min_lr_rate: learning rate at the last step, as a fraction of the peak.
        weight_decay: AdamW's, on matrices and embeddings.
        max_grad_norm: largest norm of the gradient.
        document_mask: False lets the documents of a row attend to one another.
        mixed_precision: "no", "bf16", or "fp16" with a gradient scaler. Weights and
            optimizer are float32 in any case.
        gradient_checkpointing: compute the blocks twice instead of storing activations.
        lora: rank of the LoRA matrices beside each c_attn, which are trained instead of
            the weights; they want a higher learning_rate. None trains all weights.
        eval_steps: optimizer steps between two evaluations.
        max_eval_samples: evaluate on this many rows, spread evenly; 0 for all of them.
        save_steps: optimizer steps between two saves of the state.
        logging_steps: optimizer steps between two rows of the log.
        early_stopping_patience: stop after this many evaluations in a row without a new
            best; 0 for never.
        device: "auto" (a GPU if there is one), "cpu" or "cuda".
        seed: decides dropout and the order of the rows.

    Raises:
        ValueError: a value out of its range; it is named with its limits.

    Source: the names are those of transformers.TrainingArguments. Chapter: training.
    """

    per_device_train_batch_size: int = 16
    gradient_accumulation_steps: int = 1
    num_processes: int = 1
    num_train_epochs: float = 3.0
    max_steps: int = -1
    learning_rate: float = 5e-4
    warmup_steps: float = 0.05
    min_lr_rate: float = 0.1
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    document_mask: bool = True
    mixed_precision: Literal["no", "bf16", "fp16"] = "no"
    gradient_checkpointing: bool = False
    lora: int | None = None
    eval_steps: int = 50
    max_eval_samples: int = 256
    save_steps: int = 50
    logging_steps: int = 5
    early_stopping_patience: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    seed: int = 1

    def __post_init__(self) -> None:
        check_fields(self)
        _check_counts(
            self,
            "per_device_train_batch_size",
            "gradient_accumulation_steps",
            "num_processes",
            "eval_steps",
            "save_steps",
            "logging_steps",
        )
        if self.max_steps != -1:
            if self.max_steps < 1:
                raise ValueError(
                    f"max_steps is {self.max_steps}; it must be at least 1, or -1 for "
                    "num_train_epochs to decide"
                )
            check_steps("max_steps", self.max_steps, self.max_steps)
        _check_sizes(self, self.rows_per_step)
        if not 0 < self.num_train_epochs < math.inf:
            raise ValueError(
                f"num_train_epochs is {self.num_train_epochs}; it must be a number "
                "above 0"
            )
        _check_positive(self, "learning_rate", "max_grad_norm")
        _check_fractions(self, "weight_decay", "min_lr_rate")
        _check_warmup(self.warmup_steps, self.max_steps)
        for name, zero in (
            ("early_stopping_patience", "never stop early"),
            ("max_eval_samples", "evaluate on all rows"),
        ):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; it must be at least 0, and 0 "
                    f"means: {zero}"
                )
        if self.mixed_precision not in PRECISIONS:
            raise ValueError(
                f"mixed_precision is {self.mixed_precision!r}; it must be one of "
                f"{', '.join(PRECISIONS)}"
            )
        if self.lora is not None and self.lora < 1:
            raise ValueError(
                f"lora is {self.lora}; it is a rank and must be at least 1; leave it "
                "out to train all weights"
            )
        _check_device(self.device, "auto", "cpu", "cuda")

    @property
    def rows_per_step(self) -> int:
        """Packed rows in an optimizer step, over all processes together."""
        return (
            self.per_device_train_batch_size
            * self.gradient_accumulation_steps
            * self.num_processes
        )

    def get_total_steps(self, n_rows: int) -> int:
        """Optimizer steps of the whole run, over which the schedule is laid.

        Args:
            n_rows: packed rows in the training set.

        Raises:
            ValueError: there are more than MOST_STEPS, or the warm-up is not shorter.
        """
        if self.max_steps > 0:
            return self.max_steps
        steps = self.num_train_epochs * n_rows / self.rows_per_step
        check_steps("num_train_epochs", self.num_train_epochs, steps)
        total_steps = math.ceil(steps)
        _warmup_steps(self.warmup_steps, total_steps)
        return total_steps

    def get_warmup_steps(self, total_steps: int) -> int:
        """Optimizer steps of the warm-up, at most one less than all.

        Raises:
            ValueError: a whole warmup_steps that is not below total_steps.
        """
        return _warmup_steps(self.warmup_steps, total_steps)

    @property
    def fixed_length(self) -> str:
        """Why a longer run cannot continue a shorter one; "" if it can."""
        if self.min_lr_rate == 1 and (not self.warmup_steps or self.warmup_steps >= 1):
            return ""
        return (
            "a longer run differs from its first steps on, as the learning rate "
            "depends on the length; with min_lr_rate 1 and whole warmup_steps it does "
            "not"
        )


@dataclass(frozen=True)
class PretrainConfig:
    """One pretraining run. The same values on the same machine give the same losses,
    interrupted or not. The defaults are those of the mini's first run.

    Args:
        model: shape of the network.
        max_steps: optimizer steps.
        tokens_per_step: tokens that all processes read in an optimizer step.
        short_rows_until: fraction of the run that reads rows of half of n_positions.
            Attention costs less there, and the network first learns what is near.
        muon_learning_rate: peak of the schedule for the matrices of the blocks.
        learning_rate: peak for AdamW on embeddings, biases and layer norms.
        warmup_steps: optimizer steps until the peak; below 1, a fraction of all steps.
        min_lr_rate: learning rate at the last step, as a fraction of the peak.
        max_grad_norm: largest norm of the gradient.
        num_processes: on one machine; they share every batch. On a CPU one thread each.
        eval_steps: optimizer steps between two evaluations.
        save_steps: optimizer steps between two saves of the state.
        logging_steps: optimizer steps between two rows of the log.
        seed: decides the initial weights and the order of the texts.
        device: "cpu" or "cuda"; on a GPU matrix products run in bfloat16.

    Raises:
        ValueError: a value out of its range; it is named with its limits.

    Source: the names are those of transformers.TrainingArguments. Chapter: pretraining.
    """

    model: GPT2Config = MINI_WITHOUT_DROPOUT
    max_steps: int = 3508
    tokens_per_step: int = 4096
    short_rows_until: float = 0.7
    muon_learning_rate: float = 7e-3
    learning_rate: float = 3e-3
    warmup_steps: float = 100
    min_lr_rate: float = 0.02
    max_grad_norm: float = 1.0
    num_processes: int = 2
    eval_steps: int = 200
    save_steps: int = 100
    logging_steps: int = 10
    seed: int = 1
    device: Literal["cpu", "cuda"] = "cpu"

    def __post_init__(self) -> None:
        check_fields(self)
        _check_counts(
            self,
            "max_steps",
            "tokens_per_step",
            "num_processes",
            "eval_steps",
            "save_steps",
            "logging_steps",
        )
        check_steps("max_steps", self.max_steps, self.max_steps)
        _check_sizes(self, self.tokens_per_step // self.model.n_positions)
        _check_positive(self, "muon_learning_rate", "learning_rate", "max_grad_norm")
        _check_fractions(self, "short_rows_until", "min_lr_rate")
        _check_warmup(self.warmup_steps, self.max_steps)
        _check_device(self.device, "cpu", "cuda")
        longest = self.model.n_positions
        if longest % 2:
            raise ValueError(
                f"n_positions is {longest}; it must be even, since short rows have "
                "half as many tokens"
            )
        if self.tokens_per_step % (self.num_processes * longest):
            raise ValueError(
                f"tokens_per_step is {self.tokens_per_step}; it must be a multiple of "
                f"num_processes times n_positions, {self.num_processes} * {longest}, "
                "so that every process reads whole rows"
            )

    def get_row_length(self, step: int) -> int:
        """Tokens in a row at this optimizer step."""
        short = step < self.short_rows_until * self.max_steps
        return self.model.n_positions // 2 if short else self.model.n_positions

    def get_warmup_steps(self, total_steps: int) -> int:
        """Optimizer steps of the warm-up, at most one less than all.

        Raises:
            ValueError: a whole warmup_steps that is not below total_steps.
        """
        return _warmup_steps(self.warmup_steps, total_steps)

    @property
    def fixed_length(self) -> str:
        """Why a longer run cannot continue a shorter one; "" if it can."""
        whole = not self.warmup_steps or self.warmup_steps >= 1
        if self.min_lr_rate == 1 and whole and self.short_rows_until in (0, 1):
            return ""
        return (
            "a longer run differs from its first steps on, as learning rate and length "
            "of the rows depend on its length; with min_lr_rate 1, whole warmup_steps "
            "and short_rows_until 0 or 1 it does not"
        )


def check_steps(name: str, value: float, steps: float) -> None:
    """Refuse a run that would not come to its end.

    Args:
        name: of the setting that decides about its length.
        value: of that setting.
        steps: optimizer steps that follow from it.

    Raises:
        ValueError: more than MOST_STEPS.
    """
    if steps > MOST_STEPS:
        counted = "" if steps == value else f", which makes {steps:.3g} steps"
        raise ValueError(
            f"{name} is {value}{counted}; a run may have {MOST_STEPS:,} steps: "
            "pass less"
        )


def _check_sizes(config: FinetuneConfig | PretrainConfig, rows_per_step: int) -> None:
    """Refuse what would fill the memory before the first step."""
    if rows_per_step > MOST_ROWS:
        raise ValueError(
            f"an optimizer step would read {rows_per_step:,} rows; at most "
            f"{MOST_ROWS:,} are allowed: pass less"
        )
    if config.num_processes > MOST_PROCESSES:
        raise ValueError(
            f"num_processes is {config.num_processes}; it must be at most "
            f"{MOST_PROCESSES:,}"
        )


def _warmup_steps(warmup_steps: float, total_steps: int) -> int:
    """A count as it is, a fraction of all steps rounded up, as Trainer does.

    Raises:
        ValueError: a count that is not below total_steps.
    """
    if warmup_steps >= total_steps:
        raise ValueError(
            f"warmup_steps is {warmup_steps} and the run has {total_steps} steps; the "
            "warm-up must be shorter: pass fewer, or a fraction such as 0.05"
        )
    steps = warmup_steps if warmup_steps >= 1 else math.ceil(warmup_steps * total_steps)
    return min(int(steps), total_steps - 1)


def _check_counts(config: object, *names: str) -> None:
    for name in names:
        if getattr(config, name) < 1:
            raise ValueError(
                f"{name} is {getattr(config, name)}; it must be at least 1"
            )


def _check_positive(config: object, *names: str) -> None:
    for name in names:
        if not 0 < getattr(config, name) < math.inf:
            raise ValueError(
                f"{name} is {getattr(config, name)}; it must be a number above 0"
            )


def _check_fractions(config: object, *names: str) -> None:
    for name in names:
        if not 0 <= getattr(config, name) <= 1:
            raise ValueError(
                f"{name} is {getattr(config, name)}; it must lie between 0 and 1"
            )


def _check_warmup(warmup_steps: float, max_steps: int) -> None:
    if not 0 <= warmup_steps < math.inf or (warmup_steps > 1 and warmup_steps % 1):
        raise ValueError(
            f"warmup_steps is {warmup_steps}; it must be a number of steps, or a "
            "fraction of all steps below 1"
        )
    if max_steps > 0:
        _warmup_steps(warmup_steps, max_steps)


def _check_device(device: str, *allowed: str) -> None:
    if device not in allowed:
        raise ValueError(
            f"device is {device!r}; it must be one of {', '.join(allowed)}"
        )
