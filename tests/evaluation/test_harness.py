"""Our numbers and those of lm-evaluation-harness: the same sample, the same weights.

`python benchmarks/harness.py record` made results.json with the harness, rouge-score
and sacrebleu.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gpt2course.checkpoints import MINI, load_checkpoint, load_tokenizer
from gpt2course.evaluation import (
    Reader,
    bleu,
    bleu_counts,
    evaluate,
    from_hellaswag,
    from_wikitext_page,
    rouge,
)
from gpt2course.files import sha256_of_file

FOLDER = Path(__file__).parent / "harness"
RECORD = json.loads((FOLDER / "results.json").read_text(encoding="utf-8"))
THEIRS = RECORD["results"]


def rows(name: str) -> list[dict]:
    lines = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """What `evaluate` finds on the sample, by task."""
    folder = tmp_path_factory.mktemp("data")
    converted = {
        "perplexity": [from_wikitext_page(row["page"]) for row in rows("wikitext")],
        "last-word": rows("lambada_openai"),
        "endings": [from_hellaswag(row) for row in rows("hellaswag")],
    }
    reader = Reader(load_checkpoint("mini"), load_tokenizer("mini"))
    found = {}
    for task, examples in converted.items():
        text = "".join(json.dumps(example) + "\n" for example in examples)
        (folder / f"{task}.jsonl").write_text(text, encoding="utf-8")
        found[task] = evaluate(task, reader, source=str(folder))
    return found


def test_the_record_is_of_this_mini():
    assert RECORD["weights_sha256"] == sha256_of_file(MINI / "model.safetensors")
    assert RECORD["versions"]["lm_eval"]


# both compute in float32, in batches of other shapes: sums of about 1,500 log
# probabilities agree to six digits, and no choice is that close
@pytest.mark.parametrize(
    ("task", "name", "theirs", "key"),
    [
        ("perplexity", "word_perplexity", "wikitext", "word_perplexity"),
        ("perplexity", "byte_perplexity", "wikitext", "byte_perplexity"),
        ("perplexity", "bits_per_byte", "wikitext", "bits_per_byte"),
        ("last-word", "perplexity", "lambada_openai", "perplexity"),
        ("last-word", "accuracy", "lambada_openai", "acc"),
        ("endings", "accuracy", "hellaswag", "acc"),
        ("endings", "accuracy_norm", "hellaswag", "acc_norm"),
    ],
)
def test_equals_the_harness(ours, task, name, theirs, key):
    assert ours[task].results[name] == pytest.approx(THEIRS[theirs][key], rel=1e-5)


def test_the_sample_shows_every_difference(ours):
    """Several windows, words that are no tokens, answers that are right and wrong."""
    tokens = [row["tokens"] for row in ours["perplexity"].rows]
    assert max(tokens) > 2 * 512
    assert min(tokens) < 512
    assert 0 < ours["last-word"].results["accuracy"] < 1
    results = ours["endings"].results
    assert results["accuracy"] != results["accuracy_norm"]
    words = sum(row["words"] for row in ours["perplexity"].rows)
    texts = [from_wikitext_page(row["page"])["text"] for row in rows("wikitext")]
    assert words > sum(len(text.split()) for text in texts)  # artefacts are gone


def test_rouge_equals_rouge_score():
    pairs = RECORD["overlap"]["pairs"]
    for pair in pairs:
        found = rouge(pair["written"], pair["reference"])
        for name, value in found.items():
            assert value == pytest.approx(pair[name], abs=1e-12)
    assert 0 < min(pair["rougeL"] for pair in pairs) < 0.9


def test_bleu_equals_sacrebleu():
    pairs = RECORD["overlap"]["pairs"]
    counts = [bleu_counts(pair["written"], pair["reference"]) for pair in pairs]
    assert bleu(counts) == pytest.approx(RECORD["overlap"]["bleu"], abs=1e-9)
    assert 1 < bleu(counts) < 99
