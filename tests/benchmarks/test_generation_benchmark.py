"""Benchmarks are run by hand.

Here each contestant writes a little on a tiny shape, so that none of them rots.
"""

from __future__ import annotations

import importlib.util
import io
import json
import sys
from pathlib import Path

import pytest
from conftest import cannot_run

from gpt2course.model import GPT2

PEERS = {
    "llms_from_scratch": "--no-deps llms-from-scratch",
    "ctranslate2": "ctranslate2",
}
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "generation.py"


@pytest.fixture
def generation():
    spec = importlib.util.spec_from_file_location("benchmark_generation", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(
    "contestant",
    [
        "ours",
        "transformers",
        "llms-from-scratch",
        "products",
        "naive",
        "compiled",
        "packed",
        "int8",
        "ctranslate2",
        "ctranslate2-int8",
    ],
)
def test_a_contestant_says_how_long_each_token_took(
    generation, capsys, monkeypatch, contestant, batch
):
    package = contestant.removesuffix("-int8").replace("-", "_")
    if package in PEERS and not importlib.util.find_spec(package):
        cannot_run(f"{contestant} was not tried: pip install {PEERS[package]}")
    if contestant == "compiled" and batch > 1:
        with pytest.raises(SystemExit, match="one text at a time; pass --batches 1"):
            generation.child(contestant, "tiny", batch, "cpu", "float32")
        return
    monkeypatch.setattr(sys, "stdin", io.StringIO("5 3\n40 4\n"))
    generation.child(contestant, "tiny", batch, "cpu", "float32")
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [len(answer["seconds"]) for answer in answers] == [2, 3]
    assert all(seconds >= 0 for answer in answers for seconds in answer["seconds"])
    assert answers[0]["peak_mb"] > 10


def test_rows_compare_what_stands_side_by_side(generation, monkeypatch):
    # answers at once: ours needs 10 ms everywhere, the other 20 ms, and twice that
    # further on
    class Stand:
        def __init__(self, name, *_):
            self.name = name

        def ask(self, position, steps):
            seconds = (
                0.01 if self.name == "ours" else 0.02 * (2 if position > 32 else 1)
            )
            return {"seconds": [seconds] * (steps - 1), "peak_mb": 7}

        def close(self):
            pass

    monkeypatch.setattr(generation, "Process", Stand)
    monkeypatch.setattr(generation, "copy_bandwidth", lambda device: 1e9)
    monkeypatch.setattr(
        sys,
        "argv",
        [str(SCRIPT), "--shapes", "tiny", "--batches", "1", "--rounds", "2"],
    )
    written = {}
    monkeypatch.setattr(
        "builtins.print", lambda text, **to: written.setdefault("end" in to, text)
    )
    generation.main()
    result = json.loads(written[True])
    assert (
        result["command"]
        == "python benchmarks/generation.py --shapes tiny --batches 1 --rounds 2"
    )
    rows = {(row["contestant"], row["position"]): row for row in result["rows"]}
    assert set(rows) == {
        (name, p) for name in list(generation.CONTESTANTS)[:5] for p in (32, 40)
    }
    theirs = rows["transformers", 40]
    assert (theirs["milliseconds"], theirs["tokens_per_second"]) == (40.0, 25.0)
    assert (
        theirs["times_as_long_as_ours"],
        theirs["times_as_long_as_at_the_first"],
    ) == (4.0, 2.0)
    weights = sum(p.numel() * 4 for p in GPT2(generation.TINY).parameters())
    assert rows["ours", 40]["share_of_copy_bandwidth"] == pytest.approx(
        weights / 0.01 / 1e9, rel=0.01
    )
