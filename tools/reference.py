"""The public names of the package, room by room, for the page *API* and its notebook.

A room is a module of gpt2course that others import from. Its public names are those of
its `__all__`, or, where it has none, all that it defines without an underscore. A
constant is described by the `#:` comment at its definition.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from sphinx.pycode import ModuleAnalyzer

from tools.publication import ROOT, source_address

LONGEST_VALUE = 60  # characters of a constant that the page shows


@dataclass(frozen=True)
class Member:
    """A public name: where it is defined, and what is said about it."""

    room: str
    name: str
    value: object
    doc: str
    file: Path
    line: int

    @property
    def kind(self) -> str:
        """class, exception, function or data, as Sphinx calls them."""
        if inspect.isclass(self.value):
            return "exception" if issubclass(self.value, Exception) else "class"
        return "function" if inspect.isroutine(self.value) else "data"

    @property
    def sentence(self) -> str:
        """The first sentence of the description, in one line."""
        paragraph = " ".join(self.doc.partition("\n\n")[0].split())
        return re.split(r"(?<=\.)\s+(?=[A-Z(`])", paragraph)[0]

    def restructured(self) -> list[str]:
        """The directive of Sphinx that shows the signature and the description."""
        if self.kind != "data":
            options = {"function": []}.get(self.kind, ["members", "show-inheritance"])
            lines = [f".. auto{self.kind}:: gpt2course.{self.room}.{self.name}"]
            return [*lines, *(f"   :{option}:" for option in options)]
        lines = [
            f".. py:data:: {self.name}",
            f"   :module: gpt2course.{self.room}",
            f"   :type: {type(self.value).__name__}",
        ]
        value = repr(self.value)
        plain = isinstance(self.value, int | float | str | tuple | list)
        if plain and len(value) <= LONGEST_VALUE:
            lines.append(f"   :value: {value}")
        return [*lines, "", *(f"   {line}" for line in self.doc.split("\n"))]

    def source(self) -> str:
        """Where the definition stands, with a link if the repository is known."""
        path = self.file.relative_to(ROOT).as_posix()
        where = f"`{path}`, line {self.line}"
        address = source_address(path, self.line)
        return f"Source: [{where}]({address})" if address else f"Source: {where}"


def rooms() -> list[str]:
    """Every room, such as "model" or "course.exercises", in alphabetical order."""
    package = ROOT / "gpt2course"
    files = [path for path in package.glob("*.py") if not path.stem.startswith("__")]
    folders = [path.parent for path in package.glob("*/**/__init__.py")]
    paths = [path.relative_to(package) for path in (*files, *folders)]
    return sorted(".".join(path.with_suffix("").parts) for path in paths)


def about(room: str) -> str:
    """What a room holds: the first paragraph of its docstring."""
    return inspect.getdoc(load(room)).partition("\n\n")[0]


def load(room: str) -> ModuleType:
    """The module of a room.

    Raises:
        ValueError: there is no such room.
    """
    if room not in rooms():
        raise ValueError(f"there is no room {room!r}; rooms are {', '.join(rooms())}")
    return importlib.import_module(f"gpt2course.{room}")


@functools.cache
def members(room: str) -> list[Member]:
    """The public names of a room in alphabetical order, constants last.

    Raises:
        ValueError: no such room, or a public name has no description.
    """
    module = load(room)
    constants = {name: found for name, *found in described_constants(module)}
    found = []
    for name in public_names(module):
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isroutine(value):
            doc = inspect.cleandoc(value.__doc__ or "")
            value_or_wrapped = inspect.unwrap(value)
            file = Path(inspect.getsourcefile(value_or_wrapped))
            line = inspect.getsourcelines(value_or_wrapped)[1]
        else:
            doc, file, line = constants.get(name, ("", Path(module.__file__), 1))
        if not doc:
            raise ValueError(
                f"gpt2course.{room}.{name} has no description; give it a docstring, or "
                "a constant a comment that begins with #:"
            )
        found.append(Member(room, name, value, doc, file, line))
    return sorted(found, key=lambda member: (member.kind == "data", member.name))


def public_names(module: ModuleType) -> list[str]:
    """What others may import from a room; the rooms in it have lists of their own."""
    inside = set(rooms())
    room = module.__name__.removeprefix("gpt2course.")
    names = getattr(module, "__all__", None)
    if names is None:
        tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        names = [name for name, _ in defined(tree)]
    return [n for n in names if n[0] != "_" and f"{room}.{n}" not in inside]


def defined(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every name that a module defines itself, with its line."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for part in [part for target in targets for part in ast.walk(target)]:
                if isinstance(part, ast.Name):
                    yield part.id, node.lineno


def described_constants(module: ModuleType) -> Iterator[tuple[str, str, Path, int]]:
    """Name, description, file and line of the constants in the files of a room."""
    path = Path(module.__file__)
    inside = path.parent.glob("*.py") if path.name == "__init__.py" else [path]
    for file in sorted(inside):
        dotted = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        analyzer = ModuleAnalyzer.for_file(file, dotted)
        docs = analyzer.find_attr_docs()
        for name, line in defined(ast.parse(analyzer.code)):
            if ("", name) in docs:
                yield name, "\n".join(docs["", name]).strip(), file, line


def page_part(room: str) -> list[str]:
    """MyST: what a room holds, and a folded box for each of its public names."""
    lines = [about(room), ""]
    for member in members(room):
        lines += [
            f":::{{dropdown}} `{member.name}`: {member.sentence}",
            "```{eval-rst}",
            *member.restructured(),
            "```",
            member.source(),
            ":::",
            "",
        ]
    return lines


def notebook_part(room: str) -> list[str]:
    """Markdown: what a room holds, and a line for each of its public names."""
    listed = [f"- `{member.name}`: {member.sentence}" for member in members(room)]
    return [about(room), "", *listed]


def shown_text() -> str:
    """All that the page shows, as plain text: names, signatures and descriptions."""
    lines = []
    for room in rooms():
        lines.append(about(room))
        for member in members(room):
            lines += [member.name, member.doc]
            parts = [member.value]
            if inspect.isclass(member.value):
                parts += vars(member.value).values()
            for part in parts:
                part = getattr(part, "fget", getattr(part, "__func__", part))
                if inspect.isroutine(part) or inspect.isclass(part):
                    lines += [part.__name__, inspect.getdoc(part) or ""]
                    try:
                        lines.append(str(inspect.signature(part)))
                    except (TypeError, ValueError):  # of what is written in C
                        continue
    return "\n".join(lines)
