"""The recipe for a T4, in so few steps that losses and times mean nothing."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from gpt2course.checkpoints import MINI, read_config
from gpt2course.course import measurements
from gpt2course.training import parameter_count

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "recipe.py"


@pytest.fixture(scope="module")
def result():
    """The recipe alone."""
    spec = importlib.util.spec_from_file_location("benchmark_recipe", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.RUNS = {"the recipe": script.RUNS["the recipe"]}
    return script.measure(script.parse(["--steps", "2", "--counted-steps", "1"]))


def test_the_three_remedies_run_together(result):
    (row,) = result["rows"]
    for option in ("--lora 8", "--mixed-precision fp16", "--gradient-checkpointing"):
        assert option in row["command"]
    assert row["trained_parameters"] == parameter_count(read_config(MINI), 8)
    assert row["loss"] < row["loss_before"]
    assert row["seconds"] > 0


def test_the_committed_file_has_the_rows_of_the_command(result):
    committed = measurements.read("recipe")
    assert committed.keys() == result.keys()
    recipe, none = committed["rows"]
    for row in (recipe, none):
        assert row.keys() == result["rows"][0].keys()
        assert row["loss"] < row["loss_before"]
        assert row["formula_bytes"] == pytest.approx(row["peak_bytes"], rel=0.05)
    assert recipe["peak_bytes"] < none["peak_bytes"] / 3
    assert recipe["peak_bytes"] == pytest.approx(
        result["rows"][0]["peak_bytes"], rel=0.01
    )
