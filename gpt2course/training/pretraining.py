"""Pretraining: from raw reviews to a GPT-2 in Hugging Face format, in one resumable
run.

`pretrain_from_reviews` is the whole way, `pretrain` the training alone; its loop is
run.py's.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gpt2course import data
from gpt2course.checkpoints import (
    load_checkpoint,
    load_tokenizer,
    write_model,
    write_tokenizer,
)
from gpt2course.config import DROPOUT, GPT2Config
from gpt2course.data import (
    concatenate,
    epoch_seed,
    plain_text,
    rows_at,
    shuffled_stream,
)
from gpt2course.loss import cross_entropy, text_loss
from gpt2course.model import GPT2
from gpt2course.training.config import PretrainConfig
from gpt2course.training.optim import Muon, learning_rate_at, set_learning_rate
from gpt2course.training.processes import (
    is_main_process,
    pick_device,
    rank,
    run_in_processes,
    sum_gradients,
    sum_over_processes,
    world_size,
)
from gpt2course.training.run import Recipe, Run
from gpt2course.training.state import (
    TrainState,
    digest,
    digest_of_start,
    settings_of,
)
from gpt2course.training.step import Step, refuse_not_finite
from gpt2course.training.tokenizer import END_OF_TEXT, save_tokenizer, train_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Corpus:
    """Tokenised texts: what to train on, and what to measure on.

    Args:
        tokens: (N,) int64, every document closed by `<|endoftext|>`.
        lengths: (documents,) int64 in tokens.
        validation: token ids, one list per text.
        validation_characters: length of each of those texts.
    """

    tokens: Tensor
    lengths: Tensor
    validation: list[list[int]]
    validation_characters: list[int]


@dataclass(frozen=True)
class PretrainResult:
    """How a pretraining ended.

    Args:
        folder: the model in Hugging Face format, log.jsonl and state.pt.
        steps: optimizer steps done.
        tokens: tokens trained on.
        seconds: how long it took.
        eval_loss: on all validation texts, in nats per token.
        eval_tokens: their tokens.
        bits_per_character: the same loss, for comparing with other tokenizers.
    """

    folder: Path
    steps: int
    tokens: int
    seconds: float
    eval_loss: float
    eval_tokens: int
    bits_per_character: float


def tokenise(
    tokenizer: Tokenizer, train: Sequence[str], validation: Sequence[str]
) -> Corpus:
    """Token ids of the training texts as one stream, and of the validation texts one by
    one."""
    encode = partial(tokenizer.encode_batch, add_special_tokens=False)
    documents = [encoding.ids for encoding in encode(list(train))]
    tokens, lengths = concatenate(documents, tokenizer.token_to_id(END_OF_TEXT))
    held_out = [encoding.ids for encoding in encode(list(validation))]
    return Corpus(tokens, lengths, held_out, [len(text) for text in validation])


def pretrain_from_reviews(
    config: PretrainConfig,
    folder: str | os.PathLike,
    *,
    checkpoint: str | None = None,
    command: str = "gpt2course pretrain --output FOLDER",
    watch: Callable[[dict], None] | None = None,
    progress: bool = False,
) -> PretrainResult:
    """Make a checkpoint from the embedded film reviews: tokenizer, corpus, training,
    card.

    Args:
        config: the run; config.model.vocab_size is that of the tokenizer.
        folder: made if it is not there. A run that lies in it is resumed.
        checkpoint: where to start from, as in `load_checkpoint`. Its tokenizer and its
            shape are kept; of config.model only the dropout counts. By default the
            tokenizer is trained, and the weights are random.
        command: how to make the checkpoint again, for its card.
        watch, progress: as in `pretrain`.

    Raises:
        ValueError: the checkpoint does not end a text with `<|endoftext|>`; and as
            `pretrain`, `train_tokenizer`, `load_checkpoint` and `load_tokenizer`.

    Chapter: pretraining.
    """
    from gpt2course.training.card import hardware, write_card

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)  # before the tokenizer takes its time
    first = is_main_process()
    start = saved = None
    if checkpoint is not None:
        start, saved = load_checkpoint(checkpoint), load_tokenizer(checkpoint)
        end, eos = saved.get_vocab().get(END_OF_TEXT), start.config.eos_token_id
        if end != eos:
            found = "no token" if end is None else end
            raise ValueError(
                f"{checkpoint} ends a text with token {eos}, and {END_OF_TEXT}, which "
                f"closes each review, is {found} of its tokenizer; start from another "
                "checkpoint"
            )
        dropout = {name: getattr(config.model, name) for name in DROPOUT}
        config = replace(config, model=replace(start.config, **dropout))
    if first:
        training = "" if saved else " and training the tokenizer"
        logger.info(f"reading the reviews{training}")
    splits = {
        name: [plain_text(text) for text, _ in rows]
        for name, rows in data.embedded_reviews().items()
    }
    if saved:
        tokenizer = saved.backend_tokenizer
    else:
        tokenizer = train_tokenizer(splits["train"], config.model.vocab_size)
    corpus = tokenise(tokenizer, splits["train"], splits["validation"])
    if first:
        logger.info(
            f"{len(corpus.tokens):,} training tokens; {config.max_steps:,} steps of "
            f"{config.tokens_per_step:,}"
        )
    result = pretrain(
        corpus, config, folder, start=start, watch=watch, progress=progress
    )
    if first:  # not before: a folder of another run is refused unchanged
        if saved:
            write_tokenizer(saved, folder)
        else:
            save_tokenizer(tokenizer, folder, config.model.n_positions)
        if not (folder / "README.md").exists():  # of a finished run
            write_card(
                result,
                config,
                corpus,
                tokenizer,
                checkpoint=checkpoint,
                command=command,
                hardware=hardware(config.device, config.num_processes),
            )
    return result


@dataclass(frozen=True)
class _Job:
    """What each process of a pretraining gets."""

    corpus: Corpus
    config: PretrainConfig
    folder: Path
    start: GPT2 | None
    watch: Callable[[dict], None] | None
    progress: bool


def pretrain(
    corpus: Corpus,
    config: PretrainConfig,
    folder: str | os.PathLike,
    *,
    start: GPT2 | None = None,
    watch: Callable[[dict], None] | None = None,
    progress: bool = False,
) -> PretrainResult:
    """Train from random or given weights, or resume from folder/state.pt; end with a
    Hugging Face checkpoint in the folder.

    Writes log.jsonl, state.pt, and at the end config.json, generation_config.json and
    model.safetensors. Stopping it at any moment loses the steps since the last save and
    nothing else: started again with the same settings it gives the losses it would have
    given.

    Args:
        corpus: tokenised texts.
        config: the run.
        folder: made if it is not there.
        start: the weights to start from, of the shape config.model; random by default.
        watch: called with every row of the log. With several processes, a function of a
            module.
        progress: show a bar on stderr.

    Returns:
        where the model is and how good it is.

    Raises:
        ValueError: the folder holds a run with other settings, data or first weights;
            there are too few texts, or `start` has another shape.
        LossNotFinite: the loss became NaN or infinite; the last saved state is kept.
        OSError: the folder cannot be written or the disk is full. What was saved last
            is whole.
        RuntimeError: one of several processes failed, for that or another reason.
        KeyboardInterrupt: after ctrl-C, once the step is done and the state saved.

    Chapter: pretraining.
    """
    if len(corpus.tokens) <= config.tokens_per_step:
        raise ValueError(
            f"{len(corpus.tokens)} tokens are fewer than one step of "
            f"{config.tokens_per_step}; bring more text"
        )
    if len(corpus.validation) < config.num_processes:
        raise ValueError(
            f"{len(corpus.validation)} validation texts for {config.num_processes} "
            "processes; each needs one"
        )
    if start is not None:
        _check_shape(start.config, config.model)
    pick_device(config.device, config.num_processes)
    folder = Path(folder)
    job = _Job(corpus, config, folder, start, watch, progress)
    return run_in_processes(_work, job, config.num_processes, config.device)


def _check_shape(found: GPT2Config, wanted: GPT2Config) -> None:
    """Whether the weights to start from fit the run."""
    for name, value in asdict(wanted).items():
        other = getattr(found, name)
        if name not in (*DROPOUT, "initializer_range") and other != value:
            raise ValueError(
                f"config.model has {name} {value}, and the weights to start from "
                f"{other}; pass the model's own config"
            )


def _work(job: _Job) -> PretrainResult:
    """What each process does."""
    recipe = Pretraining(job.corpus, job.config, job.start)
    run = Run(recipe, job.config, job.folder, watch=job.watch, progress=job.progress)
    return PretrainResult(folder=job.folder, **run.go())


class Pretraining(Recipe):
    """A step reads the next rows of the stream; Muon moves matrices, AdamW the rest."""

    def __init__(
        self, corpus: Corpus, config: PretrainConfig, start: GPT2 | None = None
    ) -> None:
        self.corpus, self.config = corpus, config
        self.total_steps = config.max_steps
        self.fixed_length = config.fixed_length
        self.settings = {
            "run": "pretraining",
            **settings_of(config, "eval_steps"),
            "data": digest(
                corpus.tokens,
                corpus.lengths,
                json.dumps([corpus.validation, corpus.validation_characters]),
            ),
        }
        self.device = pick_device(config.device, config.num_processes)
        torch.manual_seed(config.seed)
        self.model = GPT2(config.model)
        if start is not None:
            weights = start.state_dict()
            self.model.load_state_dict(weights)
            self.settings["weights"] = digest_of_start(start.config, weights)
        self.model.to(self.device)
        blocks = list(self.model.h.parameters())
        matrices = [p for p in blocks if p.dim() == 2]
        others = {id(p) for p in matrices}
        rest = [p for p in self.model.parameters() if id(p) not in others]
        self.muon = Muon(matrices, lr=config.muon_learning_rate)
        self.adamw = torch.optim.AdamW(
            rest, lr=config.learning_rate, betas=(0.9, 0.95), weight_decay=0.0
        )
        self.optimizers = {"muon": self.muon, "adamw": self.adamw}
        self.steps_per_epoch = (len(corpus.tokens) - 1) // config.tokens_per_step
        self.epoch, self.stream = -1, corpus.tokens

    def train_step(self, step: int) -> Step:
        """Forward, backward, add up over the processes, clip, update."""
        config = self.config
        rows = self.rows(step)
        self.model.train()
        self.model.zero_grad()
        on_gpu = self.device.type == "cuda"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=on_gpu):
            logits = self.model(rows[:, :-1])
            loss = cross_entropy(logits, rows[:, 1:]) / world_size()
        loss.backward()
        total = sum_over_processes(loss.detach())
        sum_gradients(self.model.parameters())
        norm = torch.nn.utils.clip_grad_norm_(
            self.model.parameters(), config.max_grad_norm
        )
        done = Step(total.item(), config.tokens_per_step, norm.item())
        refuse_not_finite(done)
        factor = self.schedule(step)
        set_learning_rate(self.muon, config.muon_learning_rate * factor)
        set_learning_rate(self.adamw, config.learning_rate * factor)
        self.muon.step()
        self.adamw.step()
        return done

    def rows(self, step: int) -> Tensor:
        """(rows, row_length + 1) tokens: what this process reads in a step."""
        config = self.config
        epoch, step_of_epoch = divmod(step, self.steps_per_epoch)
        if epoch != self.epoch:
            self.epoch = epoch
            self.stream = shuffled_stream(
                self.corpus.tokens,
                self.corpus.lengths,
                epoch_seed(config.seed, epoch),
            )
        length = config.get_row_length(step)
        n_rows = config.tokens_per_step // length
        rows = rows_at(self.stream, step_of_epoch, n_rows, length)
        return rows.chunk(world_size())[rank()].to(self.device)

    def schedule(self, step: int) -> float:
        """The learning rate as a fraction of its peak."""
        return learning_rate_at(
            step,
            peak=1.0,
            warmup_steps=self.config.get_warmup_steps(self.total_steps),
            total_steps=self.total_steps,
            final=self.config.min_lr_rate,
        )

    def learning_rate(self, step: int) -> float:
        """Muon's."""
        return self.config.muon_learning_rate * self.schedule(step)

    def log_step(self, step: int) -> dict[str, object]:
        """How long the rows were."""
        return {"row_length": self.config.get_row_length(step)}

    def evaluate(self, step: int) -> dict[str, float]:
        """Bits per character on a tenth of the validation texts, at the end on all."""
        corpus, texts = self.corpus, None
        if step < self.total_steps:
            texts = max(world_size(), len(corpus.validation) // 10)
        mine = slice(rank(), texts, world_size())
        self.model.eval()
        found = text_loss(
            self.model,
            corpus.validation[mine],
            sum(corpus.validation_characters[mine]),
            window=self.config.get_row_length(step - 1),
        )
        total = torch.tensor(
            [found.nats, found.tokens, found.characters],
            dtype=torch.float64,
            device=self.device,
        )
        nats, tokens, characters = sum_over_processes(total).tolist()
        return {
            "eval_loss": nats / tokens,
            "eval_tokens": int(tokens),
            "bits_per_character": nats / math.log(2) / characters,
        }

    def write_last(self, folder: Path) -> None:
        """The model in half precision, with the dropout that fine-tuning wants."""
        write_model(
            self.model,
            folder,
            dtype=torch.float16,
            embd_pdrop=0.1,
            attn_pdrop=0.1,
            resid_pdrop=0.1,
        )

    def results(self, state: TrainState) -> dict[str, object]:
        """The fields of PretrainResult."""
        return {
            "steps": state.step,
            "tokens": state.tokens,
            "seconds": round(state.seconds, 2),
            **state.last_evaluation,
        }
