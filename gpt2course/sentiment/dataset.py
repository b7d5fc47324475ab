"""What a classifier of reviews reads: tokens, a data set, padding, length buckets.

model.py holds the network, trainer.py the training.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from datasets import Dataset
from torch import Tensor

from gpt2course.arguments import texts as list_of_texts
from gpt2course.arguments import whole_number
from gpt2course.data import LABELS, plain_text
from gpt2course.sentiment.config import SentimentConfig, check_max_length

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

logger = logging.getLogger(__name__)
MAX_LENGTH = SentimentConfig.max_length
BATCHES_SORTED_TOGETHER = 50


def tokenise_reviews(
    texts: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int = MAX_LENGTH,
) -> list[list[int]]:
    """Token ids of reviews. A long review keeps its first and its last tokens.

    Line breaks of HTML become new lines. A text that spells the end-of-text token or
    the pad token loses it, because the classifier takes it for padding. If reviews are
    cut, a warning is logged that says how many.

    Args:
        texts: reviews.
        tokenizer: of the checkpoint.
        max_length: tokens of the longest result, at least 2.

    Returns:
        a list of token ids for each review.

    Raises:
        ValueError: one text instead of a list, a text without any token, by its
            number; max_length below 2.

    Chapter: sentiment.
    """
    check_max_length(max_length)
    plain = [plain_text(text) for text in list_of_texts("texts", texts)]
    if not plain:
        return []
    padding = {tokenizer.eos_token_id, tokenizer.pad_token_id}
    rows = [
        [token for token in row if token not in padding]
        for row in tokenizer(plain, verbose=False)["input_ids"]
    ]
    for number, row in enumerate(rows, start=1):
        if not row:
            raise ValueError(
                f"text {number} of {len(rows)} is empty; write at least one character, "
                "or leave it out"
            )
    n_cut = sum(len(row) > max_length for row in rows)
    if n_cut:
        logger.warning(
            "%d of %d texts are longer than %d tokens: their middle is left out",
            n_cut,
            len(rows),
            max_length,
        )
    return [_without_middle(row, max_length) for row in rows]


def _without_middle(row: list[int], max_length: int) -> list[int]:
    if len(row) <= max_length:
        return row
    tail = max_length // 2
    return row[: max_length - tail] + row[-tail:]


def review_dataset(
    reviews: Dataset,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int = MAX_LENGTH,
) -> Dataset:
    """What Trainer reads: the columns input_ids, labels and length, a row for a review.

    Args:
        reviews: a split of `load_reviews`, with the columns text and label.
        tokenizer: as in `tokenise_reviews`.
        max_length: as in `tokenise_reviews`.

    Returns:
        the data set, in the order of the reviews.

    Raises:
        ValueError: other columns, no reviews, labels other than 0 and 1, only one of
            the two classes, a text without any token.

    Chapter: sentiment.
    """
    if not {"text", "label"} <= set(reviews.column_names):
        raise ValueError(
            f"the reviews have the columns {reviews.column_names}; "
            "they need text and label"
        )
    labels = list(reviews["label"])
    if not labels:
        raise ValueError("there are no reviews; each of the two classes needs one")
    wrong = sorted({label for label in labels if label not in (0, 1)}, key=str)
    if wrong:
        raise ValueError(
            f"there are labels {wrong}; they must be 0 (negative) or 1 (positive)"
        )
    if len(set(labels)) < 2:
        raise ValueError(
            f"all {len(labels)} reviews are {LABELS[labels[0]]}; two classes are "
            "needed: take more reviews (max_train_samples) or draw others (seed), and "
            "shuffle before you select some yourself"
        )
    input_ids = tokenise_reviews(list(reviews["text"]), tokenizer, max_length)
    return Dataset.from_dict(
        {
            "input_ids": input_ids,
            "labels": labels,
            "length": [len(row) for row in input_ids],
        }
    )


def short_sentences(
    reviews: Dataset, n: int, seed: int = 0, max_words: int = 8
) -> Dataset:
    """Short sentences cut out of reviews, each with the label of its review.

    A classifier that has read whole reviews only has never been trained to predict
    after five words. Many of these labels are wrong for the sentence alone; over all
    sentences they say which words occur in positive and which in negative reviews.

    Args:
        reviews: a split of `load_reviews`.
        n: how many, at most all there are.
        seed: decides which.
        max_words: of a sentence.

    Returns:
        a Dataset with the columns and the types of `reviews`.

    Chapter: evaluating-a-classifier.
    """
    found: dict[str, list] = {"text": [], "label": []}
    for text, label in zip(reviews["text"], reviews["label"], strict=True):
        for sentence in re.split(r"(?<=[.!?])\s+|\n+", plain_text(text)):
            has_letters = any(character.isalpha() for character in sentence)
            if has_letters and len(sentence.split()) <= max_words:
                found["text"].append(sentence)
                found["label"].append(label)
    sentences = Dataset.from_dict(found, reviews.features)
    return sentences.shuffle(seed=seed).select(range(min(n, len(sentences))))


def pad_right(rows: Sequence[Sequence[int]], pad_token_id: int) -> Tensor:
    """Reviews as one tensor, as wide as the longest, with padding after the text.

    A causal model does not attend to later positions, so no attention mask is needed.

    Args:
        rows: token ids of each review.
        pad_token_id: what fills the rest of a row.

    Returns:
        (B, T) int64.

    Chapter: sentiment.
    """
    input_ids = torch.full((len(rows), max(map(len, rows))), pad_token_id)
    for padded, row in zip(input_ids, rows, strict=True):
        padded[: len(row)] = torch.tensor(row)
    return input_ids


class LengthBuckets(torch.utils.data.Sampler):
    """The order in which Trainer reads reviews: batches of about the same length.

    All reviews are shuffled, sorted by length within groups of 50 batches, cut into
    batches, and the batches shuffled. Trainer's own sampler for this goes from long to
    short within a group, and draws from the global generator, so that a run that was
    stopped within an epoch would resume with other reviews. This order depends on seed
    and epoch alone.

    Args:
        lengths: tokens of each review.
        batch_size: reviews in an optimizer step.
        seed: decides the order.

    Chapter: sentiment.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int = 0) -> None:
        self.lengths = list(lengths)
        self.batch_size = whole_number("batch_size", batch_size, least=1)
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Trainer before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.lengths), generator=generator).tolist()
        full_batches: list[list[int]] = []
        rest: list[int] = []  # of the last group, too few for a batch
        group_size = BATCHES_SORTED_TOGETHER * self.batch_size
        for start in range(0, len(order), group_size):
            group = order[start : start + group_size]
            group.sort(key=self.lengths.__getitem__)
            for i in range(0, len(group), self.batch_size):
                batch = group[i : i + self.batch_size]
                if len(batch) == self.batch_size:
                    full_batches.append(batch)
                else:
                    rest = batch
        for i in torch.randperm(len(full_batches), generator=generator).tolist():
            yield from full_batches[i]
        yield from rest
