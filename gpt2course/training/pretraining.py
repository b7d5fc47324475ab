"""Pretraining: from raw reviews to a GPT-2 in Hugging Face format, in one resumable run."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from gpt2course.checkpoints import write_model
from gpt2course.config import SIZES, GPT2Config
from gpt2course.data import concatenate, rows_at, shuffled_stream
from gpt2course.loss import cross_entropy, text_loss
from gpt2course.model import GPT2
from gpt2course.training.finetuning import learning_rate_at
from gpt2course.training.muon import Muon
from gpt2course.training.run import (
    Log,
    LossNotFinite,
    in_processes,
    read_state,
    save_atomically,
    seed_step,
)

END_OF_TEXT = "<|endoftext|>"
# every text is read twice at most, so there is nothing to protect against
MINI_WITHOUT_DROPOUT = replace(
    SIZES["mini"], embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0
)


@dataclass(frozen=True)
class PretrainConfig:
    """One pretraining run. The same values on the same machine give the same losses, interrupted or not.

    Args:
        model: shape of the network.
        total_steps: optimizer steps.
        tokens_per_step: tokens all processes read in a step.
        short_until: part of the run that reads rows of half of n_positions. Attention costs less there, and the
            network first learns what is near.
        muon_lr, adamw_lr: peak rates for the blocks' matrices, and for embeddings, biases and norms.
        warmup_steps: steps until the rates reach their peak.
        final_lr: rate at the last step, as part of the peak.
        clip: largest norm of the gradient.
        processes: on one machine, one thread each; they share every batch.
        validate_every, save_every, log_every: in steps.
        seed: decides the initial weights and the order of the texts.
        device: "cpu" or "cuda"; on a GPU products run in bfloat16.
    """

    model: GPT2Config = MINI_WITHOUT_DROPOUT
    total_steps: int = 3508
    tokens_per_step: int = 4096
    short_until: float = 0.7
    muon_lr: float = 7e-3
    adamw_lr: float = 3e-3
    warmup_steps: int = 100
    final_lr: float = 0.02
    clip: float = 1.0
    processes: int = 2
    validate_every: int = 200
    save_every: int = 100
    log_every: int = 10
    seed: int = 1
    device: str = "cpu"

    def __post_init__(self) -> None:
        shortest, longest = max(1, self.model.n_positions // 2), self.model.n_positions
        if self.total_steps <= self.warmup_steps:
            raise ValueError(
                f"total_steps is {self.total_steps}; it must exceed the warm-up of {self.warmup_steps} steps"
            )
        if self.processes < 1 or self.tokens_per_step % (self.processes * longest):
            raise ValueError(
                f"tokens_per_step {self.tokens_per_step} must be a multiple of processes times n_positions, "
                f"{self.processes} * {longest}, so that every process reads whole rows"
            )
        if not 0 <= self.short_until <= 1 or shortest * 2 != longest:
            raise ValueError(
                f"short_until is {self.short_until} (0 to 1) and n_positions {longest} (an even number)"
            )

    def row_length(self, step: int) -> int:
        """Tokens in a row at this step."""
        return (
            self.model.n_positions // 2
            if step < self.short_until * self.total_steps
            else self.model.n_positions
        )


def train_tokenizer(texts: Sequence[str], vocab_size: int):
    """A byte-level BPE, trained as GPT-2's was: start from the 256 bytes, merge the most frequent pair, repeat.

    Args:
        texts: what to learn the merges from.
        vocab_size: tokens in the end: 256 bytes, the merges, and <|endoftext|> as the last id.

    Returns:
        a tokenizers.Tokenizer; id 0 is "!", as in GPT-2.

    Raises:
        ValueError: a vocabulary too small for the bytes, or texts too short for that many merges.

    Source: Radford et al. 2019, section 2.2; the tokenizers library does the counting. Chapter: tokens.
    """
    from tokenizers import (
        AddedToken,
        Tokenizer,
        decoders,
        models,
        pre_tokenizers,
        processors,
        trainers,
    )

    if vocab_size < 257:
        raise ValueError(
            f"vocab_size is {vocab_size}; 256 bytes and {END_OF_TEXT} need at least 257"
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - 1,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer, length=len(texts))
    tokenizer.add_special_tokens(
        [AddedToken(END_OF_TEXT, normalized=False, special=True)]
    )
    if tokenizer.get_vocab_size() != vocab_size:
        raise ValueError(
            f"the texts give {tokenizer.get_vocab_size()} tokens, not {vocab_size}; bring more text or ask for fewer"
        )
    return tokenizer


def save_tokenizer(tokenizer, folder: Path, n_positions: int) -> None:
    """Write tokenizer.json and tokenizer_config.json, which AutoTokenizer reads."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "GPT2Tokenizer",
        "add_prefix_space": False,
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "unk_token": END_OF_TEXT,
        "model_max_length": n_positions,
    }
    (folder / "tokenizer_config.json").write_text(
        json.dumps(settings, indent=2) + "\n", encoding="utf-8"
    )


@dataclass
class Corpus:
    """Tokenised texts: what to train on, and what to measure on."""

    tokens: Tensor  # (N,) int64, every document closed by <|endoftext|>
    lengths: Tensor  # (documents,) int64
    validation: list[list[int]]
    validation_characters: list[int]


def tokenise(tokenizer, train: Sequence[str], validation: Sequence[str]) -> Corpus:
    """Token ids of the training texts as one stream, and of the validation texts one by one."""
    documents = [encoding.ids for encoding in tokenizer.encode_batch(list(train))]
    tokens, lengths = concatenate(documents, tokenizer.token_to_id(END_OF_TEXT))
    held_out = [encoding.ids for encoding in tokenizer.encode_batch(list(validation))]
    return Corpus(tokens, lengths, held_out, [len(text) for text in validation])


def to_stderr(line: str) -> None:
    """Show a line of progress without mixing it into a command's output."""
    print(line, file=sys.stderr, flush=True)


def pretrain(
    corpus: Corpus,
    config: PretrainConfig,
    folder: Path,
    say: Callable[[str], None] = to_stderr,
) -> None:
    """Train from random weights, or go on from folder/state.pt; end with a Hugging Face checkpoint in the folder.

    Writes log.jsonl (a row every log_every steps, and one for each validation), state.pt, and at the end config.json,
    generation_config.json and model.safetensors. Stopping it at any moment loses the steps since the last save, and
    nothing else: started again with the same settings it gives the losses it would have given.

    Args:
        corpus: tokenised texts.
        config: the run.
        folder: where everything goes.
        say: called with a line of progress now and then; a function of a module, as it goes to other processes.

    Raises:
        ValueError: the folder holds a run with other settings, or there are too few texts.
        LossNotFinite: the loss became NaN or infinite; the last saved state is kept.
        RuntimeError: one of several processes failed, for that or another reason.
    """
    if len(corpus.tokens) <= config.tokens_per_step:
        raise ValueError(
            f"{len(corpus.tokens)} tokens are fewer than one step of {config.tokens_per_step}; bring more text"
        )
    if len(corpus.validation) < config.processes:
        raise ValueError(
            f"{len(corpus.validation)} validation texts for {config.processes} processes; each needs one"
        )
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is cuda, and torch finds no GPU here; use cpu")
    folder.mkdir(parents=True, exist_ok=True)
    in_processes(_work, (corpus, config, folder, say), config.processes, folder)


def _work(
    rank: int,
    corpus: Corpus,
    config: PretrainConfig,
    folder: Path,
    say: Callable[[str], None],
) -> None:
    _Run(rank, corpus, config, folder, say).go()


class _Run:
    """One process of a run. All of them hold the same weights; the first one writes and talks."""

    def __init__(
        self, rank: int, corpus: Corpus, config: PretrainConfig, folder: Path, say
    ) -> None:
        self.rank, self.corpus, self.config, self.folder, self.say = (
            rank,
            corpus,
            config,
            folder,
            say,
        )
        torch.manual_seed(config.seed)
        self.model = GPT2(config.model).to(config.device)
        matrices = [
            p for block in self.model.h for p in block.parameters() if p.dim() == 2
        ]
        rest = [p for p in self.model.parameters() if all(p is not m for m in matrices)]
        self.muon = Muon(matrices, lr=config.muon_lr)
        self.adamw = torch.optim.AdamW(
            rest, lr=config.adamw_lr, betas=(0.9, 0.95), weight_decay=0.0
        )
        self.step, self.seconds = 0, 0.0
        self.epoch, self.stream = -1, corpus.tokens
        self.steps_per_epoch = (len(corpus.tokens) - 1) // config.tokens_per_step
        self.log_file, self.state_path = Log(folder / "log.jsonl"), folder / "state.pt"

    def go(self) -> None:
        config, start = self.config, time.monotonic()
        self.resume()
        before, said = self.seconds, self.step
        said_at = start
        while self.step < config.total_steps:
            loss, lr = self.train_step()
            self.step += 1
            self.seconds = before + time.monotonic() - start
            if self.step % config.log_every == 0 or self.step == 1:
                now = time.monotonic()
                rate = (self.step - said) * config.tokens_per_step / (now - said_at)
                said, said_at = self.step, now
                self.log(
                    loss=round(loss, 5),
                    lr=round(lr, 7),
                    row_length=config.row_length(self.step - 1),
                    tokens_per_second=round(rate),
                )
                left = (
                    (config.total_steps - self.step)
                    * config.tokens_per_step
                    / rate
                    / 60
                )
                self.tell(
                    f"step {self.step}/{config.total_steps}  loss {loss:.3f}  {rate:,.0f} tokens/s  {left:.0f} min left"
                )
            if (
                self.step % config.validate_every == 0
                or self.step == config.total_steps
            ):
                self.validate(whole=self.step == config.total_steps)
                said_at = time.monotonic()
            if self.step % config.save_every == 0 or self.step == config.total_steps:
                self.save()
        if self.rank == 0:
            write_model(
                self.model,
                self.folder,
                dtype=torch.float16,
                embd_pdrop=0.1,
                attn_pdrop=0.1,
                resid_pdrop=0.1,
            )

    def train_step(self) -> tuple[float, float]:
        """Read a batch, follow its gradient. Returns the loss in nats a token, and Muon's rate."""
        config = self.config
        seed_step(config.seed, self.step, self.rank, config.processes)
        epoch, within = divmod(self.step, self.steps_per_epoch)
        if epoch != self.epoch:
            self.epoch, self.stream = (
                epoch,
                shuffled_stream(
                    self.corpus.tokens, self.corpus.lengths, config.seed + epoch
                ),
            )
        length = config.row_length(self.step)
        rows = rows_at(self.stream, within, config.tokens_per_step // length, length)
        rows = rows.chunk(config.processes)[self.rank].to(config.device)
        self.model.train()
        with torch.autocast(
            config.device, torch.bfloat16, enabled=config.device == "cuda"
        ):
            loss = cross_entropy(self.model(rows[:, :-1]), rows[:, 1:])
        self.model.zero_grad()
        loss.backward()
        loss = self.average_gradients(loss.detach())
        if not math.isfinite(loss):
            raise LossNotFinite(
                f"the loss is {loss} at step {self.step}; the state of the last save is kept: try a lower learning rate"
            )
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.clip)
        share = learning_rate_at(
            self.step,
            peak=1.0,
            warmup_steps=config.warmup_steps,
            total_steps=config.total_steps,
            final=config.final_lr,
        )
        for optimizer, peak in (
            (self.muon, config.muon_lr),
            (self.adamw, config.adamw_lr),
        ):
            for group in optimizer.param_groups:
                group["lr"] = peak * share
            optimizer.step()
        return loss, config.muon_lr * share

    def average_gradients(self, loss: Tensor) -> float:
        """Mean of gradients and loss over the processes, in one message."""
        if self.config.processes == 1:
            return loss.item()
        gradients = [p.grad for p in self.model.parameters()]
        message = torch.cat([loss.view(1), *(g.flatten() for g in gradients)])
        dist.all_reduce(message)
        message /= self.config.processes
        pieces = message[1:].split([g.numel() for g in gradients])
        for gradient, piece in zip(gradients, pieces, strict=True):
            gradient.copy_(piece.view_as(gradient))
        return message[0].item()

    def validate(self, whole: bool) -> None:
        """Bits a character on the validation texts: a tenth of them on the way, all at the end."""
        part = slice(
            self.rank,
            None
            if whole
            else max(self.config.processes, len(self.corpus.validation) // 10),
            self.config.processes,
        )
        documents, characters = (
            self.corpus.validation[part],
            sum(self.corpus.validation_characters[part]),
        )
        self.model.eval()
        mine = text_loss(
            self.model,
            documents,
            characters,
            window=self.config.row_length(self.step - 1),
        )
        total = torch.tensor(
            [mine.nats, mine.tokens, mine.characters], dtype=torch.float64
        )
        if self.config.processes > 1:
            dist.all_reduce(total)
        nats, tokens, characters = total.tolist()
        bits = nats / math.log(2) / characters
        self.log(
            validation_loss=round(nats / tokens, 5),
            bits_per_character=round(bits, 5),
            validation_tokens=int(tokens),
            whole=whole,
        )
        self.tell(
            f"step {self.step}  validation loss {nats / tokens:.3f}  {bits:.3f} bits a character"
        )

    def log(self, **row: object) -> None:
        if self.rank == 0:
            row = {
                "step": self.step,
                "tokens": self.step * self.config.tokens_per_step,
                "seconds": round(self.seconds, 1),
                **row,
            }
            self.log_file.append(row)

    def tell(self, line: str) -> None:
        if self.rank == 0:
            self.say(line)

    def save(self) -> None:
        if self.rank == 0:
            state = {
                "model": self.model.state_dict(),
                "muon": self.muon.state_dict(),
                "adamw": self.adamw.state_dict(),
            }
            run = {
                "step": self.step,
                "seconds": self.seconds,
                "settings": _settings(self.config),
            }
            save_atomically({**state, **run}, self.state_path)

    def resume(self) -> None:
        """Go on from state.pt if there is one; drop the log rows that came after it."""
        state = read_state(self.state_path, _settings(self.config), self.config.device)
        if state is None:
            if self.rank == 0:
                self.log_file.forget_after(0)
            return
        self.model.load_state_dict(state["model"])
        self.muon.load_state_dict(state["muon"])
        self.adamw.load_state_dict(state["adamw"])
        self.step, self.seconds = state["step"], state["seconds"]
        if self.rank == 0:
            self.log_file.forget_after(self.step)
        self.tell(f"going on from step {self.step}")


def _settings(config: PretrainConfig) -> dict:
    """What has to be the same for a run to go on; how often it reports may change."""
    settings = asdict(config)
    for name in ("validate_every", "save_every", "log_every", "device"):
        settings.pop(name)
    return settings
