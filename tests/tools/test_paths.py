"""Every path that README and CONTRIBUTING name exists, as do those in the workflows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("gpt2course", "book", "tools", "tests", "benchmarks", ".github")
PATH = re.compile(rf"(?:{'|'.join(map(re.escape, FOLDERS))})/[\w./-]*")


def paths(text: str) -> set[str]:
    """Every path of the repository in backquotes or in a link, without placeholders."""
    quoted = re.findall(r"`([^`\s]+)`", text)
    linked = re.findall(r"\]\(([^)\s:]+)\)", text)
    found = {path for path in quoted if PATH.fullmatch(path)} | set(linked)
    return {path for path in found if not re.search(r"\b[A-Z]+\.(md|json)$", path)} | {
        path for path in linked if "/" not in path
    }


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_path_exists(name: str) -> None:
    named = paths((ROOT / name).read_text(encoding="utf-8"))
    assert len(named) > 10
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_where_is_what_names_every_room() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = {
        f"gpt2course/{path.parent.name}/"
        for path in (ROOT / "gpt2course").glob("*/__init__.py")
    }
    assert rooms - paths(text) == set()


@pytest.mark.parametrize("path", sorted((ROOT / ".github/workflows").glob("*.yml")))
def test_workflows_call_commands_that_exist(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = re.sub(r"#.*", "", path.read_text(encoding="utf-8"))
    called = re.findall(r"\bmake ([a-z]+)", commands)
    assert [n for n in called if not re.search(rf"^{n}:", makefile, re.M)] == []


def test_a_missing_path_is_seen() -> None:
    found = paths("see `tools/no.py`, [x](book/no.md), `tests/a/NAME.json`, [y](L.md)")
    assert found == {"tools/no.py", "book/no.md", "L.md"}
