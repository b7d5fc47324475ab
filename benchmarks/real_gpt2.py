"""What the real GPT-2 answers to the prompts of the pages, and the article's values.

    python benchmarks/real_gpt2.py --checkpoint gpt2
    --output gpt2course/course/measurements/real-gpt2.json

The pages show the file beside the mini's own outputs as soon as it exists. It needs the
hub, and takes seconds on a GPU. First the values that the source article printed
(benchmarks/article.json) are compared, as far as they belong to the checkpoint; a
difference ends with exit code 1. A folder of any GPT-2 with the real vocabulary works,
too.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from gpt2course.checkpoints import REVISIONS, load_checkpoint, load_tokenizer
from gpt2course.course import measurements
from gpt2course.generation import Greedy, generate, sampler
from gpt2course.loss import cross_entropy, shift
from gpt2course.model import GPT2
from gpt2course.settings import checkpoint_name

PROMPTS = (
    "This movie was",
    "This movie was a",
    "The actors in this film are",
    "Hello, I'm a language model,",
)
TOP, NEW_TOKENS, SEEDS = 20, 40, (0, 1, 2)
# what the pages sample with: sampling.md, gpt2.md
SETTINGS: dict[str, dict[str, float]] = {
    "greedy": {},
    "temperature 0.7, top-p 0.9": {"temperature": 0.7, "top_p": 0.9},
    "no filter": {"temperature": 1.0},
}
ARTICLE = Path(__file__).with_name("article.json")
TOLERANCE = 2e-3  # the article printed four decimals, computed on another GPU


def differences(
    article: dict, name: str, model: GPT2, tokenizer: PreTrainedTokenizerBase
) -> list[str]:
    """What the article printed and this model does not give; empty if all agree.

    Args:
        article: benchmarks/article.json.
        name: of the checkpoint; values that stand under another name are left out.
        model, tokenizer: of that checkpoint.
    """
    expected = article["any size"] | article.get(name, {})
    ids = tokenizer.encode(expected["prompt"])
    input_ids = torch.tensor([ids], device=model.device)
    with torch.inference_mode():
        logits = model(input_ids)
    probabilities = logits[0, -1].softmax(-1)
    found = {
        "input_ids": ids,
        "logits_shape": list(logits.shape),
        "first_logits": logits[0, :3, :3].tolist(),
        "last_logits": logits[0, -1, :3].tolist(),
        "next_id": int(probabilities.argmax()),
        "next_probability": float(probabilities.max()),
        "loss": float(cross_entropy(*shift(logits, input_ids))),
        "greedy_20": tokenizer.decode(generate(model, ids, 20)),
    }
    return [
        f"{key}: the article has {value}, this is {found[key]}"
        for key, value in expected.items()
        if key != "prompt" and not agree(value, found[key])
    ]


def agree(expected: object, found: object) -> bool:
    """Whether two values are equal; numbers with a point up to TOLERANCE."""
    if isinstance(expected, list):
        return len(expected) == len(found) and all(map(agree, expected, found))
    if isinstance(expected, float):
        return math.isclose(expected, found, abs_tol=TOLERANCE)
    if isinstance(expected, str):  # the article shows line breaks as spaces
        return expected.split() == found.split()
    return expected == found


def row(prompt: str, model: GPT2, tokenizer: PreTrainedTokenizerBase) -> dict:
    """The most probable next tokens of a prompt, and texts that continue it."""
    ids = tokenizer.encode(prompt)
    with torch.inference_mode():
        logits = model(torch.tensor([ids], device=model.device))[0, -1]
    values, tokens = logits.softmax(-1).topk(TOP)
    names = [tokenizer.decode([token]) for token in tokens.tolist()]
    top = [list(pair) for pair in zip(names, values.tolist(), strict=True)]
    samples = []
    for name, settings in SETTINGS.items():
        for seed in SEEDS if settings else SEEDS[:1]:
            strategy = sampler(**settings) if settings else Greedy()
            generator = torch.Generator(model.device).manual_seed(seed)
            new = generate(
                model, ids, NEW_TOKENS, strategy=strategy, generator=generator
            )
            text = tokenizer.decode(new)
            samples.append({"settings": name, "seed": seed, "text": text})
    return {"prompt": prompt, "top": top, "samples": samples}


def speed(model: GPT2, tokenizer: PreTrainedTokenizerBase) -> float:
    """Greedy tokens per second after a short prompt, the second time."""
    ids = tokenizer.encode(PROMPTS[0])
    for _ in range(2):
        start = time.perf_counter()
        new = generate(model, ids, NEW_TOKENS, stop_ids=())
        seconds = time.perf_counter() - start
    return len(new) / seconds


def main(arguments: list[str] | None = None) -> int:
    """Compare, then record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default=None, help="gpt2, ..., or a folder")
    parser.add_argument("--output", type=Path, help="the file; else it is printed")
    options = parser.parse_args(arguments)
    name = checkpoint_name(options.checkpoint)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = load_checkpoint(name).to(device)
    tokenizer = load_tokenizer(name)
    article = json.loads(ARTICLE.read_text(encoding="utf-8"))
    wrong = differences(article, name, model, tokenizer)
    for line in wrong:
        print(f"real_gpt2: {line}", file=sys.stderr)
    if wrong:
        return 1
    result = {
        "command": f"python benchmarks/real_gpt2.py --checkpoint {name}",
        "machine": measurements.machine("transformers"),
        "checkpoint": name,
        "revision": REVISIONS.get(name),
        "parameters": sum(p.numel() for p in model.parameters()),
        "tokens_per_second": speed(model, tokenizer),
        "rows": [row(prompt, model, tokenizer) for prompt in PROMPTS],
    }
    measurements.write(result, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
