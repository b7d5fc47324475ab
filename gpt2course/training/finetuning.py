"""Fine-tuning on packed documents, such as jokes, in one resumable run.

The loop is run.py's and the step is step.py's. finetuning_jokes.py loads jokes for it.
"""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from gpt2course.checkpoints import (
    from_hf,
    write_model,
    write_tokenizer,
)
from gpt2course.config import GPT2Config
from gpt2course.data import Packed
from gpt2course.generation import generate, sampler
from gpt2course.model import GPT2
from gpt2course.training.config import FinetuneConfig
from gpt2course.training.optim import (
    learning_rate_at,
    parameter_groups,
    set_learning_rate,
)
from gpt2course.training.processes import (
    pick_device,
    rank,
    run_in_processes,
    world_size,
)
from gpt2course.training.run import Recipe, Run
from gpt2course.training.state import (
    TrainState,
    digest,
    digest_of_start,
    digest_of_tokenizer,
    settings_of,
)
from gpt2course.training.step import (
    Step,
    gradient_checkpointing,
    held_out_loss,
    rows_of_step,
    train_step,
)

if TYPE_CHECKING:
    from transformers import GPT2LMHeadModel, PreTrainedTokenizerBase

SAMPLE_TOKENS = 40  #: length of the texts that a run writes

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FinetuneResult:
    """How a run ended. Losses are held-out ones, in nats per token.

    Args:
        folder: the best weights in Hugging Face format, log.jsonl and state.pt.
        steps: optimizer steps done.
        first_loss: before the first step.
        best_loss, best_step: of the weights that are in the folder.
        stopped_early: for lack of progress.
        trained_parameters: how many numbers the optimizer changes.
    """

    folder: Path
    steps: int
    first_loss: float
    best_loss: float
    best_step: int
    stopped_early: bool
    trained_parameters: int


@dataclass(frozen=True)
class _Job:
    """What each process of a fine-tuning gets."""

    model: GPT2 | GPT2LMHeadModel
    train: Packed
    validation: Packed
    config: FinetuneConfig
    folder: Path
    tokenizer: PreTrainedTokenizerBase | None
    sample_prompt: str
    watch: Callable[[dict], None] | None
    progress: bool


def finetune(
    model: GPT2 | GPT2LMHeadModel,
    train: Packed,
    validation: Packed,
    config: FinetuneConfig,
    folder: str | os.PathLike,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    sample_prompt: str = "",
    watch: Callable[[dict], None] | None = None,
    progress: bool = False,
) -> FinetuneResult:
    """Train a model further on packed documents, or resume the run in the folder.

    The folder always holds the best weights so far as a Hugging Face checkpoint,
    log.jsonl, and state.pt to resume from. Stopped at any moment and started again with
    the same arguments, a run on the CPU ends with bitwise the same weights. Under
    `torchrun` or `accelerate launch` each process calls this; otherwise it starts
    config.num_processes.

    Args:
        model: where to start from; it is left as it is. Weights in 16 bits are copied
            to float32, which is what the optimizer changes.
        train, validation: rows of `pack_sequences`.
        config: the run.
        folder: made if it is not there.
        tokenizer: written into the folder, so that the result is complete.
        sample_prompt: with a tokenizer, a text that starts so is written at each
            evaluation.
        watch: called with every row of the log. With several processes, a function of a
            module.
        progress: show a bar on stderr with loss, rate, tokens per second and time left.

    Returns:
        where the result is and how good it is.

    Raises:
        ValueError: rows longer than the model's positions, a device that is not here, a
            folder with another run or another checkpoint.
        LossNotFinite: NaN or infinity. The folder keeps the best weights and the last
            state.
        OSError: the folder cannot be written or the disk is full. What was saved last
            is whole.
        RuntimeError: one of several processes failed, for one of these reasons or
            because it was killed.
        KeyboardInterrupt: after ctrl-C, once the step is done and the state saved. A
            second one stops at once.

    Chapter: training.
    """
    folder = Path(folder)
    if any(weight.dtype != torch.float32 for weight in model.parameters()):
        logger.info(
            "weights in %s are trained in float32", next(model.parameters()).dtype
        )
        model = copy.deepcopy(model).float()
    _refuse_impossible(model, train, validation, config)
    job = _Job(
        model=model,
        train=train,
        validation=validation,
        config=config,
        folder=folder,
        tokenizer=tokenizer,
        sample_prompt=sample_prompt,
        watch=watch,
        progress=progress,
    )
    return run_in_processes(_work, job, config.num_processes, config.device)


def _refuse_impossible(
    model: GPT2 | GPT2LMHeadModel,
    train: Packed,
    validation: Packed,
    config: FinetuneConfig,
) -> None:
    n_positions = model.config.n_positions
    for name, packed in (("train", train), ("validation", validation)):
        if not packed.num_label_tokens:
            raise ValueError(
                f"{name} has nothing to learn from; pack at least one document of two "
                "tokens"
            )
        if packed.input_ids.size(1) > n_positions:
            raise ValueError(
                f"{name} has rows of {packed.input_ids.size(1)} tokens, more than the "
                f"model's {n_positions} positions; pack with a smaller row_length"
            )
    device = pick_device(config.device, config.num_processes)
    if config.mixed_precision == "fp16" and device.type == "mps":
        raise ValueError(
            "mixed_precision is fp16, for which this device has no scaler; "
            "use no or bf16"
        )
    if config.lora is not None and config.lora > model.config.n_embd:
        raise ValueError(
            f"lora is {config.lora}; a rank above the model's n_embd, "
            f"{model.config.n_embd}, is none: use at most that, such as 16"
        )


def _work(job: _Job) -> FinetuneResult:
    """What each process does."""
    recipe, config = Finetuning(job), job.config
    run = Run(recipe, config, job.folder, watch=job.watch, progress=job.progress)
    parameters = list(recipe.model.parameters())
    trained = sum(p.numel() for p in parameters if p.requires_grad)
    if config.lora is not None:
        fixed = sum(p.numel() for p in parameters) - trained
        run.tell(
            f"LoRA of rank {config.lora}: {trained:,} parameters are trained, the "
            f"model's {fixed:,} stay as they are until both are merged"
        )
    saving_memory = config.gradient_checkpointing
    with gradient_checkpointing(recipe.model) if saving_memory else nullcontext():
        results = run.go()
    return FinetuneResult(folder=job.folder, trained_parameters=trained, **results)


class Finetuning(Recipe):
    """A step reads rows in shuffled order; AdamW moves everything, or LoRA's matrices
    alone."""

    keeps_best = True

    def __init__(self, job: _Job) -> None:
        config = job.config
        self.config, self.train = config, job.train
        self.validation = eval_rows(job.validation, config.max_eval_samples)
        self.tokenizer, self.sample_prompt = job.tokenizer, job.sample_prompt
        self.total_steps = config.get_total_steps(len(job.train))
        self.patience = config.early_stopping_patience
        self.device = pick_device(config.device, config.num_processes)
        # a copy: the caller may want to start again from the same weights, and several
        # processes even share them
        self.model = copy.deepcopy(job.model)
        self.fixed_length = config.fixed_length
        self.settings = {
            "run": "fine-tuning",
            **settings_of(config),
            "data": digest(
                job.train.input_ids,
                job.train.document_ids,
                job.validation.input_ids,
                job.validation.document_ids,
            ),
            "tokenizer": digest_of_tokenizer(job.tokenizer),
            "weights": digest_of_start(self.model.config, self.model.state_dict()),
        }
        if config.lora is not None:
            from gpt2course.training.lora import add_lora

            add_lora(self.model, config.lora, config.seed)
        self.model.to(self.device)
        self.optimizer = torch.optim.AdamW(
            parameter_groups(self.model, config.weight_decay),
            lr=config.learning_rate,
            fused=True,
        )
        self.scaler = torch.amp.GradScaler(
            self.device.type, enabled=config.mixed_precision == "fp16"
        )
        self.optimizers = {"optimizer": self.optimizer, "scaler": self.scaler}

    def learning_rate(self, step: int) -> float:
        """Warm-up, then a cosine."""
        return finetune_rate(self.config, step, self.total_steps)

    def train_step(self, step: int) -> Step:
        """The shared step, on this step's rows."""
        config = self.config
        set_learning_rate(self.optimizer, self.learning_rate(step))
        return train_step(
            self.model,
            self.optimizer,
            self.batches(step),
            max_grad_norm=config.max_grad_norm,
            mixed_precision=config.mixed_precision,
            use_document_mask=config.document_mask,
            scaler=self.scaler,
        )

    def batches(self, step: int) -> list[Packed]:
        """The rows of a step that fall to this process, one batch per forward pass."""
        config = self.config
        rows = rows_of_step(step, len(self.train), config.rows_per_step, config.seed)
        mine = rows.chunk(world_size())[rank()]
        return [
            self.train[piece].to(self.device)
            for piece in mine.split(config.per_device_train_batch_size)
        ]

    def evaluate(self, step: int) -> dict[str, float]:
        """Held-out loss."""
        precision = self.config.mixed_precision
        loss = held_out_loss(self.model, self.validation, mixed_precision=precision)
        return {"eval_loss": loss}

    def sample(self) -> str | None:
        """A text of the model as it is now, always from the same seed."""
        if self.tokenizer is None or not self.sample_prompt:
            return None
        model = self.plain_model()
        was_training = model.training
        model.eval()
        prompt = self.tokenizer.encode(self.sample_prompt)
        new = generate(
            model,
            prompt,
            min(SAMPLE_TOKENS, model.config.n_positions - len(prompt)),
            strategy=sampler(top_k=40),
            generator=torch.Generator(self.device).manual_seed(self.config.seed),
        )
        model.train(was_training)
        return self.tokenizer.decode([*prompt, *new], skip_special_tokens=True)

    def write_first(self, folder: Path) -> None:
        """The tokenizer, so that the folder is complete."""
        if self.tokenizer is not None:
            write_tokenizer(self.tokenizer, folder)

    def write_best(self, folder: Path) -> None:
        """The weights in Hugging Face format."""
        write_model(self.plain_model(), folder)

    def plain_model(self) -> GPT2:
        """The model as it is now in our class, LoRA's matrices merged."""
        if self.config.lora is None:
            return to_gpt2(self.model)
        from gpt2course.training.lora import merge_lora

        return merge_lora(self.model)

    def results(self, state: TrainState) -> dict[str, object]:
        """The fields of FinetuneResult."""
        return {
            "steps": state.step,
            "first_loss": state.first_loss,
            "best_loss": state.best_loss,
            "best_step": state.best_step,
            "stopped_early": state.step < self.total_steps,
        }


def finetune_rate(config: FinetuneConfig, step: int, total_steps: int) -> float:
    """The learning rate of an optimizer step: linear warm-up, then a cosine.

    Args:
        config: the run.
        step: from 0.
        total_steps: config.get_total_steps of the packed rows.
    """
    return learning_rate_at(
        step,
        peak=config.learning_rate,
        warmup_steps=config.get_warmup_steps(total_steps),
        total_steps=total_steps,
        final=config.min_lr_rate * config.learning_rate,
    )


def eval_rows(validation: Packed, max_eval_samples: int) -> Packed:
    """The rows that the held-out loss is computed on, spread over all: `pack_sequences`
    puts long documents first.

    Args:
        validation: all rows.
        max_eval_samples: how many at most; 0 for all.
    """
    n_rows = min(max_eval_samples or len(validation), len(validation))
    return validation[torch.arange(n_rows) * len(validation) // n_rows]


def to_gpt2(model: GPT2 | GPT2LMHeadModel) -> GPT2:
    """Hugging Face's model in our class, weights copied; ours as it is."""
    if isinstance(model, GPT2):
        return model
    config = GPT2Config.from_dict(model.config.to_dict())
    ours = GPT2(config).eval()
    ours.load_state_dict(from_hf(model.state_dict(), config))
    return ours.to(model.device)
