"""Accuracy on the test reviews: a majority, TF-IDF, random weights, frozen features, the page's run, what ships.

    python benchmarks/sentiment_accuracy.py

A row that is in the file already is kept; name rows to measure them again. About ten minutes on one core for all. The
small runs have the budget of the page on sentiment: the first PAGE_REVIEWS reviews of a shuffled training split, once,
PAGE_TOKENS tokens each. The file also says for each test review whether the answer was right, for paired tests.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from gpt2course.checkpoints import load_tokenizer
from gpt2course.course import measurements
from gpt2course.data import load_reviews, plain_text
from gpt2course.sentiment import (
    CLASSIFIER,
    PAGE_RATE,
    PAGE_REVIEWS,
    PAGE_TOKENS,
    build_trainer,
    load_classifier,
    new_classifier,
    pad_right,
    predict,
    review_dataset,
    tokenise_reviews,
)

SEED = 0  # of the page
SHIPPED_TOKENS = json.loads((CLASSIFIER / "config.json").read_text(encoding="utf-8"))[
    "max_tokens"
]


def majority(reviews) -> np.ndarray:
    labels = np.array(reviews["train"]["label"])
    return np.full(len(reviews["test"]), int(labels.mean() >= 0.5))


def tfidf(n: int | None) -> Callable:
    """Counts of words and pairs of words, weighted by how rare they are, then logistic regression."""

    def answer(reviews) -> np.ndarray:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        train = few(reviews) if n else reviews["train"]
        words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
        seen, held_out = (
            words.fit_transform(texts(train)),
            words.transform(texts(reviews["validation"])),
        )
        models = [
            LogisticRegression(C=c, max_iter=500).fit(seen, train["label"])
            for c in (1, 10, 100)
        ]
        best = max(
            models,
            key=lambda model: model.score(held_out, reviews["validation"]["label"]),
        )
        return best.predict(words.transform(texts(reviews["test"])))

    return answer


def trained(*, random: bool = False, every_position: float = 0.5) -> Callable:
    """The run of the page."""

    def answer(reviews) -> np.ndarray:
        from transformers import TrainingArguments

        tokenizer, model = load_tokenizer(), new_classifier(random=random, seed=SEED)
        rows = review_dataset(few(reviews), tokenizer, PAGE_TOKENS)
        with TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                output_dir=folder, num_train_epochs=1, per_device_train_batch_size=16, learning_rate=PAGE_RATE,
                lr_scheduler_type="cosine", warmup_steps=0.05, weight_decay=0.01, seed=SEED,
                train_sampling_strategy="group_by_length", logging_steps=10, logging_nan_inf_filter=False,
                save_strategy="no", report_to="none", disable_tqdm=True, use_cpu=not torch.cuda.is_available(),
            )  # fmt: skip
            build_trainer(
                model, arguments, rows, rows, every_position=every_position
            ).train()
        return answers(model, tokenizer, reviews, PAGE_TOKENS)

    return answer


def frozen(reviews) -> np.ndarray:
    """Logistic regression on the mean of the last layer's vectors; the network itself is not touched."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    tokenizer, model = load_tokenizer(), new_classifier()

    @torch.inference_mode()
    def features(part) -> np.ndarray:
        rows = tokenise_reviews(texts(part), tokenizer, PAGE_TOKENS)
        vectors = [
            model.transformer(pad_right([row], 0)).last_hidden_state[0].mean(0)
            for row in rows
        ]
        return torch.stack(vectors).numpy()

    scale = StandardScaler()
    seen = scale.fit_transform(features(few(reviews)))
    classifier = LogisticRegression(C=0.1, max_iter=1000).fit(
        seen, few(reviews)["label"]
    )
    return classifier.predict(scale.transform(features(reviews["test"])))


def shipped(reviews) -> np.ndarray:
    model, tokenizer = load_classifier()
    return answers(model, tokenizer, reviews, SHIPPED_TOKENS)


def few(reviews):
    return reviews["train"].shuffle(seed=SEED).select(range(PAGE_REVIEWS))


def texts(part) -> list[str]:
    return [plain_text(text) for text in part["text"]]


def answers(model, tokenizer, reviews, tokens: int) -> np.ndarray:
    rows = tokenise_reviews(list(reviews["test"]["text"]), tokenizer, tokens)
    return predict(model, rows).argmax(-1).numpy()


ROWS = {
    "majority": (majority, 20_000, None, "the more frequent label, always"),
    "tfidf-few": (
        tfidf(PAGE_REVIEWS),
        PAGE_REVIEWS,
        None,
        "TF-IDF and logistic regression",
    ),
    "random": (
        trained(random=True),
        PAGE_REVIEWS,
        PAGE_TOKENS,
        "this network, from random weights",
    ),
    "frozen": (
        frozen,
        PAGE_REVIEWS,
        PAGE_TOKENS,
        "frozen features, logistic regression",
    ),
    "last-token": (
        trained(every_position=0.0),
        PAGE_REVIEWS,
        PAGE_TOKENS,
        "fine-tuned, loss at the last token",
    ),
    "page": (trained(), PAGE_REVIEWS, PAGE_TOKENS, "fine-tuned, loss at every token"),
    "tfidf": (tfidf(None), 20_000, None, "TF-IDF and logistic regression"),
    "shipped": (shipped, 20_000, SHIPPED_TOKENS, "the classifier that ships"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", help=f"to measure again: {', '.join(ROWS)}"
    )
    parser.add_argument(
        "--output", type=Path, default=measurements.FOLDER / "sentiment_accuracy.json"
    )
    options = parser.parse_args()
    if unknown := set(options.rows) - set(ROWS):
        parser.error(f"there is no row {unknown.pop()}; there are {', '.join(ROWS)}")
    torch.set_num_threads(1)
    found = (
        json.loads(options.output.read_text())["rows"]
        if options.output.exists()
        else []
    )
    rows = {row["name"]: row for row in found if row["name"] not in options.rows}
    reviews = load_reviews("embedded")
    labels = np.array(reviews["test"]["label"])
    for name, (answer, n, tokens, what) in ROWS.items():
        if name in rows:
            continue
        right = answer(reviews) == labels
        rows[name] = {
            "name": name,
            "what": what,
            "reviews": n,
            "tokens": tokens,
            "accuracy": round(float(right.mean()), 4),
            "right": np.packbits(right).tobytes().hex(),
        }
        print(name, rows[name]["accuracy"], flush=True)
        result = {
            "command": "python benchmarks/sentiment_accuracy.py",
            "machine": measurements.machine("transformers", "scikit-learn"),
            "test_reviews": len(labels),
            "rows": [rows[key] for key in ROWS if key in rows],
        }
        measurements.write(result, options.output)


if __name__ == "__main__":
    main()
