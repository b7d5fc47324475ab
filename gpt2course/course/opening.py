"""What a notebook's first cell calls: the checkpoint that fits, and a line about each.

The cell itself, which also installs the package, is made by tools/notebooks.
"""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from gpt2course import __version__
from gpt2course.checkpoints import connection_problem
from gpt2course.settings import checkpoint_name, data_source, effort

VARIABLE = "GPT2COURSE_CHECKPOINT"
HUB = "https://huggingface.co"
DRIVE = Path("/content/drive")
_chosen: str | None = None  # what `start` put into the environment before


def start(
    checkpoint: str = "auto", *, version: str = "", seconds: float | None = None
) -> None:
    """Choose the checkpoint of a notebook, and print what this machine has.

    It sets GPT2COURSE_CHECKPOINT. Twice is as good as once.

    Args:
        checkpoint: a name or a folder, as for `load_checkpoint`; "auto" is what
            GPT2COURSE_CHECKPOINT says, else gpt2 with a GPU and a hub, else the mini.
        version: of the package that the notebook was made with.
        seconds: what its cells took when the page was built; None if it was not.

    Raises:
        ValueError: an unknown name (the nearest is suggested).

    Chapter: basics.
    """
    global _chosen
    import torch

    gpu = torch.cuda.is_available()
    given = os.environ.get(VARIABLE)
    if checkpoint != "auto":
        name, why = checkpoint_name(checkpoint), ""
        _chosen = name
    elif given and given != _chosen:
        name, why = checkpoint_name(), f" (from {VARIABLE})"
    else:
        name, why = _fitting(gpu)
        _chosen = name
    os.environ[VARIABLE] = name
    if version and version != __version__:
        print(
            f"This notebook was made for gpt2course {version}, and {__version__} is "
            "installed: where they differ, take the notebook of your version."
        )
    print(
        f"gpt2course {__version__}, Python {platform.python_version()}, "
        f"torch {torch.__version__}"
    )
    print(f"device:     {_device(gpu)}")
    kind = {"embedded": "embedded data", "hub": "data from the hub"}
    source = data_source()
    print(f"checkpoint: {name}{why}, {kind.get(source, f'data in {source}')}")
    print(f"time:       {_time(name, gpu, seconds)}")


def _fitting(gpu: bool) -> tuple[str, str]:
    """The checkpoint for this machine, and why."""
    if not gpu:
        return "mini", ' (no GPU; start("gpt2") takes the real one, slowly)'
    if problem := connection_problem(HUB):
        return "mini", f" (there is a GPU, but {problem})"
    return "gpt2", ""


def _device(gpu: bool) -> str:
    import torch

    if not gpu:
        return f"no GPU, {os.cpu_count()} CPU cores"
    memory = torch.cuda.get_device_properties(0).total_memory / 2**30
    return (
        f"{torch.cuda.get_device_name(0)}, {memory:.0f} GiB; cells that train a "
        "checkpoint use it, a few forward passes stay on the CPU"
    )


def _time(name: str, gpu: bool, seconds: float | None) -> str:
    """What is known about how long the cells take."""
    if gpu or name != "mini" or effort() != "page":
        return f"not measured with {name}, {effort()} and this device"
    if seconds is None:
        return "not measured"
    minutes = "under a minute" if seconds < 60 else f"{seconds / 60:.0f} minutes"
    return f"{minutes} where the page was built, on a CPU"


def to_drive(path: str | os.PathLike) -> Path:
    """Copy a folder or a file to Google Drive; Colab forgets its disk after a session.

    An earlier copy of the same name is replaced once the new one is complete.

    Args:
        path: what to keep, the folder of a run for example.

    Returns:
        where the copy is: MyDrive/gpt2course/NAME.

    Raises:
        RuntimeError: this is not Colab.
        FileNotFoundError: there is nothing at this path.

    Chapter: training.
    """
    source = Path(path).resolve()
    if not source.exists():
        raise FileNotFoundError(f"there is no {source}; nothing was copied")
    try:
        from google.colab import drive
    except ImportError:
        raise RuntimeError(
            "to_drive needs Colab, and this is another place; here the disk stays, so "
            f"{source} is kept where it is"
        ) from None
    drive.mount(str(DRIVE))
    target = DRIVE / "MyDrive" / "gpt2course" / source.name
    new = target.with_name(f"{target.name}.new")
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove(new)
    (shutil.copytree if source.is_dir() else shutil.copy2)(source, new)
    _remove(target)
    new.rename(target)
    return target


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
