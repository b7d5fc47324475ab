"""The schedule's fixed points, the groups of parameters, and files that are whole or not there."""

from __future__ import annotations

import os
import sys

import pytest
import torch
from conftest import random_model, run_python
from hypothesis import given
from hypothesis import strategies as st

from gpt2course.training import learning_rate_at, parameter_groups, save_atomically

RUN = {"peak": 0.5, "warmup_steps": 10, "total_steps": 110, "final": 0.05}


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0.05), (4, 0.25), (9, 0.5), (10, 0.5), (109, 0.05), (500, 0.05)],
)
def test_fixed_points(step, rate):
    assert learning_rate_at(step, **RUN) == pytest.approx(rate)


def test_half_way_down_is_the_middle():
    assert learning_rate_at(50, peak=1.0, warmup_steps=0, total_steps=101) == pytest.approx(0.5)


@given(warmup=st.integers(0, 50), rest=st.integers(1, 50))
def test_up_then_down(warmup, rest):
    rates = [
        learning_rate_at(s, peak=1.0, warmup_steps=warmup, total_steps=warmup + rest) for s in range(warmup + rest)
    ]
    assert rates[:warmup] == sorted(rates[:warmup])
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
    assert all(0 <= rate <= 1 for rate in rates)


@pytest.mark.parametrize(("warmup_steps", "total_steps"), [(10, 10), (5000, 100), (-1, 10), (0, 0)])
def test_impossible_warm_up(warmup_steps, total_steps):
    with pytest.raises(ValueError, match=f"warm-up of {warmup_steps} steps in a run of {total_steps}"):
        learning_rate_at(0, peak=1.0, warmup_steps=warmup_steps, total_steps=total_steps)


def test_every_parameter_is_in_one_group():
    model = random_model()
    decayed, free = parameter_groups(model, 0.1)
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.1, 0.0)
    ids = [id(p) for group in (decayed, free) for p in group["params"]]
    assert sorted(ids) == sorted(id(p) for p in model.parameters())
    names = {id(p): name for name, p in model.named_parameters()}
    assert all("ln_" in names[id(p)] or names[id(p)].endswith("bias") for p in free["params"])
    assert not any("ln_" in names[id(p)] or names[id(p)].endswith("bias") for p in decayed["params"])


def test_save_replaces(tmp_path):
    for value in (1, 2):
        save_atomically({"value": value}, tmp_path / "state.pt")
        assert torch.load(tmp_path / "state.pt") == {"value": value}
    assert os.listdir(tmp_path) == ["state.pt"]


SAVE_ON_A_SMALL_DISK = """
import resource, sys, torch
from pathlib import Path
from gpt2course.training import save_atomically
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save_atomically({"value": torch.zeros(int(sys.argv[2]))}, Path(sys.argv[1]))
except OSError as error:
    sys.exit(f"OSError {error}")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits are those of Unix")
def test_a_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "state.pt"
    save_atomically({"value": 1}, path)
    done = run_python("-c", SAVE_ON_A_SMALL_DISK, str(path), "1000000")
    assert done.stderr.startswith("OSError")
    assert torch.load(path) == {"value": 1}
    assert os.listdir(tmp_path) == ["state.pt"]


def test_a_disk_that_fails_at_the_last_moment(tmp_path, monkeypatch):
    path = tmp_path / "state.pt"
    save_atomically({"value": 1}, path)

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        save_atomically({"value": 2}, path)
    assert torch.load(path) == {"value": 1}
    assert os.listdir(tmp_path) == ["state.pt"]


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Not a directory"):
        save_atomically({}, tmp_path / "file" / "state.pt")
