"""Committed measurements.

What takes too long for a page is run once, by a command that the file names.

A file is a JSON object with at least `command` (which regenerates it), `machine` (see
`machine`) and `rows`.
"""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

#: the folder of the committed measurements
FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The measurements that ship with the package, in alphabetical order."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def read(name: str) -> dict:
    """A measurement that ships with the package, for the book and for notebooks.

    Args:
        name: the file's name without .json.

    Returns:
        its content: `command`, `machine`, `rows`, and what else the command writes.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in names():
        raise ValueError(
            f"there is no measurement {name!r}; there are: "
            f"{', '.join(names()) or 'none'}"
        )
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def write(result: dict, path: Path | None) -> None:
    """What a benchmark found, as a file that `read` takes.

    On the standard output without a path.
    """
    text = json.dumps(result, indent=1) + "\n"
    if path:
        path.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


def machine(*packages: str) -> dict:
    """What a reader has to know to judge a time.

    Processor, accelerator, threads, versions.

    Args:
        packages: whose versions matter, besides torch.
    """
    import torch

    def of(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "not installed"

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "accelerator": torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else None,
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {package: of(package) for package in ("torch", *packages)},
    }


def _processor() -> str:
    try:  # Linux knows the name, where platform.processor() does not
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(
            line.split(":")[1].strip()
            for line in lines
            if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
