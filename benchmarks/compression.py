"""Bits per character of held-out reviews: archive programs, 3-grams, the mini.

    python benchmarks/compression.py gpt2course/course/measurements/compression.json

Everybody gets the same text to compress, 500 held-out reviews, and what has to learn
gets the same text to learn from, the 20,000 training reviews.
"""

from __future__ import annotations

import gzip
import lzma
import math
import sys
import time
from pathlib import Path

import numpy as np

from gpt2course.checkpoints import MINI, load_checkpoint, load_tokenizer
from gpt2course.course import measurements
from gpt2course.data import load_reviews, plain_text
from gpt2course.evaluation import Reader, evaluate, load_examples

DISCOUNT = 0.75  # taken off every count
LARGE = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME,
          "dict_size": 2**27}]  # fmt: skip


class Trigrams:
    """Interpolated Kneser-Ney: counts of three tokens, of two, of one.

    Args:
        stream: token ids, texts separated by `end`.
        vocab_size: number of tokens, V.

    Source: Kneser and Ney 1995; Chen and Goodman 1999, section 2.7.
    """

    def __init__(self, stream: np.ndarray, vocab_size: int) -> None:
        self.V = V = vocab_size
        stream = stream.astype(np.int64)
        keys = (stream[:-2] * V + stream[1:-1]) * V + stream[2:]
        self.three, self.counts = np.unique(keys, return_counts=True)
        # a shorter context counts in how many longer ones it occurs
        self.two, self.two_counts = np.unique(self.three % V**2, return_counts=True)
        self.one_counts = np.bincount(self.two % V, minlength=V)
        contexts, where = np.unique(self.three // V, return_inverse=True)
        self.contexts = contexts
        self.context_total = np.bincount(where, self.counts)
        self.context_types = np.bincount(where)
        first = self.two // V
        self.first_total = np.bincount(first, self.two_counts, minlength=V)
        self.first_types = np.bincount(first, minlength=V)

    def probabilities(self, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
        """p(c | a, b) for arrays of token ids."""
        V, total = self.V, self.one_counts.sum()
        kept = np.maximum(self.one_counts - DISCOUNT, 0)
        one = kept[c] / total + (1 - kept.sum() / total) / V
        two = self._mix(
            _look_up(self.two, self.two_counts, b * V + c),
            self.first_total[b], self.first_types[b], one,
        )  # fmt: skip
        context = a * V + b
        return self._mix(
            _look_up(self.three, self.counts, context * V + c),
            _look_up(self.contexts, self.context_total, context),
            _look_up(self.contexts, self.context_types, context), two,
        )  # fmt: skip

    @staticmethod
    def _mix(
        count: np.ndarray, total: np.ndarray, types: np.ndarray, shorter: np.ndarray
    ) -> np.ndarray:
        """Discounted counts, and what was taken off, spread as the shorter model does.

        A context that was never seen leaves everything to the shorter model.
        """
        seen = total > 0
        divisor = np.where(seen, total, 1)
        own = np.maximum(count - DISCOUNT, 0) / divisor
        left = np.where(seen, DISCOUNT * types / divisor, 1.0)
        return own + left * shorter


def _look_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The value of each wanted key, 0 where there is none."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)


def trigram_row(train: list[str], held_out: list[str], characters: int) -> dict:
    """Count the training text, then predict each held-out review after its start."""
    tokenizer = load_tokenizer("mini")
    end, V = tokenizer.eos_token_id, len(tokenizer)
    started = time.perf_counter()
    stream = [end, end]
    for ids in tokenizer(train, verbose=False)["input_ids"]:
        stream += [*ids, end, end]
    model = Trigrams(np.array(stream), V)
    seconds = time.perf_counter() - started
    check = model.probabilities(*np.full((2, V), end), np.arange(V))
    assert math.isclose(check.sum(), 1, rel_tol=1e-6)
    bits = 0.0
    for ids in tokenizer(held_out, verbose=False)["input_ids"]:
        text = np.array([end, end, *ids])
        p = model.probabilities(text[:-2], text[1:-1], text[2:])
        bits -= float(np.log2(p).sum())
    counts = len(model.three) + len(model.two) + V
    return {
        "name": "3-grams of tokens",
        "bits_per_character": bits / characters,
        "read": "training reviews, once",
        "bytes": 8 * len(model.three) + 4 * (len(model.three) + len(model.two)),
        "counts": counts,
        "learning_seconds": seconds,
    }


def main(arguments: list[str]) -> None:
    """Measure all of them."""
    train = [plain_text(text) for text in load_reviews("embedded")["train"]["text"]]
    held_out = [example["text"] for example in load_examples("perplexity", "embedded")]
    characters = sum(map(len, held_out))
    learn, text = "\n".join(train).encode(), "\n".join(held_out).encode()

    def compressed(name: str, size: int, read: str) -> dict:
        bits = 8 * size / characters
        return {"name": name, "bits_per_character": bits, "read": read}

    def xz(content: bytes) -> int:
        return len(lzma.compress(content, filters=LARGE))

    rows = [
        compressed("gzip", len(gzip.compress(text, 9)), "nothing"),
        compressed("xz", xz(text), "nothing"),
        compressed("xz, after the training text", xz(learn + text) - xz(learn),
                   "training reviews, once"),
        trigram_row(train, held_out, characters),
    ]  # fmt: skip
    for stride in (512, 128):
        reader = Reader(load_checkpoint("mini"), load_tokenizer("mini"), stride=stride)
        found = evaluate("perplexity", reader, source="embedded")
        rows.append(
            {
                "name": f"mini, stride {stride}",
                "bits_per_character": found.results["bits_per_character"],
                "read": "training reviews, several times",
                "bytes": (MINI / "model.safetensors").stat().st_size,
            }
        )
    result = {
        "command": "python benchmarks/compression.py "
        "gpt2course/course/measurements/compression.json",
        "machine": measurements.machine("numpy", "transformers"),
        "reviews": len(held_out),
        "characters": characters,
        "bytes": len(text),
        "training_characters": sum(map(len, train)),
        "training_bytes": len(learn),
        "rows": rows,
    }
    measurements.write(result, Path(arguments[0]) if arguments else None)


if __name__ == "__main__":
    main(sys.argv[1:])
