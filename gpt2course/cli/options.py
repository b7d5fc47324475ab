"""The options of a command, made from a function and its config dataclass.

Names, types and defaults come from the signature, help texts from the docstring, by
jsonargparse. So nothing is written twice: to add an option, add a field. The commands
are functions called `run`, one in each file beside this one.
"""

from __future__ import annotations

import argparse
import difflib
import re
import shlex
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType, NoneType, UnionType
from typing import Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

import docstring_parser
from jsonargparse import (
    ArgumentParser,
    DefaultHelpFormatter,
    Namespace,
    _loaders_dumpers,
)
from jsonargparse.typing import register_type

from gpt2course.cli.config_file import CarefulLoader, load_config, read_config_file
from gpt2course.config import GPT2Config

# jsonargparse reads config files as YAML, and then each value in them once more; it
# has a public way to replace the loader for the first only
_loaders_dumpers.yaml_default_loader = CarefulLoader


def _path(text: str) -> Path:
    """A path; an empty text is none, while to pathlib it is the current folder."""
    if not text:
        raise ValueError
    return Path(text)


register_type(Path, str, _path, type_check=isinstance)

EPILOG = """\
An option on the command line overrides the config file, which overrides the
environment variables, which override the defaults above.

environment variables:
  GPT2COURSE_CHECKPOINT  mini (default), gpt2, gpt2-medium, gpt2-large, gpt2-xl
                         or a folder
  GPT2COURSE_DATA        embedded, hub or a folder; hub by default with a
                         downloaded checkpoint
  GPT2COURSE_EFFORT      quick, page (default) or full: how long chapters train
  HF_HUB_OFFLINE, HF_HOME, HF_TOKEN
                         of the Hugging Face hub
"""
KINDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    list[str]: "a list of texts",
    Path: "a path",
    GPT2Config: "a mapping",
}
METAVARS = {
    "a whole number": "INT",
    "a number": "FLOAT",
    "a text": "TEXT",
    "a list of texts": "TEXT",
    "a path": "PATH",
}


def parse(
    name: str, command: ModuleType, arguments: Sequence[str]
) -> dict[str, object]:
    """What the function `run` of a command is called with.

    Args:
        name: of the command, as it is typed.
        command: a file of this room. The arguments of its function `run` are the
            options; if one is a config dataclass, the fields of that are options. An
            argument `given` gets the names of those that the command line or the config
            file sets, even to their defaults.
        arguments: what is typed after the name.

    Returns:
        a value for each argument of `run`.

    Raises:
        UsageError, ValueError: bad input; the message says what to do.
        SystemExit: after --help and --print-config.
    """
    parser = Parser(name, command)
    arguments = config_first(arguments)
    values = parser.parse_args(arguments)
    hints = _hints(command.run)
    wants_given = hints.pop("given", None) is not None
    result = {key: parser.value(values, key, hints[key]) for key in hints}
    if wants_given:
        found = (re.match(r"--([^=]+)", argument) for argument in arguments)
        result["given"] = {name[1].replace("-", "_") for name in found if name}
        if arguments and arguments[0].startswith("--config="):
            result["given"] |= _names_in(load_config(arguments[0][len("--config=") :]))
    return result


def _names_in(settings: dict, prefix: str = "") -> set[str]:
    """The names that a config file sets, dotted if they are nested."""
    names = set()
    for key, value in settings.items():
        name = prefix + str(key).replace("-", "_")
        names |= _names_in(value, f"{name}.") if isinstance(value, dict) else {name}
    return names


def config_first(arguments: Sequence[str]) -> list[str]:
    """The same arguments with --config in front, so that all others override it.

    Raises:
        ValueError: two config files, or one that cannot be read; -- as a value.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options, paths, position = [], [], 0
    while position < end:
        argument = arguments[position]
        position += 1
        if argument == "--config" and position < end:
            paths.append(arguments[position])
            position += 1
        elif argument.startswith("--config="):
            paths.append(argument.removeprefix("--config="))
        elif argument.startswith("--") and argument.endswith("=--"):
            # argparse drops the value, up to Python 3.12
            raise ValueError(
                f"{argument!r}: -- stands for the end of the options and cannot be the "
                "value of one; leave the option out, or pass another value"
            )
        else:
            options.append(argument)
    if len(paths) > 1:
        raise ValueError(
            f"there are {len(paths)} config files, {' and '.join(paths)}; pass one"
        )
    config = [f"--config={read_config_file(path)}" for path in paths]
    return [*config, *options, *arguments[end:]]


def command_line(name: str, *texts: str, **options: object) -> str:
    """A command as it can be typed in a shell, each part quoted where it has to be.

    Args:
        name: of the command.
        texts: before the options.
        options: by name; a dot or an underscore in it is allowed.
    """
    parts = ["gpt2course", name, *texts]
    for option, value in options.items():
        option = option.replace("_", "-")
        if isinstance(value, bool):
            parts.append(f"--{option}" if value else f"--no-{option}")
        else:
            parts += [f"--{option}", str(value)]
    return shlex.join(parts)


def different_options(settings: object, defaults: object) -> dict[str, object]:
    """The fields of a config dataclass that differ from the defaults, dotted if nested.

    Args:
        settings: a config dataclass.
        defaults: another one of the same class.
    """
    different: dict[str, object] = {}
    for field in fields(settings):
        value, default = getattr(settings, field.name), getattr(defaults, field.name)
        if is_dataclass(value):
            inner = different_options(value, default)
            different |= {f"{field.name}.{name}": inner[name] for name in inner}
        elif value != default and value is not None:
            different[field.name] = value
    return different


class UsageError(RuntimeError):
    """Options that are refused. No ValueError, which jsonargparse would wrap again."""


class Parser(ArgumentParser):
    """The options of one command. Its errors are UsageErrors of one line."""

    def __init__(self, name: str, command: ModuleType) -> None:
        doc = docstring_parser.parse(command.run.__doc__)
        parts = [doc.short_description, doc.long_description]
        self.hints = _hints(command.run)  # of all options, by their names in a config
        self.takes_texts = "texts" in self.hints
        super().__init__(
            prog=f"gpt2course {name}",
            usage="%(prog)s [OPTIONS]" + (" [TEXT ...]" if self.takes_texts else ""),
            description="\n\n".join(textwrap.fill(p, 79) for p in parts if p),
            epilog=f"example:\n  {command.EXAMPLE}\n\n{EPILOG}",
            formatter_class=_HelpFormatter,
            allow_abbrev=False,
            print_config="--print-config",
        )
        about = {arg.arg_name: arg.description for arg in doc.params}
        if self.takes_texts:
            self._add_list("texts", about["texts"], nargs="*", action=_Given)
        self.add_argument(
            "--config",
            action="config",
            metavar="FILE",
            help="a YAML file with the names below, as --print-config writes it",
        )
        print_config = self._option_string_actions["--print-config"]
        print_config.metavar = ""
        print_config.help = "print the settings as YAML, and run nothing"
        configs = [hint for hint in self.hints.values() if is_dataclass(hint)]
        lists = [name for name, hint in self.hints.items() if hint == list[str]]
        skip = {name for name, hint in self.hints.items() if hint in configs}
        if self.hints.pop("given", None):
            skip.add("given")
        self.add_function_arguments(command.run, as_group=False, skip={*skip, *lists})
        for name in lists:
            if name != "texts":
                # texts that follow would be taken for more of the list
                several = {} if self.takes_texts else {"nargs": "+"}
                self._add_list(f"--{name}", about[name], action=_Several, **several)
        for config in configs:
            self.add_class_arguments(config, None, as_group=False)
            self._note_hints("", config)
        for action in self._actions:
            kind = _kind(self.hints.get(action.dest, action.dest))
            action.metavar = METAVARS.get(kind, action.metavar)

    def add_argument(self, *names: str, **settings: Any) -> argparse.Action:
        """Give options dashes in their names, and flags a --no-flag."""
        if names[0].startswith("-"):
            names = tuple(name.replace("_", "-") for name in names)
        if settings.get("type") is bool:
            del settings["type"]
            settings["action"] = argparse.BooleanOptionalAction
        return super().add_argument(*names, **settings)

    def _add_list(self, name: str, about: str, **settings: str) -> None:
        """Texts behind one another, or an option that may be given more than once."""
        self.add_argument(name, type=_texts, default=[], help=about, **settings)

    def _note_hints(self, prefix: str, config: type) -> None:
        for name, hint in _hints(config).items():
            self.hints[prefix + name] = hint
            if is_dataclass(hint):  # --model FILE would be a second kind of config file
                self._option_string_actions.pop(f"--{name}").help = argparse.SUPPRESS
                self._note_hints(f"{prefix}{name}.", hint)

    def value(self, values: Namespace, key: str, hint: Any) -> Any:
        """One argument of the command, checked against its hint.

        Args:
            values: what was parsed.
            key: of the argument, or of a field, dotted if it is nested.
            hint: its type.
        """
        if is_dataclass(hint):
            prefix = f"{key}." if key in values else ""
            if prefix and not isinstance(values[key], Namespace):
                self.error(f"{key} is {values[key]!r}; it must be {_kind(hint)}")
            names = [field.name for field in fields(hint) if field.init]
            hints = _hints(hint)
            return hint(**{n: self.value(values, prefix + n, hints[n]) for n in names})
        value = values[key]
        if value is None and NoneType not in _alternatives(hint):
            self.error(f"{key} is null; it must be {_kind(hint)}")
        if hint is bool and not isinstance(value, bool):
            self.error(f"{key} is {value!r}; it must be {_kind(hint)}")
        if hint == list[str] and isinstance(value, str):
            value = [value]
        # ~ alone: a shell knows other users, and a folder may be called ~odd
        at_home = isinstance(value, Path) and value.parts[:1] == ("~",)
        return value.expanduser() if at_home else value

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise what says in one line what is wrong and what to do."""
        raise UsageError(f"{self._explain(message)}; see {self.prog} --help") from ex

    def _explain(self, message: str) -> str:
        """What jsonargparse says, in one line and in the words of the command line."""
        if found := re.match(r"unrecognized arguments: (.*)", message, re.DOTALL):
            return self._unknown_argument(found[1])
        if found := re.match(r"Option '(.*)' is not accepted$", message):
            return f"the config file has an unknown {found[1]}{self._guess(found[1])}"
        if found := re.match(r"Group '(.*)' does not accept option '(.*)'$", message):
            key = f"{found[1]}.{found[2]}"
            return f"the config file has an unknown {key}{self._guess(key)}"
        if found := re.match(r'Parser key "(.*?)":', message):
            key = found[1].replace("-", "_")
            given = re.search(r"(?:Got|Given) value: (.*)", message, re.DOTALL)
            if key in self.hints:
                what = f"{key} is {given[1]!r}; it" if given else key
                return f"{what} must be {_kind(self.hints[key])}"
        if found := re.match(r"the following arguments are required: (.*)", message):
            names = [f"--{name.replace('_', '-')}" for name in found[1].split(", ")]
            return f"missing: {', '.join(names)}"
        return " ".join(message.split())

    def _unknown_argument(self, argument: str) -> str:
        name = re.split(r"[\s=]", argument)[0]
        if not name.startswith("-"):
            return f"{argument!r} belongs to no option"
        near = difflib.get_close_matches(name, self._option_string_actions, n=1)
        text = f"unknown option {name!r}"
        if near:
            text += f"; did you mean {near[0]!r}?"
        if self.takes_texts:
            text += "; before a text that starts with a dash, put --"
        return text

    def _guess(self, key: str) -> str:
        near = difflib.get_close_matches(key, self.hints, n=1)
        return f"; did you mean {near[0]!r}?" if near else ""


class _HelpFormatter(DefaultHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Short help texts; lines of descriptions and examples stay as they are written."""

    def _get_help_string(self, action: argparse.Action) -> str:
        about = (action.help or "").removesuffix(" (default: %(default)s)")
        about = about.removesuffix(".")
        if isinstance(action, argparse.BooleanOptionalAction):
            return f"{about} (default: {'yes' if action.default else 'no'})"
        if action.required:
            return f"{about} (required)"
        if action.default in (None, [], argparse.SUPPRESS):
            return about
        return f"{about} (default: %(default)s)"


class _Several(argparse.Action):
    """A list, one or more texts at a time. The first ones of the command line replace
    those of the config file, which is read before."""

    replaces = True

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        values = values if isinstance(values, list) else [values]
        before = [] if self.replaces else getattr(namespace, self.dest)
        setattr(namespace, self.dest, [*before, *values])
        self.replaces = False


class _Given(argparse.Action):
    """Texts of the command line; none leave those of the config file as they are."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        if values:
            setattr(namespace, self.dest, values)


def _hints(annotated: Callable | type) -> dict[str, Any]:
    """Types by name, without the one that is returned."""
    hints = get_type_hints(annotated)
    hints.pop("return", None)
    return hints


def _texts(value: object) -> object:
    """A text of the command line, or all of a config file."""
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError(f"Got value: {value}")
    return value


def _alternatives(hint: Any) -> tuple:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _kind(hint: Any) -> str:
    """A type in words."""
    kinds = [kind for kind in _alternatives(hint) if kind is not NoneType]
    if get_origin(kinds[0]) is Literal:
        return f"one of {', '.join(get_args(kinds[0]))}"
    return KINDS.get(kinds[0], str(kinds[0]))
