"""A model and its tokenizer, asked in text: the questions that the tasks put.

windows.py does the arithmetic; tasks.py says what is asked, and what the answer counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from gpt2course.evaluation.windows import (
    Likelihood,
    check_window,
    continuation_likelihoods,
    text_likelihood,
)
from gpt2course.generation import Greedy, Sample, check_eval_mode, generate
from gpt2course.model import GPT2

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# function words; the paper does not say which list it used
_STOP_WORDS = """
    a about above after again against all also am an and any are as at be because
    been before being below between both but by can cannot could did do does doing down
    during each few for from further get got had has have having he her here hers
    herself him himself his how i if in into is it its itself just let me more most
    much must my myself no nor not now of off on once one only or other our ours
    ourselves out over own same shall she should so some such than that the their
    theirs them themselves then there these they this those through to too under until
    up upon us very was we were what when where which while who whom why will with
    would yet you your yours yourself yourselves
"""
#: words that cannot be the last of a passage of LAMBADA
STOP_WORDS = frozenset(_STOP_WORDS.split())
WORD = re.compile(r"\s*([\w'’-]+)")
MOST_WORD_TOKENS = 8  # of one word, in either vocabulary
FIRST_TOKENS = 40  # tried as the beginning of a word before the filter gives up


@dataclass(frozen=True)
class Reader:
    """A model that is asked about texts.

    Args:
        model: in eval mode.
        tokenizer: the one that belongs to it.
        window: tokens the model reads at once to score a text; n_positions by default,
            and always for what is written.
        stride: tokens predicted per window after the first; the window by default.
        seed: of what is sampled and drawn, together with the number of the example.

    Raises:
        ValueError: as `check_window`; a model in train mode with dropout.
    """

    model: GPT2
    tokenizer: PreTrainedTokenizerBase
    window: int | None = None
    stride: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_eval_mode(self.model)
        n_positions = self.model.config.n_positions
        window, stride = check_window(n_positions, self.window, self.stride)
        object.__setattr__(self, "window", window)
        object.__setattr__(self, "stride", stride)

    def encode(self, text: str) -> list[int]:
        """Token ids, without special tokens and without a warning for long texts."""
        return self.tokenizer.encode(text, add_special_tokens=False, verbose=False)

    def text(self, text: str) -> Likelihood:
        """log p of a text in sliding windows, as `text_likelihood`."""
        return text_likelihood(
            self.model, self.encode(text), window=self.window, stride=self.stride
        )

    def continuations(self, pairs: Sequence[tuple[str, str]]) -> list[Likelihood]:
        """log p of each continuation after its context, as `continuation_likelihoods`.

        Args:
            pairs: context and continuation; the space between them belongs to the
                continuation.
        """
        return continuation_likelihoods(
            self.model, [self.encode_pair(*pair) for pair in pairs], window=self.window
        )

    def encode_pair(self, context: str, continuation: str) -> tuple[list, list]:
        """Token ids of the two, cut where the context ends in the tokens of both.

        Spaces at the end of the context move to the continuation: in GPT-2's tokens a
        space belongs to the word after it.

        Source: lm-evaluation-harness, _encode_pair.
        """
        bare = context.rstrip()
        continuation = context[len(bare) :] + continuation
        n = len(self.encode(bare))
        whole = self.encode(bare + continuation)
        return whole[:n], whole[n:]

    def next_word(self, context: str, stop_words: frozenset[str] = STOP_WORDS) -> str:
        """The most probable next word that is no stop word.

        First tokens are tried in the order of their probability. Each is completed
        greedily to the end of the word, and the first word that is no stop word is
        taken.

        Args:
            context: a text.
            stop_words: in lower case.

        Returns:
            the word, without the space in front; "" if the first 40 tokens begin none.

        Raises:
            ValueError: a window without room for a word.

        Source: Radford et al. 2019, section 3.3, tells of such a filter; this is one
        reading of it. Chapter: evaluating as the paper did.
        """
        room = self.window - MOST_WORD_TOKENS
        if room < 1:
            raise ValueError(
                f"window is {self.window}; a word may have {MOST_WORD_TOKENS} tokens, "
                f"so it must be at least {MOST_WORD_TOKENS + 1}"
            )
        ids = self.encode(context.rstrip())[-room:]
        ids = ids or [self.model.config.eos_token_id]
        for token in self._next_logits(ids).topk(FIRST_TOKENS).indices.tolist():
            if not self.tokenizer.decode([token]).startswith(" "):
                continue  # it would continue with the last word of the context
            word = self._finish_word([*ids, token], start=len(ids))
            if word and word.lower() not in stop_words:
                return word
        return ""

    def _finish_word(self, ids: list[int], start: int) -> str:
        """Read on greedily until something follows the word that begins at start."""
        for _ in range(MOST_WORD_TOKENS):
            text = self.tokenizer.decode(ids[start:])
            found = WORD.match(text)
            if found is None:
                return ""
            if found.end() < len(text):
                return found[1]
            ids = [*ids, int(self._next_logits(ids).argmax())]
        return found[1]

    @torch.no_grad()
    def _next_logits(self, ids: Sequence[int]) -> torch.Tensor:
        hidden = self.model.hidden(torch.tensor([ids], device=self.model.device))
        return self.model.head(hidden[0, -1])

    def write(
        self,
        prompt: str,
        hint: str,
        max_new_tokens: int,
        *,
        strategy: Greedy | Sample = Greedy(),  # noqa: B008 (frozen)
        index: int = 0,
    ) -> str:
        """Continue a prompt; if it is too long, its end is cut off, never the hint.

        Args:
            prompt: a text.
            hint: what stands at its end and asks for the task.
            max_new_tokens: at most that many.
            strategy: how tokens are chosen.
            index: of the example; with the seed it decides what is sampled.

        Raises:
            ValueError: a model without room for hint and answer.
        """
        hint_ids = self.encode(hint)
        n_positions = self.model.config.n_positions
        room = n_positions - max_new_tokens - len(hint_ids)
        if room < 1:
            raise ValueError(
                f"the model's {n_positions} positions have no room for a text, the "
                f"{len(hint_ids)} tokens of the hint and {max_new_tokens} new ones; "
                "shorten the hint, ask for fewer, or choose another checkpoint"
            )
        ids = [*self.encode(prompt)[:room], *hint_ids]
        generator = torch.Generator(self.model.device)
        generator.manual_seed(self.seed * 1_000_003 + index)
        new = generate(
            self.model, ids, max_new_tokens, strategy=strategy, generator=generator
        )
        return self.tokenizer.decode(new, skip_special_tokens=True)
