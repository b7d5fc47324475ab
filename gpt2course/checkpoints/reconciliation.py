"""One reconciliation of a checkpoint's weights, configuration and tokenizer.

People's folders disagree with themselves: a vocabulary padded to a multiple of 64, an
end-of-text id that is GPT-2's default and not the tokenizer's, a list of ids, no pad
token. `reconcile` decides once, for generating, fine-tuning, classifying and
evaluating, and logs one line that says what it changed.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from gpt2course.checkpoints.reading import (
    MAX_CONFIG_BYTES,
    MAX_TOKENIZER_BYTES,
    CheckpointError,
    has_tokenizer,
    read_json,
    read_shapes,
    tokenizer_copy,
    wrapped_names,
)
from gpt2course.config import GPT2Config, token_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MAX_BEYOND = 1024  # added tokens that the model does not have
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reconciled:
    """What a folder means.

    Args:
        config: the shape; its eos_token_id is the one that ends a text.
        tokenizer: with the same end-of-text token, or None if the folder has none.
        pad_token_id: for rows of different lengths; always within the vocabulary.
        notes: what was adjusted, in words.
    """

    config: GPT2Config
    tokenizer: PreTrainedTokenizerBase | None
    pad_token_id: int
    notes: tuple[str, ...]


def reconcile(folder: Path) -> Reconciled:
    """Make weights, configuration and tokenizer of a folder agree.

    - The weights decide about the sizes; a config.json that says others is refused.
    - The tokenizer decides which token ends a text, if the model has that token; else
      config.json does, with the first of several ids that model and tokenizer have.
    - A pad token of config.json counts, then the tokenizer's, then the end-of-text
      token.
    - A vocabulary larger than the tokenizer's is padding. A smaller one is refused,
      unless only added tokens, such as a pad token, are beyond it, at most 1,024.
    - Weights are read as float32, whatever they are stored in.

    Args:
        folder: in Hugging Face format.

    Returns:
        what to use, and what was adjusted.

    Raises:
        CheckpointError: files that are missing, damaged, too large or contradict each
            other; a tokenizer, and nothing that says which of its tokens ends a text;
            an eos_token_id outside the vocabulary.

    Source: transformers.GPT2Config, PreTrainedTokenizerBase. Chapter: tokens.
    """
    path = folder / "config.json"
    entries = read_entries(folder)
    notes: list[str] = []
    try:
        eos_ids = token_ids("eos_token_id", entries.get("eos_token_id"))
        pad_ids = token_ids("pad_token_id", entries.get("pad_token_id"))
        config = GPT2Config.from_dict({**entries, "eos_token_id": None})
    except (ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: {error}") from None
    check_shapes(folder, config)
    if wrapped_names(folder):
        notes.append("prefixes of a wrapper left out of the tensors' names")
    vocab_size = config.vocab_size
    has_one = has_tokenizer(folder)
    tokenizer = _tokenizer(folder, vocab_size, notes) if has_one else None
    own = [token for token in eos_ids if token < vocab_size]
    if tokenizer is not None:  # an id of the padding is no token
        own = [t for t in own if tokenizer.convert_ids_to_tokens(t) is not None]
    eos = None if tokenizer is None else tokenizer.eos_token_id
    if eos is None or eos >= vocab_size:
        if not own:
            said = f"{path}: eos_token_id is {entries.get('eos_token_id')}"
            if tokenizer is not None:
                raise CheckpointError(
                    f"{said}, and neither that nor the tokenizer names a token of the "
                    f"vocabulary of {vocab_size} that ends a text; set eos_token in "
                    "tokenizer_config.json"
                )
            if eos_ids:
                raise CheckpointError(
                    f"{said}, outside the vocabulary of {vocab_size} tokens; set it to "
                    "the id of the token that ends a text"
                )
            own = [vocab_size - 1]  # GPT-2's place for it
            notes.append(f"a text ends at id {own[0]}, as config.json names no other")
        if tokenizer is not None:
            why = "has none"
            if eos is not None:
                why = f"has {eos}, outside the vocabulary of {vocab_size} tokens"
            notes.append(
                f"a text ends at id {own[0]} of config.json, as the tokenizer {why}"
            )
            tokenizer.eos_token = tokenizer.convert_ids_to_tokens(own[0])
        eos = own[0]
    elif eos_ids != [eos]:
        said = entries.get("eos_token_id", "missing")
        notes.append(f"a text ends at the tokenizer's id {eos} (eos_token_id: {said})")
    if tokenizer is not None and tokenizer.pad_token_id is not None:
        pad_ids.append(tokenizer.pad_token_id)
    pads = [*pad_ids, eos]
    pad = next(token for token in pads if token < vocab_size)
    if pad != pads[0]:
        notes.append(f"padding with id {pad}, as {pads[0]} is outside the vocabulary")
    if tokenizer is not None:
        length = min(tokenizer.model_max_length, config.n_positions)
        tokenizer.model_max_length = length
    config = GPT2Config(**{**vars(config), "eos_token_id": eos})
    if notes:
        _say(f"{folder}: {'; '.join(notes)}")
    return Reconciled(config, tokenizer, pad, tuple(notes))


def read_entries(folder: Path) -> dict:
    """The config.json of a folder.

    Raises:
        CheckpointError: no such folder or file, too large, no JSON, quantised.
    """
    path = folder / "config.json"
    try:
        entries = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        raise CheckpointError(
            f"{path} does not exist; a checkpoint folder holds config.json and "
            "model.safetensors"
        ) from None
    if entries.get("quantization_config"):
        raise CheckpointError(
            f"{path} has a quantization_config; quantised weights are not read, save "
            "them as float32"
        )
    return entries


def check_shapes(folder: Path, config: GPT2Config) -> None:
    """Compare config.json with the weights' headers, before anything is allocated.

    Raises:
        CheckpointError: they contradict each other; or as `read_shapes`.
    """
    shapes = read_shapes(folder)
    for part, expected in (
        ("wte.weight", (config.vocab_size, config.n_embd)),
        ("wpe.weight", (config.n_positions, config.n_embd)),
    ):
        for name in (part, f"transformer.{part}"):
            if shapes.get(name, expected) != expected:
                raise CheckpointError(
                    f"{folder}: {name!r} has shape {shapes[name]} where config.json "
                    f"asks for {expected}"
                )
    check_sizes(shapes, config, str(folder / "config.json"))


def check_sizes(
    shapes: dict[str, tuple[int, ...]], config: GPT2Config, source: str
) -> None:
    """Refuse sizes far beyond those of the weights; building them would take hours.

    Args:
        shapes: of every tensor, by its name.
        config: the shape that they should have.
        source: where config was read, for the message.

    Raises:
        CheckpointError: there are too few tensors for the layers, or one of the tensors
            would be larger than all that there are.
    """
    # 12 tensors a layer; a few may be missing, which is said by their names later
    if 12 * (config.n_layer - 1) > len(shapes):
        raise CheckpointError(
            f"{source} asks for {config.n_layer:,} layers; the weights have "
            f"{len(shapes)} tensors in all"
        )
    rows = max(config.vocab_size, config.n_positions, 4 * config.n_embd)
    found = sum(map(math.prod, shapes.values()))
    if rows * config.n_embd > found:
        raise CheckpointError(
            f"{source} asks for a tensor of {rows:,} x {config.n_embd:,} numbers; the "
            f"weights have {found:,} numbers in all"
        )


def _tokenizer(
    folder: Path, vocab_size: int, notes: list[str]
) -> PreTrainedTokenizerBase:
    """The tokenizer, whose tokens the model has."""
    _check_size(folder, vocab_size)
    tokenizer = read_tokenizer(folder)
    size = len(tokenizer)
    if size > vocab_size:
        added = {int(token) for token in tokenizer.added_tokens_decoder}
        beyond = [
            token
            for token in tokenizer.get_vocab().values()
            if token >= vocab_size and token not in added
        ]
        if beyond or size - vocab_size > MAX_BEYOND:
            raise _other_tokenizer(folder, size, vocab_size)
        notes.append(
            f"{size - vocab_size} added tokens are beyond the vocabulary of "
            f"{vocab_size} tokens and cannot be read"
        )
    elif size < vocab_size:
        notes.append(
            f"the vocabulary of {vocab_size} is padded: the tokenizer has {size} tokens"
        )
    return tokenizer


def _check_size(folder: Path, vocab_size: int) -> None:
    """Refuse a tokenizer that is far too large before it is built."""
    try:
        table = _entries(folder / "tokenizer.json", MAX_TOKENIZER_BYTES)
        model = table.get("model") or _entries(folder / "vocab.json", 2**24)
        settings = _entries(folder / "tokenizer_config.json", MAX_CONFIG_BYTES)
        more = _entries(folder / "added_tokens.json", MAX_CONFIG_BYTES)
    except CheckpointError as error:
        raise CheckpointError(
            f"the tokenizer in {folder} cannot be read ({error})"
        ) from None
    tokens = model.get("vocab", model) if isinstance(model, dict) else ()
    size = len(tokens) if isinstance(tokens, dict | list) else 0
    added = [
        table.get("added_tokens"), settings.get("added_tokens_decoder"), more
    ]  # fmt: skip
    size_of_added = max(len(a) if isinstance(a, dict | list) else 0 for a in added)
    if size > vocab_size or size_of_added > vocab_size + MAX_BEYOND:
        raise _other_tokenizer(folder, max(size, size_of_added), vocab_size)


def _entries(path: Path, limit: int) -> dict:
    try:
        return read_json(path, limit)
    except (FileNotFoundError, NotADirectoryError):
        return {}


def _other_tokenizer(folder: Path, size: int, vocab_size: int) -> CheckpointError:
    return CheckpointError(
        f"the tokenizer in {folder} has {size:,} tokens, the model {vocab_size:,}; it "
        "belongs to another model"
    )


def read_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder as its files say; nothing outside is read or run.

    Raises:
        CheckpointError: there is none, or it cannot be read.
    """
    # imported when it is needed: transformers takes its time
    from transformers import AutoTokenizer
    from transformers import GPT2Config as TransformersConfig

    with tokenizer_copy(folder) as copy:
        try:
            tokenizer = AutoTokenizer.from_pretrained(
                copy,
                config=TransformersConfig(),
                local_files_only=True,
                trust_remote_code=False,
            )
        except Exception as error:  # tokenizers raises no other for a damaged file
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            said = said.replace(str(copy), str(folder))
            raise CheckpointError(
                f"the tokenizer in {folder} cannot be read ({said[:200]})"
            ) from None
    tokenizer.name_or_path = str(folder)
    return tokenizer


@lru_cache(maxsize=256)
def _say(line: str) -> None:
    """Log a line once, as model and tokenizer are often loaded one after the other."""
    logger.info("%s", line)
