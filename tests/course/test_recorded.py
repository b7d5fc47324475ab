"""The answers of the real GPT-2 are shown where they were recorded, else nothing."""

from __future__ import annotations

import pytest
from chapter import CHAPTERS, Chapter

from gpt2course.course import (
    measurements,
    real_evaluations,
    real_next_tokens,
    real_samples,
    real_speed,
)

PROMPT = "This movie was"
RECORDED = {
    "checkpoint": "gpt2",
    "machine": {"processor": "Made Up CPU", "accelerator": "Made Up GPU"},
    "tokens_per_second": 1234.5,
    "rows": [
        {
            "prompt": PROMPT,
            "top": [[" a", 0.25], [" the", 0.125], [" so", 0.0625]],
            "samples": [
                {"settings": "greedy", "seed": 0, "text": " a\nhit."},
                {"settings": "no filter", "seed": 0, "text": " odd."},
            ],
        }
    ],
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of measurements."""
    monkeypatch.setattr(measurements, "FOLDER", tmp_path)
    return tmp_path


def test_nothing_is_shown_where_nothing_is_recorded(folder, capsys):
    assert real_next_tokens(PROMPT) is None
    real_samples(PROMPT, "greedy")
    real_speed()
    assert capsys.readouterr().out == ""
    assert real_evaluations() == {}


def test_the_record_is_shown(folder, capsys, monkeypatch):
    measurements.write(RECORDED, folder / "real-gpt2.json")
    figure = real_next_tokens(PROMPT, 2).data
    assert "25.0" in figure
    assert "12.5" in figure
    assert "·so" not in figure
    assert "The real gpt2" in figure
    real_samples(PROMPT, "greedy")
    out = capsys.readouterr().out
    assert out == f"recorded from the real gpt2:\n• {PROMPT} a hit.\n"
    assert real_next_tokens("another prompt") is None
    monkeypatch.setenv("GPT2COURSE_CHECKPOINT", "gpt2")  # the page shows it already
    assert real_next_tokens(PROMPT) is None


def test_the_speed_is_shown_with_the_machine(folder, capsys, monkeypatch):
    measurements.write(RECORDED, folder / "real-gpt2.json")
    real_speed()
    out = capsys.readouterr().out
    assert out.startswith("recorded from the real gpt2: 1,234 greedy tokens per second")
    assert "Made Up GPU" in out
    assert "CPU" not in out
    on_cpu = RECORDED | {"machine": RECORDED["machine"] | {"accelerator": None}}
    measurements.write(on_cpu, folder / "real-gpt2.json")
    real_speed()
    assert "Made Up CPU" in capsys.readouterr().out
    monkeypatch.setenv("GPT2COURSE_CHECKPOINT", "gpt2")  # the page measures it itself
    real_speed()
    assert capsys.readouterr().out == ""


# ---- the four sizes, measured here --------------------------------------------------

EVALUATED = {
    "data": "hub",
    "rows": [
        {"task": "perplexity", "word_perplexity": 37.371},
        {"task": "last-word", "accuracy": 0.32557, "perplexity": 40.061},
    ],
}


def sizes_table() -> str:
    """The table of the page on evaluating, as HTML; and what it says of the record."""
    (page,) = (path for path in CHAPTERS if path.stem == "evaluating")
    (source,) = (
        cell.source
        for cell in Chapter.read(page).cells
        if "real_evaluations" in cell.source
    )
    found: dict = {}
    setup = (
        "from gpt2course.evaluation import HARNESS, PAPER\n"
        "from gpt2course.course import glue\n"
    )
    *lines, last = source.rstrip().splitlines()
    exec("\n".join([setup, *lines, f"html = {last}.data"]), found)
    return found["html"]


def test_the_page_has_columns_of_ours_where_they_are_recorded(folder):
    before = sizes_table()
    assert "ours" not in before
    assert before.count("<th scope") == 5
    measurements.write(EVALUATED, folder / "evaluation-gpt2.json")
    after = sizes_table()
    assert after.count("<th scope") == 7
    row = after[after.index("<td>gpt2</td>") : after.index("<td>gpt2-medium</td>")]
    assert row.endswith("<td>37.37</td><td>32.56 / 40.06</td></tr><tr>")
    assert after.count("<td>– / –</td></tr>") == 3  # nobody measured the others


def test_only_the_real_sets_count(folder):
    made = EVALUATED | {"data": "embedded"}
    measurements.write(made, folder / "evaluation-gpt2.json")
    measurements.write(EVALUATED, folder / "evaluation-gpt2-xl.json")
    measurements.write(EVALUATED, folder / "evaluation-mini.json")
    assert real_evaluations() == {
        "gpt2-xl": {
            "wikitext2": 37.371,
            "lambada_acc": pytest.approx(32.557),
            "lambada_ppl": 40.061,
        }
    }
