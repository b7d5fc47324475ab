"""What each head of the mini does, what it costs to lose it, and what repeats without.

    python benchmarks/inside.py gpt2course/course/measurements/inside.json

Three measurements on the same heads: their patterns on random tokens repeated once,
the rise of the loss on held-out reviews without each of them, and the repetition of
greedy text without the heads that look most like induction heads, against as many
heads drawn at random.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

import torch
from torch import Tensor

from gpt2course.checkpoints import load_checkpoint, load_tokenizer
from gpt2course.course import (
    ablated,
    ablation_costs,
    attention_weights,
    first_token_scores,
    induction_scores,
    measurements,
    previous_token_scores,
    repeated_tokens,
)
from gpt2course.evaluation import load_examples
from gpt2course.generation import generate
from gpt2course.model import GPT2

DRAWN, SEEDS = 50, range(5)  # random tokens, repeated once; draws
REVIEWS, TOKENS = 32, 256  # held-out reviews, cut to that length
PROMPTS, PROMPT_TOKENS, NEW_TOKENS = 40, 8, 120
SILENCED, CONTROLS = 3, 5  # heads at a time; draws of other heads

Heads = list[tuple[int, int]]


def head_scores(model: GPT2) -> dict[str, Tensor]:
    """Each score (L, H), the mean over draws of random tokens."""
    found: dict[str, list[Tensor]] = {"previous": [], "first": [], "induction": []}
    for seed in SEEDS:
        ids = repeated_tokens(model.config.vocab_size, DRAWN, seed)
        weights = attention_weights(model, ids)
        found["previous"].append(previous_token_scores(weights))
        found["first"].append(first_token_scores(weights))
        found["induction"].append(induction_scores(weights, DRAWN))
    return {name: torch.stack(scores).mean(dim=0) for name, scores in found.items()}


def repeated_fraction(ids: Sequence[int], n: int = 4) -> float:
    """The fraction of n-grams that stood in the text before.

    Raises:
        ValueError: a text of fewer than n tokens.
    """
    grams = list(zip(*(ids[i:] for i in range(n)), strict=False))
    if not grams:
        raise ValueError(f"{len(ids)} tokens have no {n}-gram")
    return 1 - len(set(grams)) / len(grams)


def repetition(
    model: GPT2, prompts: list[list[int]], heads: Heads, stop: bool
) -> list[float]:
    """The repeated fraction of each greedy continuation, without some heads.

    Args:
        model, prompts: what continues what.
        heads: (layer, head) of those that are silenced.
        stop: whether <|endoftext|> ends a continuation; otherwise all have the same
            length.
    """
    stop_ids = None if stop else ()
    with ablated(model, heads):
        texts = [generate(model, p, NEW_TOKENS, stop_ids=stop_ids) for p in prompts]
    return [repeated_fraction(p + t) for p, t in zip(prompts, texts, strict=True)]


def compare_repetition(
    model: GPT2,
    prompts: list[list[int]],
    best: Heads,
    controls: list[Heads],
    stop: bool,
) -> list[dict]:
    """Three rows: all heads, without the best ones, without others (mean of draws)."""
    whole = repetition(model, prompts, [], stop)
    without = repetition(model, prompts, best, stop)
    drawn = [repetition(model, prompts, heads, stop) for heads in controls]
    by_prompt = [fmean(values) for values in zip(*drawn, strict=True)]
    return [
        row_of_repetition("all heads", [], whole),
        row_of_repetition("without the best by induction score", best, without),
        {
            **row_of_repetition("without as many others", [], by_prompt),
            "heads": controls,
            "each": [fmean(values) for values in drawn],
        },
    ]


def row_of_repetition(name: str, heads: Heads, found: list[float]) -> dict:
    """The mean with its standard error."""
    return {
        "name": name,
        "heads": heads,
        "repeated": fmean(found),
        "stderr": stdev(found) / len(found) ** 0.5,
    }


def main(arguments: list[str]) -> None:
    """Measure all heads."""
    model, tokenizer = load_checkpoint("mini"), load_tokenizer("mini")
    texts = [example["text"] for example in load_examples("perplexity", "embedded")]
    encoded = [tokenizer.encode(text, verbose=False) for text in texts]
    long = [ids[:TOKENS] for ids in encoded if len(ids) >= TOKENS][:REVIEWS]
    costs = torch.stack([ablation_costs(model, torch.tensor([ids])) for ids in long])
    scores = head_scores(model)
    every = [
        (layer, head)
        for layer in range(model.config.n_layer)
        for head in range(model.config.n_head)
    ]
    rows = [
        {
            "layer": layer,
            "head": head,
            "cost": costs[:, layer, head].mean().item(),
            "cost_stderr": (costs[:, layer, head].std() / len(long) ** 0.5).item(),
            **{name: score[layer, head].item() for name, score in scores.items()},
        }
        for layer, head in every
    ]
    best = sorted(every, key=lambda place: -scores["induction"][place].item())
    best, others = best[:SILENCED], best[SILENCED:]
    prompts = [ids[:PROMPT_TOKENS] for ids in encoded[:PROMPTS]]
    rng = random.Random(1)
    controls = [sorted(rng.sample(others, SILENCED)) for _ in range(CONTROLS)]
    result = {
        "command": "python benchmarks/inside.py "
        "gpt2course/course/measurements/inside.json",
        "machine": measurements.machine("transformers"),
        "checkpoint": "mini",
        "random_tokens": DRAWN,
        "draws": len(SEEDS),
        "reviews": len(long),
        "tokens_per_review": TOKENS,
        "rows": rows,
        "repetition": {
            "prompts": len(prompts),
            "prompt_tokens": PROMPT_TOKENS,
            "new_tokens": NEW_TOKENS,
            "rows": compare_repetition(model, prompts, best, controls, stop=False),
            "rows_until_end": compare_repetition(
                model, prompts, best, controls, stop=True
            ),
        },
    }
    measurements.write(result, Path(arguments[0]) if arguments else None)


if __name__ == "__main__":
    main(sys.argv[1:])
