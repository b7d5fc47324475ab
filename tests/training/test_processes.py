"""Several processes, started here or by torchrun, and what is said when one fails."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from conftest import run_python

from gpt2course.training import CtrlC, pick_device, run_in_processes
from gpt2course.training.processes import (
    is_main_process,
    rank,
    sum_over_processes,
    world_size,
)

ON_CPU_ONLY = pytest.mark.skipif(
    torch.cuda.is_available(), reason="this machine has a GPU"
)


@dataclass(frozen=True)
class Job:
    """What the processes get: a tensor to add up, and who fails how."""

    values: torch.Tensor
    fails: str = ""


def add_up(job: Job) -> tuple[int, list[float]]:
    if job.fails == "error" and rank() == 1:
        raise ValueError("n_head is 5: no")
    if job.fails == "kill" and rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if job.fails == "ctrl-C":
        with CtrlC() as ctrl_c:
            if rank() == 0:
                os.kill(os.getppid(), signal.SIGINT)
            while not ctrl_c.pressed:
                time.sleep(0.05)
        raise KeyboardInterrupt("stopped after step 3")
    total = sum_over_processes(job.values * (rank() + 1))
    return world_size(), total.tolist()


@ON_CPU_ONLY
@pytest.mark.parametrize("device", ["auto", "cpu"])
@pytest.mark.parametrize(("processes", "factor"), [(1, 1.0), (2, 3.0)])
def test_they_reach_one_another(device, processes, factor):
    job = Job(torch.tensor([1.0, 10.0]))
    world, total = run_in_processes(add_up, job, processes, device)
    assert (world, total) == (processes, [factor, 10 * factor])


@pytest.mark.parametrize("name", ["a#b", "a b", "ä%20?", "50%", "x&y=z;"])
def test_a_folder_for_temporary_files_with_any_name(tmp_path, monkeypatch, name):
    (tmp_path / name).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / name))
    assert run_in_processes(add_up, Job(torch.ones(1)), 2, "cpu") == (2, [3.0])
    assert list((tmp_path / name).iterdir()) == []


@pytest.mark.parametrize(
    ("fails", "error", "says"),
    [
        ("error", RuntimeError, "^n_head is 5: no$"),
        ("kill", RuntimeError, "a training process was stopped from outside"),
        ("ctrl-C", KeyboardInterrupt, "^stopped after step 3$"),
    ],
)
def test_one_line_says_what_happened(fails, error, says):
    with pytest.raises(error, match=says):
        run_in_processes(add_up, Job(torch.ones(1), fails), 2, "cpu")


def test_under_torchrun(tmp_path):
    """Each process runs the program; they find one another by the environment."""
    program = tmp_path / "program.py"
    program.write_text(
        "import sys, torch\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_processes import Job, add_up\n"
        "from gpt2course.training import is_main_process, run_in_processes\n"
        "talks = is_main_process()\n"
        "done = run_in_processes(add_up, Job(torch.ones(1)), int(sys.argv[1]), 'cpu')\n"
        "assert talks == is_main_process()\n"
        "if talks: print(done, flush=True)\n"
    )
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    done = run_python(*torchrun, str(program), "2")
    assert (done.returncode, done.stdout.strip()) == (0, "(2, [3.0])"), done.stderr
    done = run_python(*torchrun, str(program), "3")
    assert done.returncode != 0
    assert (
        "num_processes is 3, but 2 were started; set num_processes to 2" in done.stderr
    )


@ON_CPU_ONLY
def test_devices():
    assert pick_device("cpu") == pick_device("auto", 2) == torch.device("cpu")
    with pytest.raises(ValueError, match="device is cuda, and torch finds no GPU here"):
        pick_device("cuda")


@pytest.mark.parametrize("name", ["cuda:1", "gpu", "mps", "", None])
def test_a_device_that_is_none(name):
    with pytest.raises(ValueError, match=r"unknown device .*known are auto, cpu, cuda"):
        pick_device(name)


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_more_processes_than_gpus(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device(name, 2) == torch.device("cuda", 0)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert pick_device(name, 2) == torch.device("cuda", 1)
    with pytest.raises(ValueError, match=r"num_processes is 3 and .* has 2 GPU\(s\)"):
        pick_device(name, 3)


def test_ctrl_c_waits_for_the_step_and_the_second_does_not():
    before = signal.getsignal(signal.SIGINT)
    with CtrlC() as ctrl_c:
        assert not ctrl_c.pressed
        signal.raise_signal(signal.SIGINT)
        assert ctrl_c.pressed
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


STARTED = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}


@pytest.mark.parametrize(
    ("variables", "first"),
    [({}, True), ({"RANK": "1"}, True), ({"RANK": "{}"}, True), (STARTED, False)],
)
def test_a_rank_counts_only_beside_the_other_variables(monkeypatch, variables, first):
    for name in STARTED:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert is_main_process() is first


def test_a_variable_that_is_no_number_is_named(monkeypatch):
    for name in STARTED:
        monkeypatch.setenv(name, "{}")
    with pytest.raises(ValueError, match=r"RANK is '\{\}'.*unset RANK"):
        is_main_process()


@pytest.mark.parametrize("plugin", ["FSDP", "DEEPSPEED", "MEGATRON_LM"])
def test_sharding_by_accelerate_is_refused_and_not_ignored(monkeypatch, plugin):
    monkeypatch.setenv(f"ACCELERATE_USE_{plugin}", "false")
    assert run_in_processes(str, 7, 1, "cpu") == "7"
    monkeypatch.setenv(f"ACCELERATE_USE_{plugin}", "true")
    with pytest.raises(ValueError, match=f"configured for {plugin}, and here every"):
        run_in_processes(str, 7, 1, "cpu")
