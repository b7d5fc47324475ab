"""ReviewTrainer: transformers' Trainer with length buckets and target replication.

finetuning.py runs it on all reviews.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from datasets import Dataset
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import (
    EvalPrediction,
    GPT2ForSequenceClassification,
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_callback import PrinterCallback

from gpt2course.loss import IGNORE_INDEX, cross_entropy, shift
from gpt2course.sentiment.config import (
    check_lm_coef,
    check_target_replication,
    check_token_dropout,
)
from gpt2course.sentiment.dataset import LengthBuckets, pad_right
from gpt2course.sentiment.model import patch_classifier
from gpt2course.training import LossNotFinite

logger = logging.getLogger(__name__)
#: the file of the metric, for `evaluate.load`, which takes its path without a network
ACCURACY_METRIC = Path(__file__).parent / "accuracy.py"


def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """What Trainer calls after an evaluation: the accuracy.

    Args:
        prediction: predictions (N, 2) logits and label_ids (N,), as numpy arrays.

    Chapter: sentiment.
    """
    predicted = prediction.predictions.argmax(-1)
    return {"accuracy": float((predicted == prediction.label_ids).mean())}


def classification_loss(
    logits: Tensor,
    lengths: Tensor,
    labels: Tensor,
    target_replication: float = 0.0,
) -> Tensor:
    """Cross-entropy of the label at the last token, and at every token before it.

    The prediction is read from the last token, so only one vector of some 250 gets an
    error signal directly. Target replication gives one to all of them: each prefix of
    the review predicts the label of the whole. Position t of T has the weight t / T,
    because later positions have read more. The uniform mean over positions is Lipton
    and others'; the increasing weight is this course's.

    Args:
        logits: (B, T, 2) at every position; those of padding are not read.
        lengths: (B,) tokens of each review.
        labels: (B,) 0 or 1.
        target_replication: fraction of the loss that comes from all positions, 0 to 1.

    Returns:
        scalar, in nats per review.

    Source: Lipton et al. 2016, "Learning to Diagnose with LSTM Recurrent Neural
    Networks", section 4.1 (target replication). Chapter: sentiment.
    """
    rows = torch.arange(len(labels), device=logits.device)
    last = F.cross_entropy(logits[rows, lengths - 1], labels)
    if target_replication == 0:
        return last
    labels_of_positions = labels[:, None].expand(logits.shape[:2])  # (B, T)
    losses = F.cross_entropy(
        logits.transpose(1, 2), labels_of_positions, reduction="none"
    )
    position = torch.arange(1, logits.size(1) + 1, device=logits.device)
    weights = position / lengths[:, None]  # (B, T)
    weights = weights.masked_fill(position > lengths[:, None], 0.0)
    replicated = ((weights * losses).sum(-1) / weights.sum(-1)).mean()
    return (1 - target_replication) * last + target_replication * replicated


def language_model_loss(logits: Tensor, input_ids: Tensor, lengths: Tensor) -> Tensor:
    """How well a classifier's body still predicts the next token of its reviews.

    Args:
        logits: (B, T, V) of the language model at every position.
        input_ids: (B, T) int64, with padding on the right.
        lengths: (B,) tokens of each review.

    Returns:
        scalar, in nats per token: the mean over reviews of each one's mean. A review of
        one token has nothing to predict and counts as 0. Where the middle of a long
        review was left out, the first token of the end counts as the next one.

    Source: Radford et al. 2018, "Improving Language Understanding by Generative
    Pre-Training", equation 5 (L1 beside L2). Chapter: evaluating-a-classifier.
    """
    if input_ids.size(1) < 2:
        return logits.sum() * 0.0
    position = torch.arange(input_ids.size(1), device=input_ids.device)
    padding = position >= lengths[:, None]  # (B, T)
    labels = input_ids.masked_fill(padding, IGNORE_INDEX)
    losses = cross_entropy(*shift(logits, labels), reduction="none")  # (B, T - 1)
    return (losses.sum(-1) / (lengths - 1).clamp(min=1)).mean()


class ReviewTrainer(Trainer):
    """Trainer for reviews: length buckets, padding on the right, target replication.

    Args:
        model: of `new_classifier`, or another GPT2ForSequenceClassification.
        args: with train_sampling_strategy="group_by_length", reviews of similar length
            share a batch; otherwise Trainer's own order.
        train_dataset: of `review_dataset`.
        eval_dataset: of `review_dataset`.
        target_replication: as in `classification_loss`.
        token_dropout: fraction of the tokens whose embedding is set to 0 in training;
            the others are scaled up, as dropout does (Iyyer et al. 2015, "Deep
            Unordered Composition Rivals Syntactic Methods for Text Classification",
            where it is called word dropout).
        lm_coef: weight of `language_model_loss` in training; 0 leaves it out.
        optimizer: Trainer's own AdamW by default.

    Raises:
        ValueError: target_replication or token_dropout outside 0 to 1, a negative or
            infinite lm_coef; a model without a pad_token_id.
        LossNotFinite: while training or evaluating, when the loss becomes NaN or
            infinite.

    Chapter: sentiment.
    """

    def __init__(
        self,
        model: GPT2ForSequenceClassification,
        args: TrainingArguments,
        train_dataset: Dataset,
        eval_dataset: Dataset,
        *,
        target_replication: float = 0.0,
        token_dropout: float = 0.0,
        lm_coef: float = 0.0,
        optimizer: torch.optim.Optimizer | None = None,
    ) -> None:
        check_target_replication(target_replication)
        check_token_dropout(token_dropout)
        check_lm_coef(lm_coef)
        if model.config.pad_token_id is None:
            raise ValueError(
                "the model has no pad_token_id, so nothing says where a padded review "
                "ends; set model.config.pad_token_id, to the end-of-text token's id"
            )
        patch_classifier(model)  # it may come from elsewhere
        super().__init__(
            model=model,
            args=args,
            data_collator=partial(_collate, pad_token_id=model.config.pad_token_id),
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            compute_metrics=compute_metrics,
            optimizers=(optimizer, None),
            callbacks=[ReportCallback()],
        )
        self.target_replication = target_replication
        self.token_dropout = token_dropout
        self.lm_coef = lm_coef
        self.remove_callback(PrinterCallback)  # the log reports instead
        self.remove_callback(ProgressCallback)

    def get_train_dataloader(self) -> DataLoader:
        """Batches of reviews of similar length, if the arguments ask for it."""
        if self.args.train_sampling_strategy != "group_by_length":
            return super().get_train_dataloader()
        batch_size = self.args.train_batch_size
        reviews_per_step = batch_size * self.args.gradient_accumulation_steps
        loader = DataLoader(
            self.train_dataset,
            batch_size=batch_size,
            sampler=LengthBuckets(
                self.train_dataset["length"], reviews_per_step, self.args.seed
            ),
            collate_fn=self.data_collator,
            num_workers=self.args.dataloader_num_workers,
            pin_memory=self.args.dataloader_pin_memory,
            drop_last=self.args.dataloader_drop_last,
        )
        return self.accelerator.prepare(loader)

    def compute_loss(
        self, model, inputs, return_outputs=False, num_items_in_batch=None
    ):
        """In training the losses above; in evaluation the model's."""
        if not model.training:
            return super().compute_loss(
                model, inputs, return_outputs, num_items_in_batch
            )
        input_ids = inputs["input_ids"]
        classifier = self.accelerator.unwrap_model(model)
        read = {"input_ids": input_ids}
        if self.token_dropout:
            kept = torch.ones(*input_ids.shape, 1, device=input_ids.device)
            kept = F.dropout(kept, self.token_dropout)  # (B, T, 1)
            read = {"inputs_embeds": classifier.transformer.wte(input_ids) * kept}
        outputs = model(**read, output_hidden_states=True)
        hidden = outputs.hidden_states[-1]  # (B, T, C)
        lengths = (input_ids != classifier.config.pad_token_id).sum(-1)
        loss = classification_loss(
            classifier.score(hidden), lengths, inputs["labels"], self.target_replication
        )
        if self.lm_coef:
            # the head is the token embedding: as in GPT-2, both are one matrix
            logits = F.linear(hidden, classifier.transformer.wte.weight)  # (B, T, V)
            loss = loss + self.lm_coef * language_model_loss(logits, input_ids, lengths)
        return (loss, outputs) if return_outputs else loss


def _collate(rows: Sequence[dict], pad_token_id: int) -> dict[str, Tensor]:
    """A batch for the model: input_ids (B, T) and labels (B,)."""
    return {
        "input_ids": pad_right([row["input_ids"] for row in rows], pad_token_id),
        "labels": torch.tensor([row["labels"] for row in rows]),
    }


class ReportCallback(TrainerCallback):
    """Logs progress, adds `seconds` to Trainer's log, and stops a run that diverged."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.first_step = 0
        self.seconds_before = 0.0  # of a run that was interrupted

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        """Note where this process starts to train."""
        self.started = time.monotonic()
        self.first_step = state.global_step
        if state.log_history:
            self.seconds_before = state.log_history[-1]["seconds"]

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        """Report a row of the log."""
        step, max_steps = state.global_step, state.max_steps
        seconds = time.monotonic() - self.started
        state.log_history[-1]["seconds"] = round(self.seconds_before + seconds, 1)
        for name in ("loss", "eval_loss", "train_loss"):
            if name in logs and not math.isfinite(logs[name]):
                raise LossNotFinite(
                    f"{name} is {logs[name]} at step {step}; start again in an empty "
                    f"folder with a learning_rate below {args.learning_rate:g}"
                )
        if "loss" in logs:
            seconds_per_step = seconds / max(1, step - self.first_step)
            minutes_left = seconds_per_step * (max_steps - step) / 60
            logger.info(
                "step %d of %d  loss %.3f  %.0f min left",
                *(step, max_steps, logs["loss"], minutes_left),
            )
        elif "eval_accuracy" in logs:
            logger.info(
                "step %d  eval_loss %.3f  eval_accuracy %.4f",
                *(step, logs["eval_loss"], logs["eval_accuracy"]),
            )


def layer_groups(
    model: GPT2ForSequenceClassification,
    learning_rate: float,
    layer_decay: float,
    weight_decay: float = 0.01,
) -> list[dict]:
    """Parameter groups in which a layer learns `layer_decay` times as fast as the next.

    Lower layers hold what pretraining taught; the classification layer is new.

    Args:
        model: a GPT-2 with a classification layer `score`.
        learning_rate: of `score`.
        layer_decay: 1 gives every layer the same rate.
        weight_decay: for matrices and embeddings; biases and norms have none.

    Returns:
        groups for torch.optim.

    Source: Howard and Ruder 2018, "Universal Language Model Fine-tuning for Text
    Classification", section 3.2 (discriminative fine-tuning). Chapter: sentiment.
    """
    n_layer = model.config.n_layer
    groups: dict[tuple[int, bool], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        parts = name.split(".")
        if name.startswith("transformer.h."):
            depth = n_layer - int(parts[2])  # 1 for the last block
        elif parts[1] in ("wte", "wpe"):
            depth = n_layer + 1
        else:
            depth = 0  # score and ln_f
        groups.setdefault((depth, parameter.dim() > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": learning_rate * layer_decay**depth,
            "weight_decay": weight_decay if is_matrix else 0.0,
        }
        for (depth, is_matrix), parameters in groups.items()
    ]
