"""Beam search: keep several texts alive at once, and take the one that is most probable as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from gpt2course.cache import KVCache
from gpt2course.generation.loop import check_finite, check_prompts
from gpt2course.model import GPT2


@dataclass(frozen=True)
class Beam:
    """A text, and how probable the model finds it.

    Args:
        ids: new ids, up to and including <|endoftext|> if it came.
        score: log-probability in nats, divided by length ** length_penalty.
    """

    ids: list[int]
    score: float


@torch.inference_mode()
def beam_search(
    model: GPT2,
    input_ids: Sequence[int],
    num_beams: int = 5,
    max_new_tokens: int = 40,
    *,
    length_penalty: float = 1.0,
    early_stopping: bool = False,
) -> list[Beam]:
    """The most probable continuations that a search over num_beams texts at a time finds.

    Each step looks at every next token of every live text and takes the 2 * num_beams best. Those that end with
    <|endoftext|> are finished, the others live on. It stops when no live text could still beat the finished ones, by
    the same estimate that transformers makes.

    Args:
        model: in eval mode.
        input_ids: the prompt, at least one id.
        num_beams: texts kept alive.
        max_new_tokens: at most so many.
        length_penalty: above 0 favours longer texts, 0 compares plain log-probabilities.
        early_stopping: stop as soon as num_beams texts are finished.

    Returns:
        at most num_beams texts, the best first.

    Raises:
        ValueError: fewer than one beam, more beams than half the tokens, and as `stream_tokens`.

    Source: transformers' generate(num_beams=...). Chapter: sampling.
    """
    config, prompt = model.config, list(input_ids)
    check_prompts([prompt], max_new_tokens, config.n_positions)
    if not 1 <= num_beams <= config.vocab_size // 2:
        raise ValueError(
            f"num_beams is {num_beams}; it must lie between 1 and {config.vocab_size // 2}, half the tokens"
        )
    length = min(len(prompt) + max_new_tokens, config.n_positions)
    cache = KVCache(config, num_beams, length, model.wte.weight.dtype, model.device)
    fresh = torch.tensor([prompt] * num_beams, device=model.device)
    live: list[list[int]] = [[]] * num_beams
    scores = torch.full((num_beams,), -1e9, device=model.device)
    scores[0] = 0.0  # all beams are the same at first: only one may count
    finished: list[Beam] = []

    for new in range(1, length - len(prompt) + 1):  # tokens a text has after this step
        logits = model.head(model.hidden(fresh, cache=cache)[:, -1])
        check_finite(logits, len(prompt) + new - 1)
        totals = logits.log_softmax(dim=-1) + scores[:, None]
        best, flat = totals.flatten().topk(2 * num_beams)
        parents, tokens = (
            (flat // config.vocab_size).tolist(),
            (flat % config.vocab_size).tolist(),
        )
        survivors = []
        for rank, (score, parent, token) in enumerate(
            zip(best.tolist(), parents, tokens, strict=True)
        ):
            if token != config.eos_token_id and new < length - len(prompt):
                survivors.append((score, parent, token))
            elif rank < num_beams:  # an ending among the runners-up does not count
                finished.append(
                    Beam([*live[parent], token], score / new**length_penalty)
                )
        finished = sorted(finished, key=lambda beam: -beam.score)[:num_beams]
        survivors = survivors[:num_beams]
        if not survivors or (len(finished) == num_beams and early_stopping):
            break
        if (
            len(finished) == num_beams
            and survivors[0][0] / new**length_penalty <= finished[-1].score
        ):
            break
        live = [[*live[parent], token] for _, parent, token in survivors]
        scores = torch.tensor([score for score, _, _ in survivors], device=model.device)
        cache.reorder(
            torch.tensor([parent for _, parent, _ in survivors], device=model.device)
        )
        fresh = torch.tensor(
            [[token] for _, _, token in survivors], device=model.device
        )
    return finished
