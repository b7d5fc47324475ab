"""The evaluation of a checkpoint as a file, on a few examples of each task."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from gpt2course.course import measurements
from gpt2course.evaluation import TASKS, load_examples

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "evaluation.py"


@pytest.fixture
def script(monkeypatch):
    """The script as a module; its name is that of a room of the package."""
    spec = importlib.util.spec_from_file_location("benchmark_evaluation", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "LIMITS", dict.fromkeys(TASKS, 2))
    return module


def test_the_committed_file_has_the_rows_of_the_command(script, tmp_path):
    output = tmp_path / "evaluation-mini.json"
    script.main([str(output)])
    found = json.loads(output.read_text())
    committed = measurements.read("evaluation-mini")
    assert committed.keys() == found.keys()
    assert (found["checkpoint"], found["data"]) == ("mini", "embedded")
    assert [row["task"] for row in found["rows"]] == list(TASKS)
    for row, measured in zip(committed["rows"], found["rows"], strict=True):
        assert row.keys() == measured.keys()
        assert measured["examples"] == 2


def test_a_folder_is_measured_on_the_tasks_that_it_has(script, tmp_path, capsys):
    with pytest.raises(ValueError, match="holds none of perplexity"):
        script.main(["--data", str(tmp_path)])
    lines = [json.dumps(example) for example in load_examples("endings")[:3]]
    (tmp_path / "endings.jsonl").write_text("\n".join(lines), encoding="utf-8")
    script.main(["--data", str(tmp_path)])
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["task"], row["examples"]) == ("endings", 2)


def test_a_published_size_is_measured_on_the_real_sets(script, monkeypatch, capsys):
    asked = []

    def measure(*given):
        asked.append(given)
        return {}

    monkeypatch.setattr(script, "measure", measure)
    script.main(["--checkpoint", "gpt2-xl"])
    script.main(["--checkpoint", "./my-folder"])
    assert asked == [("gpt2-xl", "hub"), ("./my-folder", "embedded")]
    assert script.tasks_with_data("hub") == [task for task in TASKS if task != "cloze"]
