"""Every message of an error of the package, read from its source, for troubleshooting.

An ellipsis stands for what is filled in at run time, as in the titles of the page's own
boxes. A message that such a box explains is not listed again. Checks of exercises are
left out: they speak to the learner who reads them.
"""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gpt2course.cli import COMMANDS
from tools.publication import ROOT
from tools.reference import members, rooms

PACKAGE = "gpt2course"
EXERCISES = "course.exercises"
#: the parts of the list, and the rooms of each
GROUPS = {
    "Model, cache and loss": ("model", "cache", "loss", "config"),
    "Checkpoints": ("checkpoints",),
    "Generation": ("generation",),
    "Data": ("data",),
    "Training": ("training",),
    "Evaluation": ("evaluation",),
    "Sentiment": ("sentiment",),
    "Command line": ("cli",),
    "Settings and files": ("settings", "files", "arguments"),
    "Pages and assignments": ("course",),
}
DEEPEST = 12  # names and calls that lead to a text
FILLED_IN = "…"
WRITTEN = (ast.Constant, ast.JoinedStr)
BOX = re.compile(r"^:::\{dropdown\} (.+)\n(?:% (.+)\n)?", flags=re.M)


@dataclass(frozen=True)
class Message:
    """A message, with what is known about it.

    Args:
        text: with ellipses.
        kinds: the types of the error.
        places: public names, such as generation.generate, or commands.
        why: what the docstring says besides, or nothing.
        room: such as generation.
        lines: where it is raised, such as generation.loop:141.
    """

    text: str
    kinds: tuple[str, ...]
    places: tuple[str, ...]
    why: str
    room: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Unread:
    """An error without words of its own: where it is raised, and how."""

    function: str
    expression: str
    line: str


@dataclass
class Module:
    """A file: its functions, its constants, and what it imports from the package."""

    name: str
    functions: dict[str, Function] = field(default_factory=dict)
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    constants: dict[str, list[ast.expr]] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def room(self) -> str:
        """The first part of the name."""
        return self.name.partition(".")[0]


@dataclass(eq=False)
class Function:
    """A function or a method, with the functions inside of it."""

    module: Module
    name: str
    node: ast.FunctionDef
    owner: str = ""  # the class

    @functools.cached_property
    def assigned(self) -> dict[str, list[ast.expr]]:
        """What is assigned to each name in it."""
        return assignments(ast.walk(self.node))

    @property
    def parameters(self) -> list[str]:
        """Their names, without self."""
        arguments = self.node.args
        names = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
        return names[1:] if names[:1] in (["self"], ["cls"]) else names

    @property
    def returns(self) -> list[ast.expr]:
        """What it returns, one expression for each return."""
        nodes = ast.walk(self.node)
        return [n.value for n in nodes if isinstance(n, ast.Return) and n.value]

    @property
    def never_returns(self) -> bool:
        """Whether it does nothing but raise."""
        return ast.unparse(self.node.returns or ast.Constant(0)) == "NoReturn"


def assignments(nodes: Iterable[ast.AST]) -> dict[str, list[ast.expr]]:
    """What is assigned to each name; a text that grows ends in an ellipsis."""
    found: dict[str, list[ast.expr]] = {}
    for node in nodes:
        match node:
            case (
                ast.Assign(targets=[ast.Name(name)], value=value)
                | ast.AnnAssign(target=ast.Name(name), value=ast.expr() as value)
                | ast.NamedExpr(target=ast.Name(name), value=value)
            ):
                found.setdefault(name, []).append(value)
            case ast.AugAssign(target=ast.Name(name)) if name in found:
                more = ast.Constant(FILLED_IN)
                found[name] = [ast.BinOp(v, ast.Add(), more) for v in found[name]]
    return found


class Source:
    """A package, parsed: its errors and who calls whom.

    Args:
        folder: of the package.
        public: the names that users see, by module and name inside of it.
    """

    def __init__(self, folder: Path, public: dict[tuple[str, str], str]) -> None:
        self.package = folder.name
        self.public = public
        self.modules: dict[str, Module] = {}
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join(part for part in parts if part != "__init__")
            if not name.startswith(EXERCISES):
                tree = ast.parse(path.read_text(encoding="utf-8"))
                self.modules[name] = self.module(name, tree)
        self.functions = [
            f for m in self.modules.values() for f in m.functions.values()
        ]

    def module(self, name: str, tree: ast.Module) -> Module:
        """What a file defines and imports."""
        module = Module(name, constants=assignments(tree.body))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                module.functions[node.name] = Function(module, node.name, node)
            elif isinstance(node, ast.ClassDef):
                module.classes[node.name] = node
                for inner in node.body:
                    if isinstance(inner, ast.FunctionDef):
                        full = f"{node.name}.{inner.name}"
                        function = Function(module, full, inner, node.name)
                        module.functions[full] = function
        for node in ast.walk(tree):
            match node:
                case ast.ImportFrom(module=str(source), names=names):
                    package, _, inside = source.partition(".")
                    if package == self.package:
                        for alias in names:
                            known_as = alias.asname or alias.name
                            module.imports[known_as] = (inside, alias.name)
                case ast.keyword("submod_attrs", ast.Dict(files, given)):
                    # of lazy_loader.attach, which imports when a name is first used
                    for file, names in zip(files, given, strict=True):
                        inside = f"{name}.{ast.literal_eval(file)}"
                        for each in ast.walk(names):
                            if isinstance(each, ast.Constant):
                                module.imports[each.value] = (inside, each.value)
        return module

    def defined(self, module: Module, name: str) -> tuple[Module, str] | None:
        """Where a name that a module uses is defined, if in the package."""
        while name not in module.functions and name not in module.classes:
            if name not in module.imports:
                return None
            inside, name = module.imports[name]
            if inside not in self.modules:
                return None
            module = self.modules[inside]
        return module, name

    def meant(self, node: ast.expr, function: Function) -> list[Function]:
        """The functions of the package that an expression means; a class is all its
        methods."""
        match node:
            case ast.Name(name):
                if not (found := self.defined(function.module, name)):
                    return []
                module, name = found
                if name in module.functions:
                    return [module.functions[name]]
                return [f for f in module.functions.values() if f.owner == name]
            case ast.Attribute(ast.Name("self" | "cls"), name) if function.owner:
                return self.method(function.module, function.owner, name)
            case ast.Attribute(ast.Name(variable), name):
                for value in function.assigned.get(variable, ()):
                    if self.is_class(made := getattr(value, "func", None), function):
                        return self.method(
                            *self.defined(function.module, made.id), name
                        )
        return []

    def is_class(self, node: ast.expr | None, function: Function) -> bool:
        """Whether an expression is the name of a class of the package."""
        found = isinstance(node, ast.Name) and self.defined(function.module, node.id)
        return bool(found) and found[1] in found[0].classes

    def helpers(self, call: ast.expr, function: Function) -> list[Function]:
        """The function of ours that an expression calls, if it calls one."""
        if not isinstance(call, ast.Call) or self.is_class(call.func, function):
            return []
        return self.meant(call.func, function)

    def method(self, module: Module, owner: str, name: str) -> list[Function]:
        """A method of a class or of those that it is derived from."""
        if f"{owner}.{name}" in module.functions:
            return [module.functions[f"{owner}.{name}"]]
        for base in module.classes[owner].bases:
            if isinstance(base, ast.Name) and (found := self.defined(module, base.id)):
                return self.method(*found, name)
        return []

    @functools.cached_property
    def callers(self) -> dict[Function, list[Function]]:
        """The functions that mention each function."""
        found: dict[Function, list[Function]] = {}
        for function in self.functions:
            mentioned = {
                other: None
                for node in ast.walk(function.node)
                if isinstance(node, ast.Name | ast.Attribute)
                for other in self.meant(node, function)
            }
            for other in mentioned:
                found.setdefault(other, []).append(function)
        return found

    def places(self, function: Function) -> tuple[str, ...]:
        """The public names next above a function, or its own."""
        seen, level, found = {function}, [function], []
        while level:
            above = []
            for one in level:
                if name := self.public_name(one):
                    found.append(name)
                else:
                    above += [f for f in self.callers.get(one, []) if f not in seen]
                    seen.update(above)
            level = above
        return tuple(dict.fromkeys(found))

    def public_name(self, function: Function) -> str:
        """What users call a function, or the class of a method; nothing if private."""
        place = function.module.name
        if not function.owner:
            return self.public.get((place, function.name), "")
        owner = self.public.get((place, function.owner), "")
        method = function.name.rpartition(".")[2]
        return f"{owner}.{method}" if owner and method[0] != "_" else owner

    def texts(
        self,
        node: ast.AST,
        function: Function,
        known: dict[str, list[str]],
        depth: int = 0,
    ) -> list[str]:
        """What an expression may be as a text, with ellipses.

        Args:
            node: the expression.
            function: where it stands.
            known: texts of parameters.
            depth: how many names and calls led here.
        """
        if depth > DEEPEST:
            return [FILLED_IN]

        def again(inner: ast.AST) -> list[str]:
            return self.texts(inner, function, known, depth + 1)

        match node:
            case ast.Constant(value=value) if value is not None:
                return [str(value)]
            case ast.JoinedStr(values=parts):
                return combined(again(part) for part in self.begun(parts, function))
            case ast.FormattedValue(value=ast.Name(name)) if name in known:
                return known[name]
            case ast.BinOp(left, ast.Add(), right):
                return combined([again(left), again(right)])
            case ast.IfExp(body=body, orelse=orelse):
                return [*again(body), *again(orelse)]
            case ast.Call(ast.Name("str"), [argument]):
                return again(argument)
            case ast.Name(name) if name in known:
                return known[name]
            case ast.Name(name):
                names = (function.assigned, function.module.constants)
                values = next((found[name] for found in names if name in found), [])
                return [text for value in values for text in again(value)] or [
                    FILLED_IN
                ]
            case ast.Call():
                found = []
                for helper in self.helpers(node, function):
                    given = self.given(node, helper, again)
                    for value in helper.returns:
                        said = self.said(value, helper)
                        found += self.texts(said, helper, given, depth + 1)
                return found or [FILLED_IN]
        return [FILLED_IN]

    def begun(self, parts: list[ast.expr], function: Function) -> list[ast.expr]:
        """The parts of an f-string. A field is filled in at run time, but one at the
        beginning that a function of ours makes is the message itself."""
        match parts:
            case [ast.FormattedValue(value=ast.Call() as call), *rest]:
                if any(map(has_words, self.texts(call, function, {}))):
                    return [call, *rest]
        return parts

    @staticmethod
    def given(
        call: ast.Call,
        called: Function,
        text_of: Callable[[ast.expr], list[str]],
    ) -> dict[str, list[str]]:
        """Texts of the parameters in a call: those that are written there."""
        pairs = [*zip(called.parameters, call.args, strict=False)]
        pairs += [(keyword.arg, keyword.value) for keyword in call.keywords]
        return {
            name: text_of(value) if isinstance(value, WRITTEN) else [FILLED_IN]
            for name, value in pairs
        }

    def said(self, error: ast.expr, function: Function) -> ast.expr:
        """The message in an expression that makes an error; else the expression."""
        if not isinstance(error, ast.Call) or self.helpers(error, function):
            return error
        if not ast.unparse(error.func).rpartition(".")[2][:1].isupper():
            return error
        for argument in error.args:
            if any(map(has_words, self.texts(argument, function, {}))):
                return argument
        return ast.Constant(FILLED_IN)

    def kind(self, error: ast.expr, function: Function) -> str:
        """The name of the type of an error."""
        for helper in self.helpers(error, function):
            if helper.never_returns:
                return self.kind(next(raised(helper.node)).exc, helper)
            if helper.node.returns:
                return ast.unparse(helper.node.returns)
        made = error.func if isinstance(error, ast.Call) else error
        return ast.unparse(made).rpartition(".")[2]

    def errors(self) -> Iterator[tuple[Function, ast.expr, ast.expr]]:
        """Where each error is made, how, and its message.

        To call a function that only raises is to raise. A `raise` alone passes on what
        is listed elsewhere.
        """
        for function in self.functions:
            for node in ast.walk(function.node):
                match node:
                    case ast.Raise(exc=ast.expr() as error):
                        yield function, error, self.said(error, function)
                    case ast.Call(args=[text, *_]):
                        helpers = self.helpers(node, function)
                        if any(helper.never_returns for helper in helpers):
                            yield function, node, text

    def messages(self) -> tuple[list[Message], list[Unread]]:
        """All messages in the order of the files, and the errors without words."""
        found: dict[tuple[str, str], Message] = {}
        unread = []
        for function, error, said in self.errors():
            line = f"{function.module.name}:{error.lineno}"
            texts = dict.fromkeys(map(in_one_line, self.texts(said, function, {})))
            worded = [text for text in texts if has_words(text)]
            if not worded:
                where = f"{function.module.name}.{function.name}"
                unread.append(Unread(where, ast.unparse(error), line))
            for text in worded:
                kind, room = self.kind(error, function), function.module.room
                why = self.why(function, kind, text)
                places = self.places(function)
                new = Message(text, (kind,), places, why, room, (line,))
                old = found.get((room, text))
                found[room, text] = together(old, new) if old else new
        return list(found.values()), unread

    def why(self, function: Function, kind: str, text: str) -> str:
        """What a docstring says of the one error of a type in a function.

        Left out where it names others or several causes, or repeats the message.
        """
        kinds = [self.kind(n.exc, function) for n in raised(function.node) if n.exc]
        if kinds.count(kind) > 1:
            return ""
        documented = [function.node]
        if function.owner:
            documented.append(function.module.classes[function.owner])
        for node in documented:
            said = raises_lines(ast.get_docstring(node) or "").get(kind, "")
            words = set(re.findall(r"[a-z]{4,}", said.lower()))
            new = words - set(re.findall(r"[a-z]{4,}", text.lower()))
            if 2 * len(new) > len(words) and not re.search(r"`|, |^it ", said):
                return said
        return ""


def raised(node: ast.AST) -> Iterator[ast.Raise]:
    """The raise statements in a function."""
    return (inner for inner in ast.walk(node) if isinstance(inner, ast.Raise))


def combined(parts: Iterable[list[str]]) -> list[str]:
    """Texts whose parts may be several; ellipses that touch become one."""
    texts = map("".join, itertools.product(*parts))
    return [re.sub(f"{FILLED_IN}{{2,}}", FILLED_IN, text) for text in texts]


def raises_lines(doc: str) -> dict[str, str]:
    """What the part Raises of a docstring says of each type."""
    match = re.search(r"^ *Raises:\n((?: +.*\n?)+)", inspect.cleandoc(doc), re.M)
    entries = re.split(r"^ {4}(?=\S)", match[1], flags=re.M) if match else []
    found = {}
    for entry in entries:
        names, colon, said = " ".join(entry.split()).partition(": ")
        if colon:
            found |= dict.fromkeys(names.split(", "), said.removesuffix("."))
    return found


def together(old: Message, new: Message) -> Message:
    """The same text from two places."""

    def both(name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*getattr(old, name), *getattr(new, name))))

    why = old.why if old.why == new.why else ""
    facts = (both("kinds"), both("places"), why, old.room, both("lines"))
    return Message(old.text, *facts)


def in_one_line(text: str) -> str:
    """A message as the command line prints it."""
    return " ".join(text.split())


def plain(text: str) -> str:
    """A text as book/_static/filter.js compares it."""
    return re.sub(r"[`'\"“”‘’\s]+", " ", text.lower()).strip()


def pieces_of(title: str) -> list[str]:
    """What stands between the ellipses of a title, as filter.js looks for it."""
    pieces = [piece.strip() for piece in plain(title).split(FILLED_IN)]
    return [piece for piece in pieces if len(piece) > 2]


def has_words(text: str) -> bool:
    """Whether a message can be found by what it says itself."""
    return any(re.search(r"[a-z]{2}", piece) for piece in pieces_of(text))


def is_inside(title: str, text: str) -> bool:
    """Whether a message is one of those that a title stands for, as in filter.js."""
    start, text, pieces = 0, plain(text), pieces_of(title)
    for piece in pieces:
        at = text.find(piece, start)
        if at < 0:
            return False
        start = at + len(piece)
    return bool(pieces)


def boxes(page: str) -> list[tuple[str, str]]:
    """The messages in the titles of a page's boxes, and which other program has it."""
    found = BOX.findall(page)
    return [(title.strip("`"), where) for title, where in found if title[0] == "`"]


def public_names() -> dict[tuple[str, str], str]:
    """Every public name and command of the package, by file and name inside of it."""
    found = {}
    for room in rooms():
        if not room.startswith(EXERCISES):
            for member in members(room):
                if member.kind != "data":
                    value = inspect.unwrap(member.value)
                    place = value.__module__.removeprefix(f"{PACKAGE}.")
                    found[place, value.__qualname__] = f"{room}.{member.name}"
    for command in COMMANDS:
        place = f"cli.{command.replace('-', '_')}"
        found[place, "run"] = f"{PACKAGE} {command}"
    return found | {("cli", "main"): PACKAGE}


@functools.cache
def collected() -> tuple[list[Message], list[Unread]]:
    """The messages of the package, and the errors that have no words of their own."""
    return Source(ROOT / PACKAGE, public_names()).messages()


def listed(page: str) -> dict[str, list[Message]]:
    """The messages that no box of a page explains, by the title of their group.

    Raises:
        ValueError: a room of the package is in no group.
    """
    own = [title for title, where in boxes(page) if not where]
    rest = [m for m in collected()[0] if not any(is_inside(t, m.text) for t in own)]
    known = {room for rooms in GROUPS.values() for room in rooms}
    if left := sorted({message.room for message in rest} - known):
        raise ValueError(
            f"no group in tools/messages.py has {left[0]!r}; add it to one"
        )
    return {
        title: [m for room in rooms for m in rest if m.room == room]
        for title, rooms in GROUPS.items()
    }


def in_markdown(page: str) -> list[str]:
    """Markdown: a list of messages for each group, folded."""
    lines = []
    for title, messages in listed(page).items():
        lines += ["<details>", f"<summary>{title}: {len(messages)} messages</summary>"]
        lines.append("")
        for message in messages:
            where = f" in {', '.join(message.places)}" if message.places else ""
            kinds = " or ".join(message.kinds)
            lines.append(f"- `` {message.text} `` ({kinds}{where})")
        lines += ["", "</details>", ""]
    return lines
