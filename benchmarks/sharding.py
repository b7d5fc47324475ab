r"""One training program in two processes, whole and sharded: losses and bytes.

    python benchmarks/sharding.py --output gpt2course/course/measurements/sharding.json

Runs book/programs/finetune_sharded.py under `accelerate launch` with each of the
configurations beside it, on a CPU. Two things are other than on a GPU. The
configuration is copied with `use_cpu: true`. And accelerate shards on accelerators
only, though PyTorch does so with gloo, too: it is told after the start that it may.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from gpt2course.checkpoints import checkpoint_folder
from gpt2course.course import measurements

PROGRAMS = Path(__file__).resolve().parents[1] / "book" / "programs"
PROCESSES = 2


def worker(output: str, steps: int) -> None:
    """What each process does: the program, with what it returns written beside."""
    from accelerate import Accelerator, FullyShardedDataParallelPlugin
    from accelerate.state import AcceleratorState, PartialState
    from accelerate.utils import DistributedType
    from transformers import GPT2LMHeadModel

    spec = spec_from_file_location("program", PROGRAMS / "finetune_sharded.py")
    program = module_from_spec(spec)
    spec.loader.exec_module(program)

    accelerator = Accelerator(cpu=True)
    if os.environ.get("ACCELERATE_USE_FSDP") == "true":
        for state in (PartialState, AcceleratorState):
            state._shared_state["distributed_type"] = DistributedType.FSDP
        plugin = FullyShardedDataParallelPlugin()  # reads what the launcher has set
        AcceleratorState._shared_state["fsdp_plugin"] = plugin
        if plugin.activation_checkpointing:
            GPT2LMHeadModel.gradient_checkpointing_enable = lambda self: None
    result = program.finetune(accelerator, str(checkpoint_folder()), output, steps)
    if accelerator.is_main_process:
        Path(output, "measured.json").write_text(json.dumps(result))


def run(configuration: str, output: Path, steps: int, changes: dict[str, str]) -> dict:
    """What the program returned in the first process, with parts of a file changed."""
    text = (PROGRAMS / configuration).read_text()
    for old, new in {"use_cpu: false": "use_cpu: true", **changes}.items():
        if old not in text:
            raise ValueError(f"{configuration} has no {old!r}")
        text = text.replace(old, new)
    copied = output.with_suffix(".yaml")
    copied.write_text(text)
    command = [
        *(sys.executable, "-m", "accelerate.commands.launch"),
        *("--config_file", str(copied), __file__),
        *("--worker", str(output), "--steps", str(steps)),
    ]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    return json.loads((output / "measured.json").read_text())


def measure(steps: int) -> dict:
    """The content of the file."""
    runs = {
        "DDP": ("ddp.yaml", {}),
        "FSDP": ("fsdp.yaml", {}),
        "FSDP, activation checkpointing by accelerate": (
            "fsdp.yaml",
            {"activation_checkpointing: false": "activation_checkpointing: true"},
        ),
    }
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            {"configuration": name}
            | run(file, Path(folder, str(number)), steps, changes)
            for number, (name, (file, changes)) in enumerate(runs.items())
        ]
    return {
        "command": " ".join(["python benchmarks/sharding.py", *sys.argv[1:]]),
        "machine": measurements.machine("accelerate", "transformers"),
        "checkpoint": "mini",
        "processes": PROCESSES,
        "steps": steps,
        "rows": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--worker", metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker, options.steps)
    else:
        measurements.write(measure(options.steps), options.output)


if __name__ == "__main__":
    main()
