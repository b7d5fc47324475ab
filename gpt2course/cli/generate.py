"""gpt2course generate: continue a text. The generation itself is in generation/."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from gpt2course.cli.text import (
    argument_text,
    is_terminal,
    print_json,
    standard_input,
    stop_text,
)

if TYPE_CHECKING:
    import torch

EXAMPLE = 'gpt2course generate "This movie was" --temperature 0.8 --top-p 0.9 --seed 1'


def run(
    texts: list[str],
    checkpoint: str | None = None,
    max_new_tokens: int = 40,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    repetition_penalty: float | None = None,
    seed: int | None = None,
    stop: list[str] = [],  # noqa: B006 (never changed)
    quantize: Literal["no", "int8"] = "no",
    json: bool = False,
) -> int:
    """Continue a text.

    Each token is the most probable one. With a temperature, top-k, top-p, min-p or a
    seed, tokens are sampled instead.

    Args:
        texts: the prompt, in quotation marks; without one, or with -, it is read from
            the standard input.
        checkpoint: mini, gpt2, gpt2-medium, gpt2-large, gpt2-xl or a folder; by
            default GPT2COURSE_CHECKPOINT, else mini.
        max_new_tokens: write at most this many tokens.
        temperature: divides the logits; below 1 safer, above 1 more varied.
        top_k: sample from this many most probable tokens.
        top_p: sample from the most probable tokens that together have this
            probability, 0 to 1.
        min_p: sample from tokens at least this many times as probable as the most
            probable one, 0 to 1.
        repetition_penalty: above 1, tokens of the prefix become less probable.
        seed: of the random generator; the same seed gives the same text.
        stop: end before this text, in which \\n, \\t and \\\\ stand for a line feed, a
            tab and a backslash; may be given more than once.
        quantize: int8 rounds the weights to 8 bits: faster on a large model, and a
            little less exact.
        json: print one JSON object.
    """
    from gpt2course.checkpoints import load_checkpoint, load_tokenizer
    from gpt2course.generation import (
        Greedy,
        decode_utf8,
        quantize_weights,
        sampler,
        stream_tokens,
        until_stop,
    )

    stops = list(map(stop_text, stop))
    options = {
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "repetition_penalty": repetition_penalty,
    }
    given = {name: value for name, value in options.items() if value is not None}
    strategy = sampler(**given)
    if seed is None and not given.keys() - {"repetition_penalty"}:
        strategy = Greedy(*strategy.filters)
    generator = None if seed is None else _generator(seed)
    prompt = _prompt(texts)
    tokenizer = load_tokenizer(checkpoint)
    model = load_checkpoint(checkpoint)
    if quantize == "int8":
        model = quantize_weights(model)
    # verbose=False: the command has its own message for a text that is too long
    prompt_ids = tokenizer.encode(prompt, verbose=False)
    new_ids: list[int] = []

    def tokens() -> Iterator[int]:
        for token in stream_tokens(
            model, prompt_ids, max_new_tokens, strategy=strategy, generator=generator
        ):
            new_ids.append(token)
            yield token

    started = time.perf_counter()
    pieces = until_stop(decode_utf8(tokens(), tokenizer), stops)
    if not json:
        print_as_it_comes(prompt, pieces)
        return 0
    text = "".join(pieces)
    seconds = time.perf_counter() - started
    written = tokenizer.decode(new_ids, skip_special_tokens=True)
    ended = "eos" if new_ids[-1] == model.config.eos_token_id else "length"
    print_json(
        prompt=prompt,
        text=text,
        prompt_ids=prompt_ids,
        new_ids=new_ids,
        stopped_by="stop" if any(stop in written for stop in stops) else ended,
        tokens_per_second=round(len(new_ids) / seconds, 1),
    )
    return 0


def _generator(seed: int) -> torch.Generator:
    import torch

    if not 0 <= seed < 2**63:
        raise ValueError(f"seed is {seed}; it must lie between 0 and {2**63 - 1}")
    return torch.Generator().manual_seed(seed)


def _prompt(texts: list[str]) -> str:
    """The prompt from the arguments or from the standard input."""
    if len(texts) > 1:
        whole = shlex.quote(" ".join(texts))
        raise ValueError(
            f"the prompt has {len(texts)} parts; put it in quotation marks: "
            f"gpt2course generate {whole}"
        )
    if texts and texts != ["-"]:
        return argument_text(texts[0])
    if not texts and is_terminal():
        raise ValueError(f"there is no prompt; try: {EXAMPLE}")
    return standard_input().removesuffix("\n")  # what echo adds


def print_as_it_comes(prompt: str, pieces: Iterator[str]) -> None:
    """Show the prompt once the first piece is there, so that a refusal shows nothing;
    end the line in any case."""
    piece = next(pieces, "")
    print(prompt, end="")
    try:
        while piece:
            print(piece, end="", flush=True)
            piece = next(pieces, "")
    finally:
        print(flush=True)
