"""Windows, as far as another system can play it. What ran there itself is in CI."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import gpt2course
from gpt2course.cli import main
from gpt2course.files import refuse_reserved_name

PACKAGE = Path(gpt2course.__file__).parent


@pytest.mark.parametrize(
    "path",
    [
        "CON", "nul.txt", r"runs\AUX", "C:/runs/com1", "a/lpt9.x", "run.", "run ",
        r"C:\my runs. \x", "what?", "a|b",
    ],
)  # fmt: skip
def test_names_that_windows_takes_for_something_else(path):
    with pytest.raises(ValueError, match="use another"):
        refuse_reserved_name(path, windows=True)
    refuse_reserved_name(path, windows=False)


@pytest.mark.parametrize(
    "path",
    [
        "run", "my run", r"C:\runs\my run", r"\\server\share\run", "../run", ".",
        "./a.b", "console", "run#2", "rün", "C:/Users/A B/run",
    ],
)  # fmt: skip
def test_other_names_are_taken(path):
    refuse_reserved_name(path, windows=True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["export-live", "--output", "nul.safetensors"],
        ["assignments", "--output", "nul"],
        ["evaluate", "perplexity", "--output", "aux"],
        ["finetune-jokes", "--output", "con"],
    ],
)
def test_every_output_is_checked(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(refuse_reserved_name, "__kwdefaults__", {"windows": True})
    assert main(arguments) == 2
    assert "is the name of a device on Windows" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_text_is_utf_8_and_never_what_the_system_prefers():
    """cp1252 is what Windows takes for text files if nobody says more."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            opens = isinstance(call.func, ast.Name) and call.func.id == "open"
            words = {keyword.arg for keyword in call.keywords}
            said = [a.value for a in call.args if isinstance(a, ast.Constant)]
            binary = any("b" in str(mode) for mode in said if len(str(mode)) < 4)
            # that of importlib.metadata takes a name, and reads UTF-8
            of_metadata = "direct_url.json" in said
            text = method in ("read_text", "write_text") and not of_metadata
            if (text or (opens and not binary)) and "encoding" not in words:
                found.append(f"{path.name}, line {call.lineno}")
    assert not found


def test_processes_are_spawned():
    """There is no fork on Windows."""
    for path in PACKAGE.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        assert not re.search(r"os\.fork|get_context\(\"fork|\bfork\(", source), path
