"""Passed exercises are noted where somebody asked for that, and nowhere else."""

from __future__ import annotations

import codecs
from concurrent.futures import ThreadPoolExecutor

import pytest

from gpt2course.course import check, progress
from gpt2course.course.exercises import chapter_of, names
from gpt2course.course.passed import NAME, note, read


def memory(n, bits):
    """A right answer to the exercise gpt2-memory."""
    return n * bits / 8e9


@pytest.fixture(autouse=True)
def path(tmp_path, monkeypatch):
    """The file of the folder that the notebook runs in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / NAME


def printed(capsys) -> list[str]:
    progress()
    return capsys.readouterr().out.splitlines()


def test_nothing_is_written_until_somebody_asks(path):
    assert check("gpt2-memory", memory)
    assert list(path.parent.iterdir()) == []


def test_from_then_on_what_is_passed_is_noted_once(path, capsys):
    assert printed(capsys) == [
        f"From now on, exercises that you pass are noted in {path}."
    ]
    assert printed(capsys) == [f"No exercise is noted yet in {path}."]
    for answer in (memory, lambda n, bits: n * bits, memory):
        check("gpt2-memory", answer)
    check("cache-size", None)
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said] == ["Correct.", "Not", "Correct.", "Not"]
    assert path.read_bytes().count(b"\n") == 1
    assert read(path) == ({"gpt2-memory"}, [])
    left = [name for name in names("gpt2") if name != "gpt2-memory"]
    assert printed(capsys) == [
        f"gpt2: 1 of {len(left) + 1} passed, left: {', '.join(left)}"
    ]


def test_exercises_belong_to_the_longest_name_of_a_chapter():
    assert chapter_of("evaluating-a-classifier-holm") == "evaluating-a-classifier"
    assert chapter_of("evaluating-rouge") == "evaluating"
    assert chapter_of("nothing-at-all") is None


def test_several_at_once_lose_nothing(path):
    progress()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(note, (f"gpt2-{n}" for n in range(200))))
    assert read(path) == ({f"gpt2-{n}" for n in range(200)}, [])


@pytest.mark.parametrize(
    ("content", "unread"),
    [
        (b'{"exercise": "cache-size", "pas', "1"),  # its writer was killed
        (b"\x00\xff\n7\n[]\n{}\nnull\n" + b"[" * 100_000, "1, 2, 3, 4, 5, ..."),
        (b'{"exercise": 3}\r\n\r\n"cache-size"\r\n', "1, 3"),
    ],
)
def test_what_is_no_note_is_said_and_kept(path, capsys, content, unread):
    path.write_bytes(content)
    assert check("gpt2-memory", memory)
    capsys.readouterr()
    first, last = printed(capsys)
    assert first.startswith("gpt2: 1 of ")
    assert last == f"Lines of {NAME} that note no exercise, left as they are: {unread}"
    assert path.read_bytes().startswith(content)


def test_an_editor_and_another_version_do_no_harm(path, capsys):
    text = '{"exercise": "gpt2-memory"}\r\n{"exercise": "gpt2-that-was"}\r\n'
    path.write_bytes(codecs.BOM_UTF8 + text.encode() + b'{"exercise": "old-one"}')
    first, last = printed(capsys)
    assert first.startswith("gpt2: 1 of ")
    assert last == "Noted, but not in this version of the course: 2"


def test_a_file_that_cannot_be_written_harms_no_check(path, capsys):
    path.mkdir()
    assert check("gpt2-memory", memory)
    correct, problem = capsys.readouterr().out.splitlines()
    assert correct.startswith("Correct. ")
    assert problem.startswith("This could not be noted: ")
    assert NAME in problem
    (said,) = printed(capsys)
    assert said.startswith("No exercise can be noted here: ")
