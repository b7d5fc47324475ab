"""From logits to the next token: filters that compose, and a choice at the end.

    strategy = Sample(Temperature(0.8), TopK(50), TopP(0.95))
    next_ids = strategy(logits, input_ids)

Every part is a small frozen dataclass. A filter takes logits (B, V) and the ids read so
far, and returns logits of the same shape in which what is ruled out is -inf. Filters
work in the order in which they are written; `sampler` gives Hugging Face's order.
loop.py calls a strategy once per token.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from gpt2course.arguments import number

#: the logit of a token that must not be chosen
RULED_OUT = float("-inf")
SMALLEST = 1e-6  # logits divided by less could overflow


class Filter(Protocol):
    """Anything that changes logits.  [B, V], [B, T] -> [B, V]"""

    def __call__(self, logits: Tensor, input_ids: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class RepetitionPenalty:
    """Make what was read before less likely.

    Positive logits are divided by the penalty, negative ones multiplied.

    Args:
        penalty: 1 changes nothing; more is stricter. From 1e-6 to 1e6.

    Source: Keskar et al. 2019, "CTRL", section 4.1. Chapter: sampling.
    """

    penalty: float

    def __post_init__(self) -> None:
        number("repetition_penalty", self.penalty)
        if not SMALLEST <= self.penalty <= 1 / SMALLEST:
            raise ValueError(
                f"repetition_penalty is {self.penalty}; it must be a number above 0, "
                f"from {SMALLEST:g} to {1 / SMALLEST:g}, and 1 changes nothing"
            )

    def __call__(self, logits: Tensor, input_ids: Tensor) -> Tensor:
        seen = logits.gather(1, input_ids)
        penalised = torch.where(seen < 0, seen * self.penalty, seen / self.penalty)
        return logits.scatter(1, input_ids, penalised)


@dataclass(frozen=True)
class Temperature:
    """Divide the logits: the likely becomes likelier below 1, less likely above.

    Args:
        temperature: at least 1e-6. For less, use Greedy, to which it tends.

    Source: Ackley et al. 1985. Chapter: sampling.
    """

    temperature: float

    def __post_init__(self) -> None:
        number("temperature", self.temperature)
        if not SMALLEST <= self.temperature < math.inf:
            raise ValueError(
                f"temperature is {self.temperature}; it must be a number above 0, and "
                f"at least {SMALLEST:g}; for greedy decoding use Greedy(), or in a "
                "command no option of sampling and no seed"
            )

    def __call__(self, logits: Tensor, input_ids: Tensor) -> Tensor:
        return logits / self.temperature


@dataclass(frozen=True)
class TopK:
    """Keep the k most probable tokens.

    What is exactly as probable as the last of them is kept too.

    Args:
        k: at least 1; more than V keeps everything.

    Source: Fan et al. 2018, section 5.4; k = 40 in the GPT-2 release.
    Chapter: sampling.
    """

    k: int

    def __post_init__(self) -> None:
        if type(self.k) is not int or self.k < 1:
            raise ValueError(
                f"top_k is {self.k!r}; it must be a whole number of at least 1 (leave "
                "it out to keep every token)"
            )

    def __call__(self, logits: Tensor, input_ids: Tensor) -> Tensor:
        last_kept = logits.topk(min(self.k, logits.size(-1))).values[:, -1:]
        return logits.masked_fill(logits < last_kept, RULED_OUT)


@dataclass(frozen=True)
class TopP:
    """Keep the smallest set of tokens whose probabilities add up to at least p.

    The one that crosses p is kept.

    Args:
        p: in (0, 1].

    Source: Holtzman et al. 2020, "The curious case of neural text degeneration".
    Chapter: sampling.
    """

    p: float

    def __post_init__(self) -> None:
        number("top_p", self.p)
        if not 0 < self.p <= 1:
            raise ValueError(
                f"top_p is {self.p}; it must lie in (0, 1], and 1 keeps every token"
            )

    def __call__(self, logits: Tensor, input_ids: Tensor) -> Tensor:
        rising, order = logits.sort(descending=False)
        # the improbable ones, which together have a probability of at most 1 - p
        drop = rising.softmax(dim=-1).cumsum(dim=-1) <= 1 - self.p
        drop[:, -1] = False
        return logits.masked_fill(drop.scatter(1, order, drop), RULED_OUT)


@dataclass(frozen=True)
class MinP:
    """Keep the tokens that are at least p times as probable as the most probable one.

    Args:
        p: in (0, 1].

    Source: Nguyen et al. 2024, "Turning up the heat: min-p sampling".
    Chapter: sampling.
    """

    p: float

    def __post_init__(self) -> None:
        number("min_p", self.p)
        if not 0 < self.p <= 1:
            raise ValueError(
                f"min_p is {self.p}; it must lie in (0, 1] (leave it out to keep every "
                "token)"
            )

    def __call__(self, logits: Tensor, input_ids: Tensor) -> Tensor:
        probabilities = logits.softmax(dim=-1)
        least = self.p * probabilities.amax(dim=-1, keepdim=True)
        return logits.masked_fill(probabilities < least, RULED_OUT)


@dataclass(frozen=True, init=False)
class _Strategy:
    """Filters, then a choice."""

    filters: tuple[Filter, ...]

    def __init__(self, *filters: Filter) -> None:
        object.__setattr__(self, "filters", filters)

    def filtered(self, logits: Tensor, input_ids: Tensor) -> Tensor:
        """Logits after all filters, at least in float32.  [B, V], [B, T] -> [B, V]"""
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()  # a division could overflow in half precision
        for change in self.filters:
            logits = change(logits, input_ids)
        return logits


class Greedy(_Strategy):
    """Always the most probable token."""

    def __call__(
        self, logits: Tensor, input_ids: Tensor, generator: object = None
    ) -> Tensor:
        """Next ids.  [B, V], [B, T] -> [B]"""
        return self.filtered(logits, input_ids).argmax(dim=-1)


class Sample(_Strategy):
    """Draw a token by its probability, after the filters."""

    def __call__(
        self,
        logits: Tensor,
        input_ids: Tensor,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
    ) -> Tensor:
        """Next ids.

        Args:
            logits: (B, V).
            input_ids: (B, T) int64, what was read so far.
            generator: random generator. None is torch's global one, which draws what
                transformers' generate draws after the same torch.manual_seed. One for
                each row makes a text independent of its batch.

        Returns:
            (B,) int64.
        """
        probabilities = self.filtered(logits, input_ids).softmax(dim=-1)
        if generator is None or isinstance(generator, torch.Generator):
            return torch.multinomial(probabilities, 1, generator=generator)[:, 0]
        rows = zip(probabilities, generator, strict=True)
        return torch.cat([torch.multinomial(row, 1, generator=g) for row, g in rows])


def sampler(
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    repetition_penalty: float | None = None,
) -> Sample:
    """Filters in the order in which transformers' generate applies them.

    The order is repetition penalty, temperature, top-k, top-p, min-p. Unlike there,
    top_k is off unless asked for.

    Args:
        temperature: see `Temperature`.
        top_k: see `TopK`.
        top_p: see `TopP`.
        min_p: see `MinP`.
        repetition_penalty: see `RepetitionPenalty`.

    Returns:
        a strategy for `generate`.

    Raises:
        ValueError: a value outside its range; see each filter.

    Source: transformers' GenerationConfig. Chapter: sampling.
    """
    parts: list[Filter] = []
    if repetition_penalty is not None:
        parts.append(RepetitionPenalty(repetition_penalty))
    if temperature != 1.0:
        parts.append(Temperature(temperature))
    for value, kind in ((top_k, TopK), (top_p, TopP), (min_p, MinP)):
        if value is not None:
            parts.append(kind(value))
    return Sample(*parts)
