"""Text in and out: whatever its bytes, its line ends and its terminal are."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import pytest

from gpt2course.cli import text
from gpt2course.cli.text import (
    argument_text,
    decode,
    print_json,
    stop_text,
    unescape,
)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"plain", "plain"),
        ("café ☕ 😀".encode(), "café ☕ 😀"),
        ("\ufeffmarked".encode(), "marked"),
        ("\ufeffmarked é".encode("utf-16-le"), "marked é"),
        ("\ufeffmarked é".encode("utf-16-be"), "marked é"),
        ("\ufeffmarked é".encode("utf-32-le"), "marked é"),
        ("\ufeffmarked é".encode("utf-32-be"), "marked é"),
        ("\ufeffone\ufeff two\r\n\ufeffthree".encode(), "one two\nthree"),
        ("\ufeffone\n\ufefftwo".encode("utf-16-le"), "one\ntwo"),
        ("no mark\r\n\ufeffmark".encode(), "no mark\nmark"),
        (b"a\r\nb\rc\nd", "a\nb\nc\nd"),
        ("a\u2028b\u0085c\x0cd".encode(), "a\u2028b\u0085c\x0cd"),
        (b"", ""),
        ("in the \ufeffmiddle".encode(), "in the \ufeffmiddle"),
    ],
)
def test_decode(content, expected, capsys):
    assert decode(content, "it") == expected
    assert capsys.readouterr().err == ""


def test_bytes_that_are_no_text_are_reported(capsys):
    assert decode(b"caf\xe9", "the standard input") == "caf\ufffd"
    assert capsys.readouterr().err == (
        "gpt2course: the standard input is not UTF-8; unreadable bytes are replaced "
        "by U+FFFD\n"
    )
    assert argument_text("caf\udce9 è") == "caf\ufffd è"  # as the system hands it over


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-8"])
def test_nul_characters_are_refused(encoding):
    says = "it has NUL characters: it is no text, or UTF-16 .* save it as UTF-8"
    with pytest.raises(ValueError, match=says):
        decode("a\0b".encode(encoding), "it")


def test_a_stop_text_is_utf_8():
    assert stop_text(r"è\n") == "è\n"
    with pytest.raises(ValueError, match=r"'caf\\udce9' of --stop is not UTF-8"):
        stop_text("caf\udce9")  # as the system hands over the byte E9


def test_unescape():
    assert unescape(r"a\nb\tc\r\\n\x") == "a\nb\tc\r\\n\\x"


def test_standard_input(monkeypatch):
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbfa\r\n"))
    )
    assert text.standard_input() == "a\n"
    monkeypatch.setattr(sys, "stdin", None)  # pythonw
    assert text.is_terminal()
    assert text.standard_input() == ""


def test_json_is_json_in_any_terminal(monkeypatch):
    for encoding in ("utf-8", "cp1252", "ascii"):
        out = io.TextIOWrapper(io.BytesIO(), encoding, errors="backslashreplace")
        monkeypatch.setattr(sys, "stdout", out)
        print_json(text="é ☕ 😀 \u2028")
        out.flush()
        answer = out.buffer.getvalue().decode(encoding)
        assert json.loads(answer) == {"text": "é ☕ 😀 \u2028"}
        assert ("☕" in answer) == (encoding == "utf-8")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_holds_no_nan(value, capsys):
    with pytest.raises(ValueError, match="NaN or infinite, which JSON cannot hold"):
        print_json(loss=value)
    assert capsys.readouterr().out == ""


# ---- in a process, with the bytes and the terminal of a user ------------------------

SHOW = """
import sys
from gpt2course.cli import text
text.make_streams_safe()
for line in text.standard_input().split("\\n"):
    print(line)
print(text.argument_text(sys.argv[1]), file=sys.stderr)
"""


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
def test_a_terminal_shows_what_it_can(encoding):
    done = subprocess.run(
        [sys.executable, "-c", SHOW, b"caf\xc3\xa9 \xff"],
        input="\ufeffé ☕ 😀".encode(),
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown = "é ☕ 😀\n".encode(encoding, "backslashreplace")
    assert done.stdout == shown.replace(b"\n", os.linesep.encode())
    assert done.stderr.splitlines()[-1] == "café \ufffd".encode(
        encoding, "backslashreplace"
    )
