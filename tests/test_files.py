"""A file is the old one or the new one, never half of either."""

from __future__ import annotations

import hashlib
import logging
import os
import sys

import pytest
import torch
from conftest import run_python

from gpt2course.files import (
    replacing,
    save_atomically,
    set_up_logging,
    sha256,
    sha256_of_file,
    write_bytes,
    write_text,
)

WRITERS = {
    "text": lambda path, n: write_text(path, "é\n" * n),
    "bytes": lambda path, n: write_bytes(path, b"\0" * n),
    "tensors": lambda path, n: save_atomically({"value": torch.zeros(n)}, path),
}
writers = pytest.mark.parametrize("writer", WRITERS)


@writers
def test_it_replaces(tmp_path, writer):
    path = tmp_path / "file"
    for n in (1, 1000):
        WRITERS[writer](path, n)
        assert path.stat().st_size >= n
    assert os.listdir(tmp_path) == ["file"]


def test_what_was_written_is_what_is_read(tmp_path):
    write_text(tmp_path / "text", "zwei\r\nZeilen\n")
    assert (tmp_path / "text").read_bytes() == b"zwei\r\nZeilen\n"
    save_atomically({"value": 2}, tmp_path / "state.pt")
    assert torch.load(tmp_path / "state.pt") == {"value": 2}


@writers
def test_a_disk_that_fails_at_the_last_moment(tmp_path, monkeypatch, writer):
    path = tmp_path / "file"
    WRITERS[writer](path, 1)
    before = path.read_bytes()

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        WRITERS[writer](path, 1000)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["file"]


WRITE_ON_A_SMALL_DISK = """
import resource, sys
from test_files import WRITERS
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    WRITERS[sys.argv[2]](sys.argv[1], 1_000_000)
except OSError as error:
    sys.exit(f"OSError {error}")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits are those of Unix")
@writers
def test_a_full_disk_leaves_the_old_file(tmp_path, writer):
    path = tmp_path / "file"
    WRITERS[writer](path, 1)
    before = path.read_bytes()
    done = run_python("-c", WRITE_ON_A_SMALL_DISK, str(path), writer)
    assert done.stderr.startswith("OSError"), done.stderr
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["file"]


@writers
def test_a_folder_that_is_a_file(tmp_path, writer):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Not a directory"):
        WRITERS[writer](tmp_path / "file" / "inside", 1)


def test_an_error_in_the_block_keeps_the_old_file(tmp_path):
    write_text(tmp_path / "file", "old")

    def write():
        with replacing(tmp_path / "file") as partial:
            partial.write_text("new")
            raise KeyError

    with pytest.raises(KeyError):
        write()
    assert (tmp_path / "file").read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_digests(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    expected = hashlib.sha256(b"abc").hexdigest()
    assert sha256(b"abc") == sha256_of_file(tmp_path / "file") == expected


def test_the_log_goes_to_stderr_once(capsys):
    package = logging.getLogger("gpt2course")
    before = package.handlers[:], package.level, package.propagate
    try:
        set_up_logging()
        set_up_logging()
        logging.getLogger("gpt2course.training.run").info("step %d", 3)
        assert capsys.readouterr() == ("", "step 3\n")
        set_up_logging(logging.WARNING)
        logging.getLogger("gpt2course.training.run").info("step 4")
        assert capsys.readouterr() == ("", "")
    finally:
        package.handlers[:], package.level, package.propagate = before
