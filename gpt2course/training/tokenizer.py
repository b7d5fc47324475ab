"""A byte-level BPE of one's own: trained on texts, saved for AutoTokenizer.
pretraining.py uses it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    pre_tokenizers,
    processors,
    trainers,
)

from gpt2course.files import write_text

#: the token between texts, as GPT-2 writes it
END_OF_TEXT = "<|endoftext|>"


def train_tokenizer(texts: Sequence[str], vocab_size: int) -> Tokenizer:
    """A byte-level BPE, trained as GPT-2's was: start from the 256 bytes, merge the
    most frequent pair, repeat.

    Args:
        texts: what to learn the merges from.
        vocab_size: tokens in the end: 256 bytes, the merges, and `<|endoftext|>` as the
            last id.

    Returns:
        a tokenizers.Tokenizer; id 0 is "!", as in GPT-2.

    Raises:
        ValueError: a vocabulary too small for the bytes, or texts too short for that
            many merges.

    Source: Radford et al. 2019, section 2.2; the tokenizers library does the counting.
    Chapter: tokens.
    """
    if vocab_size < 257:
        raise ValueError(
            f"vocab_size is {vocab_size}; 256 bytes and {END_OF_TEXT} need at least 257"
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - 1,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer, length=len(texts))
    tokenizer.add_special_tokens(
        [AddedToken(END_OF_TEXT, normalized=False, special=True)]
    )
    if tokenizer.get_vocab_size() != vocab_size:
        raise ValueError(
            f"the texts give {tokenizer.get_vocab_size()} tokens, not {vocab_size}; "
            "bring more text or ask for fewer"
        )
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path, n_positions: int) -> None:
    """Write tokenizer.json and tokenizer_config.json, which AutoTokenizer reads."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "tokenizer.json", tokenizer.to_str(pretty=True))
    settings = {
        "tokenizer_class": "GPT2Tokenizer",
        "add_prefix_space": False,
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "unk_token": END_OF_TEXT,
        "model_max_length": n_positions,
    }
    write_text(folder / "tokenizer_config.json", json.dumps(settings, indent=2) + "\n")
