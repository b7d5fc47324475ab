"""The package as a house.

Imports go one way and through the faces of the rooms, and importing does nothing.
"""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest
from conftest import run_python

import gpt2course

# From the ground up: a room imports only from those before it.
ROOMS = [
    *("arguments", "config", "settings", "cache", "model", "loss", "files"),
    *("checkpoints", "generation", "data", "training", "evaluation", "sentiment"),
    *("course", "cli", "__main__"),
]
PACKAGE = Path(gpt2course.__file__).parent
ROOT = PACKAGE.parent
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE)
FILES += sorted(path for path in PACKAGE.glob("*.py") if path.name != "__init__.py")
FACES = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
LAZY_FACES = [face for face in FACES if face != "cli"]
HEAVY = ("torch", "transformers", "datasets", "matplotlib", "sklearn", "scipy")


def room(path: Path) -> str:
    """The part of the house that a file belongs to.

    Model, or training for a file in that folder.
    """
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(source: str, name: str) -> list[str]:
    """The modules of gpt2course that a file imports, without the package's name."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += names if node.module == "gpt2course" else [node.module]
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    ours = [
        found.removeprefix("gpt2course.")
        for found in found
        if found.startswith("gpt2course.")
    ]
    return [module for module in ours if module != "__version__"]


@pytest.mark.parametrize(
    "path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix()
)
def test_imports_go_one_way_and_through_faces(path):
    here = room(path)
    assert here in ROOMS, "give the new room its place in ROOMS"
    for module in imports(path.read_text(encoding="utf-8"), str(path)):
        there, _, file = module.partition(".")
        if there == here:
            continue
        assert there in ROOMS[: ROOMS.index(here)], f"{module} is not below {here}"
        assert not file, f"import from gpt2course.{there}, not from its file {file}"


USERS = [
    *ROOT.glob("book/*.md"),
    *ROOT.glob("benchmarks/*.py"),
    *ROOT.glob("tools/**/*.py"),
]


@pytest.mark.parametrize("path", USERS, ids=lambda path: path.name)
def test_who_uses_the_package_imports_from_faces(path):
    text = path.read_text(encoding="utf-8")
    for module in re.findall(r"^ *(?:from|import) gpt2course\.([\w.]+)", text, re.M):
        there, _, file = module.partition(".")
        assert there in ROOMS, f"there is no room {there}"
        assert not file, f"import from gpt2course.{there}, not from its file {file}"


@pytest.mark.parametrize("face", LAZY_FACES)
def test_a_face_has_what_it_names(face):
    module = importlib.import_module(f"gpt2course.{face}")
    files = {path.stem for path in (PACKAGE / face).glob("*.py")}
    folders = {path.parent.name for path in (PACKAGE / face).glob("*/__init__.py")}
    for name in module.__all__:
        value = getattr(module, name)
        if (
            name in files | folders
        ):  # a file would hide a function of the same name once it is imported
            assert value.__name__ == f"gpt2course.{face}.{name}", (
                f"rename the file {face}/{name}.py or what it holds"
            )


def test_faces_are_light_and_importing_does_nothing():
    names = [
        "gpt2course",
        "gpt2course.settings",
        "gpt2course.config",
        *(f"gpt2course.{face}" for face in FACES),
    ]
    watch = (
        "import importlib, sys\n"
        "sys.addaudithook(lambda event, _: print(event) if event.startswith('socket.') "
        "else None)\n"
        f"for name in {names}: importlib.import_module(name)\n"
        f"print(*[name for name in {HEAVY} if name in sys.modules])"
    )
    done = run_python("-c", watch)
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_importing_the_files_is_silent_and_asks_no_network():
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in FILES
        if path.stem != "__main__"
    ]
    names = [name.removesuffix(".__init__") for name in names]
    watch = (
        "import importlib, sys\n"
        "sys.addaudithook(lambda event, _: print(event) if "
        "event.startswith('socket.connect') else None)\n"
        f"for name in {names}: importlib.import_module(name)"
    )
    done = run_python("-c", watch)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
