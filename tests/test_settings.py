"""Three variables decide what a chapter runs on.

Nothing else does, and nothing falls back silently.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gpt2course.settings import (
    CHECKPOINTS,
    by_effort,
    checkpoint_name,
    data_source,
    effort,
    folder_argument,
)

HOME = os.path.expanduser("~")


@pytest.mark.parametrize(
    ("variable", "argument", "expected"),
    [
        (None, None, "mini"),
        ("", None, "mini"),
        ("gpt2", None, "gpt2"),
        ("gpt2", "mini", "mini"),
        (None, "openai-community/gpt2-xl", "gpt2-xl"),
        ("./some/folder", None, "./some/folder"),
        (None, ".", "."),
        ("~/model", None, f"{HOME}/model"),
    ],
)
def test_checkpoint(monkeypatch, variable, argument, expected):
    if variable is not None:
        monkeypatch.setenv("GPT2COURSE_CHECKPOINT", variable)
    assert checkpoint_name(argument) == expected


@pytest.mark.parametrize(
    ("checkpoint", "data", "expected"),
    [
        (None, None, "embedded"),
        ("gpt2-large", None, "hub"),
        ("./folder", None, "embedded"),
        ("gpt2", "embedded", "embedded"),
        (None, "./folder", "./folder"),
        (None, "~/folder", f"{HOME}/folder"),
    ],
)
def test_data(monkeypatch, checkpoint, data, expected):
    for name, value in (("CHECKPOINT", checkpoint), ("DATA", data)):
        if value:
            monkeypatch.setenv(f"GPT2COURSE_{name}", value)
    assert data_source() == expected


def test_a_folder_by_its_bare_name(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="unknown checkpoint 'my-jokes'"):
        checkpoint_name("my-jokes")
    Path("my-jokes").mkdir()
    assert checkpoint_name("my-jokes") == "my-jokes"
    assert checkpoint_name(Path("my-jokes")) == "my-jokes"
    assert data_source("my-jokes") == "my-jokes"


@pytest.mark.parametrize("name", [*CHECKPOINTS, "openai-community/gpt2"])
def test_a_folder_never_hides_a_known_name(monkeypatch, tmp_path, name):
    monkeypatch.chdir(tmp_path)
    Path(name).mkdir(parents=True)
    assert checkpoint_name(name) == name.removeprefix("openai-community/")
    argument = folder_argument(name)
    assert Path(checkpoint_name(argument)).samefile(name)
    assert checkpoint_name(argument) not in CHECKPOINTS


@pytest.mark.parametrize("name", ["embedded", "~odd", "-x", "a b", "/abs/a", "../up"])
def test_any_folder_has_an_argument(name):
    argument = folder_argument(name)
    assert argument[0] in "./"
    assert os.path.normpath(checkpoint_name(argument)) == os.path.normpath(name)
    assert data_source(argument) == argument


def test_effort(monkeypatch):
    assert effort() == "page"
    for level, steps in (("quick", 1), ("page", 2), ("full", 3)):
        monkeypatch.setenv("GPT2COURSE_EFFORT", level)
        assert by_effort(quick=1, page=2, full=3) == steps


@pytest.mark.parametrize(
    ("variable", "value", "read", "says"),
    [
        (
            "CHECKPOINT",
            "gpt2-medum",
            checkpoint_name,
            "unknown checkpoint 'gpt2-medum'; did you mean 'gpt2-medium'?",
        ),
        (
            "CHECKPOINT",
            "zebra",
            checkpoint_name,
            "unknown checkpoint 'zebra'; known are mini, gpt2",
        ),
        (
            "DATA",
            "embeded",
            data_source,
            "unknown data source 'embeded'; did you mean 'embedded'?",
        ),
        (
            "EFFORT",
            "fast",
            effort,
            "unknown effort 'fast'; known are quick, page, full",
        ),
    ],
)
def test_unknown_names(monkeypatch, variable, value, read, says):
    monkeypatch.setenv(f"GPT2COURSE_{variable}", value)
    with pytest.raises(ValueError, match=says.replace("?", r"\?")):
        read()


def test_a_folder_called_as_openais_account_is_a_folder():
    assert checkpoint_name("openai-community/gpt2") == "gpt2"
    mine = "openai-community/my-gpt"
    assert checkpoint_name(mine) == mine


def test_an_empty_name_is_refused_and_not_the_default():
    with pytest.raises(ValueError, match="unknown checkpoint ''; known are mini"):
        checkpoint_name("")
    with pytest.raises(ValueError, match="unknown data source ''; known are embedded"):
        data_source("")
