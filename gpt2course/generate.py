"""Writing: read the prompt once, then one token at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from gpt2course.cache import KVCache
from gpt2course.model import GPT2


@torch.inference_mode()
def stream_tokens(model: GPT2, input_ids: Sequence[int], max_new_tokens: int = 40) -> Iterator[int]:
    """The most probable next token, again and again, each as soon as it is known.

    The prompt is read in one pass (prefill). After that every step reads one token; keys and values of the others are
    in the cache. Ends after <|endoftext|>, after max_new_tokens, or when the model's positions are used up.

    Args:
        model: in eval mode.
        input_ids: the prompt, at least one id.
        max_new_tokens: at most so many.

    Yields:
        token ids.

    Raises:
        ValueError: an empty prompt, an id outside the vocabulary, a prompt that fills the context, max_new_tokens
            below 1, or logits that are not finite.

    Chapter: token by token.
    """
    config = model.config
    prompt = list(input_ids)
    if not prompt:
        raise ValueError(
            "the prompt is empty; start with some text, or with <|endoftext|> for a text of the model's own"
        )
    if len(prompt) >= config.n_positions:
        raise ValueError(
            f"the prompt has {len(prompt)} tokens and the model {config.n_positions} positions, which leaves no "
            f"room to write; use at most {config.n_positions - 1}"
        )
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens is {max_new_tokens}; ask for at least 1")
    length = min(len(prompt) + max_new_tokens, config.n_positions)
    cache = KVCache(config, 1, length, model.wte.weight.dtype, model.device)
    fresh = torch.tensor([prompt], device=model.device)
    for position in range(len(prompt), length):
        last = model.hidden(fresh, cache=cache)[:, -1]  # (1, C): only the last row predicts something new
        logits = model.head(last)  # (1, V)
        if not torch.isfinite(logits).all():
            raise ValueError(f"the logits at position {position} are not finite: the weights or the dtype are broken")
        fresh = logits.argmax(dim=-1, keepdim=True)  # (1, 1)
        token = int(fresh)
        yield token
        if token == config.eos_token_id:
            return


def generate(model: GPT2, input_ids: Sequence[int], max_new_tokens: int = 40) -> list[int]:
    """All tokens of `stream_tokens` at once, without the prompt."""
    return list(stream_tokens(model, input_ids, max_new_tokens))
