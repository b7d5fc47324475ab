"""What outputs and pages depend on, and their removal when any of it has changed.

jupyter-cache knows a chapter by the source of its cells alone, so outputs would stay
the same after a change in the package. Next: execute.py, which runs the chapters.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from gpt2course import settings
from tools.publication import ROOT, base_url, repository

BUILD = ROOT / "_build"
CACHE = BUILD / ".jupyter_cache"
RAN_ON = BUILD / "ran-on.json"
LIBRARIES = ("torch", "transformers", "datasets", "numpy", "matplotlib")


def say(line: str) -> None:
    """One line about what happens, at once even when the output is a file."""
    print(f"book: {line}", flush=True)


def add_files(digest, paths: Iterable[Path]) -> None:
    """Add names and content of files, and of all files in folders, to a digest."""
    for path in sorted(paths):
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                name = file.relative_to(path.parent).as_posix()
                digest.update(name.encode() + b"\0")
                digest.update(hashlib.sha256(file.read_bytes()).digest())


def outputs_key(package: Path = ROOT / "gpt2course") -> str:
    """What outputs depend on apart from the cells: package, settings, libraries."""
    digest = hashlib.sha256()
    add_files(digest, [package])
    checkpoint, data = settings.checkpoint_name(), settings.data_source()
    versions = [version(name) for name in LIBRARIES]
    rest = [checkpoint, data, settings.effort(), versions, sys.version_info[:2]]
    digest.update(json.dumps(rest).encode())
    folders = [Path(choice) for choice in (checkpoint, data) if "/" in choice]
    add_files(digest, [folder for folder in folders if folder.exists()])
    return digest.hexdigest()


def pages_key(outputs: str) -> str:
    """What every page depends on, apart from its own text."""
    digest = hashlib.sha256(outputs.encode())
    # sentences of the glossary and references stand on the other pages, too
    shared = ("book/glossary.md", "book/references.bib")
    own = ("tools", "book/_static", "book/live", "_toc.yml", "_config.yml")
    paths = (*own, *shared)
    add_files(digest, [ROOT / path for path in paths])
    digest.update(f"{repository()} {base_url()}".encode())
    return digest.hexdigest()


def ran_on() -> dict:
    """Checkpoint, data and device of the chapters, for the line at each page's foot."""
    import torch

    from gpt2course.checkpoints import load_checkpoint

    model = load_checkpoint()
    cuda = torch.cuda.is_available()
    return {
        "checkpoint": settings.checkpoint_name(),
        "parameters": sum(p.numel() for p in model.parameters()),
        "data": settings.data_source(),
        "effort": settings.effort(),
        "device": torch.cuda.get_device_name() if cuda else "CPU",
    }


def noted() -> dict:
    """What the last build was made from; empty if there was none."""
    return json.loads(RAN_ON.read_text()) if RAN_ON.exists() else {}


def is_current() -> bool:
    """Whether outputs and pages were made from what is here now."""
    outputs = outputs_key()
    now = {"outputs_key": outputs, "pages_key": pages_key(outputs)}
    return now.items() <= noted().items()


def empty_when_stale() -> None:
    """Remove outputs, or pages, that were made from something that has changed since.

    Raises:
        ValueError: an unknown checkpoint, or a hub that cannot be reached.
    """
    old = noted()
    outputs = outputs_key()
    pages = pages_key(outputs)
    if old.get("outputs_key") != outputs:
        if CACHE.exists():
            say("package, settings or a library have changed: every chapter runs again")
        shutil.rmtree(CACHE, ignore_errors=True)
        old = ran_on()
    if old.get("pages_key") != pages:
        for folder in ("html", ".doctrees", "student", ".student"):
            shutil.rmtree(BUILD / folder, ignore_errors=True)
    BUILD.mkdir(exist_ok=True)
    new = old | {"outputs_key": outputs, "pages_key": pages}
    RAN_ON.write_text(json.dumps(new, indent=1) + "\n")
