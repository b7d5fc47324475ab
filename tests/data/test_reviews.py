"""The reviews.

One split, the same on every machine, with nothing of the test in the training.
"""

from __future__ import annotations

import random

import pytest

from gpt2course.checkpoints import HubError
from gpt2course.data.reviews import (
    HELD_OUT,
    _read_parquet,
    embedded_reviews,
    load_reviews,
    load_sentences,
    normalised,
    plain_text,
    read_reviews_csv,
    split_reviews,
)


@pytest.fixture(scope="module")
def splits():
    return embedded_reviews()


def test_sentences_have_a_third_in_the_test_split():
    splits = load_sentences()
    assert splits.num_rows == {"train": 4_834, "validation": 853, "test": 2_843}
    texts = {name: set(map(normalised, splits[name]["text"][:])) for name in splits}
    assert not texts["train"] & texts["test"]
    assert not texts["validation"] & (texts["train"] | texts["test"])
    for rows in splits.values():
        assert 0.45 < sum(rows["label"][:]) / len(rows) < 0.55


def test_sizes_and_labels(splits):
    assert {name: len(rows) for name, rows in splits.items()} == {
        "train": 20_000,
        "validation": 2_500,
        "test": 2_500,
    }
    for rows in splits.values():
        positive = sum(label for _, label in rows) / len(rows)
        assert 0.45 < positive < 0.55


def test_no_text_is_in_two_splits(splits):
    keys = {
        name: [normalised(text) for text, _ in rows] for name, rows in splits.items()
    }
    assert not set(keys["train"]) & set(keys["validation"])
    assert not set(keys["train"]) & set(keys["test"])
    assert not set(keys["validation"]) & set(keys["test"])
    for name in ("validation", "test"):
        assert len(set(keys[name])) == HELD_OUT


def test_the_split_does_not_depend_on_the_order(splits):
    rows = [row for part in splits.values() for row in part]
    random.Random(0).shuffle(rows)
    again = split_reviews(rows)
    assert {name: sorted(part) for name, part in again.items()} == {
        name: sorted(part) for name, part in splits.items()
    }


def test_every_copy_of_a_text_is_train():
    rows = [(f"review {i}", 1) for i in range(30)]
    rows += [
        (f"Review <br />{i} ", 0) for i in range(0, 30, 2)
    ]  # the same but for breaks and capitals
    parts = split_reviews(rows)
    assert {text for name in ("validation", "test") for text, _ in parts[name]} <= {
        f"review {i}" for i in range(1, 30, 2)
    }
    assert (len(parts["train"]), len(parts["validation"]), len(parts["test"])) == (
        37,
        4,
        4,
    )
    assert parts["train"] == [
        row for row in rows if row in parts["train"]
    ]  # in their old order


@pytest.mark.parametrize(
    ("review", "plain"),
    [
        ("one<br /><br />two", "one\n\ntwo"),
        ("one <br/> two", "one\ntwo"),
        ("  a < b <b>bold</b> ", "a < b <b>bold</b>"),
        ("<br />", ""),
    ],
)
def test_plain_text(review, plain):
    assert plain_text(review) == plain


def test_normalised():
    assert (
        normalised(" The  STRASSE<br />ends\there ")
        == normalised("the straße ends here")
        == "the strasse ends here"
    )


def write(folder, text: str | bytes):
    path = folder / "reviews.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_folder_of_ones_own(tmp_path, monkeypatch):
    lines = "".join(
        f'"review, number {i}\nin two lines",{i % 2},ignored\n' for i in range(50)
    )
    write(tmp_path, "text,label,source\n" + lines)
    monkeypatch.setenv("GPT2COURSE_DATA", str(tmp_path))
    reviews = load_reviews()
    assert {name: len(split) for name, split in reviews.items()} == {
        "train": 42,
        "validation": 4,
        "test": 4,
    }
    assert reviews["train"].features["label"].names == ["negative", "positive"]
    rows = {
        text: label
        for split in reviews.values()
        for text, label in zip(split["text"], split["label"], strict=True)
    }
    assert rows == {f"review, number {i}\nin two lines": i % 2 for i in range(50)}


def test_embedded_reviews_as_a_dataset(splits):
    reviews = load_reviews("embedded")
    assert list(reviews["test"]["text"]) == [text for text, _ in splits["test"]]
    assert list(reviews["validation"]["label"]) == [
        label for _, label in splits["validation"]
    ]


def test_a_spreadsheet_s_mark_at_the_start_is_read(tmp_path):
    assert read_reviews_csv(
        write(tmp_path, b"\xef\xbb\xbftext,label\r\ngood,1\r\n")
    ) == [("good", 1)]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "does not exist; a data folder holds reviews.csv"),
        (
            "review,stars\ngood,1\n",
            r"has the columns \['review', 'stars'\]; it needs text and label",
        ),
        ("", r"has the columns \[\]; it needs text and label"),
        ("text,label\n", "holds no reviews"),
        (
            "text,label\ngood,1\nbad,2\n,0\nfine\n",
            r"3 of 4 rows are no reviews; the first is row 2 \(line 3\)",
        ),
        (b"text,label\ncaf\xe9,1\n", "is not UTF-8"),
        (
            'text,label\n"open,1\n' + "good,1\n" * 30_000,
            r"1 of 30001 rows .* row 1 \(line 2\): open quotation mark",
        ),
    ],
    ids=["missing", "columns", "empty", "header only", "rows", "latin-1", "open quote"],
)
def test_a_bad_table(tmp_path, content, says):
    if content is not None:
        write(tmp_path, content)
    with pytest.raises(ValueError, match=says):
        load_reviews(str(tmp_path))


def test_a_bad_download_is_named(tmp_path):
    with pytest.raises(HubError, match="holds no train-"):
        _read_parquet(tmp_path, "train-*.parquet")
    (tmp_path / "train-0.parquet").write_bytes(b"not a table")
    with pytest.raises(
        HubError, match=r"train-0.parquet is not a table of text and label"
    ):
        _read_parquet(tmp_path, "train-*.parquet")
