"""The YAML file of --config, read with care. options.py turns it into settings.

A file that is small, UTF-8, a mapping, and says each thing once. Its words mean what
they say: `no` is a word, 010 is no octal number, 1e-4 is a number.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml

MAX_BYTES = 1_000_000  # a run's settings are far smaller


def read_config_file(path: str) -> str:
    """The text of a config file.

    Args:
        path: of a YAML or JSON file; ~ is the home folder.

    Raises:
        ValueError: it does not exist, is a folder, is too large or not UTF-8, names
            another config file, or its content is refused by `load_config`.
    """
    try:
        with open(Path(path).expanduser(), "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"the config file {path}: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise ValueError(
            f"the config file {path} has more than {MAX_BYTES:,} bytes; "
            "it should hold a few settings"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"the config file {path} is not UTF-8 (byte {error.start})"
        ) from None
    try:
        settings = load_config(text)
    except yaml.YAMLError as error:
        raise ValueError(f"the config file {path}: {_reason(error)}") from None
    if not isinstance(settings, dict):
        raise ValueError(
            f"the config file {path} is not a mapping; write a line such as 'seed: 1' "
            "for each setting"
        )
    if "config" in settings:
        raise ValueError(f"the config file {path} names another one; pass one only")
    return text


def _reason(error: yaml.YAMLError) -> str:
    problem = getattr(error, "problem", None) or str(error)
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}: {problem}" if mark else problem


def load_config(text: str) -> object:
    """The content of a YAML text.

    Raises:
        yaml.YAMLError: it is no YAML, it is nested too deeply, it says something twice,
            or it has aliases: a few lines of these can stand for gigabytes.
    """
    try:
        return yaml.load(text, Loader=CarefulLoader)
    except RecursionError:
        raise yaml.YAMLError("it is nested too deeply") from None


class CarefulLoader(yaml.SafeLoader):
    """SafeLoader without aliases and duplicate keys, with the scalars of YAML 1.2."""

    # not those of SafeLoader: in YAML 1.1, `no` is False, 1:30 is 90, 1e-4 is a text
    yaml_implicit_resolvers = {}  # noqa: RUF012 (the name is PyYAML's)

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node:
        if self.check_event(yaml.AliasEvent):
            alias = self.peek_event()
            raise yaml.composer.ComposerError(
                None, None, f"aliases (*{alias.anchor}) are refused", alias.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            name = str(key).replace("-", "_")  # max-steps is max_steps
            if name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key!r} is set twice", key_node.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


for tag, pattern, first in (
    ("null", r"~|null|", [*"~n", ""]),
    ("bool", r"true|false", "tf"),
    ("int", r"[-+]?(0|[1-9]\d*)", "-+0123456789"),
    ("float", r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", "-+.0123456789"),
    ("float", r"[-+]?\.inf|\.nan", "-+."),
):
    CarefulLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern})$"), list(first)
    )
