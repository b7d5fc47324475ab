"""The package as a learner has it: a wheel in an environment without the checkout.

The environment has the wheel and what it requires, taken from the packages of the one
that runs the tests, so that nothing is downloaded. The book's tools are not there.
"""

from __future__ import annotations

import ast
import functools
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from importlib.metadata import (
    Distribution,
    PackageNotFoundError,
    distribution,
    packages_distributions,
)
from pathlib import Path

import pytest
from conftest import run_python
from packaging.requirements import Requirement

import gpt2course

ROOT = Path(gpt2course.__file__).resolve().parents[1]
# what runs a notebook; Colab and Jupyter bring it
RUNNERS = ("ipykernel", "nbval", "pip")


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the package is built from, as a copy."""
    source = tmp_path_factory.mktemp("source") / "course-0123abc"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(
        ROOT / "gpt2course",
        source / "gpt2course",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return source


@pytest.fixture(scope="session")
def archive(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A commit as GitHub packs it: 0123abc.zip, with one folder in it."""
    base = tmp_path_factory.mktemp("archive") / "0123abc"
    return Path(shutil.make_archive(str(base), "zip", source.parent, source.name))


@pytest.fixture(scope="session")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as pip would publish it; alone in its folder.

    Built from a copy: setuptools writes beside the sources, and two processes may test.
    """
    folder = tmp_path_factory.mktemp("index")
    build = run_python(
        *("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
        *("--disable-pip-version-check", "--wheel-dir", str(folder), str(source)),
    )
    assert build.returncode == 0, build.stderr
    (path,) = folder.glob("gpt2course-*.whl")
    return path


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python with what the package requires and is built with, and without it."""
    return environment(tmp_path_factory.mktemp("bare") / "venv", "hatchling")


@pytest.fixture(scope="session")
def learner_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python with the package, installed from the wheel by pip."""
    python = environment(tmp_path_factory.mktemp("learner") / "venv")
    command = [python, "-m", "pip", "install", "--quiet", "gpt2course"]
    done = subprocess.run(
        command, env=outside(PIP_FIND_LINKS=str(wheel.parent)), capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    return python


def environment(folder: Path, *more: str) -> Path:
    """A new environment with the package's requirements, and more; its Python."""
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("[Ll]ib/**/site-packages")
    for found in closure([*gpt2course_requires(), *RUNNERS, *more]):
        for part in {file.parts[0] for file in found.files or ()}:
            here, there = found.locate_file(part), site / part
            if part not in ("..", "__pycache__") and not there.exists():
                there.symlink_to(here, target_is_directory=here.is_dir())
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def gpt2course_requires() -> list[str]:
    """The requirements in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return project["project"]["dependencies"]


def imported(source: str) -> set[str]:
    """The modules that Python code imports, wherever it does; a cell may have magics.

    An import that may fail (try, except ImportError) needs nothing.
    """
    source = re.sub(r"^( *)[%!].*", r"\1pass", source, flags=re.M)
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
        elif isinstance(node, ast.Try) and any(
            handler.type and "ImportError" in ast.unparse(handler.type)
            for handler in node.handlers
        ):
            waiting += [*node.handlers, *node.orelse, *node.finalbody]
            continue
        waiting += ast.iter_child_nodes(node)
    return found


@functools.cache
def importable() -> frozenset[str]:
    """What anybody can import who has installed the package alone."""
    required = {normal(Requirement(line).name) for line in gpt2course_requires()}
    brought = {
        module
        for module, names in packages_distributions().items()
        if required & set(map(normal, names))
    }
    return frozenset(brought | sys.stdlib_module_names | {"gpt2course"})


def normal(name: str) -> str:
    """The name of a distribution as an index has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(requirements: list[str]) -> list[Distribution]:
    """The installed packages that some requirements need, with what those need."""
    found: dict[str, Distribution] = {}
    waiting = [(text, "") for text in requirements]
    while waiting:
        text, extra = waiting.pop()
        needed = Requirement(text)
        if needed.marker and not needed.marker.evaluate({"extra": extra}):
            continue
        name = normal(needed.name)
        new = name not in found
        if new:
            try:
                found[name] = distribution(name)
            except PackageNotFoundError:
                raise AssertionError(
                    f"{text} is not installed; run make again"
                ) from None
        for wanted in ("", *needed.extras) if new else needed.extras:
            waiting += [(line, wanted) for line in found[name].requires or ()]
    return list(found.values())


def outside(**variables: str) -> dict[str, str]:
    """The environment of a process without the checkout, whose pip stays here."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    pip = {"PIP_NO_INDEX": "1", "PIP_NO_CACHE_DIR": "1"}
    return {**kept, "OMP_NUM_THREADS": "1", **pip, **variables}
