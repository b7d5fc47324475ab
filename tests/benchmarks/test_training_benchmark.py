"""The side-by-side measurement, on a shape so small that its numbers mean nothing."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

from conftest import run_python

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "training.py"
SMALL = ["--shapes", "tiny", "--rounds", "1", "--jokes", "70"]


def load_script():
    """The script as a module; its name is that of a module of the package."""
    spec = importlib.util.spec_from_file_location("benchmark_training", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_contestant_reads_the_jokes():
    script = load_script()
    options = script.parse(SMALL)
    found = {name: script.child(name, "tiny", options) for name in script.CONTESTANTS}
    assert {
        run["tokens"] > 0 and run["seconds"] > 0 and 0 < run["mfu"] < 1
        for run in found.values()
    } == {True}
    everything = found["Trainer"]["tokens"]
    assert found["Trainer, grouped by length"]["tokens"] == everything
    assert found["ours"]["tokens"] == found["ours, without dropout"]["tokens"]
    assert (
        0.5 * everything < found["ours"]["tokens"] < 1.5 * everything
    )  # whole steps, so a little more or less
    assert (
        0.5 * everything < found["article"]["tokens"] < everything
    )  # its last row stays unread


def test_the_command_writes_what_a_page_reads(tmp_path):
    output = tmp_path / "result.json"
    done = run_python(
        str(SCRIPT), *SMALL, "--contestants", "ours", "--output", str(output)
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(output.read_text())
    (row,) = result["rows"]
    assert (row["shape"], row["contestant"], len(row["tokens_per_second"])) == (
        "tiny",
        "ours",
        1,
    )
    assert row["tokens_per_second"][0] > 0
    assert result["command"].startswith("python benchmarks/training.py --shapes tiny")
    assert {"machine", "minutes", "device", "rounds", "epochs"} <= set(result)
