"""LoRA beside full fine-tuning, in so few steps that the numbers mean nothing."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from gpt2course.checkpoints import MINI, read_config
from gpt2course.course import measurements
from gpt2course.training import parameter_count

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "lora.py"


def load_script():
    """The script as a module; its name is that of a module of the package."""
    spec = importlib.util.spec_from_file_location("benchmark_lora", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def result():
    """Two methods with one learning rate each, on a few rows."""
    script = load_script()
    train, choose, test = script.load()
    script.load = lambda: (train[:8], choose[:2], test[:2])
    script.RATES = {"all": (1e-3,), "lora": (1e-2,)}
    options = script.parse(["--ranks", "4", "--steps", "2", "--rounds", "1"])
    return script.measure(options)


def test_parameters_and_bytes_are_those_of_the_formulas(result):
    everything, rank_4 = result["rows"]
    config = read_config(MINI)
    assert everything["trained_parameters"] == result["parameters"]
    assert result["parameters"] == parameter_count(config)
    assert rank_4["trained_parameters"] == config.n_layer * 4 * 4 * config.n_embd
    for row in result["rows"]:
        assert row["optimizer_bytes"] == 2 * 4 * row["trained_parameters"]
        assert row["step_seconds"] > 0
    assert everything["step_time_ratio"] == 1


def test_the_committed_file_has_the_rows_of_the_command(result):
    committed = measurements.read("lora")
    assert committed.keys() == result.keys()
    assert [row["rank"] for row in committed["rows"]] == [None, 4, 16]
    for row in committed["rows"]:
        assert row.keys() == result["rows"][0].keys()
        best = min(row["rates_tried"], key=lambda tried: tried["choosing_loss"])
        assert row["learning_rate"] == best["learning_rate"]
        assert row["loss"] < committed["loss_before"]
