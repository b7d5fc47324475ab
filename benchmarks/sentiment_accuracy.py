"""Test accuracy of classifiers of reviews: simple methods, fine-tuned ones, what ships.

    python benchmarks/sentiment_accuracy.py

All methods are measured on held-out reviews, and those that have read all training
reviews on held-out sentences, too. A row that is in the file already is kept; name rows
to measure them again. All rows take about a quarter of an hour on one core. The small
runs have the budget of the chapter on sentiment (CHAPTER_RUN): the first reviews of a
shuffled training split, one epoch, the first and last tokens of each. Where a row has
"chosen", that setting was chosen by accuracy on the validation reviews. "correct" holds
a bit for each test text, so that two rows can be compared by a paired test.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from datasets import Dataset, DatasetDict
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from transformers import TrainingArguments

from gpt2course.checkpoints import load_tokenizer
from gpt2course.course import measurements
from gpt2course.data import load_reviews, load_sentences, plain_text
from gpt2course.sentiment import (
    CHAPTER_RUN,
    ReviewTrainer,
    load_classifier,
    max_length_of,
    new_classifier,
    pad_right,
    predict,
    review_dataset,
    tokenise_reviews,
)

SEED = 0  # of the chapter
SHIPPED_MAX_LENGTH = 512
REGULARISATION = (1, 10, 100)  # values of C


def majority(reviews: DatasetDict) -> np.ndarray:
    """The share of the labels in training, for every review."""
    share = np.mean(reviews["train"]["label"])
    return np.full(len(reviews["test"]), np.log(share / (1 - share)))


def tfidf(train_reviews: int | None = None, max_length: int | None = None) -> Callable:
    """Logistic regression on TF-IDF of words and pairs of words.

    Args:
        train_reviews: how many of the training reviews; all by default.
        max_length: first and last tokens of a review; whole reviews by default.
    """

    def classify(reviews: DatasetDict) -> np.ndarray:
        train = reviews["train"]
        if train_reviews is not None:
            train = first_reviews(reviews)
        return counted_words(train, reviews["validation"], reviews["test"], max_length)

    return classify


def counted_words(
    train: Dataset, validation: Dataset, test: Dataset, max_length: int | None = None
) -> np.ndarray:
    """Log-odds of the test texts, by the C that is best on the validation texts."""
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    features = words.fit_transform(texts(train, max_length))
    held_out = words.transform(texts(validation, max_length))
    models = [
        LogisticRegression(C=c, max_iter=500).fit(features, train["label"])
        for c in REGULARISATION
    ]
    accuracies = [model.score(held_out, validation["label"]) for model in models]
    best = models[int(np.argmax(accuracies))]
    return best.decision_function(words.transform(texts(test, max_length)))


def fine_tuned(*, random: bool = False, target_replication: float = 0.5) -> Callable:
    """The run of the chapter."""

    def classify(reviews: DatasetDict) -> np.ndarray:
        tokenizer, model = load_tokenizer(), new_classifier(random=random, seed=SEED)
        rows = review_dataset(first_reviews(reviews), tokenizer, CHAPTER_RUN.max_length)
        with TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                output_dir=folder,
                num_train_epochs=1,
                per_device_train_batch_size=16,
                train_sampling_strategy="group_by_length",
                learning_rate=CHAPTER_RUN.learning_rate,
                lr_scheduler_type="cosine",
                warmup_steps=0.05,
                weight_decay=0.01,
                seed=SEED,
                logging_steps=10,
                logging_nan_inf_filter=False,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                use_cpu=not torch.cuda.is_available(),
            )
            ReviewTrainer(
                model, arguments, rows, rows, target_replication=target_replication
            ).train()
        return log_odds(model, tokenizer, reviews["test"], CHAPTER_RUN.max_length)

    return classify


def frozen(reviews: DatasetDict) -> np.ndarray:
    """Logistic regression on the mean of the last layer's vectors of a review."""
    tokenizer, model = load_tokenizer(), new_classifier()

    @torch.inference_mode()
    def features(part: Dataset) -> np.ndarray:
        rows = tokenise_reviews(part["text"][:], tokenizer, CHAPTER_RUN.max_length)
        means = []
        for row in rows:
            hidden = model.transformer(pad_right([row], 0)).last_hidden_state  # (1,T,C)
            means.append(hidden[0].mean(0))
        return torch.stack(means).numpy()

    train = first_reviews(reviews)
    scaler = StandardScaler()
    classifier = LogisticRegression(C=0.1, max_iter=1000)
    classifier.fit(scaler.fit_transform(features(train)), train["label"])
    return classifier.decision_function(scaler.transform(features(reviews["test"])))


def shipped(reviews: DatasetDict) -> np.ndarray:
    """The classifier that comes with the course."""
    model, tokenizer = load_classifier()
    assert max_length_of(model, tokenizer) == SHIPPED_MAX_LENGTH
    return log_odds(model, tokenizer, reviews["test"], SHIPPED_MAX_LENGTH)


def averaged(reviews: DatasetDict) -> np.ndarray:
    """The mean of the log-odds of TF-IDF on whole reviews and of what ships."""
    return (tfidf()(reviews) + shipped(reviews)) / 2


def first_reviews(reviews: DatasetDict) -> Dataset:
    """The training reviews of the chapter."""
    chosen = range(CHAPTER_RUN.max_train_samples)
    return reviews["train"].shuffle(seed=SEED).select(chosen)


def texts(part: Dataset, max_length: int | None) -> list[str]:
    """Whole reviews, or what is left of them within max_length tokens."""
    if max_length is None:
        return [plain_text(text) for text in part["text"]]
    tokenizer = load_tokenizer()
    rows = tokenise_reviews(part["text"][:], tokenizer, max_length)
    return tokenizer.batch_decode(rows)


def log_odds(model, tokenizer, part: Dataset, max_length: int) -> np.ndarray:
    """log(p / (1 - p)) of the label positive, for each review."""
    rows = tokenise_reviews(part["text"][:], tokenizer, max_length)
    return predict(model, rows)[:, 1].double().logit(eps=1e-7).numpy()


@dataclass(frozen=True)
class Row:
    """A method: its log-odds of the label positive, what it has read, and what was
    chosen for it."""

    method: str
    classify: Callable[[DatasetDict], np.ndarray]
    train_reviews: int
    max_length: int | None  # None: whole reviews
    chosen: str | None = None  # on the validation reviews


FEW, SHORT = CHAPTER_RUN.max_train_samples, CHAPTER_RUN.max_length
TFIDF = "TF-IDF and logistic regression"
ROWS = {
    "majority": Row("the more frequent label", majority, 20_000, None),
    "tfidf-few": Row(TFIDF, tfidf(FEW), FEW, None, "C"),
    "tfidf-few-short": Row(TFIDF, tfidf(FEW, SHORT), FEW, SHORT, "C"),
    "random": Row(
        "this network, from random weights", fine_tuned(random=True), FEW, SHORT
    ),
    "frozen": Row("frozen features, logistic regression", frozen, FEW, SHORT),
    "last-token": Row(
        "fine-tuned, loss at the last token",
        fine_tuned(target_replication=0.0),
        FEW,
        SHORT,
    ),
    "page": Row("fine-tuned, target replication", fine_tuned(), FEW, SHORT),
    "tfidf": Row(TFIDF, tfidf(), 20_000, None, "C"),
    "tfidf-short": Row(
        TFIDF, tfidf(max_length=SHIPPED_MAX_LENGTH), 20_000, SHIPPED_MAX_LENGTH, "C"
    ),
    "shipped": Row("the classifier that ships", shipped, 20_000, SHIPPED_MAX_LENGTH),
    "averaged": Row("average of the log-odds of both", averaged, 20_000, None, "C"),
}


def sentences(reviews: DatasetDict) -> list[dict]:
    """The accuracy on held-out sentences of what has read reviews, and of counted words
    that have read sentences."""
    parts = load_sentences()
    test = parts["test"]
    found = {
        "tfidf": counted_words(reviews["train"], reviews["validation"], test),
        "tfidf-sentences": counted_words(parts["train"], parts["validation"], test),
        "shipped": shipped({"test": test}),
    }
    labels = np.array(test["label"])
    return [result(name, odds, labels) for name, odds in found.items()]


def result(name: str, odds: np.ndarray, labels: np.ndarray) -> dict:
    """How many are right, and which."""
    correct = (odds > 0) == labels
    return {
        "name": name,
        "accuracy": round(float(correct.mean()), 4),
        "correct": np.packbits(correct).tobytes().hex(),
    }


def measure(name: str, reviews: DatasetDict) -> dict:
    """A row of the result."""
    row = ROWS[name]
    measured = result(name, row.classify(reviews), np.array(reviews["test"]["label"]))
    return {
        "name": name,
        "method": row.method,
        "train_reviews": row.train_reviews,
        "max_length": row.max_length,
        "chosen": row.chosen,
        **measured,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", help=f"to measure again: {', '.join(ROWS)}"
    )
    parser.add_argument(
        "--output", type=Path, default=measurements.FOLDER / "sentiment-accuracy.json"
    )
    options = parser.parse_args()
    if unknown := set(options.rows) - set(ROWS):
        parser.error(f"there is no row {unknown.pop()}; there are {', '.join(ROWS)}")
    torch.set_num_threads(1)
    found: dict = {}
    if options.output.exists():
        found = json.loads(options.output.read_text(encoding="utf-8"))
    rows = {row["name"]: row for row in found.get("rows", [])}
    reviews = load_reviews("embedded")
    on_sentences = found.get("sentences")
    if on_sentences is None or "shipped" in options.rows:
        on_sentences = sentences(reviews)
    for name in ROWS:
        if name in rows and name not in options.rows:
            continue
        rows[name] = measure(name, reviews)
        print(name, rows[name]["accuracy"], flush=True)
        content = {
            "command": "python benchmarks/sentiment_accuracy.py",
            "machine": measurements.machine("transformers", "scikit-learn"),
            "test_reviews": len(reviews["test"]),
            "rows": [rows[key] for key in ROWS if key in rows],
            "test_sentences": len(load_sentences()["test"]),
            "sentences": on_sentences,
        }
        measurements.write(content, options.output)


if __name__ == "__main__":
    main()
