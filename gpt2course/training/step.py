"""One optimizer step on packed documents: the loss of a batch, its gradient, the
update.

Read train_step first. finetuning.py calls it for every step of a run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from gpt2course.data import Packed, document_mask, epoch_seed
from gpt2course.loss import IGNORE_INDEX, cross_entropy
from gpt2course.model import GPT2
from gpt2course.training.processes import (
    rank,
    sum_gradients,
    sum_over_processes,
    world_size,
)

if TYPE_CHECKING:
    from transformers import GPT2LMHeadModel

DTYPES = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class LossNotFinite(RuntimeError):
    """The loss became NaN or infinite. The message says where and what to try."""


@dataclass(frozen=True)
class Step:
    """What one optimizer step did.

    Args:
        loss: mean over the tokens with a label, in nats per token.
        tokens: number of those tokens, over all processes.
        grad_norm: norm of the gradient before clipping.
    """

    loss: float
    tokens: int
    grad_norm: float


def train_step(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Sequence[Packed],
    *,
    max_grad_norm: float = 1.0,
    mixed_precision: str = "no",
    use_document_mask: bool = True,
    scaler: torch.amp.GradScaler | None = None,
) -> Step:
    """One step down the gradient of one batch, which may come in pieces and be spread
    over several processes.

    Every token of the whole batch weighs the same: nats are added up and divided once,
    by the tokens of all pieces of all processes. (A mean of the pieces' means would
    favour the tokens of short pieces.)

    Args:
        model, optimizer: as usual; the learning rate is the optimizer's. The processes
            of torch.distributed, if there are any, hold the same weights. The model is
            in train mode afterwards.
        batches: the pieces of this process.
        max_grad_norm: largest norm of the gradient, above 0; math.inf clips nothing.
        mixed_precision, use_document_mask: as in `next_token_nats`.
        scaler: needed for "fp16", whose small gradients would become 0.

    Returns:
        the loss before the step, and what else a log wants to know.

    Raises:
        LossNotFinite: the loss or the gradient is NaN or infinite; the weights are as
            before.
        ValueError: a max_grad_norm that is not above 0.

    Chapter: training.
    """
    if not max_grad_norm > 0:  # 0 would learn nothing, less climb
        raise ValueError(
            f"max_grad_norm is {max_grad_norm}; it must be above 0, math.inf clips "
            "nothing"
        )
    scaler = scaler or torch.amp.GradScaler(enabled=False)
    model.train()
    optimizer.zero_grad()
    device = batches[0].input_ids.device
    nats = torch.zeros((), device=device)
    tokens = torch.tensor(
        sum(batch.num_label_tokens for batch in batches), device=device
    )
    sum_over_processes(tokens)
    for batch in batches:
        loss = next_token_nats(
            model,
            batch,
            mixed_precision=mixed_precision,
            use_document_mask=use_document_mask,
        )
        scaler.scale(loss / tokens).backward()
        nats += loss.detach()
    sum_over_processes(nats)
    sum_gradients(model.parameters())
    scaler.unscale_(optimizer)
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)
    step = Step((nats / tokens).item(), int(tokens), norm.item())
    refuse_not_finite(step, scaler)
    scaler.step(optimizer)
    scaler.update()
    return step


def refuse_not_finite(step: Step, scaler: torch.amp.GradScaler | None = None) -> None:
    """Raise LossNotFinite before weights become NaN.

    With a scaler an infinite gradient is nothing special: it leaves the step out and
    scales less from then on, until there is nothing left to scale less.
    """
    if scaler is not None and scaler.is_enabled():
        gradient_is_fine = scaler.get_scale() >= 1
    else:
        gradient_is_fine = math.isfinite(step.grad_norm)
    if not math.isfinite(step.loss) or not gradient_is_fine:
        raise LossNotFinite(
            f"the loss is {step.loss:.4g} and the norm of its gradient "
            f"{step.grad_norm:.4g}"
        )


def next_token_nats(
    model: GPT2 | GPT2LMHeadModel,
    batch: Packed,
    *,
    mixed_precision: str = "no",
    use_document_mask: bool = True,
) -> Tensor:
    """Sum of -log p over all tokens of a batch that have a label.

    Args:
        model: ours or Hugging Face's.
        batch: packed rows, on the model's device.
        mixed_precision: of the matrix products: "no", "bf16" or "fp16" by autocast.
            Weights and the loss stay float32.
        use_document_mask: False reads each row as one text, as GPT-3's pretraining did
            (its paper says so; GPT-2's does not say).

    Returns:
        a scalar, in nats. Divide it by batch.num_label_tokens for the mean.

    Chapter: training.
    """
    mask = position_ids = None
    if use_document_mask:
        mask, position_ids = document_mask(batch.document_ids), batch.position_ids
    device, dtype = batch.input_ids.device.type, DTYPES[mixed_precision]
    with torch.autocast(device, dtype, enabled=mixed_precision != "no"):
        if isinstance(model, GPT2):
            logits = model(batch.input_ids, position_ids=position_ids, mask=mask)
        else:
            logits = _their_logits(model, batch.input_ids, position_ids, mask)
    # not the rows of the logits but the labels move by one, with nothing to predict at
    # the end: it saves a copy of the logits on the way forward, and one on the way back
    targets = F.pad(batch.labels[:, 1:], (0, 1), value=IGNORE_INDEX)
    return cross_entropy(logits, targets, reduction="sum")


def _their_logits(
    model: GPT2LMHeadModel,
    input_ids: Tensor,
    position_ids: Tensor | None,
    mask: Tensor | None,
) -> Tensor:
    """Hugging Face's forward pass. Its eager attention adds the mask to the scores."""
    if mask is not None and model.config._attn_implementation == "eager":
        lowest = torch.finfo(torch.float32).min
        scores = torch.zeros(mask.shape, device=mask.device)
        mask = scores.masked_fill(~mask, lowest)
    return model(
        input_ids, attention_mask=mask, position_ids=position_ids, use_cache=False
    ).logits


@torch.no_grad()
def held_out_loss(
    model: GPT2 | GPT2LMHeadModel,
    packed: Packed,
    *,
    batch_size: int = 16,
    mixed_precision: str = "no",
) -> float:
    """Loss in nats per token on documents that are not trained on, each read by itself.

    Several processes share the rows, and each must call this.

    Args:
        model: left in the mode it was in.
        packed: rows of whole documents.
        batch_size: rows per forward pass.
        mixed_precision: as in `next_token_nats`.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    nats = torch.zeros((), device=device)
    mine = torch.arange(rank(), len(packed), world_size())
    for rows in mine.split(batch_size):
        if len(rows):
            batch = packed[rows].to(device)
            nats += next_token_nats(model, batch, mixed_precision=mixed_precision)
    model.train(was_training)
    return sum_over_processes(nats).item() / packed.num_label_tokens


def rows_of_step(step: int, n_rows: int, rows_per_step: int, seed: int) -> Tensor:
    """Which rows a step reads: the next ones of an endless sequence of shuffled epochs.

    It depends on its arguments alone, so a resumed run reads what it would have read.

    Returns:
        (rows_per_step,) int64.

    Chapter: training.
    """
    places = range(step * rows_per_step, (step + 1) * rows_per_step)
    orders = {}
    for epoch in {place // n_rows for place in places}:
        generator = torch.Generator().manual_seed(epoch_seed(seed, epoch))
        orders[epoch] = torch.randperm(n_rows, generator=generator)
    return torch.stack([orders[place // n_rows][place % n_rows] for place in places])


@contextmanager
def gradient_checkpointing(model: GPT2 | GPT2LMHeadModel) -> Iterator[None]:
    """Within this context, blocks do not store their activations, and compute them
    again in the backward pass.

    Memory for one block instead of all, for one more forward pass.

    Source: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost". Chapter:
    training.
    """
    blocks = model.h if isinstance(model, GPT2) else model.transformer.h
    for block in blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
    try:
        yield
    finally:
        for block in blocks:
            del block.forward  # what lies below is the class's own
