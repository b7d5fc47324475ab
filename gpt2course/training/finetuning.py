"""Training as it is done for real: the schedule, what decays, one step, and a whole run that survives being killed."""

from __future__ import annotations

import copy
import hashlib
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from gpt2course.checkpoints import from_hf, write_model
from gpt2course.config import GPT2Config
from gpt2course.data import Packed, document_mask
from gpt2course.generation import generate, sampler
from gpt2course.loss import IGNORE_INDEX, cross_entropy
from gpt2course.model import GPT2
from gpt2course.training.run import (
    CtrlC,
    Log,
    LossNotFinite,
    in_processes,
    read_state,
    save_atomically,
    seed_step,
)

if TYPE_CHECKING:
    from accelerate import Accelerator
    from transformers import GPT2LMHeadModel, PreTrainedTokenizerBase

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
SAMPLE_TOKENS = 40  # length of the texts written on the way


# ---- parts that every run shares -----------------------------------------------------------------------------------


def learning_rate_at(
    step: int, *, peak: float, warmup_steps: int, total_steps: int, final: float = 0.0
) -> float:
    """Linear warm-up, then half a cosine down to `final`.

    Args:
        step: optimizer step, from 0.
        peak: highest rate, reached at the end of the warm-up.
        warmup_steps, total_steps: in optimizer steps.
        final: rate at the last step.

    Raises:
        ValueError: a warm-up that is not shorter than the whole run.

    Source: Loshchilov and Hutter 2017, equation 5, without restarts. Chapter: pretraining.
    """
    if not 0 <= warmup_steps < total_steps:
        raise ValueError(
            f"warm-up of {warmup_steps} steps in a run of {total_steps}; it must be shorter than the run"
        )
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    done = min(1.0, (step - warmup_steps) / max(1, total_steps - 1 - warmup_steps))
    return final + (peak - final) * 0.5 * (1 + math.cos(math.pi * done))


def parameter_groups(model: GPT2 | GPT2LMHeadModel, weight_decay: float) -> list[dict]:
    """Matrices and embeddings decay; biases and layer norms do not.

    Returns:
        two groups in the form that torch.optim takes.

    Source: the grouping of nanoGPT and of GPT-3's appendix B. Chapter: training.
    """
    decayed = [p for p in model.parameters() if p.dim() >= 2]
    free = [p for p in model.parameters() if p.dim() < 2]
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]


@contextmanager
def gradient_checkpointing(model: GPT2 | GPT2LMHeadModel) -> Iterator[None]:
    """Within this context, blocks forget what they computed and compute it again on the way back.

    Memory for one block instead of all, for one more forward pass.

    Source: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost". Chapter: training.
    """
    blocks = model.h if isinstance(model, GPT2) else model.transformer.h
    for block in blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
    try:
        yield
    finally:
        for block in blocks:
            del block.forward  # what lies below is the class's own


def next_token_nats(
    model: torch.nn.Module,
    batch: Packed,
    *,
    precision: str = "fp32",
    use_document_mask: bool = True,
) -> Tensor:
    """Sum of -log p over all tokens of a batch that have a label.

    Args:
        model: GPT2 or GPT2LMHeadModel, also within DistributedDataParallel.
        batch: packed rows, on the model's device.
        precision: of the products: "fp32", "bf16" or "fp16" by autocast. Weights and the loss stay float32.
        use_document_mask: False reads each row as one text, as GPT-2's own pretraining did.

    Returns:
        a scalar, in nats. Divide it by batch.learned for the mean.
    """
    inner = getattr(model, "module", model)
    masks = {"position_ids": None, "mask": None}
    if use_document_mask:
        masks = {
            "position_ids": batch.position_ids,
            "mask": document_mask(batch.document_ids),
        }
    device = batch.input_ids.device.type
    with torch.autocast(device, PRECISIONS[precision], enabled=precision != "fp32"):
        if isinstance(inner, GPT2):
            logits = model(batch.input_ids, **masks)
        else:
            mask = masks.pop("mask")
            if (
                mask is not None and inner.config._attn_implementation == "eager"
            ):  # it adds the mask to the scores
                mask = torch.zeros(mask.shape, device=mask.device).masked_fill(
                    ~mask, torch.finfo(torch.float32).min
                )
            logits = model(
                batch.input_ids, attention_mask=mask, use_cache=False, **masks
            ).logits
    # not the rows of the logits but the labels move by one, with nothing to predict at the end: it saves a copy of the
    # logits on the way there, and one on the way back
    targets = F.pad(batch.labels[:, 1:], (0, 1), value=IGNORE_INDEX)
    return cross_entropy(logits, targets, reduction="sum")


@dataclass(frozen=True)
class Step:
    """What one step of training did: mean loss in nats a token, tokens learned from, norm of the gradient."""

    loss: float
    tokens: int
    gradient_norm: float


def train_step(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Sequence[Packed],
    *,
    clip: float = 1.0,
    precision: str = "fp32",
    use_document_mask: bool = True,
    scaler: torch.amp.GradScaler | None = None,
    accelerator: Accelerator | None = None,
) -> Step:
    """One step down the gradient of one batch, which may come in pieces and be spread over several processes.

    Every token of the whole batch weighs the same: nats are added up and divided once, by the tokens of all pieces of
    all processes. (A mean of the pieces' means would favour the tokens of short pieces.)

    Args:
        model, optimizer: as usual; the learning rate is the optimizer's.
        batches: the pieces of this process.
        clip: largest norm of the gradient.
        precision, use_document_mask: as in `next_token_nats`.
        scaler: needed for "fp16", whose small gradients would become 0.
        accelerator: of several processes; the model is what its prepare_model returned.

    Raises:
        LossNotFinite: the loss or the gradient is NaN or infinite; the weights are as before.

    Chapter: training.
    """
    scaler = scaler or torch.amp.GradScaler(enabled=False)
    processes = accelerator.num_processes if accelerator else 1
    device = batches[0].input_ids.device
    model.train()
    optimizer.zero_grad()
    tokens = _over_processes(
        torch.tensor(sum(batch.learned for batch in batches), device=device),
        accelerator,
    )
    nats = torch.zeros((), device=device)
    for i, batch in enumerate(batches):
        waits = (
            accelerator is not None and i < len(batches) - 1
        )  # gradients travel once a step
        with accelerator.no_sync(model) if waits else nullcontext():
            loss = next_token_nats(
                model, batch, precision=precision, use_document_mask=use_document_mask
            )
            scaler.scale(
                loss * processes / tokens
            ).backward()  # processes: their gradients get averaged
        nats += loss.detach()
    mean = (_over_processes(nats, accelerator) / tokens).item()
    scaler.unscale_(optimizer)
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), clip).item()
    # an infinite gradient is nothing special in fp16: the scaler leaves the step out and scales less from then on
    hopeless = (
        scaler.get_scale() < 1 if scaler.is_enabled() else not math.isfinite(norm)
    )
    if not math.isfinite(mean) or hopeless:
        raise LossNotFinite(
            f"the loss is {mean:.4g} and the norm of its gradient {norm:.4g}"
        )
    scaler.step(optimizer)
    scaler.update()
    return Step(mean, int(tokens), norm)


@torch.no_grad()
def held_out_loss(
    model: GPT2 | GPT2LMHeadModel,
    packed: Packed,
    *,
    rows_at_once: int = 16,
    precision: str = "fp32",
    accelerator: Accelerator | None = None,
) -> float:
    """Loss in nats a token on documents that are not trained on, each read by itself. Several processes share them.

    Args:
        model: left in the mode it was in.
        packed: rows of whole documents.
        rows_at_once, precision: how it is computed.
        accelerator: of several processes.
    """
    rank, processes = (
        (accelerator.process_index, accelerator.num_processes)
        if accelerator
        else (0, 1)
    )
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    nats = torch.zeros((), device=device)
    for rows in torch.arange(rank, len(packed), processes).split(rows_at_once):
        if len(rows):
            nats += next_token_nats(model, packed[rows].to(device), precision=precision)
    model.train(was_training)
    return _over_processes(nats, accelerator).item() / packed.learned


def _over_processes(value: Tensor, accelerator: Accelerator | None) -> Tensor:
    """The sum over all processes."""
    return value if accelerator is None else accelerator.reduce(value, reduction="sum")


# ---- a whole run ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TrainConfig:
    """One fine-tuning run. The same values on the same machine give the same weights, interrupted or not.

    Args:
        rows_per_step: packed rows in an optimizer step, all processes together.
        accumulate: pieces in which a process computes its rows, for want of memory; the result is the same.
        epochs: how often each row is read.
        steps: optimizer steps; overrides epochs.
        lr: peak of the learning rate.
        warmup: part of the steps in which it rises.
        final_lr: where its cosine ends, as part of the peak.
        weight_decay: AdamW's, on matrices and embeddings.
        clip: largest norm of the gradient.
        document_mask: False lets the documents of a row see one another.
        precision: "fp32", "bf16", or "fp16" with a scaler. Weights and optimizer are float32 in any case.
        checkpointing: compute the blocks twice instead of remembering them.
        validate_every, save_every, log_every: in steps.
        validation_rows: judge on so many rows, spread evenly; 0 for all of them.
        patience: stop after so many validations in a row without a new best; 0 for never.
        processes: on one machine; they share every batch.
        device: "auto" (a GPU if there is one), "cpu" or "cuda".
        seed: decides dropout and the order of the rows.

    Raises:
        ValueError: a value that cannot be meant; it is named with its limits.
    """

    rows_per_step: int = 16
    accumulate: int = 1
    epochs: float = 3.0
    steps: int | None = None
    lr: float = 5e-4
    warmup: float = 0.05
    final_lr: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    document_mask: bool = True
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    checkpointing: bool = False
    validate_every: int = 50
    validation_rows: int = 256
    save_every: int = 50
    log_every: int = 5
    patience: int = 0
    processes: int = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"
    seed: int = 1

    def __post_init__(self) -> None:
        for name in (
            "rows_per_step",
            "accumulate",
            "validate_every",
            "save_every",
            "log_every",
            "processes",
        ):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; it must be at least 1"
                )
        if self.rows_per_step % (self.processes * self.accumulate):
            raise ValueError(
                f"rows_per_step {self.rows_per_step} must be a multiple of processes times accumulate, "
                f"{self.processes} * {self.accumulate}, so that every piece holds whole rows"
            )
        if self.steps is None and self.epochs <= 0:
            raise ValueError(f"epochs is {self.epochs}; it must be above 0")
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"steps is {self.steps}; it must be at least 1")
        for name in ("lr", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; it must be a number above 0"
                )
        if (
            not 0 <= self.weight_decay < 1
            or not 0 <= self.warmup < 1
            or not 0 <= self.final_lr <= 1
        ):
            raise ValueError(
                f"weight_decay is {self.weight_decay}, warmup {self.warmup} and final_lr {self.final_lr}; "
                "each is a part of a whole, between 0 and 1"
            )
        for name, none in (
            ("patience", "never stop early"),
            ("validation_rows", "judge on all rows"),
        ):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; it must be at least 0, and 0 means: {none}"
                )
        if self.precision not in PRECISIONS:
            raise ValueError(
                f"precision is {self.precision!r}; it must be one of {', '.join(PRECISIONS)}"
            )
        if self.device not in ("auto", "cpu", "cuda"):
            raise ValueError(f"device is {self.device!r}; it must be auto, cpu or cuda")

    def total_steps(self, n_rows: int) -> int:
        """Optimizer steps of the whole run: what warm-up and cosine are laid over."""
        return self.steps or math.ceil(self.epochs * n_rows / self.rows_per_step)

    def rate_at(self, step: int, total_steps: int) -> float:
        """The learning rate of one step."""
        warmup_steps = min(round(self.warmup * total_steps), total_steps - 1)
        return learning_rate_at(
            step,
            peak=self.lr,
            warmup_steps=warmup_steps,
            total_steps=total_steps,
            final=self.final_lr * self.lr,
        )

    def judged(self, validation: Packed) -> Packed:
        """The rows that the held-out loss is computed on, from all over: `pack_sequences` puts long documents first."""
        n_rows = min(self.validation_rows or len(validation), len(validation))
        return validation[torch.arange(n_rows) * len(validation) // n_rows]


def rows_of_step(step: int, n_rows: int, rows_per_step: int, seed: int) -> Tensor:
    """Which rows a step reads: the next ones of an endless sequence of shuffled epochs.

    It depends on its arguments alone, so a run that goes on reads what it would have read.

    Returns:
        (rows_per_step,) int64.
    """
    places = range(step * rows_per_step, (step + 1) * rows_per_step)
    orders = {
        epoch: torch.randperm(
            n_rows, generator=torch.Generator().manual_seed(seed + epoch)
        )
        for epoch in {place // n_rows for place in places}
    }
    return torch.stack([orders[place // n_rows][place % n_rows] for place in places])


@dataclass(frozen=True)
class FineTuned:
    """How a run ended. Losses are held-out ones, in nats a token.

    Args:
        folder: the best weights in Hugging Face format, log.jsonl and state.pt.
        steps: optimizer steps done.
        first_loss: before the first step.
        best_loss, best_step: of the weights that are in the folder.
        stopped_early: for lack of progress.
    """

    folder: Path
    steps: int
    first_loss: float
    best_loss: float
    best_step: int
    stopped_early: bool


def finetune(
    model: GPT2 | GPT2LMHeadModel,
    train: Packed,
    validation: Packed,
    config: TrainConfig,
    folder: str | os.PathLike,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    sample_prompt: str = "",
    watch: Callable[[dict], None] | None = None,
    progress: bool = False,
) -> FineTuned:
    """Go on training a model on packed documents, or go on with the run that lies in the folder.

    The folder always holds the best weights so far as a Hugging Face checkpoint, log.jsonl, and state.pt to go on from.
    Stopped at any moment and started again with the same arguments, a run on the CPU ends with bitwise the same
    weights. Under `torchrun` or `accelerate launch` each process calls this; otherwise it starts config.processes.

    Args:
        model: where to start from; it is left as it is.
        train, validation: rows of `pack_sequences`.
        config: the run.
        folder: made if it is not there.
        tokenizer: written into the folder, so that the result is complete.
        sample_prompt: with a tokenizer, a text that starts so is written at each validation.
        watch: called with every row of the log. With several processes, a function of a module.
        progress: show a bar on stderr with loss, rate, tokens a second and time left.

    Returns:
        where the result is and how good it is.

    Raises:
        ValueError: rows longer than the model's positions, a device that is not here, a folder with another run or
            another checkpoint.
        LossNotFinite: NaN or infinity. The folder keeps the best weights and the last state.
        OSError: the folder cannot be written or the disk is full. What was saved last is whole.
        RuntimeError: one of several processes failed, for one of these reasons or because it was killed.
        KeyboardInterrupt: after ctrl-C, once the step is done and the state saved. A second one stops at once.

    Chapter: training.
    """
    folder = Path(folder)
    _refuse_impossible(model, train, validation, config)
    state = folder / "state.pt"
    if (folder / "model.safetensors").exists() and not state.exists():
        raise ValueError(
            f"{folder} holds a checkpoint that is not from such a run; choose an empty folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    arguments = (
        model,
        train,
        validation,
        config,
        folder,
        tokenizer,
        sample_prompt,
        watch,
        progress,
    )
    if "LOCAL_RANK" in os.environ:  # somebody else has started the processes
        _finetune(0, *arguments)
    else:
        cuda = config.device != "cpu" and torch.cuda.is_available()
        in_processes(
            _finetune, arguments, config.processes, folder, "nccl" if cuda else "gloo"
        )
    log = Log(folder / "log.jsonl").rows()
    checks = [row for row in log if "validation_loss" in row]
    best = min(checks, key=lambda row: row["validation_loss"])
    return FineTuned(
        folder=folder,
        steps=checks[-1]["step"],
        first_loss=checks[0]["validation_loss"],
        best_loss=best["validation_loss"],
        best_step=best["step"],
        stopped_early=checks[-1]["step"] < config.total_steps(len(train)),
    )


def _refuse_impossible(
    model, train: Packed, validation: Packed, config: TrainConfig
) -> None:
    n_positions = model.config.n_positions
    for name, packed in (("train", train), ("validation", validation)):
        if not packed.learned:
            raise ValueError(
                f"{name} has nothing to learn from; pack at least one document of two tokens"
            )
        if packed.input_ids.size(1) > n_positions:
            raise ValueError(
                f"{name} has rows of {packed.input_ids.size(1)} tokens, more than the model's {n_positions} positions; "
                "pack with a smaller row_length"
            )
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is cuda, and torch finds no GPU here; use cpu")


def _finetune(_: int, *arguments: object) -> None:
    with CtrlC() as ctrl_c:
        _Run(ctrl_c, *arguments).go()


def as_ours(model: GPT2 | GPT2LMHeadModel) -> GPT2:
    """Hugging Face's model in our class, weights copied; ours as it is."""
    if isinstance(model, GPT2):
        return model
    config = GPT2Config.from_dict(model.config.to_dict())
    ours = GPT2(config).eval()
    ours.load_state_dict(from_hf(model.state_dict(), config))
    return ours.to(model.device)


class _Run:
    """One process of a fine-tuning. All of them hold the same weights; the first one writes and talks."""

    def __init__(
        self,
        ctrl_c,
        model,
        train,
        validation,
        config,
        folder,
        tokenizer,
        sample_prompt,
        watch,
        progress,
    ):
        from accelerate import Accelerator

        self.accelerator = Accelerator(cpu=config.device == "cpu")
        processes = self.accelerator.num_processes
        if processes != config.processes:
            raise ValueError(
                f"processes is {config.processes}, but {processes} were started; say --processes {processes}"
            )
        if config.precision == "fp16" and self.accelerator.device.type == "mps":
            raise ValueError(
                "precision is fp16, for which this device has no scaler; use fp32 or bf16"
            )
        self.rank, self.first = (
            self.accelerator.process_index,
            self.accelerator.is_main_process,
        )
        self.ctrl_c, self.train, self.config, self.folder = (
            ctrl_c,
            train,
            config,
            folder,
        )
        self.validation = config.judged(validation)
        self.tokenizer, self.sample_prompt, self.watch, self.progress = (
            tokenizer,
            sample_prompt,
            watch,
            progress,
        )
        # a copy: the caller may want to start again from the same weights, which several processes even share
        self.model = copy.deepcopy(model).to(self.accelerator.device)
        self.settings = _settings(config, self.model, train, validation)
        groups = parameter_groups(self.model, config.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=config.lr, fused=True)
        self.scaler = torch.amp.GradScaler(
            self.accelerator.device.type, enabled=config.precision == "fp16"
        )
        self.total_steps = config.total_steps(len(train))
        self.step, self.tokens, self.seconds = 0, 0, 0.0
        self.best_loss, self.best_step, self.validations_without_best = math.inf, 0, 0
        self.saved_step = 0
        self.log_file, self.state_path = Log(folder / "log.jsonl"), folder / "state.pt"

    def go(self) -> None:
        try:
            with (
                gradient_checkpointing(self.model)
                if self.config.checkpointing
                else nullcontext()
            ):
                self.prepare()
                self.loop()
        except OSError as error:
            raise OSError(
                f"cannot write to {self.folder} ({error.strerror or error}); what was saved last is whole: make room, "
                f"then start again, and it goes on from step {self.saved_step}"
            ) from error

    def prepare(self) -> None:
        """Go on from state.pt; without one, look how good the model is and write it as the best so far."""
        state = read_state(self.state_path, self.settings, self.accelerator.device)
        if state:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.scaler.load_state_dict(state["scaler"])
            for name in _COUNTERS:
                setattr(self, name, state[name])
            self.saved_step = self.step
        begun = self.best_loss < math.inf
        if self.first:
            self.log_file.forget_after(self.step if begun else -1)
        self.accelerator.wait_for_everyone()
        if not begun:
            self.save()  # first: a folder in which a run lies is known by it
            if self.first and self.tokenizer is not None:
                self.tokenizer.save_pretrained(self.folder)
            self.validate()
            self.save()

    def loop(self) -> None:
        config, accelerator = self.config, self.accelerator
        model = (
            accelerator.prepare_model(self.model)
            if accelerator.num_processes > 1
            else self.model
        )
        before, start = self.seconds, time.monotonic()
        tokens_before, stop = self.tokens, False
        bar = self.bar()
        while self.step < self.total_steps and not self.no_progress() and not stop:
            lr = config.rate_at(self.step, self.total_steps)
            for group in self.optimizer.param_groups:
                group["lr"] = lr
            seed_step(config.seed, self.step, self.rank, accelerator.num_processes)
            try:
                done = train_step(
                    model, self.optimizer, self.batches(), clip=config.clip, precision=config.precision,
                    use_document_mask=config.document_mask, scaler=self.scaler,
                    accelerator=accelerator if accelerator.num_processes > 1 else None,
                )  # fmt: skip
            except LossNotFinite as problem:
                raise LossNotFinite(self.advice(problem, lr)) from None
            self.step, self.tokens = self.step + 1, self.tokens + done.tokens
            self.seconds = before + time.monotonic() - start
            rate = (self.tokens - tokens_before) / (self.seconds - before)
            bar.set_postfix(
                {
                    "loss": f"{done.loss:.3f}",
                    "lr": f"{lr:.1e}",
                    "tokens/s": f"{rate:,.0f}",
                },
                refresh=False,
            )
            bar.update()
            if self.step % config.log_every == 0 or self.step == 1:
                self.log(
                    loss=round(done.loss, 6), lr=lr, gradient_norm=round(done.gradient_norm, 4),
                    tokens_per_second=round(rate),
                )  # fmt: skip
            if self.step % config.validate_every == 0 or self.step == self.total_steps:
                self.validate()
            stop = self.asked_to_stop()
            if (
                stop
                or self.step % config.save_every == 0
                or self.step == self.total_steps
                or self.no_progress()
            ):
                self.save()
        bar.close()
        if stop:
            raise KeyboardInterrupt

    def batches(self) -> list[Packed]:
        """The rows of this step that fall to this process, in pieces."""
        config = self.config
        rows = rows_of_step(
            self.step, len(self.train), config.rows_per_step, config.seed
        )
        mine = rows.chunk(config.processes)[self.rank]
        return [
            self.train[piece].to(self.accelerator.device)
            for piece in mine.chunk(config.accumulate)
        ]

    def validate(self) -> None:
        """Held-out loss; the weights go into the folder if they are the best so far."""
        several = self.accelerator if self.accelerator.num_processes > 1 else None
        loss = held_out_loss(
            self.model,
            self.validation,
            precision=self.config.precision,
            accelerator=several,
        )
        if not math.isfinite(loss):
            raise LossNotFinite(
                self.advice(f"the held-out loss is {loss}", self.config.lr)
            )
        best = loss < self.best_loss
        self.validations_without_best = 0 if best else self.validations_without_best + 1
        if best:
            self.best_loss, self.best_step = loss, self.step
        if best and self.first:
            write_model(as_ours(self.model), self.folder)
        self.log(validation_loss=round(loss, 6), best=best)
        if self.first and self.tokenizer is not None and self.sample_prompt:
            self.log(sample=self.sample())

    def sample(self) -> str:
        """A text of the model as it is now, always from the same seed."""
        model = as_ours(self.model)
        was_training = model.training
        model.eval()
        prompt = self.tokenizer.encode(self.sample_prompt)
        generator = torch.Generator(self.accelerator.device).manual_seed(
            self.config.seed
        )
        length = min(SAMPLE_TOKENS, model.config.n_positions - len(prompt))
        new = generate(
            model, prompt, length, strategy=sampler(top_k=40), generator=generator
        )
        model.train(was_training)
        return self.tokenizer.decode([*prompt, *new], skip_special_tokens=True)

    def no_progress(self) -> bool:
        """Whether the patience is used up."""
        return 0 < self.config.patience <= self.validations_without_best

    def asked_to_stop(self) -> bool:
        """Whether ctrl-C was pressed; the processes have to agree, or they would wait for one another for ever."""
        pressed = torch.tensor(
            float(self.ctrl_c.pressed), device=self.accelerator.device
        )
        return self.accelerator.reduce(pressed, reduction="sum").item() > 0

    def advice(self, problem: object, lr: float) -> str:
        """What happened, what is kept, what to try."""
        return (
            f"{problem} at step {self.step + 1}; {self.folder} keeps the best weights, those of step {self.best_step} "
            f"(held-out loss {self.best_loss:.3f}), and the state of step {self.saved_step}. Try a lower learning rate "
            f"than {self.config.lr:.1e} (it was {lr:.1e} there), a longer warm-up or precision fp32, in another folder"
        )

    def save(self) -> None:
        if self.first:
            state = {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
            }
            counters = {name: getattr(self, name) for name in _COUNTERS}
            rest = {
                "scaler": self.scaler.state_dict(),
                "settings": self.settings,
                **counters,
            }
            save_atomically({**state, **rest}, self.state_path)
        self.saved_step = self.step

    def log(self, **row: object) -> None:
        if self.first:
            row = {
                "step": self.step,
                "tokens": self.tokens,
                "seconds": round(self.seconds, 2),
                **row,
            }
            self.log_file.append(row)
            if self.watch:
                self.watch(row)

    def bar(self):
        from tqdm import tqdm

        off = not (self.progress and self.first)
        return tqdm(
            total=self.total_steps,
            initial=self.step,
            unit="step",
            dynamic_ncols=True,
            disable=off,
        )


_COUNTERS = (
    "step",
    "tokens",
    "seconds",
    "best_loss",
    "best_step",
    "validations_without_best",
)


def _settings(
    config: TrainConfig, model: torch.nn.Module, train: Packed, validation: Packed
) -> dict:
    """What has to be the same for a run to go on; how often it saves and logs may change."""
    settings = asdict(config)
    for name in ("save_every", "log_every", "device"):
        settings.pop(name)
    settings["data"] = _digest(
        train.input_ids,
        train.document_ids,
        validation.input_ids,
        validation.document_ids,
    )
    settings["checkpoint"] = _digest(*model.state_dict().values())
    return settings


def _digest(*tensors: Tensor) -> str:
    """A number that changes when any of the tensors does."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()[:16]
