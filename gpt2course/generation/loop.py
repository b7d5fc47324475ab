"""Writing: read the prompt once, then one token at a time."""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gpt2course.cache import KVCache
from gpt2course.generation.flat_step import one_token
from gpt2course.generation.sampling import Greedy, Sample
from gpt2course.model import GPT2, causal_mask

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Generators = torch.Generator | Sequence[torch.Generator] | None


class NotFinite(ValueError):
    """The model gave NaN or infinity instead of logits. What was written before has been yielded already."""


def stream_tokens(
    model: GPT2,
    input_ids: Sequence[int],
    max_new_tokens: int = 40,
    *,
    strategy: Greedy | Sample = Greedy(),  # noqa: B008 (frozen)
    stop_ids: Sequence[int] | None = None,
    generator: torch.Generator | None = None,
    cache: KVCache | None = None,
) -> Iterator[int]:
    """The next token, again and again, each as soon as it is known.

    The prompt is read in one pass (prefill). After that every step reads one token; keys and values of the others are
    in the cache. Ends after a stop id, after max_new_tokens, or when the model's positions are used up.

    Args:
        model: in eval mode.
        input_ids: the prompt, at least one id.
        max_new_tokens: at most so many.
        strategy: how to choose; the most probable token by default.
        stop_ids: end after one of them; <|endoftext|> by default, () for none.
        generator: where chance comes from; torch's global one by default.
        cache: to go on from what was read before. It must hold a beginning of input_ids, at most all but the last.

    Yields:
        token ids, the stop id included.

    Raises:
        ValueError: an empty prompt, an id outside the vocabulary, a prompt that fills the context, max_new_tokens
            below 1.
        NotFinite: NaN or infinity among the logits.

    Chapter: token by token.
    """
    stop = (model.config.eos_token_id,) if stop_ids is None else stop_ids
    for next_ids in decode_steps(
        model, [list(input_ids)], max_new_tokens, strategy, generator, cache
    ):
        token = int(next_ids)
        yield token
        if token in stop:
            return


def generate(
    model: GPT2, input_ids: Sequence[int], max_new_tokens: int = 40, **options: object
) -> list[int]:
    """All tokens of `stream_tokens` at once, without the prompt. Options as there."""
    return list(stream_tokens(model, input_ids, max_new_tokens, **options))


def generate_batch(
    model: GPT2,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int = 40,
    *,
    strategy: Greedy | Sample = Greedy(),  # noqa: B008 (frozen)
    generator: Generators = None,
) -> list[list[int]]:
    """Continue several prompts at once, of any lengths.

    Shorter prompts are padded on the left. A mask hides the padding, and positions count from each prompt's first
    token, so every text is what it would be alone.

    Args:
        model, max_new_tokens, strategy: as in `stream_tokens`.
        prompts: ids, one sequence a prompt.
        generator: None draws all rows from torch's global generator, as transformers does. One generator for each
            prompt makes its text independent of the others.

    Returns:
        new ids, one list a prompt, each up to and including its <|endoftext|>.

    Raises:
        ValueError: as `stream_tokens`; the prompt is named by its number.

    Chapter: generation.
    """
    eos = model.config.eos_token_id
    written: list[list[int]] = [[] for _ in prompts]
    for next_ids in decode_steps(
        model,
        [list(prompt) for prompt in prompts],
        max_new_tokens,
        strategy,
        generator,
        None,
    ):
        for text, token in zip(written, next_ids.tolist(), strict=True):
            if not text or text[-1] != eos:
                text.append(token)
        if all(text[-1] == eos for text in written):
            break
    return written


@torch.inference_mode()
def decode_steps(
    model: GPT2,
    prompts: list[list[int]],
    max_new_tokens: int,
    strategy: Greedy | Sample,
    generator: Generators,
    cache: KVCache | None,
) -> Iterator[Tensor]:
    """The loop behind everything above: yields the next ids (B,) of all rows, without an end of its own."""
    config = model.config
    check_prompts(prompts, max_new_tokens, config.n_positions)
    if cache is not None and cache.length >= len(prompts[0]):
        raise ValueError(
            f"the cache holds {cache.length} tokens and input_ids {len(prompts[0])}; pass all ids so far, and leave at "
            "least the last one unread"
        )
    B, T = len(prompts), max(map(len, prompts))
    length = min(T + max_new_tokens, config.n_positions)
    ids = torch.empty(B, length, dtype=torch.long, device=model.device)
    for row, prompt in zip(ids, prompts, strict=True):
        # padding repeats the first token, so that a repetition penalty meets no token that the prompt does not hold
        row[:T] = torch.tensor([prompt[0]] * (T - len(prompt)) + prompt)
    if cache is None:
        cache = KVCache(config, B, length, model.wte.weight.dtype, model.device)
    mask, position_ids = _padding(prompts, T, length, model.device)
    hidden, step = model.hidden, one_token(model)
    for t in range(T, length):
        start = cache.length
        last = hidden(
            ids[:, start:t],
            position_ids=None if position_ids is None else position_ids[:, start:t],
            mask=None if mask is None else mask[:, :, start:t, :t],
            cache=cache,
        )[:, -1]  # (B, C): only the last row predicts something new
        logits = model.head(last)  # (B, V)
        check_finite(logits, t)
        ids[:, t] = strategy(logits, ids[:, :t], generator)
        yield ids[:, t]
        hidden = step  # the prompt is read: from here on one token at a time


def check_prompts(
    prompts: Sequence[Sequence[int]], max_new_tokens: int, n_positions: int
) -> None:
    """Refuse what cannot be continued: no prompt, an empty one, one without room behind it, nothing to write."""
    if not prompts:
        raise ValueError("there are no prompts; pass at least one")
    for number, prompt in enumerate(prompts):
        name = "the prompt" if len(prompts) == 1 else f"prompt {number}"
        if not prompt:
            raise ValueError(
                f"{name} is empty; start with some text, or with <|endoftext|> for a text of the model's own"
            )
        if len(prompt) >= n_positions:
            raise ValueError(
                f"{name} has {len(prompt)} tokens and the model {n_positions} positions, which leaves no room to "
                f"write; use at most {n_positions - 1}"
            )
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens is {max_new_tokens}; ask for at least 1")


def check_finite(logits: Tensor, position: int) -> None:
    """Refuse NaN and infinity, of which argmax would make a token without a word."""
    if not math.isfinite(logits.sum().item()):
        raise NotFinite(
            f"the logits at position {position} are not finite: the weights or the dtype are broken; load the "
            'checkpoint again in float32 (the page "The failed-run clinic" shows how this happens)'
        )


def _padding(
    prompts: list[list[int]], T: int, length: int, device: torch.device
) -> tuple[Tensor | None, Tensor | None]:
    """Mask (B, 1, length, length) and positions (B, length) for padding on the left; None if nothing is padded."""
    padding = torch.tensor([T - len(prompt) for prompt in prompts], device=device)
    if not padding.any():
        return None, None
    columns = torch.arange(length, device=device)
    real = columns >= padding[:, None]  # (B, length)
    # a padded token may look at itself, since a row that may look at nothing would be NaN
    mask = causal_mask(length, device=device) & real[:, None, :] | torch.eye(
        length, dtype=torch.bool, device=device
    )
    return mask[:, None], (columns - padding[:, None]).clamp(min=0)


def stream_text(
    model: GPT2,
    tokenizer: PreTrainedTokenizerBase,
    prompt: str,
    max_new_tokens: int = 40,
    *,
    stop: Sequence[str] = (),
    **options: object,
) -> Iterator[str]:
    """Text as it is written, in pieces that are always whole characters.

    A token may end in the middle of a character. Its bytes wait until the rest has come. In the same way, the
    beginning of a stop string waits until it is clear that it is none.

    Args:
        model, max_new_tokens: as in `stream_tokens`, and so are the options.
        tokenizer: a byte-level BPE, such as every GPT-2 has.
        prompt: the text to continue; it is not repeated.
        stop: end before the first of these strings.

    Yields:
        new text, never empty, without <|endoftext|>.

    Raises:
        ValueError: an empty stop string, and as `stream_tokens`.

    Chapter: generation.
    """
    return text_pieces(
        stream_tokens(model, tokenizer.encode(prompt), max_new_tokens, **options),
        tokenizer,
        stop,
    )


def text_pieces(
    tokens: Iterable[int], tokenizer: PreTrainedTokenizerBase, stop: Sequence[str] = ()
) -> Iterator[str]:
    """What `stream_text` does with the tokens, wherever they come from. Arguments and errors as there."""
    if any(not text for text in stop):
        raise ValueError(
            "a stop string is empty and would stop everything; leave it out"
        )
    to_byte = {character: byte for byte, character in byte_characters().items()}
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    special, waiting = set(tokenizer.all_special_ids), ""
    try:
        for token in tokens:
            if token not in special:
                waiting += decoder.decode(
                    bytes(to_byte[c] for c in tokenizer.convert_ids_to_tokens(token))
                )
            found = [waiting.index(text) for text in stop if text in waiting]
            if found:
                waiting = waiting[: min(found)]
                break
            held = max(
                (
                    n
                    for text in stop
                    for n in range(1, len(text))
                    if waiting.endswith(text[:n])
                ),
                default=0,
            )
            ready, waiting = (
                waiting[: len(waiting) - held],
                waiting[len(waiting) - held :],
            )
            if ready:
                yield ready
        else:
            waiting += decoder.decode(b"", final=True)
    except NotFinite:
        if waiting:
            yield waiting  # what was held back for a stop string is part of the text all the same
        raise
    if waiting:
        yield waiting


def byte_characters() -> dict[int, str]:
    """The printable character that stands for each byte in a byte-level vocabulary: itself, or one from U+0100 on.

    Source: bytes_to_unicode in OpenAI's release.
    """
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {
        byte: chr(256 + i) for i, byte in enumerate(others)
    }
