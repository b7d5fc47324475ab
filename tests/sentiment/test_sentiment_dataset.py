"""What the classifier reads: cutting, empty and odd texts, buckets, sentences."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from datasets import Dataset

from gpt2course.sentiment import (
    LengthBuckets,
    pad_right,
    predict,
    review_dataset,
    short_sentences,
    tokenise_reviews,
)


def test_a_long_review_keeps_its_beginning_and_its_end(small_tokenizer, package_log):
    text = "bad " * 40 + "good"
    whole = small_tokenizer.encode(text)
    short, cut = tokenise_reviews(["fine", text], small_tokenizer, 9)
    assert short == small_tokenizer.encode("fine")
    assert cut == whole[:5] + whole[-4:]
    (record,) = [r for r in package_log.records if r.name.startswith("gpt2course")]
    assert record.levelno == logging.WARNING
    assert "1 of 2 texts are longer than 9 tokens" in record.getMessage()


def test_nothing_is_logged_when_nothing_is_cut(small_tokenizer, package_log):
    rows = tokenise_reviews(["a<br /><br />b"], small_tokenizer, 64)
    assert rows == [small_tokenizer.encode("a\n\nb")]
    assert tokenise_reviews([], small_tokenizer, 64) == []
    assert package_log.records == []


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "😀🎬",
        "\x00\x07\x1b[31m",
        "<p>good</p><script>x()</script>",
        "bad " * 250_000,
    ],
)
def test_odd_texts_get_probabilities(small_classifier, small_tokenizer, text):
    rows = tokenise_reviews([text], small_tokenizer, 64)
    assert 1 <= len(rows[0]) <= 64
    probabilities = predict(small_classifier, rows)
    assert probabilities.shape == (1, 2)
    assert probabilities.sum().item() == pytest.approx(1)


@pytest.mark.parametrize("text", ["", "   \n", "<br /><br />", "<|endoftext|>"])
def test_an_empty_text_is_refused_by_number(small_tokenizer, text):
    with pytest.raises(ValueError, match="text 2 of 3 is empty"):
        tokenise_reviews(["good", text, "bad"], small_tokenizer)


def test_padding_tokens_inside_a_review_are_removed(small_tokenizer):
    spelled, plain = tokenise_reviews(["good<|endoftext|>", "good"], small_tokenizer)
    assert spelled == plain
    small_tokenizer.add_special_tokens({"pad_token": "<|pad|>"})
    spelled, plain = tokenise_reviews(["<|pad|>good", "good"], small_tokenizer)
    assert spelled == plain


def test_too_few_tokens_are_refused(small_tokenizer):
    with pytest.raises(ValueError, match=r"max_length is 1;.* at least 2"):
        tokenise_reviews(["good"], small_tokenizer, 1)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"review": ["a", "b"], "label": [0, 1]}, r"\['review', 'label'\]; .*text"),
        ({"text": ["a", "b", "c"], "label": [0, 1, 2]}, r"labels \[2\]; .* 0 .* 1"),
        ({"text": ["a", "b"], "label": ["pos", "neg"]}, r"labels \['neg', 'pos'\]"),
        (
            {"text": ["a", "b"], "label": [1, 1]},
            r"all 2 reviews are positive; .* take more reviews .max_train_samples. or",
        ),
        ({"text": [], "label": []}, "there are no reviews"),
        ({"text": ["a", " "], "label": [0, 1]}, "text 2 of 2 is empty"),
    ],
)
def test_bad_reviews_are_refused(small_tokenizer, columns, message):
    with pytest.raises(ValueError, match=message):
        review_dataset(Dataset.from_dict(columns), small_tokenizer)


def test_the_data_set_for_trainer(few_reviews, small_tokenizer):
    rows = review_dataset(few_reviews["test"], small_tokenizer)
    assert rows.column_names == ["input_ids", "labels", "length"]
    assert rows["length"][:] == [len(row) for row in rows["input_ids"]]
    assert rows["labels"][:4] == [0, 1, 0, 1]


def test_right_padding():
    assert pad_right([[5, 6, 7], [8]], 9).tolist() == [[5, 6, 7], [8, 9, 9]]


def test_buckets_hold_reviews_of_similar_length():
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(10, 257, (1003,), generator=generator).tolist()
    buckets = LengthBuckets(lengths, 8)
    order = list(buckets)
    assert sorted(order) == list(range(1003))
    assert len(buckets) == 1003
    batches = [[lengths[i] for i in order[s : s + 8]] for s in range(0, 1000, 8)]
    padded_tokens = sum(max(batch) * 8 for batch in batches)
    assert padded_tokens < 1.05 * sum(map(sum, batches))
    longest = [max(batch) for batch in batches]
    assert abs(np.corrcoef(np.arange(125), longest)[0, 1]) < 0.3  # batches are shuffled


def test_the_order_of_buckets_depends_on_seed_and_epoch():
    lengths = list(range(100))
    buckets = LengthBuckets(lengths, 8)
    order = list(buckets)
    assert list(buckets) == order
    buckets.set_epoch(1)
    assert list(buckets) != order
    assert list(LengthBuckets(lengths, 8, seed=1)) != order


def test_sentences_of_reviews_keep_the_label():
    texts = [
        "Bad. A bore, from the first of the many minutes on!<br />10/10",
        "Good film!\nWhy? ... Go and see it.",
    ]
    reviews = Dataset.from_dict({"text": texts, "label": [0, 1]})
    found = short_sentences(reviews, 99)
    assert found.features == reviews.features
    pairs = set(zip(found["text"], found["label"], strict=True))
    assert pairs == {("Bad.", 0), ("Good film!", 1), ("Why?", 1), ("Go and see it.", 1)}
    two = [short_sentences(reviews, 2, seed)["text"][:] for seed in range(4)]
    assert all(len(texts) == 2 for texts in two)
    assert len({tuple(texts) for texts in two}) > 1
    assert len(short_sentences(reviews, 99, max_words=99)) == 5
