"""One process or several, and ctrl-C: start them, add up over them, stop at a good
moment.

Plain torch.distributed. What runs in the processes is in run.py.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor

from gpt2course.files import set_up_logging
from gpt2course.settings import unknown

DEVICES = ("auto", "cpu", "cuda")  # what `pick_device` takes
Job = TypeVar("Job")
Result = TypeVar("Result")
SHARDING = ("FSDP", "DEEPSPEED", "MEGATRON_LM")  # accelerate's ways to split a model


# ---- inside a process: who am I, and what do all of us have together? ---------------


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """Number of processes that train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_main_process() -> bool:
    """Whether this process talks and writes; it is also known before the others are.

    Under `torchrun` every process runs the whole program, and one should report.
    """
    return rank() == 0 and (not _started_from_outside() or _variable("RANK", 0) == 0)


def _started_from_outside() -> bool:
    """By torchrun or a user's own program, which sets all variables.

    A RANK that is left over in a shell means nothing.
    """
    return {"RANK", "LOCAL_RANK", "WORLD_SIZE"} <= os.environ.keys()


def _variable(name: str, default: int) -> int:
    """A whole number of the environment.

    Raises:
        ValueError: it is something else.
    """
    given = os.environ.get(name, str(default))
    if not given.isdecimal():
        raise ValueError(
            f"the environment variable {name} is {given!r}, and torchrun sets it to a "
            f"whole number; unset {name}"
        )
    return int(given)


def sum_over_processes(tensor: Tensor) -> Tensor:
    """Replace a tensor by its sum over all processes. Every process must call this."""
    if world_size() > 1:
        dist.all_reduce(tensor)
    return tensor


def wait_for_everyone(device: torch.device) -> None:
    """Go on when all processes have come this far."""
    sum_over_processes(torch.zeros((), device=device))


def sum_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace every gradient by its sum over all processes, in one message.

    What DistributedDataParallel does in pieces while it computes the gradients. In one
    piece the order of the additions is the same in every step, so that a run that is
    resumed gives the same bits.
    """
    if world_size() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    message = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(message)
    pieces = message.split([gradient.numel() for gradient in gradients])
    for gradient, piece in zip(gradients, pieces, strict=True):
        gradient.copy_(piece.view_as(gradient))


def pick_device(name: str, num_processes: int = 1) -> torch.device:
    """The device of this process.

    Args:
        name: "auto" (a GPU if there is one), "cpu" or "cuda". Several processes have
            one GPU each.
        num_processes: of this machine.

    Raises:
        ValueError: "cuda" without a GPU, fewer GPUs than processes, or another name.
    """
    if name not in DEVICES:
        raise unknown("device", name, DEVICES)
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cuda" and not gpus:
        raise ValueError("device is cuda, and torch finds no GPU here; use cpu")
    if name == "cpu" or not gpus:
        apple = name == "auto" and num_processes == 1
        apple = apple and torch.backends.mps.is_available()
        return torch.device("mps" if apple else "cpu")
    local_rank = _variable("LOCAL_RANK", 0)
    local_size = _variable("LOCAL_WORLD_SIZE", num_processes)
    if local_size > gpus:
        raise ValueError(
            f"num_processes is {local_size} and this machine has {gpus} GPU(s), one "
            f"for each process; use {gpus}, or device cpu"
        )
    return torch.device("cuda", local_rank)


# ---- around the processes -----------------------------------------------------------


class CtrlC:
    """Within this context, ctrl-C is a question that a loop asks between two steps. A
    second ctrl-C stops at once."""

    def __init__(self) -> None:
        self.pressed = False

    def __enter__(self) -> CtrlC:
        # signals reach the main thread only
        self.main = threading.current_thread() is threading.main_thread()
        if self.main:
            self.before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self.main:
            signal.signal(signal.SIGINT, self.before)

    def asked(self, device: torch.device) -> bool:
        """Whether it was pressed. Several processes have to agree, or one would wait
        for the others for ever; each must call this."""
        if world_size() == 1:
            return self.pressed
        pressed = torch.tensor(float(self.pressed), device=device)
        return sum_over_processes(pressed).item() > 0

    def _note(self, *_: object) -> None:
        # a child gets the signal twice, from the terminal and from its parent; only the
        # parent may lose patience
        if self.pressed and multiprocessing.parent_process() is None:
            raise KeyboardInterrupt
        self.pressed = True


def stopped(folder: Path, step: int, total_steps: int) -> KeyboardInterrupt:
    """What a run says after ctrl-C, once its state is saved."""
    return KeyboardInterrupt(
        f"stopped after step {step} of {total_steps}; {folder} keeps the run: start it "
        "again with the same settings to resume from there"
    )


def run_in_processes(
    work: Callable[[Job], Result], job: Job, num_processes: int, device: str
) -> Result:
    """Call work(job) here, or in several processes that can reach one another.

    Under `torchrun` or `accelerate launch` the processes are there already, and each
    calls this.

    Args:
        work: a function of a module, since it goes to the other processes.
        job: what it works on. Tensors arrive in memory that all processes share; copy
            before writing.
        num_processes: with 1 nothing is started. On a CPU each has one thread.
        device: as in `pick_device`.

    Returns:
        what the first process returned.

    Raises:
        ValueError: another number of processes was started from outside, or accelerate
            is to shard the model; and as `pick_device`.
        RuntimeError: a process failed or was killed. What it said is the message.
        KeyboardInterrupt: after ctrl-C, when all have come to an end.
    """
    _refuse_sharding()
    backend = "gloo" if pick_device(device, num_processes).type != "cuda" else "nccl"
    if _started_from_outside():
        return _run_in_started_process(work, job, num_processes, backend)
    if num_processes == 1:
        return work(job)
    results = mp.get_context("spawn").SimpleQueue()
    context = None
    level = logging.getLogger("gpt2course").level
    with tempfile.TemporaryDirectory() as folder:
        rendezvous = str(Path(folder) / "rendezvous")
        common = (work, job, num_processes, backend, rendezvous, results, level)
        try:
            with CtrlC() as ctrl_c:
                context = mp.spawn(_process, common, num_processes, join=False)
                _wait(context, ctrl_c)
        except mp.ProcessRaisedException:
            _, reason = results.get()  # the first one, without the child's stack
            raise RuntimeError(reason) from None
        except mp.ProcessExitedException as error:
            if ctrl_c.pressed:
                raise KeyboardInterrupt("stopped before the first step") from None
            raise RuntimeError(
                f"a training process was stopped from outside ({error}); start again "
                "to resume"
            ) from None
        finally:
            for process in context.processes if context else []:
                process.kill()  # of those that are left after a second ctrl-C
    ended, value = results.get() if not results.empty() else ("interrupted", "stopped")
    if ended == "interrupted":
        raise KeyboardInterrupt(value)
    return value


def _refuse_sharding() -> None:
    """Refuse what `accelerate launch` is configured for and this package cannot do:
    every process would hold the whole model without a word.

    Source: what accelerate's utils/launch.py sets.
    """
    for plugin in SHARDING:
        if os.environ.get(f"ACCELERATE_USE_{plugin}", "").lower() in ("true", "1"):
            raise ValueError(
                f"accelerate is configured for {plugin}, and here every process holds "
                "the whole model; configure it for MULTI_GPU, save memory with "
                "gradient_checkpointing or lora, or shard with finetune_sharded.py of "
                "the page Large models on small machines"
            )


def _wait(context: mp.ProcessContext, ctrl_c: CtrlC) -> None:
    """Until all processes are through; pass ctrl-C on to them, until they heed it."""
    while not context.join(timeout=1):
        if (
            ctrl_c.pressed and sys.platform != "win32"
        ):  # there it would end them at once
            for process in context.processes:
                if process.is_alive():
                    os.kill(process.pid, signal.SIGINT)


def _process(
    number: int, work, job, num_processes, backend, rendezvous, results, level
) -> None:
    """What each of the processes does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # but within `CtrlC`
    torch.set_num_threads(1)
    os.environ |= {
        "OMP_NUM_THREADS": "1",
        "RANK": str(number),
        "LOCAL_RANK": str(number),
        "WORLD_SIZE": str(num_processes),
        "LOCAL_WORLD_SIZE": str(num_processes),
    }
    if level:
        set_up_logging(level)
    # a store instead of an address: a folder may have any character in its name
    store = dist.FileStore(rendezvous, num_processes)
    dist.init_process_group(backend, store=store, rank=number, world_size=num_processes)
    try:
        outcome = ("done", work(job))
    except KeyboardInterrupt as stopped:
        outcome = ("interrupted", str(stopped))
    except Exception as error:
        # before the others notice that this one is gone, and fail for that reason
        results.put(("failed", str(error) or type(error).__name__))
        raise
    finally:
        dist.destroy_process_group()
    if number == 0:
        results.put(outcome)


def _run_in_started_process(work, job, num_processes: int, backend: str):
    """One of the processes that torchrun, or a user's own program, has started."""
    started = _variable("WORLD_SIZE", 1)
    if started != num_processes:
        raise ValueError(
            f"num_processes is {num_processes}, but {started} were started; set "
            f"num_processes to {started}"
        )
    ours = started > 1 and not dist.is_initialized()
    if ours:
        dist.init_process_group(backend)
    try:
        return work(job)
    finally:
        if ours:
            dist.destroy_process_group()
