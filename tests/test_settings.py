"""Three variables decide what a chapter runs on.

Nothing else does, and nothing falls back silently.
"""

from __future__ import annotations

import pytest

from gpt2course.settings import by_effort, checkpoint_name, data_source, effort


@pytest.mark.parametrize(
    ("variable", "argument", "expected"),
    [
        (None, None, "mini"),
        ("", None, "mini"),
        ("gpt2", None, "gpt2"),
        ("gpt2", "mini", "mini"),
        (None, "openai-community/gpt2-xl", "gpt2-xl"),
        ("./some/folder", None, "./some/folder"),
        (None, ".", "."),
    ],
)
def test_checkpoint(monkeypatch, variable, argument, expected):
    if variable is not None:
        monkeypatch.setenv("GPT2COURSE_CHECKPOINT", variable)
    assert checkpoint_name(argument) == expected


@pytest.mark.parametrize(
    ("checkpoint", "data", "expected"),
    [
        (None, None, "embedded"),
        ("gpt2-large", None, "hub"),
        ("./folder", None, "embedded"),
        ("gpt2", "embedded", "embedded"),
        (None, "./folder", "./folder"),
    ],
)
def test_data(monkeypatch, checkpoint, data, expected):
    for name, value in (("CHECKPOINT", checkpoint), ("DATA", data)):
        if value:
            monkeypatch.setenv(f"GPT2COURSE_{name}", value)
    assert data_source() == expected


def test_effort(monkeypatch):
    assert effort() == "page"
    for level, steps in (("quick", 1), ("page", 2), ("full", 3)):
        monkeypatch.setenv("GPT2COURSE_EFFORT", level)
        assert by_effort(quick=1, page=2, full=3) == steps


@pytest.mark.parametrize(
    ("variable", "value", "read", "says"),
    [
        (
            "CHECKPOINT",
            "gpt2-medum",
            checkpoint_name,
            "unknown checkpoint 'gpt2-medum'; did you mean 'gpt2-medium'?",
        ),
        (
            "CHECKPOINT",
            "zebra",
            checkpoint_name,
            "unknown checkpoint 'zebra'; known are mini, gpt2",
        ),
        (
            "DATA",
            "embeded",
            data_source,
            "unknown data source 'embeded'; did you mean 'embedded'?",
        ),
        (
            "EFFORT",
            "fast",
            effort,
            "unknown effort 'fast'; known are quick, page, full",
        ),
    ],
)
def test_unknown_names(monkeypatch, variable, value, read, says):
    monkeypatch.setenv(f"GPT2COURSE_{variable}", value)
    with pytest.raises(ValueError, match=says.replace("?", r"\?")):
        read()
