"""The package as a house: imports go one way, nothing happens when a module is imported."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from conftest import run_python

import gpt2course

# A module imports only from those before it.
ORDER = [
    "config", "cache", "model", "decode", "weights", "settings", "measurements", "checkpoints", "sampling",
    "generate", "compiled", "beam", "loss", "packing", "muon", "runs", "training", "data", "jokes", "pretraining",
    "card", "metrics", "classify", "evaluation", "interpret", "notebook", "plots", "widgets", "exercises", "cli",
    "__main__",
]  # fmt: skip
MAY_IMPORT = {  # inside functions only, as these take seconds to import
    "transformers": {"weights", "checkpoints", "classify", "exercises"},
    "datasets": {"data", "classify", "metrics"},
    "tokenizers": {"pretraining"},
    "accelerate": {"training", "classify"},
    "sklearn": {"classify"},
}
PACKAGE = Path(gpt2course.__file__).parent
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" or path.parent != PACKAGE)


def room(path: Path) -> str:
    """The part of the house that a file belongs to: model, or exercises for a file in that folder."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[str, bool]]:
    """(module, whether inside a function) of every import, but those for type checkers only."""
    found = []

    def visit(node: ast.AST, inside: bool) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Import):
            found.extend((alias.name, inside) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found.extend((name, inside) for name in (names if node.module == "gpt2course" else [node.module]))
        for child in ast.iter_child_nodes(node):
            visit(child, inside or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)))

    visit(ast.parse(path.read_text(encoding="utf-8")), False)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_go_one_way(path):
    assert room(path) in ORDER, "give the new module its place in ORDER"
    allowed = ORDER[: ORDER.index(room(path))]
    for name, _ in imports(path):
        if name.startswith("gpt2course.") and name != "gpt2course.__version__":
            imported = name.split(".")[1]
            assert imported in allowed or imported == room(path) == "exercises", f"{name} is not above {room(path)}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_heavy_libraries_are_imported_by_few_and_late(path):
    for name, inside in imports(path):
        heavy = name.split(".")[0]
        if heavy in MAY_IMPORT:
            assert room(path) in MAY_IMPORT[heavy], f"{path.name} imports {heavy}"
            assert inside, f"{path.name} imports {heavy} at its top"


WATCH = """
import importlib, json, os, sys
import torch
result = {}
for name in sys.argv[1:]:
    reading, writing = os.pipe()
    if os.fork() == 0:  # a process of its own for each, without importing torch again each time
        os.dup2(writing, 1), os.dup2(writing, 2)
        events = []
        sys.addaudithook(lambda event, _: events.append(event) if event.startswith("socket.") else None)
        importlib.import_module(name)
        heavy = sorted({"transformers", "datasets", "tokenizers", "huggingface_hub"} & set(sys.modules))
        if heavy or events:
            print(heavy, events)
        sys.stdout.flush(), os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as said:
        result[name] = said.read()
    failed = os.wait()[1]
    result[name] += f"exit code {failed}" if failed else ""
print(json.dumps(result))
"""


def test_importing_does_nothing():
    names = ["gpt2course"] + [f"gpt2course.{path.stem}" for path in FILES if path.parent == PACKAGE]
    done = run_python("-c", WATCH, *names)
    assert json.loads(done.stdout) == dict.fromkeys(names, ""), done.stderr


@pytest.mark.parametrize("name", ["gpt2course", "gpt2course.settings", "gpt2course.cli", "gpt2course.notebook"])
def test_light_modules_do_not_wait_for_torch(name):
    done = run_python("-c", f"import {name}, sys; print('torch' in sys.modules, 'matplotlib' in sys.modules)")
    assert done.stdout.strip() == "False False", done.stderr
