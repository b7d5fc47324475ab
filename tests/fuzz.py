"""Spoiled inputs by the thousand: python tests/fuzz.py --minutes 5 [--seed N].

Each case is one command, or one reader, on a table, a checkpoint, the folder of a run,
arguments or bytes that were changed at random. It has to end within a minute with exit
code 0 and a right result, or with exit code 2 and one line that says what is wrong.
Reported are tracebacks, crashes, hangs, secrets that are shown, and results that are
wrong or missing, each with the command that repeats it.

Most cases run in a forked child of this process, which has imported everything; some
run as `python -m gpt2course`. fuzz_kinds.py says what is changed and what is right.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # this checkout, not an installed package
SECRET = "hf_MarkerOfASecretToken"
HANG_SECONDS = 60
MEMORY = 24 * 2**30  # of addresses; torch takes several gigabytes of them
os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "HF_TOKEN": SECRET,
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


@dataclass
class Case:
    """One thing to try.

    Args:
        arguments: of the command, or None for `call`.
        call: runs in the child instead of the command, and returns its exit code.
        about: what was done, for the report.
        stdin: bytes of the standard input.
        environment: variables that are set; only a real process obeys those of the hub.
        right: what is wrong with a result of exit code 0, or None; it gets the output.
            It runs in the child, with everything imported.
        real: whether a process of its own is needed.
    """

    arguments: list[str] | None = None
    call: Callable[[], int] | None = None
    about: str = ""
    stdin: bytes = b""
    environment: dict[str, str] = field(default_factory=dict)
    right: Callable[[str], str | None] | None = None
    real: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a case ended: exit code (None after a hang), output, messages."""

    code: int | None
    out: bytes
    err: bytes
    wrong: str = ""


def run_forked(case: Case, folder: Path) -> Outcome:
    """The case in a forked child that works in `folder`."""
    paths = [folder / f".{name}" for name in ("in", "out", "err", "wrong")]
    paths[0].write_bytes(case.stdin)
    sys.stdout.flush()
    child = os.fork()
    if not child:
        code = 70
        try:
            code = _child(case, folder, paths)
        finally:
            os._exit(code)
    status = _wait(child)
    out, err = (path.read_bytes() if path.exists() else b"" for path in paths[1:3])
    wrong = paths[3].read_text(encoding="utf-8") if paths[3].exists() else ""
    code = None if status is None else os.waitstatus_to_exitcode(status)
    return Outcome(code, out, err, wrong)


def _child(case: Case, folder: Path, paths: list[Path]) -> int:
    from gpt2course.cli import main

    for number, path in enumerate(paths[:3]):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(path, flags, 0o600), number)
    os.environ |= case.environment
    encoding = case.environment.get("PYTHONIOENCODING", "utf-8")
    sys.stdin = io.TextIOWrapper(open(0, "rb", closefd=False), encoding)  # noqa: SIM115
    sys.stdout = io.TextIOWrapper(open(1, "wb", closefd=False), encoding)  # noqa: SIM115
    sys.stderr = io.TextIOWrapper(
        open(2, "wb", closefd=False),  # noqa: SIM115
        encoding,
        errors="backslashreplace",
        line_buffering=True,
    )
    os.chdir(folder)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        if case.call:
            code = as_command(case.call)
        else:
            try:
                code = main(case.arguments)
            except SystemExit as left:  # --help
                code = left.code or 0
        sys.stdout.flush()
        if code == 0 and case.right:
            shown = paths[1].read_bytes().decode(encoding, "replace")
            if wrong := _judge(case.right, shown):
                paths[3].write_text(wrong, encoding="utf-8")
    except BaseException:  # as Python ends a program; `fault` reports the traceback
        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    return code


def _judge(right: Callable[[str], str | None], shown: str) -> str | None:
    try:
        return right(shown)
    except Exception as error:  # a result that cannot even be read
        return f"{type(error).__name__}: {error}"


def as_command(call: Callable[[], int]) -> int:
    """A reader's errors as the command line shows them; others are tracebacks."""
    try:
        return call()
    except (ValueError, OSError, RuntimeError) as error:
        print(f"gpt2course: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def _wait(child: int) -> int | None:
    """The child's status; None, and its end, if it hangs."""
    end, pause = time.monotonic() + HANG_SECONDS, 0.001
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        time.sleep(pause)
        pause = min(2 * pause, 0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def run_real(case: Case, folder: Path) -> Outcome:
    """The command as a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **case.environment}
    environment = {name: value for name, value in environment.items() if value != ""}
    command = [sys.executable, "-m", "gpt2course", *case.arguments]
    try:
        done = subprocess.run(
            [os.fsencode(part) for part in command],
            input=case.stdin,
            capture_output=True,
            cwd=folder,
            env=environment,
            timeout=HANG_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return Outcome(None, late.stdout or b"", late.stderr or b"")
    return Outcome(done.returncode, done.stdout, done.stderr)


def problem(case: Case, outcome: Outcome, folder: Path) -> str | None:
    """What no case may do, whatever its input is; the first that it did."""
    err = outcome.err.decode("utf-8", "replace")
    lines = err.strip().splitlines()
    own = [line for line in lines if line.startswith("gpt2course: ")]
    shown = outcome.out.decode("utf-8", "replace")
    if outcome.code is None:
        return f"hang: more than {HANG_SECONDS} s"
    if outcome.code < 0:
        return f"crash: signal {-outcome.code}"
    if "Traceback (most recent call last)" in err:
        return f"traceback: {lines[-1][:200]}"
    if SECRET in err + shown or _holds_secret(folder):
        return "secret: the token is shown"
    if outcome.code not in (0, 2):
        return f"exit code {outcome.code}: {lines[-1:]}"
    if "weights_only" in err:
        return f"unsafe advice: {own}"
    if outcome.code == 2:
        notes = [line for line in own if "are replaced by U+FFFD" not in line]
        if len(notes) != 1 or notes[0] != lines[-1]:
            return f"not one line: {lines[-3:]}"
        if outcome.out:
            return f"output before a refusal: {shown[:200]!r}"
        return None
    if outcome.wrong:
        return f"wrong result: {outcome.wrong[:300]}"
    asked = set(case.arguments or ())
    if "--json" in asked and not asked & {"--help", "--print-config", "--version"}:
        try:
            json.loads(shown, parse_constant=_no_constant)
        except ValueError as error:
            return f"no JSON: {error}: {shown[:100]!r}"
    return None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _holds_secret(folder: Path) -> bool:
    small = (path for path in folder.rglob("*") if path.is_file())
    return any(
        SECRET.encode() in path.read_bytes()
        for path in small
        if path.stat().st_size < 2**20
    )


@dataclass
class Report:
    """What was tried and what was found."""

    cases: Counter = field(default_factory=Counter)
    codes: dict[str, Counter] = field(default_factory=lambda: defaultdict(Counter))
    found: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    real: int = 0

    def __str__(self) -> str:
        lines = [f"{'kind':14} {'cases':>7} {'exit 0':>7} {'exit 2':>7} {'found':>6}"]
        for kind, cases in sorted(self.cases.items()):
            codes = self.codes[kind]
            lines.append(
                f"{kind:14} {cases:7,} {codes[0]:7,} {codes[2]:7,} "
                f"{len(self.found[kind]):6,}"
            )
        total = sum(map(len, self.found.values()))
        lines.append(
            f"{sum(self.cases.values()):,} cases, {self.real:,} of them as processes "
            f"of their own; {total:,} found"
        )
        return "\n".join(lines)


def prepare(root: Path) -> Path:
    """Import everything, and make what the cases start from, each run in a child."""
    import fuzz_material

    material = root / "material"
    material.mkdir()
    fuzz_material.few_reviews()
    _import_all()
    fuzz_material.make_inputs(material)
    for name in fuzz_material.COMMANDS:
        arguments = fuzz_material.command(name, material, material / name)
        outcome = run_forked(Case(arguments), root)
        if outcome.code != 0:
            raise RuntimeError(outcome.err.decode())
    return material


def _import_all() -> None:
    import importlib

    import datasets  # noqa: F401
    import transformers

    for name in ("Trainer", "AutoTokenizer", "GPT2ForSequenceClassification"):
        getattr(transformers, name)
    for room in ("checkpoints", "data", "generation", "training", "sentiment"):
        face = importlib.import_module(f"gpt2course.{room}")
        for name in face.__all__:
            getattr(face, name)


def main() -> int:
    """Try cases until the time is over; exit code 1 if something was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--cases", type=int, help="stop after this many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", help="try only this kind")
    parser.add_argument("--only", type=int, help="repeat the case of this number")
    parser.add_argument(
        "--real-every", type=int, default=100, help="in a process of its own; 0: none"
    )
    options = parser.parse_args()
    report, end = Report(), time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory(prefix="fuzz-") as temporary:
        root = Path(temporary)
        material = prepare(root)
        from fuzz_kinds import KINDS

        number = options.only or 0
        try:
            while time.monotonic() < end and number != options.cases:
                rng = random.Random(f"{options.seed} {number}")
                kind = rng.choice([k for k in KINDS for _ in range(KINDS[k].weight)])
                if not options.kind or kind in options.kind:
                    _try(number, kind, rng, root, material, options, report)
                if options.only is not None:
                    break
                number += 1
        except KeyboardInterrupt:
            print("stopped")
    print(report)
    for kind, found in sorted(report.found.items()):
        for line in found:
            print(f"{kind}: {line}")
    return int(any(report.found.values()))


def _is_argument(text: str) -> bool:
    """Whether the system can hand it over."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def _try(number, kind, rng, root, material, options, report) -> None:
    """One case, in a folder of its own."""
    from fuzz_kinds import KINDS

    folder = root / "case"
    folder.mkdir()
    case = KINDS[kind].make(rng, folder, material)
    every = options.real_every
    real = case.arguments is not None and every > 0
    real = real and (case.real or number % every == every - 1)
    # half a character cannot be handed to a process
    real = real and all(map(_is_argument, case.arguments))
    # pretraining reads its few reviews in a child of this process only
    real = real and case.arguments[:1] != ["pretrain"]
    outcome = (run_real if real else run_forked)(case, folder)
    report.cases[kind] += 1
    report.codes[kind][outcome.code] += 1
    report.real += real
    found = problem(case, outcome, folder)
    if found:
        again = f"--seed {options.seed} --only {number}"
        line = f"{found} [{case.about or case.arguments}] {again}"
        line = re.sub(r"\s+", " ", line).replace(str(root), "")
        report.found[kind].append(line)
        print(f"{kind}: {line}", flush=True)
    if options.only is not None:
        print(case, outcome.code, outcome.out.decode("utf-8", "replace"), sep="\n")
        print(outcome.err.decode("utf-8", "replace"))
    shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
