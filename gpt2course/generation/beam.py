"""Beam search: keep several texts alive, take the most probable one as a whole.

loop.py holds the loop that writes one text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from gpt2course.arguments import token_ids, whole_number
from gpt2course.cache import KVCache
from gpt2course.generation.loop import check_eval_mode, check_finite, check_prompts
from gpt2course.model import GPT2


@dataclass(frozen=True)
class Beam:
    """A text, and how probable the model finds it.

    Args:
        ids: new ids, up to and including `<|endoftext|>` if it came.
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
    """The most probable continuations found by a search over num_beams texts at a time.

    Each step looks at every next token of every live text and takes the 2 * num_beams
    best. Those that end with `<|endoftext|>` are finished, the others live on. It stops
    when no live text could still beat the finished ones, by the same estimate that
    transformers makes.

    Args:
        model: in eval mode.
        input_ids: the prompt, at least one id.
        num_beams: texts kept alive.
        max_new_tokens: at most that many.
        length_penalty: above 0 favours longer texts, 0 compares plain
            log-probabilities.
        early_stopping: stop as soon as num_beams texts are finished.

    Returns:
        at most num_beams texts, the best first.

    Raises:
        ValueError: fewer than one beam, more beams than half the tokens, and as
            `stream_tokens`.

    Source: transformers' generate(num_beams=...). Chapter: sampling.
    """
    config = model.config
    prompt = token_ids("input_ids", input_ids)
    check_prompts([prompt], max_new_tokens, config.n_positions)
    check_eval_mode(model)
    whole_number("num_beams", num_beams, least=1)
    if num_beams > config.vocab_size // 2:
        raise ValueError(
            f"num_beams is {num_beams}; it must lie between 1 and "
            f"{config.vocab_size // 2}, half the tokens"
        )
    length = min(len(prompt) + max_new_tokens, config.n_positions)
    cache = KVCache(config, num_beams, length, model.wte.weight.dtype, model.device)
    fresh = torch.tensor([prompt] * num_beams, device=model.device)
    live: list[list[int]] = [[]] * num_beams
    scores = torch.full((num_beams,), -1e9, device=model.device)
    scores[0] = 0.0  # all beams are the same at first: only one may count
    finished: list[Beam] = []
    most = length - len(prompt)

    for new in range(1, most + 1):  # tokens that a text has after this step
        logits = model.head(model.hidden(fresh, cache=cache)[:, -1])
        check_finite(logits, len(prompt) + new - 1)
        totals = logits.float().log_softmax(dim=-1) + scores[:, None]
        best, flat = totals.flatten().topk(2 * num_beams)
        parents = (flat // config.vocab_size).tolist()
        tokens = (flat % config.vocab_size).tolist()
        candidates = zip(best.tolist(), parents, tokens, strict=True)
        survivors = []
        for rank, (score, parent, token) in enumerate(candidates):
            if token != config.eos_token_id and new < most:
                survivors.append((score, parent, token))
            elif rank < num_beams:  # an ending among the runners-up does not count
                ids = [*live[parent], token]
                finished.append(Beam(ids, score / new**length_penalty))
        finished = sorted(finished, key=lambda beam: -beam.score)[:num_beams]
        survivors = survivors[:num_beams]
        if not survivors:
            break
        if len(finished) == num_beams:
            best_live = survivors[0][0] / new**length_penalty
            if early_stopping or best_live <= finished[-1].score:
                break
        live = [[*live[parent], token] for _, parent, token in survivors]
        kept, parents, tokens = zip(*survivors, strict=True)
        scores = torch.tensor(kept, device=model.device)
        cache.reorder(torch.tensor(parents, device=model.device))
        fresh = torch.tensor(tokens, device=model.device)[:, None]
    return finished
