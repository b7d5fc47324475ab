"""Files that are whole or absent, digests, and the log on stderr.

Everything that the package writes for keeps goes through `replacing`. The runs that
need it most are in training/run.py.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import logging
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath

MAX_JSON_BYTES = 2**26  #: a JSON file that is larger is compared by its bytes


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """A path to write to, which becomes `path` in one step when the block ends well.

    The new file is written beside the old one, flushed to disk, then renamed. A process
    that is killed, or a disk that is full, leaves the old file as it was.

    Args:
        path: of the file; its folder exists.

    Yields:
        the path to write to, in the same folder.

    Raises:
        OSError: the folder cannot be written or the disk is full.
    """
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_bytes(path: str | os.PathLike, content: bytes) -> None:
    """Replace a file in one step. Raises OSError as `replacing` does."""
    with replacing(path) as partial:
        partial.write_bytes(content)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Replace a text file in one step: UTF-8, line ends as given."""
    write_bytes(path, text.encode("utf-8"))


def save_atomically(state: object, path: str | os.PathLike) -> None:
    """torch.save that never leaves half a file.

    Raises:
        OSError: the folder cannot be written or the disk is full; the old file is kept.
    """
    import torch

    with replacing(path) as partial, open(partial, "wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # how torch reports a failed write
            raise OSError(f"cannot write {path}: {error}") from error


def sha256(content: bytes) -> str:
    """Hexadecimal digest of some bytes."""
    return hashlib.sha256(content).hexdigest()


def sha256_of_file(path: str | os.PathLike) -> str:
    """Hexadecimal digest of a file, read in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_file(path: str | os.PathLike) -> str:
    """Hexadecimal digest of what a file says.

    Of the values of a JSON file, whose line ends a clone or an editor may change, and
    of the bytes of any other.

    Raises:
        ValueError: as `refuse_irregular`.
        OSError: it cannot be read.
    """
    refuse_irregular(path)
    if Path(path).suffix == ".json" and os.path.getsize(path) <= MAX_JSON_BYTES:
        try:
            values = parse_json(Path(path).read_bytes())
            return sha256(json.dumps(values, sort_keys=True).encode())
        except (ValueError, RecursionError):  # no JSON: then the bytes count
            pass
    return sha256_of_file(path)


def refuse_irregular(path: str | os.PathLike) -> None:
    """Refuse what cannot be read to its end: a folder, a pipe, a device.

    Every reader of other people's files asks here first, as opening a pipe waits for
    ever.

    Args:
        path: links are followed.

    Raises:
        ValueError: it is no regular file.
        OSError: there is none, or a link that leads nowhere.
    """
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise ValueError(f"{path} is a folder, not a file; remove or rename it")
    if not stat.S_ISREG(mode):
        kind = "a named pipe" if stat.S_ISFIFO(mode) else "a device or a socket"
        raise ValueError(f"{path} is {kind}, not a file; replace it by a file")


def read_bounded(path: str | os.PathLike, limit: int) -> bytes:
    """The content of a file that others may have made.

    Args:
        path: of the file.
        limit: in bytes.

    Raises:
        ValueError: it is no regular file, or larger than the limit.
        OSError: there is none, or it cannot be read.
    """
    refuse_irregular(path)
    size = os.path.getsize(path)
    if size > limit:
        raise ValueError(
            f"{path} has {size:,} bytes; at most {limit:,} are read: is it the right "
            "file?"
        )
    with open(path, "rb") as file:
        return file.read(limit)


def refuse_reserved_name(
    path: str | os.PathLike, *, windows: bool | None = None
) -> None:
    """Refuse a file or folder that Windows would take for a device or rename silently.

    Args:
        path: of what is to be written.
        windows: whether this is Windows; found out by default.

    Raises:
        ValueError: on Windows, a part such as CON or NUL.txt, or one that ends with a
            dot or a space, or has a character that names cannot have.

    Source: learn.microsoft.com/windows/win32/fileio/naming-a-file.
    """
    if not (os.name == "nt" if windows is None else windows):
        return
    path = PureWindowsPath(path)
    for part in path.parts[1:] if path.anchor else path.parts:
        if part in (".", ".."):
            continue
        if PureWindowsPath(part).is_reserved():
            raise ValueError(
                f"{part!r} is the name of a device on Windows; use another"
            )
        if part[-1] in ". ":
            raise ValueError(
                f"{part!r} ends with a {'dot' if part[-1] == '.' else 'space'}, which "
                "Windows leaves out of names; use another"
            )
        if wrong := sorted(set(part) & set('<>:"|?*')):
            raise ValueError(
                f"{part!r} has a {wrong[0]}, which names cannot have on Windows; use "
                "another"
            )


#: bytes at the start of a text, and the encoding that they mean
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def with_byte_order_mark(content: bytes) -> str:
    """The encoding that a byte-order mark at the start names; UTF-8 without one."""
    for mark, encoding in BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return encoding
    return "utf-8"


def parse_json(content: bytes) -> object:
    """The value that a JSON text stands for, with or without a byte-order mark.

    Raises:
        ValueError: it is none, or not in the encoding of its mark.
        RecursionError: it is nested too deeply.
    """
    return json.loads(content.decode(with_byte_order_mark(content)))


def set_up_logging(level: int = logging.INFO) -> None:
    """Show the package's log on stderr, one plain line a message; a second call changes
    the level only.

    A program calls this; the package itself never does, so that a user's own logging
    set-up stays in charge.
    """
    package = logging.getLogger("gpt2course")
    package.setLevel(level)
    if not any(isinstance(handler, _ToStderr) for handler in package.handlers):
        handler = _ToStderr()
        handler.setFormatter(logging.Formatter("%(message)s"))
        package.addHandler(handler)
        package.propagate = False


class _ToStderr(logging.StreamHandler):
    """Writes to what sys.stderr is at the time, as tests and notebooks replace it."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)
