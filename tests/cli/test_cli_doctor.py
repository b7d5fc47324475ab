"""gpt2course doctor: it is content only when everything can be read."""

from __future__ import annotations

import json

import pytest
from cli_tools import refused

from gpt2course import __version__
from gpt2course.cli import main


def test_facts(capsys):
    assert main(["doctor", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    chosen = [facts[name] for name in ("checkpoint", "data", "effort")]
    assert chosen == ["mini", "embedded", "page"]
    assert facts["reviews"] == {"train": 20_000, "validation": 2_500, "test": 2_500}
    assert facts["jokes"]["train"] > 9 * facts["jokes"]["validation"] > 0
    assert facts["gpt2course"] == __version__
    assert facts["parameters"] > 1e6


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("EFFORT", "fast", "unknown effort 'fast'"),
        ("DATA", "./nowhere", "does not exist"),
        ("DATA", "embeded", "did you mean 'embedded'?"),
        ("CHECKPOINT", "minni", "did you mean 'mini'?"),
    ],
)
def test_bad_variables(capsys, monkeypatch, variable, value, says):
    monkeypatch.setenv(f"GPT2COURSE_{variable}", value)
    assert says in refused(capsys, "doctor")
