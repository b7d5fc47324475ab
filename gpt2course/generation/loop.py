"""The decoding loop: read the prompt once, then one token at a time.

sampling.py chooses each token; streaming.py turns tokens into text; flat_step.py and
compiled.py make a step faster; beam.py searches over several texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from gpt2course.arguments import rows_of_ids, token_ids, whole_number
from gpt2course.cache import KVCache
from gpt2course.config import DROPOUT
from gpt2course.generation.flat_step import one_token
from gpt2course.generation.sampling import Greedy, Sample
from gpt2course.model import GPT2, causal_mask

#: one random generator for a batch, one for each sequence, or torch's own
Generators = torch.Generator | Sequence[torch.Generator] | None


class NotFinite(ValueError):
    """The model gave NaN or infinity instead of logits.

    What was written before has been yielded already.
    """


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

    The prompt is read in one pass (prefill). After that every step reads one token;
    keys and values of the others are in the cache. Ends after a stop id, after
    max_new_tokens, or when the model's positions are used up.

    Args:
        model: in eval mode.
        input_ids: the prompt, at least one id.
        max_new_tokens: at most that many.
        strategy: how to choose; the most probable token by default.
        stop_ids: end after one of them; `<|endoftext|>` by default, () for none.
        generator: random generator for sampling; torch's global one by default.
        cache: to continue from what was read before. It must hold a beginning of
            input_ids, at most all but the last.

    Yields:
        token ids, the stop id included.

    Raises:
        ValueError: an empty prompt, a text where ids are meant, an id outside the
            vocabulary, a prompt that fills the context, max_new_tokens below 1, a cache
            without room for the text or of another text, a model in train mode with
            dropout.
        NotFinite: NaN or infinity among the logits.

    Chapter: token by token.
    """
    if stop_ids is None:
        stop_ids = (model.config.eos_token_id,)
    stop_ids = token_ids("stop_ids", stop_ids)
    prompt = token_ids("input_ids", input_ids)
    for next_ids in decode_steps(
        model, [prompt], max_new_tokens, strategy, generator, cache
    ):
        token = int(next_ids)
        yield token
        if token in stop_ids:
            return


def generate(
    model: GPT2,
    input_ids: Sequence[int],
    max_new_tokens: int = 40,
    *,
    strategy: Greedy | Sample = Greedy(),  # noqa: B008 (frozen)
    stop_ids: Sequence[int] | None = None,
    generator: torch.Generator | None = None,
    cache: KVCache | None = None,
) -> list[int]:
    """All tokens of `stream_tokens` at once, without the prompt.

    Args and Raises: as in `stream_tokens`.

    Returns:
        the new ids, the stop id included.

    Chapter: token by token.
    """
    return list(
        stream_tokens(
            model,
            input_ids,
            max_new_tokens,
            strategy=strategy,
            stop_ids=stop_ids,
            generator=generator,
            cache=cache,
        )
    )


def generate_batch(
    model: GPT2,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int = 40,
    *,
    strategy: Greedy | Sample = Greedy(),  # noqa: B008 (frozen)
    generator: Generators = None,
) -> list[list[int]]:
    """Continue several prompts at once, of any lengths.

    Shorter prompts are padded on the left. A mask hides the padding, and positions
    count from each prompt's first token, so every text is what it would be alone.

    Args:
        model, max_new_tokens, strategy: as in `stream_tokens`.
        prompts: ids, one sequence per prompt.
        generator: None draws all rows from torch's global generator, as transformers
            does. One generator for each prompt makes its text independent of the
            others.

    Returns:
        new ids, one list per prompt, each up to and including its `<|endoftext|>`.

    Raises:
        ValueError: as `stream_tokens`; a prompt that is empty or too long is named by
            its number.

    Chapter: generation.
    """
    eos, n_positions = model.config.eos_token_id, model.config.n_positions
    rows = rows_of_ids("prompts", prompts, "prompt {}")
    check_prompts(rows, max_new_tokens, n_positions)
    lengths = [len(row) for row in rows]
    if min(lengths) < max(lengths) and max(lengths) + max_new_tokens > n_positions:
        # padded to the longest, the shorter ones would end where it has to
        if generator is None or isinstance(generator, torch.Generator):
            generator = [generator] * len(rows)
        return [
            generate(model, row, max_new_tokens, strategy=strategy, generator=own)
            for row, own in zip(rows, generator, strict=True)
        ]
    written: list[list[int]] = [[] for _ in rows]
    for next_ids in decode_steps(
        model, rows, max_new_tokens, strategy, generator, cache=None
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
    """The loop that everything above runs.

    Args:
        model, max_new_tokens, strategy: as in `stream_tokens`.
        prompts: ids, one list per row.
        generator: as in `generate_batch`.
        cache: as in `stream_tokens`, for prompts of one length.

    Yields:
        the next ids (B,) of all rows. No token ends it; max_new_tokens does.

    Chapter: the KV cache.
    """
    config = model.config
    check_prompts(prompts, max_new_tokens, config.n_positions)
    check_eval_mode(model)
    if cache is not None and cache.length >= len(prompts[0]):
        raise ValueError(
            f"the cache holds {cache.length} tokens and input_ids {len(prompts[0])}; "
            "pass all ids so far, and leave at least the last one unread"
        )
    B = len(prompts)
    T = max(map(len, prompts))
    length = min(T + max_new_tokens, config.n_positions)
    if cache is not None and cache.ids is not None and len(cache.ids) == B:
        read = [prompt[: cache.length] for prompt in prompts]
        if cache.ids[:, : cache.length].tolist() != read:
            raise ValueError(
                f"the cache holds {cache.length} tokens of another text; pass one that "
                "was read from the beginning of input_ids, or none"
            )
    if cache is not None and cache.max_length < length - 1:
        raise ValueError(
            f"the cache has room for {cache.max_length} tokens and the text may have "
            f"{length}; make one with max_length={length}, or ask for fewer new tokens"
        )
    ids = torch.empty(B, length, dtype=torch.long, device=model.device)
    for row, prompt in zip(ids, prompts, strict=True):
        # padding repeats the first token, so that a repetition penalty meets no token
        # that the prompt does not hold
        row[:T] = torch.tensor([prompt[0]] * (T - len(prompt)) + prompt)
    if cache is None:
        cache = KVCache(config, B, length, model.wte.weight.dtype, model.device)
    mask, position_ids = _padding(prompts, T, length, model.device)
    step = one_token(model)
    hidden = model.hidden  # reads the prompt
    for t in range(T, length):
        start = cache.length
        x = hidden(
            ids[:, start:t],
            position_ids=None if position_ids is None else position_ids[:, start:t],
            mask=None if mask is None else mask[:, :, start:t, :t],
            cache=cache,
        )
        cache.ids = ids[:, :t]
        logits = model.head(x[:, -1])  # (B, V): only the last row predicts a new token
        check_finite(logits, t)
        ids[:, t] = strategy(logits, ids[:, :t], generator)
        yield ids[:, t]
        hidden = step  # from here on one token at a time


def check_prompts(
    prompts: Sequence[Sequence[int]], max_new_tokens: int, n_positions: int
) -> None:
    """Refuse what cannot be continued.

    Args:
        prompts: ids, one sequence per prompt.
        max_new_tokens: tokens asked for.
        n_positions: tokens that the model can read.

    Raises:
        ValueError: no prompt, an empty one, one that leaves no room, nothing to write.
    """
    if not prompts:
        raise ValueError("there are no prompts; pass at least one")
    for number, prompt in enumerate(prompts):
        name = "the prompt" if len(prompts) == 1 else f"prompt {number}"
        if not prompt:
            raise ValueError(
                f"{name} is empty; start with some text, or with <|endoftext|> for a "
                "text of the model's own"
            )
        if len(prompt) >= n_positions:
            raise ValueError(
                f"{name} has {len(prompt)} tokens and the model {n_positions} "
                "positions, which leaves no room to write; use at most "
                f"{n_positions - 1}"
            )
    whole_number("max_new_tokens", max_new_tokens, 1)


def check_eval_mode(model: GPT2) -> None:
    """Refuse a model whose dropout is on: it would write another text each time.

    Args:
        model: ours.

    Raises:
        ValueError: it is in train mode, and drops out there.
    """
    if model.training and any(getattr(model.config, name) for name in DROPOUT):
        raise ValueError(
            "the model is in train mode, with dropout; call model.eval() first"
        )


def check_finite(logits: Tensor, position: int) -> None:
    """Refuse NaN and infinity, of which argmax would make a token without a word.

    Args:
        logits: (B, V).
        position: of the token that they predict, for the message.

    Raises:
        NotFinite: a logit is NaN or infinite.

    Chapter: the failed-run clinic.
    """
    if not torch.isfinite(logits).all():
        raise NotFinite(
            f"the logits at position {position} are not finite: the weights or the "
            "dtype are broken; load the checkpoint again in float32 (the page "
            '"The failed-run clinic" shows how this happens)'
        )


def _padding(
    prompts: list[list[int]], T: int, length: int, device: torch.device
) -> tuple[Tensor | None, Tensor | None]:
    """Mask (B, 1, length, length) and positions (B, length) for padding on the left.

    None if nothing is padded.
    """
    padding = torch.tensor([T - len(prompt) for prompt in prompts], device=device)
    if not padding.any():
        return None, None
    columns = torch.arange(length, device=device)
    real = columns >= padding[:, None]  # (B, length)
    # a padded token may look at itself: a row that may look at nothing would be NaN
    itself = torch.eye(length, dtype=torch.bool, device=device)
    mask = (causal_mask(length, device=device) & real[:, None, :]) | itself
    position_ids = (columns - padding[:, None]).clamp(min=0)
    return mask[:, None], position_ids
