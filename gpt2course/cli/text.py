"""Text in and out of a process: whatever its bytes, line ends and terminal are.

Every command reads and prints through these functions. main in __init__.py calls
`make_streams_safe` first.
"""

from __future__ import annotations

import json
import re
import sys

from gpt2course.files import with_byte_order_mark

ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}


def make_streams_safe() -> None:
    """Print what the terminal cannot show as an escape, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def decode(content: bytes, source: str) -> str:
    """Bytes that somebody gave us as text, with line feeds as the only line ends.

    A byte-order mark says what they are and is no part of the text, nor are the marks
    of files that were joined; without one they are UTF-8. Bytes that are not become
    U+FFFD, and a line on stderr says so.

    Args:
        content: the bytes.
        source: what they are, for the message.

    Raises:
        ValueError: NUL characters, which no text has.
    """
    encoding = with_byte_order_mark(content)
    name = encoding.removesuffix("-sig").upper()
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = content.decode(encoding, errors="replace")
        print(
            f"gpt2course: {source} is not {name}; unreadable bytes are replaced by "
            "U+FFFD",
            file=sys.stderr,
        )
    if "\0" in text:
        raise ValueError(
            f"{source} has NUL characters: it is no text, or UTF-16 or UTF-32 without "
            "a byte-order mark; save it as UTF-8"
        )
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if encoding != "utf-8":  # it is made of files with marks
        return text.replace("\ufeff", "")
    return text.replace("\n\ufeff", "\n")


def argument_text(argument: str) -> str:
    """An argument of the command as text; the system hands over bytes in disguise."""
    return decode(argument.encode("utf-8", "surrogateescape"), "the text")


def stop_text(argument: str) -> str:
    """A text of --stop, with its escapes.

    Raises:
        ValueError: bytes that are not UTF-8: as U+FFFD they would stop where none is.
    """
    try:
        return unescape(argument.encode("utf-8", "surrogateescape").decode())
    except UnicodeDecodeError:
        shown = ascii(argument)
        raise ValueError(
            f"the text {shown} of --stop is not UTF-8; type it in a terminal that is"
        ) from None


def standard_input() -> str:
    """All of the standard input, decoded."""
    binary = getattr(sys.stdin, "buffer", None)
    if binary is None:  # a test, or a program that replaced it by a stream of text
        return sys.stdin.read() if sys.stdin else ""
    return decode(binary.read(), "the standard input")


def is_terminal() -> bool:
    """Whether the standard input is somebody at a keyboard."""
    return sys.stdin is None or sys.stdin.isatty()


def unescape(text: str) -> str:
    r"""\n, \r, \t and \\ as the characters for which they stand."""
    return re.sub(r"\\([nrt\\])", lambda match: ESCAPES[match[1]], text)


def print_json(**values: object) -> None:
    """One JSON object on one line, readable in any terminal.

    Raises:
        ValueError: NaN or infinity, which JSON does not have.
    """
    readable = "utf" in (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    try:
        print(json.dumps(values, ensure_ascii=not readable, allow_nan=False))
    except ValueError:
        raise ValueError(
            "a result is NaN or infinite, which JSON cannot hold: the run is broken"
        ) from None
