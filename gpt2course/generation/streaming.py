"""From tokens to text while it is written: whole characters, and stop strings.

    pieces = decode_utf8(stream_tokens(model, ids), tokenizer)
    for piece in until_stop(pieces, ["\\n"]): ...

`stream_text` puts both together. The tokens come from loop.py.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from gpt2course.arguments import texts
from gpt2course.cache import KVCache
from gpt2course.checkpoints import byte_characters
from gpt2course.generation.loop import NotFinite, stream_tokens
from gpt2course.generation.sampling import Greedy, Sample
from gpt2course.model import GPT2

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def stream_text(
    model: GPT2,
    tokenizer: PreTrainedTokenizerBase,
    prompt: str,
    max_new_tokens: int = 40,
    *,
    stop: str | Sequence[str] = (),
    strategy: Greedy | Sample = Greedy(),  # noqa: B008 (frozen)
    stop_ids: Sequence[int] | None = None,
    generator: torch.Generator | None = None,
    cache: KVCache | None = None,
) -> Iterator[str]:
    """Text as it is written, in pieces that are always whole characters.

    Args:
        model: in eval mode.
        tokenizer: a byte-level BPE, such as every GPT-2 has.
        prompt: the text to continue; it is not repeated.
        max_new_tokens: at most that many.
        stop: end before this string, or before that of several which is complete first.
        strategy, stop_ids, generator, cache: as in `stream_tokens`.

    Yields:
        new text, never empty, without `<|endoftext|>`.

    Raises:
        ValueError: an empty stop string, and as `stream_tokens`.
        NotFinite: as `stream_tokens`.

    Chapter: generation.
    """
    if not isinstance(prompt, str):
        raise ValueError(
            f"prompt is a {type(prompt).__name__}; it must be a text "
            "(stream_tokens continues ids)"
        )
    tokens = stream_tokens(
        model,
        tokenizer.encode(prompt),
        max_new_tokens,
        strategy=strategy,
        stop_ids=stop_ids,
        generator=generator,
        cache=cache,
    )
    return until_stop(decode_utf8(tokens, tokenizer), stop)


def decode_utf8(
    tokens: Iterable[int], tokenizer: PreTrainedTokenizerBase
) -> Iterator[str]:
    """Text of tokens, in pieces that are whole characters.

    A token may end in the middle of a character. Its bytes wait until the rest comes.

    Args:
        tokens: ids, as they are written.
        tokenizer: a byte-level BPE.

    Yields:
        text, never empty; special tokens are left out, and ids that the tokenizer
        does not have. Bytes that are no character become U+FFFD.

    Raises:
        ValueError: the tokenizer is no byte-level BPE.

    Source: codecs.getincrementaldecoder. Chapter: tokens.
    """
    to_byte = {character: byte for byte, character in byte_characters().items()}
    added = {i: str(token) for i, token in tokenizer.added_tokens_decoder.items()}
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    special = set(tokenizer.all_special_ids)
    for token in tokens:
        if token in special:
            continue
        if token in added:  # text as it is, not in byte characters
            text = decoder.decode(added[token].encode())
        else:
            # none for an id that only fills a padded vocabulary up
            characters = tokenizer.convert_ids_to_tokens(token) or ""
            text = decoder.decode(_bytes_of(characters, to_byte))
        if text:
            yield text
    rest = decoder.decode(b"", final=True)
    if rest:
        yield rest


def _bytes_of(characters: str, to_byte: dict[str, int]) -> bytes:
    """The bytes that a token of a byte-level vocabulary stands for."""
    try:
        return bytes(to_byte[character] for character in characters)
    except KeyError:
        raise ValueError(
            f"the token {characters!r} is not made of byte characters; the tokenizer "
            "must be a byte-level BPE, such as GPT-2's"
        ) from None


def until_stop(pieces: Iterable[str], stop: str | Sequence[str]) -> Iterator[str]:
    """Pieces of text up to the first stop string, wherever the pieces cut it.

    What may be the beginning of a stop string waits until it is clear that it is none.

    Args:
        pieces: text, as it is written.
        stop: end before this string, or before that of several which is complete first.

    Yields:
        text, never empty.

    Raises:
        ValueError: a stop string that is empty or no text.

    Chapter: token by token.
    """
    stop = texts("stop", [stop] if isinstance(stop, str) else stop)
    if "" in stop:
        raise ValueError("a stop string is ''; it must not be empty")
    waiting = ""
    try:
        for piece in pieces:
            waiting += piece
            found = [
                (waiting.index(text) + len(text), waiting.index(text))
                for text in stop
                if text in waiting
            ]
            if found:
                _, start = min(found)  # the one that ends first
                waiting = waiting[:start]
                break
            certain = len(waiting) - _beginning_of_stop(waiting, stop)
            if certain:
                yield waiting[:certain]
                waiting = waiting[certain:]
    except NotFinite:
        if waiting:
            yield waiting  # no stop string after all, so it belongs to the text
        raise
    if waiting:
        yield waiting


def _beginning_of_stop(text: str, stop: Sequence[str]) -> int:
    """How many characters at the end may be the beginning of a stop string."""
    longest = max(map(len, stop), default=0)
    for n in range(longest - 1, 0, -1):
        if any(n < len(s) and text.endswith(s[:n]) for s in stop):
            return n
    return 0
