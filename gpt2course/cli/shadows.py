"""A file of the user's that Python takes for a package, because it has its name.

main in __init__.py asks here when something failed.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import traceback
from importlib.machinery import PathFinder
from pathlib import Path


def shadow(error: BaseException) -> str | None:
    """Which file caused an error by standing in for a package, and what to do.

    Args:
        error: whatever was raised, with its causes.

    Returns:
        one line, or None if it was no such file.
    """
    files: list[str] = []
    modules: list[object] = []  # one that could be imported is in no traceback
    if not isinstance(error, (ValueError, RuntimeError, MemoryError)):
        # raised by nobody on purpose; a lazy import hides the module that it is about
        modules += sys.modules.values()
    cause: BaseException | None = error
    while cause is not None:
        files += [frame.filename for frame in traceback.extract_tb(cause.__traceback__)]
        if isinstance(cause, ImportError):
            modules.append(sys.modules.get((cause.name or "").split(".")[0]))
        elif isinstance(cause, AttributeError):
            modules.append(cause.obj)
        cause = cause.__cause__ or cause.__context__
    files += [str(getattr(module, "__file__", None) or "") for module in modules]
    searched = set(map(os.path.abspath, sys.path))  # "" is the current folder
    installed = sorted({*sysconfig.get_paths().values()})
    for path in map(Path, dict.fromkeys(map(os.path.abspath, files))):
        name = path.parent.name if path.name == "__init__.py" else path.stem
        folder = path.parent.parent if path.name == "__init__.py" else path.parent
        if path.suffix != ".py" or str(folder) not in searched:
            continue  # part of a package
        found = PathFinder.find_spec(name, installed)
        if found and found.origin and Path(found.origin) != path:
            return (
                f"{path} has the name of the package {name}, which Python now takes it "
                "for; rename it, or run the command in another folder"
            )
    return None
