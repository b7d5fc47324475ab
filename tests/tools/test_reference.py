"""The page API: every public name of every room, described, and nothing else."""

from __future__ import annotations

import re
import sys
import types

import pytest
from references import BOOK, converter

from tools.reference import load, members, page_part, public_names, rooms, shown_text

PAGE = (BOOK / "api.md").read_text(encoding="utf-8")
BUILT = BOOK.parent / "_build/html/book/api.html"


def test_the_page_has_every_room_once_under_its_name():
    parts = re.findall(r"^## gpt2course\.(.+)\n\n```\{room\} (.+)\n```$", PAGE, re.M)
    assert all(heading == room for heading, room in parts)
    assert sorted(room for _, room in parts) == rooms()
    assert {"model", "generation", "course.exercises", "cli"} < set(rooms())


@pytest.mark.parametrize("room", rooms())
def test_a_room_has_its_public_names_each_described(room):
    listed = {member.name: member for member in members(room)}
    module = load(room)
    assert set(listed) == set(public_names(module))
    inside = {name.rpartition(".")[2] for name in rooms() if name.startswith(room)}
    assert set(getattr(module, "__all__", ())) <= set(listed) | inside
    for name, member in listed.items():
        assert name[0] != "_"
        assert not member.doc.startswith(f"{name}("), f"{name}: a dataclass's own text"
        first = member.file.read_text(encoding="utf-8").split("\n")[member.line - 1 :]
        assert re.search(rf"\b{name}\b|^ *@", first[0]), (name, first[0])
        assert len(member.sentence) < 140, "say it in one short sentence"


def test_what_is_not_public_or_not_described():
    names = {member.name for member in members("config")}
    assert {"GPT2Config", "SIZES", "token_ids"} <= names
    assert not names & {"dataclass", "fields", "annotations"}  # imported
    with pytest.raises(ValueError, match="no room 'sampling'; rooms are arguments"):
        members("sampling")


def test_a_name_without_a_description_stops_the_build(monkeypatch):
    module = types.ModuleType("gpt2course.files")
    module.__file__ = load("files").__file__
    module.__all__ = ["BARE"]
    module.BARE = 1
    monkeypatch.setitem(sys.modules, "gpt2course.files", module)
    with pytest.raises(ValueError, match=r"files\.BARE has no description; give it"):
        members.__wrapped__("files")


def test_source_is_linked_only_where_the_repository_is_known(monkeypatch):
    member = next(m for m in members("checkpoints") if m.name == "load_checkpoint")
    for name in ("GITHUB_REPOSITORY", "GITHUB_SHA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tools.publication.git", lambda *_: "")
    plain = f"`gpt2course/checkpoints/load.py`, line {member.line}"
    assert member.source() == f"Source: {plain}"
    monkeypatch.setenv("GITHUB_REPOSITORY", "a/b")
    monkeypatch.setenv("GITHUB_SHA", "c0ffee")
    address = "https://github.com/a/b/blob/c0ffee/gpt2course/checkpoints/load.py"
    assert member.source() == f"Source: [{plain}]({address}#L{member.line})"
    assert member.source() in page_part("checkpoints")


def test_the_notebook_lists_the_names():
    text = "\n".join(c.source for c in converter.convert(BOOK / "api.md").cells)
    assert "- `generate`: All tokens of `stream_tokens` at once" in text
    assert "{room}" not in text


def test_what_the_page_shows_counts_as_shown():
    """Also what a box has of methods: a word of a solution that stands there."""
    text = shown_text()
    assert "stop_ids: Sequence[int]" in text.replace("'", "")
    assert "Where the weights are." in text


@pytest.mark.site
def test_the_built_page_has_each_name_with_its_description():
    page = BUILT.read_text(encoding="utf-8")
    assert "system-message" not in page
    wanted = {
        f"gpt2course.{m.room}.{m.name}" for room in rooms() for m in members(room)
    }
    ids = set(re.findall(r'<dt class="sig[^"]*" id="([^"]+)"', page))
    assert wanted <= ids
    assert not [name for name in ids if re.search(r"\._", name)]
    # all others belong to a class of these
    assert {name.rpartition(".")[0] for name in ids - wanted} <= wanted
    empty = re.findall(r'id="([^"]+)">(?:(?!<dt|<dd>).)*<dd>\s*</dd>', page, re.S)
    assert not set(empty) & wanted
    index = (BUILT.parents[1] / "searchindex.js").read_text(encoding="utf-8")
    assert '"gpt2course.generation"' in index
    assert "residual_stream" in index
