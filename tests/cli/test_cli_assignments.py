"""gpt2course assignments: a folder of notebooks by one command."""

from __future__ import annotations

import importlib.util
import json

import pytest
from cli_tools import refused

from gpt2course.cli import main


def test_notebooks_of_two_chapters(capsys, tmp_path):
    output = tmp_path / "spring"
    command = ["assignments", "--output", str(output), "--seed", "7"]
    assert main([*command, "--chapters", "10", "cache", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["chapters"] == ["attention", "cache"]
    written = [
        path.relative_to(output).as_posix()
        for path in output.rglob("*")
        if path.is_file()
    ]
    assert answer["files"] == sorted(written)
    assert "student/cache.ipynb" in written

    before = {path: path.read_bytes() for path in output.rglob("*.ipynb")}
    assert "not an empty folder" in refused(capsys, *command[:-1], "8")
    assert before == {path: path.read_bytes() for path in output.rglob("*.ipynb")}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--chapters", "10", "cahce"], "did you mean 'cache'"),
        (["--chapters", "basics"], "has no exercise"),
        (["--seed", ""], "the seed is empty"),
        (["--format", "otters"], "format is 'otters'"),
        (["--chapters"], "chapters"),
    ],
)
def test_bad_input_writes_nothing(arguments, says, capsys, tmp_path):
    output = str(tmp_path / "new")
    assert says in refused(capsys, "assignments", "--output", output, *arguments)
    assert not list(tmp_path.iterdir())


def test_a_tool_that_is_missing(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    command = ["assignments", "--output", str(tmp_path / "new"), "--format", "nbgrader"]
    assert "pip install nbgrader" in refused(capsys, *command)
    assert not list(tmp_path.iterdir())


def test_a_course_folder_for_nbgrader(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    command = ["assignments", "--output", str(tmp_path), "--format", "nbgrader"]
    assert main([*command, "--chapters", "cache"]) == 0
    assert "generate_assignment CHAPTER" in capsys.readouterr().out
    files = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.*")}
    assert files == {"nbgrader_config.py", "source/cache/cache.ipynb"}


def test_a_file_stays_what_it_is(capsys, tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    assert "not an empty folder" in refused(
        capsys, "assignments", "--output", str(path)
    )
    assert path.read_text() == "mine"
