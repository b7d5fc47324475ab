"""A notebook's first cell: what it chooses on which machine, and a copy in Drive."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

from gpt2course import __version__
from gpt2course.course import opening, start, to_drive

VARIABLE = "GPT2COURSE_CHECKPOINT"
OFFLINE = "no connection to huggingface.co (Name or service not known)"


@pytest.fixture
def machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> Callable[..., dict[str, str]]:
    """Call `start` on a machine with or without a GPU and a hub: the lines it prints.

    Line by line, what stands before the colon -> what stands after it.
    """
    monkeypatch.setenv(VARIABLE, "")  # so that it is afterwards as it was before
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr(opening, "_chosen", None)

    def call(*args, gpu: bool, hub: bool | None = None, **kwargs) -> dict[str, str]:
        def asked(url: str) -> str | None:
            assert hub is not None, f"nobody needs to ask {url}"
            return None if hub else OFFLINE

        monkeypatch.setattr(opening, "connection_problem", asked)
        for name, value in {
            "is_available": gpu,
            "get_device_name": "Tesla T4",
            "get_device_properties": SimpleNamespace(total_memory=15828320256),
        }.items():
            monkeypatch.setattr(torch.cuda, name, lambda *_, value=value: value)
        start(*args, **kwargs)
        first, *lines = capsys.readouterr().out.splitlines()
        found = {"first": first} | dict(line.split(": ", 1) for line in lines[-3:])
        assert list(found) == ["first", "device", "checkpoint", "time"]
        return {name: line.strip() for name, line in found.items()}

    return call


def test_a_gpu_and_a_hub_take_the_real_one(machine) -> None:
    said = machine(gpu=True, hub=True, seconds=90, version=__version__)
    assert said["first"].startswith(f"gpt2course {__version__}, Python 3.")
    assert said["device"].startswith("Tesla T4, 15 GiB; cells that train")
    assert said["checkpoint"] == "gpt2, data from the hub"
    assert said["time"] == "not measured with gpt2, page and this device"
    assert os.environ[VARIABLE] == "gpt2"


def test_a_gpu_without_a_hub_takes_the_mini_and_says_why(machine) -> None:
    said = machine(gpu=True, hub=False, seconds=90)
    assert said["device"].startswith("Tesla T4")
    assert said["checkpoint"] == f"mini (there is a GPU, but {OFFLINE}), embedded data"
    assert said["time"] == "not measured with mini, page and this device"
    assert os.environ[VARIABLE] == "mini"


@pytest.mark.parametrize(
    ("seconds", "time"),
    [
        (59.4, "under a minute where the page was built, on a CPU"),
        (145, "2 minutes where the page was built, on a CPU"),
        (None, "not measured"),
    ],
)
def test_without_a_gpu_the_mini_is_taken_and_its_time_known(
    machine, seconds, time
) -> None:
    said = machine(gpu=False, seconds=seconds)
    assert said["device"] == f"no GPU, {os.cpu_count()} CPU cores"
    assert said["checkpoint"] == (
        'mini (no GPU; start("gpt2") takes the real one, slowly), embedded data'
    )
    assert said["time"] == time


def test_another_effort_was_not_measured(machine, monkeypatch) -> None:
    monkeypatch.setenv("GPT2COURSE_EFFORT", "full")
    said = machine(gpu=False, seconds=90)
    assert said["time"] == "not measured with mini, full and this device"


@pytest.mark.parametrize("gpu", [True, False])
def test_the_environment_variable_decides_and_stays(machine, monkeypatch, gpu) -> None:
    monkeypatch.setenv(VARIABLE, "gpt2-medium")
    said = machine(gpu=gpu)
    wanted = f"gpt2-medium (from {VARIABLE}), data from the hub"
    assert said["checkpoint"] == wanted
    assert said["time"].startswith("not measured with gpt2-medium")
    assert machine(gpu=gpu) == said, "run twice"
    assert os.environ[VARIABLE] == "gpt2-medium"


def test_a_name_in_the_call_wins(machine, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv(VARIABLE, "gpt2-medium")
    assert machine("mini", gpu=True)["checkpoint"] == "mini, embedded data"
    said = machine(str(tmp_path), gpu=True)
    assert said["checkpoint"] == f"{tmp_path}, embedded data"
    with pytest.raises(ValueError, match="unknown checkpoint 'gpt3'; did you mean"):
        machine("gpt3", gpu=True)
    assert os.environ[VARIABLE] == str(tmp_path), "an unknown name changes nothing"


@pytest.mark.parametrize("hub", [True, False])
def test_run_twice_it_says_the_same(machine, hub) -> None:
    first = machine(gpu=True, hub=hub)
    assert machine(gpu=True, hub=hub) == first


def test_auto_chooses_anew_after_another_choice(machine) -> None:
    assert machine("gpt2-medium", gpu=True)["checkpoint"].startswith("gpt2-medium,")
    assert machine(gpu=True, hub=True)["checkpoint"] == "gpt2, data from the hub"
    assert machine(gpu=False)["checkpoint"].startswith("mini (no GPU;")


@pytest.mark.parametrize("version", ["0.0.1", __version__, ""])
def test_another_version_than_the_notebooks_is_said(machine, version) -> None:
    said = machine(gpu=False, version=version)
    warned = said["first"].startswith("This notebook was made for gpt2course 0.0.1")
    assert warned == (version == "0.0.1")
    if warned:
        assert f"and {__version__} is installed" in said["first"]


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Colab with a Drive: the folder that is kept, once something has mounted it."""
    mount = tmp_path / "content/drive"
    colab = ModuleType("google.colab")
    colab.drive = SimpleNamespace(mount=lambda at: Path(at).mkdir(exist_ok=True))
    monkeypatch.setitem(sys.modules, "google", ModuleType("google"))
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    monkeypatch.setattr(opening, "DRIVE", mount)
    mount.parent.mkdir()
    return mount / "MyDrive/gpt2course"


def a_run(folder: Path, **files: str) -> Path:
    """A folder with files, one of them in a folder of its own."""
    (folder / "deep").mkdir(parents=True)
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text)
        (folder / "deep" / f"{name}.txt").write_text(text)
    return folder


def texts(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_folder_is_kept_and_an_earlier_copy_replaced(drive, tmp_path) -> None:
    first = a_run(tmp_path / "one/my-run", a="1", b="1")
    assert to_drive(first) == drive / "my-run"
    assert texts(drive / "my-run") == texts(first)
    second = a_run(tmp_path / "two/my-run", a="2")
    assert to_drive(str(second)) == drive / "my-run"
    assert texts(drive / "my-run") == {"a.txt": "2", "deep/a.txt": "2"}
    assert [path.name for path in drive.iterdir()] == ["my-run"], "nothing half-made"
    assert texts(first)["a.txt"] == "1", "the original stays"


def test_a_file_is_kept_and_an_earlier_copy_replaced(drive, tmp_path) -> None:
    path = tmp_path / "gpt2course-progress.jsonl"
    for text in ("one\n", "one\ntwo\n"):
        path.write_text(text)
        assert to_drive(path).read_text() == text
    assert [path.name for path in drive.iterdir()] == [path.name]


def test_a_copy_that_breaks_off_leaves_the_earlier_one(
    drive, tmp_path, monkeypatch
) -> None:
    run = a_run(tmp_path / "my-run", a="1")
    to_drive(run)

    def full(source: Path, target: Path) -> None:
        target.mkdir()
        raise OSError("No space left on device")

    with monkeypatch.context() as full_disk:
        full_disk.setattr(shutil, "copytree", full)
        with pytest.raises(OSError, match="No space left"):
            to_drive(run)
    assert texts(drive / "my-run") == texts(run)
    (run / "a.txt").write_text("2")
    assert texts(to_drive(run)) == texts(run), "what was left of it is no obstacle"
    assert [path.name for path in drive.iterdir()] == ["my-run"]


def test_nothing_to_keep_is_said_before_anything_is_asked(drive, tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no .*/gone; nothing was copied"):
        to_drive(tmp_path / "gone")
    assert not drive.parents[1].exists(), "not even mounted"


def test_another_place_than_colab_is_said(monkeypatch, tmp_path) -> None:
    monkeypatch.setitem(sys.modules, "google.colab", None)
    run = a_run(tmp_path / "my-run", a="1")
    with pytest.raises(RuntimeError, match=r"needs Colab.*my-run is kept where it is"):
        to_drive(run)
    assert texts(run) == {"a.txt": "1", "deep/a.txt": "1"}
