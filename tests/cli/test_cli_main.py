"""The command as a process: exit codes, one line for a failure, closed pipes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cli_tools import refused
from conftest import run_python

from gpt2course import __version__
from gpt2course.cli import doctor, main

MANY_LINES = """
import sys
from gpt2course.cli import doctor, main
def run(checkpoint, data, json):
    '''Print.'''
    print("line\\n" * int(sys.argv[1]), end="")
    return 0
run.__doc__ = doctor.run.__doc__
doctor.run = run
sys.exit(main(["doctor"]))
"""


def test_as_a_process():
    done = run_python("-m", "gpt2course", "--version")
    assert (done.returncode, done.stdout) == (0, f"gpt2course {__version__}\n")
    done = run_python("-m", "gpt2course", "generate", "--seed", "x", "a")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("gpt2course: seed is 'x'")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (KeyboardInterrupt(), 130, "\ngpt2course: stopped\n"),
        (KeyboardInterrupt("run it again"), 130, "\ngpt2course: run it again\n"),
        (ValueError("two\n  lines"), 2, "gpt2course: two lines\n"),
        (MemoryError(), 2, "gpt2course: MemoryError\n"),
        (
            FileNotFoundError(2, "No such file", "a"),
            2,
            "gpt2course: No such file (a)\n",
        ),
        (BrokenPipeError(), 0, ""),
    ],
)
def test_exit_codes(monkeypatch, capsys, error, code, says):
    def run(checkpoint: str | None = None, json: bool = False) -> int:
        """Fail.

        Args:
            checkpoint: any.
            json: any.
        """
        raise error

    monkeypatch.setattr(doctor, "run", run)
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # main may replace it
    assert main(["doctor"]) == code
    assert capsys.readouterr().err == says


def start(lines: int, stdout) -> subprocess.Popen:
    code = MANY_LINES.replace("def run(checkpoint, data, json)", SIGNATURE)
    command = [sys.executable, "-c", code, str(lines)]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE)


SIGNATURE = (
    "def run(checkpoint: str | None = None, data: str | None = None, "
    "json: bool = False) -> int"
)


def test_a_closed_pipe_is_no_error():
    """What `gpt2course ... | head -1` does."""
    process = start(100_000, subprocess.PIPE)
    assert process.stdout.readline().strip() == b"line"
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_full_disk_under_the_output(lines):
    with open("/dev/full", "w") as full:
        process = start(lines, full)
        err = process.stderr.read().decode()
    assert process.wait(60) == 2
    assert err == "gpt2course: No space left on device\n"


def test_a_failure_says_its_line_only(capsys):
    assert refused(capsys, "doctor", "--checkpoint", "minni").count("\n") == 1


# ---- files that have the name of a package -------------------------------------------

SHADOWS = ("regex", "random", "queue")


@pytest.fixture(params=SHADOWS)
def shadow(request, tmp_path):
    """A file of the user's beside which the command is called."""
    path = tmp_path / f"{request.param}.py"
    path.write_text("print('my own')\n")
    return path


def in_folder(folder, *arguments: str, **environment: str):
    """The command, called in a folder."""
    code = "import os, sys; os.chdir(sys.argv[1]); os.execv(sys.executable, "
    code += "[sys.executable, *sys.argv[2:]])"
    return run_python("-c", code, str(folder), *arguments, **environment)


def test_the_current_folder_is_searched_last(shadow):
    done = in_folder(shadow.parent, "-m", "gpt2course", "classify", "I loved it")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("positive ")


CALL = "import sys; from gpt2course.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.parametrize(
    ("name", "folder", "content"),
    [
        ("regex", False, "print('my own')"),
        ("tokenizers", True, "import nothing_of_this_name"),
    ],
)
def test_a_file_with_the_name_of_a_package_is_named(tmp_path, name, folder, content):
    """Where the folder has to be searched first, as for `python my_script.py`."""
    path = tmp_path / (f"{name}/__init__.py" if folder else f"{name}.py")
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    done = in_folder(tmp_path, "-c", CALL, "generate", "a", "--max-new-tokens", "2")
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines() == [
        f"gpt2course: {path} has the name of the package {name}, which Python now "
        "takes it for; rename it, or run the command in another folder"
    ]


def test_a_harmless_file_is_not_blamed(tmp_path):
    (tmp_path / "statistics.py").write_text("")
    code = f"import statistics; {CALL}"
    done = in_folder(tmp_path, "-c", code, "generate", "a", "--top-k", "0")
    assert done.returncode == 2
    assert done.stderr.startswith("gpt2course: top_k is 0; it must be")
