"""The answers of the real GPT-2 are shown where they were recorded, else nothing."""

from __future__ import annotations

import pytest

from gpt2course.course import measurements, real_next_tokens, real_samples

PROMPT = "This movie was"
RECORDED = {
    "checkpoint": "gpt2",
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
    assert capsys.readouterr().out == ""


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
