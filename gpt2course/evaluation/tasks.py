"""The tasks: what is asked of a model, and what an answer counts.

A task turns one example into one row of numbers (`measure`), and all rows into results
(`summarise`). So an evaluation can stop between two examples. runner.py runs them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gpt2course.evaluation.examples import Example, sentences
from gpt2course.evaluation.overlap import bleu, bleu_counts, rouge
from gpt2course.evaluation.scoring import Reader
from gpt2course.generation import Sample, TopK

Row = dict[str, object]
Results = dict[str, float]
SUMMARY_TOKENS = 100
SUMMARY_SENTENCES = 3
TRANSLATION_TOKENS = 60


@dataclass(frozen=True)
class Task:
    """One way to test a model.

    Args:
        protocol: how it is measured, in a line.
        embedded: what the examples are without a hub.
        hub: what they are with it.
        measure: reader, example and its number -> a row.
        summarise: all rows -> results by name.
        units: of the results, by name.
    """

    protocol: str
    embedded: str
    hub: str
    measure: Callable[[Reader, Example, int], Row]
    summarise: Callable[[Sequence[Row]], Results]
    units: dict[str, str]


def _perplexity(reader: Reader, example: Example, index: int) -> Row:
    text = example["text"]
    found = reader.text(text)
    return {
        "nats": found.nats,
        "tokens": found.tokens,
        "words": example.get("words", len(text.split())),
        "bytes": example.get("bytes", len(text.encode())),
        "characters": len(text),
    }


def _perplexities(rows: Sequence[Row]) -> Results:
    total = {unit: sum(row[unit] for row in rows) for unit in rows[0]}
    nats = -total["nats"]
    return {
        "token_perplexity": _exp(nats / total["tokens"]),
        "word_perplexity": _exp(nats / total["words"]),
        "byte_perplexity": _exp(nats / total["bytes"]),
        "bits_per_byte": nats / math.log(2) / total["bytes"],
        "bits_per_character": nats / math.log(2) / total["characters"],
    }


def _exp(nats: float) -> float:
    """e to a power; beyond the largest float, that."""
    return math.exp(min(nats, 700.0))


def _last_word(reader: Reader, example: Example, index: int) -> Row:
    context, _, word = example["text"].rstrip().rpartition(" ")
    found = reader.continuations([(context, f" {word}")])[0]
    filtered = reader.next_word(context)
    return {
        "nats": found.nats,
        "correct": found.greedy,
        "filtered": filtered,
        "correct_filtered": filtered.lower() == word.lower(),
    }


def _last_words(rows: Sequence[Row]) -> Results:
    return {
        **_accuracy(rows, "accuracy", "correct"),
        **_accuracy(rows, "accuracy_no_stop_words", "correct_filtered"),
        "perplexity": _exp(-sum(row["nats"] for row in rows) / len(rows)),
    }


def _cloze(reader: Reader, example: Example, index: int) -> Row:
    before, after = example["before"].rstrip(), example["after"]
    pairs = [(before, f" {word}{after}") for word in example["candidates"]]
    scores = [found.nats for found in reader.continuations(pairs)]
    choice = _best(scores)
    return {"scores": scores, "choice": choice, "correct": choice == example["answer"]}


def _endings(reader: Reader, example: Example, index: int) -> Row:
    endings = example["endings"]
    pairs = [(example["context"], f" {ending}") for ending in endings]
    scores = [found.nats for found in reader.continuations(pairs)]
    per_character = [
        score / len(ending) for score, ending in zip(scores, endings, strict=True)
    ]
    return {
        "scores": scores,
        "correct": _best(scores) == example["answer"],
        "correct_norm": _best(per_character) == example["answer"],
    }


def _best(scores: Sequence[float]) -> int:
    """The index of the largest score, the first of equals."""
    return max(range(len(scores)), key=lambda i: scores[i])


def _endings_results(rows: Sequence[Row]) -> Results:
    return {
        **_accuracy(rows, "accuracy", "correct"),
        **_accuracy(rows, "accuracy_norm", "correct_norm"),
    }


def _accuracy(rows: Sequence[Row], name: str, key: str) -> Results:
    """A fraction of correct rows, with its standard error."""
    n = len(rows)
    p = sum(bool(row[key]) for row in rows) / n
    error = math.sqrt(p * (1 - p) / (n - 1)) if n > 1 else 0.0
    return {name: p, f"{name}_stderr": error}


def _summaries(reader: Reader, example: Example, index: int) -> Row:
    text, reference = example["text"], example["summary"]
    written = reader.write(
        text,
        "\nTL;DR:",
        SUMMARY_TOKENS,
        strategy=Sample(TopK(2)),
        index=index,
    )
    parts = sentences(text)
    rng = random.Random(f"{reader.seed} {index}")
    drawn = rng.sample(parts, min(SUMMARY_SENTENCES, len(parts)))
    written = " ".join(sentences(written)[:SUMMARY_SENTENCES])
    return {
        "written": written,
        **rouge(written, reference),
        "first": _mean_rouge(" ".join(parts[:SUMMARY_SENTENCES]), reference),
        "drawn": _mean_rouge(" ".join(drawn), reference),
    }


def _mean_rouge(written: str, reference: str) -> float:
    return sum(rouge(written, reference).values()) / 3


def _summary_results(rows: Sequence[Row]) -> Results:
    means = {
        name: 100 * sum(row[name] for row in rows) / len(rows)
        for name in ("rouge1", "rouge2", "rougeL", "first", "drawn")
    }
    return {
        **{name: means[name] for name in ("rouge1", "rouge2", "rougeL")},
        "mean": (means["rouge1"] + means["rouge2"] + means["rougeL"]) / 3,
        "mean_of_first_sentences": means["first"],
        "mean_of_random_sentences": means["drawn"],
    }


def _translation(reader: Reader, example: Example, index: int) -> Row:
    lines = [f"{source} = {target}\n" for source, target in example["pairs"]]
    prompt = f"{''.join(lines)}{example['source']} ="
    written = reader.write("", prompt, TRANSLATION_TOKENS, index=index)
    written = written.strip().split("\n")[0]
    return {"written": written, **bleu_counts(written, example["target"])}


FRACTION, PERPLEXITY = "fraction correct", "perplexity"
ROUGE = "ROUGE, 0 to 100"
#: the tasks of `gpt2course evaluate`, by name
TASKS = {
    "perplexity": Task(
        protocol="log p of each text after <|endoftext|>, its end not counted, in "
        "windows; summed over all texts, divided by tokens, words, bytes or characters",
        embedded="500 held-out reviews",
        hub="WikiText-2, test, de-tokenised, per page; words and bytes of the original",
        measure=_perplexity,
        summarise=_perplexities,
        units={
            "token_perplexity": "per token",
            "word_perplexity": "per word",
            "byte_perplexity": "per byte",
            "bits_per_byte": "bits",
            "bits_per_character": "bits",
        },
    ),
    "last-word": Task(
        protocol="correct if each token of the last word is the most probable one; "
        "with the filter, if the most probable word that is no stop word is it",
        embedded="500 passages of held-out reviews in the form of LAMBADA",
        hub="LAMBADA, test, as OpenAI published it",
        measure=_last_word,
        summarise=_last_words,
        units={
            "accuracy": FRACTION,
            "accuracy_no_stop_words": FRACTION,
            "perplexity": "per word",
        },
    ),
    "cloze": Task(
        protocol="of ten words for a gap, the one with the largest log p of the word "
        "and the rest of the sentence",
        embedded="gaps in held-out reviews in the form of the Children's Book Test",
        hub="none",
        measure=_cloze,
        summarise=lambda rows: _accuracy(rows, "accuracy", "correct"),
        units={"accuracy": FRACTION},
    ),
    "endings": Task(
        protocol="of four endings, the one with the largest log p; for accuracy_norm, "
        "the largest log p per character",
        embedded="third sentences of held-out reviews in the form of HellaSwag",
        hub="HellaSwag, validation",
        measure=_endings,
        summarise=_endings_results,
        units={"accuracy": FRACTION, "accuracy_norm": FRACTION},
    ),
    "summaries": Task(
        protocol="the text, a new line and TL;DR:, 100 tokens sampled with top-k 2, "
        "the first 3 sentences of these; ROUGE (F1) against the summary",
        embedded="held-out reviews; their last sentence stands for a summary",
        hub="CNN and Daily Mail 3.0.0, test",
        measure=_summaries,
        summarise=_summary_results,
        units={
            "rouge1": ROUGE,
            "rouge2": ROUGE,
            "rougeL": ROUGE,
            "mean": ROUGE,
            "mean_of_first_sentences": ROUGE,
            "mean_of_random_sentences": ROUGE,
        },
    ),
    "translation": Task(
        protocol="five example pairs 'english = french', then the sentence and =; "
        "greedy, to the end of the line; BLEU of all",
        embedded="20 short sentences written for the course, English to French",
        hub="WMT-14, English to French, test",
        measure=_translation,
        summarise=lambda rows: {"bleu": bleu(rows)},
        units={"bleu": "BLEU, 0 to 100"},
    ),
}
