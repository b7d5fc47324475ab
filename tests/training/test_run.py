"""Files that are whole or not there, a log that a kill cannot spoil, and ctrl-C."""

from __future__ import annotations

import os
import signal
import sys

import pytest
import torch
from conftest import run_python

from gpt2course.training import CtrlC, Log, read_state, save_atomically


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


def test_a_state_of_another_run_is_refused(tmp_path):
    path = tmp_path / "state.pt"
    assert read_state(path, {"lr": 1}) is None
    save_atomically({"settings": {"lr": 1, "seed": 2}, "step": 3}, path)
    assert read_state(path, {"lr": 1, "seed": 2})["step"] == 3
    with pytest.raises(
        ValueError,
        match="belongs to a run with another clip, seed; use that, or an empty folder",
    ):
        read_state(path, {"lr": 1, "seed": 4, "clip": 1})


def test_the_log_forgets_what_came_after_a_save(tmp_path):
    log = Log(tmp_path / "log.jsonl")
    assert log.rows() == []
    log.forget_after(3)
    for step in (1, 2, 3):
        log.append({"step": step, "text": "é"})
    with open(log.path, "a", encoding="utf-8") as file:
        file.write('{"step": 1, "lo')  # what a full disk leaves
    assert [row["step"] for row in log.rows()] == [1, 2, 3]
    log.forget_after(2)
    assert log.path.read_text(encoding="utf-8").splitlines() == [
        '{"step": 1, "text": "é"}',
        '{"step": 2, "text": "é"}',
    ]


def test_ctrl_c_waits_for_the_step_and_the_second_does_not():
    before = signal.getsignal(signal.SIGINT)
    with CtrlC() as ctrl_c:
        assert not ctrl_c.pressed
        signal.raise_signal(signal.SIGINT)
        assert ctrl_c.pressed
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
