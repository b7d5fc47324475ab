"""What every long run needs: files that are whole, a log, ctrl-C at a good moment, one process or several."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from gpt2course.checkpoints import write_text


class LossNotFinite(RuntimeError):
    """The loss became NaN or infinite. The message says at which step, what is kept and what to try."""


def save_atomically(state: object, path: Path) -> None:
    """torch.save that never leaves half a file: written beside, flushed to disk, then renamed.

    Raises:
        OSError: the folder cannot be written or the disk is full; the old file is untouched.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        with open(partial, "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except (
        RuntimeError
    ) as error:  # torch reports a failed write, such as a full disk, this way
        raise OSError(f"cannot write {path}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def read_state(
    path: Path, settings: dict, device: torch.device | str = "cpu"
) -> dict | None:
    """What `save_atomically` wrote, if it belongs to a run with these settings; None if there is nothing.

    Args:
        path: of the state, a dict whose entry "settings" tells which run it belongs to.
        settings: of the run that wants to go on.
        device: where its tensors go.

    Raises:
        ValueError: the state belongs to a run with other settings; they are named.
    """
    if not path.exists():
        return None
    state = torch.load(path, map_location=device, weights_only=True)
    other = sorted(
        key for key in settings if settings[key] != state["settings"].get(key)
    )
    if other:
        raise ValueError(
            f"{path} belongs to a run with another {', '.join(other)}; use that, or an empty folder"
        )
    return state


def seed_step(seed: int, step: int, rank: int, processes: int) -> None:
    """Let chance in a step, dropout that is, depend on nothing but these numbers: then a run can stop and go on."""
    torch.manual_seed(seed * 1_000_003 + step * processes + rank)


class Log:
    """A file with one JSON object a line. Each has the entry "step", in optimizer steps.

    Args:
        path: of the file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, row: dict) -> None:
        """Write a row at the end."""
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def rows(self) -> list[dict]:
        """All rows. One that a full disk or a kill cut short is left out."""
        lines = (
            self.path.read_text(encoding="utf-8").splitlines()
            if self.path.exists()
            else []
        )
        return [json.loads(line) for line in lines if _step_of(line) < math.inf]

    def forget_after(self, step: int) -> None:
        """Drop what was written after this step, so that a run that goes on from there repeats nothing."""
        if self.path.exists():
            kept = [
                line
                for line in self.path.read_text(encoding="utf-8").splitlines()
                if _step_of(line) <= step
            ]
            write_text(self.path, "".join(line + "\n" for line in kept))


def _step_of(line: str) -> float:
    """The step of a row of the log; a row that a full disk cut short is younger than every save."""
    try:
        return json.loads(line)["step"]
    except ValueError:
        return math.inf


class CtrlC:
    """Within this context, ctrl-C is a question that a loop asks between two steps. A second ctrl-C stops at once."""

    def __init__(self) -> None:
        self.pressed = False

    def __enter__(self) -> CtrlC:
        self.main = (
            threading.current_thread() is threading.main_thread()
        )  # signals reach no other thread
        if self.main:
            self.before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self.main:
            signal.signal(signal.SIGINT, self.before)

    def _note(self, *_: object) -> None:
        # a child gets the signal twice, from the terminal and from its parent; only the parent may lose patience
        if self.pressed and multiprocessing.parent_process() is None:
            raise KeyboardInterrupt
        self.pressed = True


def in_processes(
    work: Callable[..., None],
    arguments: Iterable,
    processes: int,
    folder: Path,
    backend="gloo",
) -> None:
    """Call work(rank, *arguments) here, or in several processes of one thread each that can reach one another.

    Args:
        work: a function of a module, as it goes to the other processes.
        arguments: what it takes after the rank. Tensors arrive in memory that all processes share; copy before writing.
        processes: how many; with 1 nothing is started.
        folder: where they find one another, in a file that is gone afterwards.
        backend: of torch.distributed: "gloo" for the CPU, "nccl" for GPUs.

    Raises:
        RuntimeError: a process failed or was killed. What the process said is the message.
        KeyboardInterrupt: after ctrl-C, when all have come to an end.
    """
    if processes == 1:
        work(0, *arguments)
        return
    rendezvous = folder / f"rendezvous-{os.getpid()}"
    rendezvous.unlink(missing_ok=True)
    context = None
    try:
        with CtrlC() as ctrl_c:
            passed_on = False
            context = mp.spawn(
                _process,
                (work, arguments, processes, rendezvous, backend),
                processes,
                join=False,
            )
            while not context.join(timeout=1):
                if ctrl_c.pressed and not passed_on:
                    passed_on = True
                    for pid in context.pids():
                        os.kill(pid, signal.SIGINT)
        if ctrl_c.pressed:
            raise KeyboardInterrupt
    except (
        mp.ProcessRaisedException
    ) as error:  # show the reason, not the stack of the child
        raise RuntimeError(
            str(error).strip().splitlines()[-1].split(": ", 1)[-1]
        ) from None
    except mp.ProcessExitedException as error:
        raise RuntimeError(
            f"a training process was stopped from outside ({error}); start again to go on"
        ) from None
    finally:
        for process in context.processes if context else []:
            process.kill()  # of those that are left after a second ctrl-C
        rendezvous.unlink(missing_ok=True)


def _process(
    rank: int,
    work: Callable,
    arguments: Iterable,
    processes: int,
    rendezvous: Path,
    backend: str,
) -> None:
    torch.set_num_threads(1)
    alike = {
        "OMP_NUM_THREADS": 1,
        "WORLD_SIZE": processes,
        "LOCAL_WORLD_SIZE": processes,
        "LOCAL_RANK": rank,
    }
    os.environ |= {
        name: str(value) for name, value in {**alike, "RANK": rank}.items()
    }  # accelerate reads them
    dist.init_process_group(
        backend,
        init_method=f"file://{rendezvous.resolve()}",
        rank=rank,
        world_size=processes,
    )
    try:
        work(rank, *arguments)
    finally:
        dist.destroy_process_group()
