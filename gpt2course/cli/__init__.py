"""The command line: gpt2course doctor, generate, classify, evaluate,
finetune-jokes, finetune-sentiment, pretrain, export-live, assignments.

Each command is a file of this room with a function `run`. options.py makes its
options from that function and the config dataclass of the recipe; text.py reads and
prints.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from gpt2course import __version__
from gpt2course.cli.shadows import shadow

#: the commands, in the order of the help
COMMANDS = (
    "doctor",
    "generate",
    "classify",
    "evaluate",
    "finetune-jokes",
    "finetune-sentiment",
    "pretrain",
    "export-live",
    "assignments",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: what is typed after gpt2course; by default what this process got.

    Returns:
        the exit code: 0, 2 after bad input or a failure, 130 after ctrl-C.

    Raises:
        SystemExit: with 0, after --help, --version and --print-config.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        from gpt2course.cli.text import make_streams_safe

        make_streams_safe()
        code = _run(arguments)
        sys.stdout.flush()  # here, where a full disk can still be reported
        return code
    except KeyboardInterrupt as stopped:
        return _stopped(str(stopped))
    except BrokenPipeError:  # the reader, head for example, has seen enough
        _drop_output()
        return 0
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        return _failed(f"{error.strerror or error}{where}")
    except Exception as error:
        if said := shadow(error):
            return _failed(said)
        if isinstance(error, (ValueError, RuntimeError, MemoryError)):
            return _failed(str(error) or type(error).__name__)
        raise


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return 0
    name = arguments[0]
    if name == "--version":
        print(f"gpt2course {__version__}")
        return 0
    if name not in COMMANDS:
        from gpt2course.settings import unknown

        raise unknown("command", name, COMMANDS)
    from gpt2course.cli.options import parse
    from gpt2course.files import set_up_logging

    command = _file(name)
    keywords = parse(name, command, arguments[1:])
    set_up_logging()
    return command.run(**keywords)


def _file(command: str) -> ModuleType:
    return importlib.import_module(f"gpt2course.cli.{command.replace('-', '_')}")


def _help() -> str:
    commands = [
        f"  {name:19} {_file(name).run.__doc__.splitlines()[0]}" for name in COMMANDS
    ]
    return "\n".join(
        [
            "usage: gpt2course COMMAND [OPTIONS]",
            "",
            "A GPT-2 that you can read, run and train.",
            "",
            "commands:",
            *commands,
            "",
            "gpt2course COMMAND --help shows the options of a command, their defaults,",
            "an example and the environment variables. gpt2course --version shows the",
            "version.",
        ]
    )


def _stopped(why: str) -> int:
    """After ctrl-C. A run that can be continued says so in its KeyboardInterrupt."""
    print(f"\ngpt2course: {why or 'stopped'}", file=sys.stderr)
    return 130


def _failed(message: str) -> int:
    """Say in one line what went wrong."""
    try:
        print(f"gpt2course: {' '.join(message.split())}", file=sys.stderr)
    finally:
        _drop_output()
    return 2


def _drop_output() -> None:
    """Throw away what cannot be printed any more, so that leaving does not fail."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
