"""Load a pretrained GPT-2: the one that ships, one of the hub, or one in a folder.

hub.py downloads, convert.py reads and writes the files, tokenizer.py loads tokenizers.
"""

from __future__ import annotations

import contextlib
import json
import shlex
from importlib import metadata
from pathlib import Path

from gpt2course.checkpoints.convert import read_config, read_model
from gpt2course.checkpoints.reading import CheckpointError
from gpt2course.checkpoints.reconciliation import reconcile
from gpt2course.files import sha256
from gpt2course.model import GPT2
from gpt2course.settings import CHECKPOINTS, HUB_CHECKPOINTS, checkpoint_name

#: the folder of the mini checkpoint, which ships with the package
MINI = Path(__file__).parent / "mini"
#: the checksums of its files
MINI_SHA256 = Path(__file__).parent / "mini.sha256.json"


def load_checkpoint(name: str | None = None) -> GPT2:
    """A pretrained GPT-2 of our own class, float32, in eval mode, on the CPU.

    Args:
        name: "mini", "gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl" or a path;
            GPT2COURSE_CHECKPOINT by default.

    Returns:
        the model; `model.to("cuda")` moves it to a GPU.

    Raises:
        ValueError: an unknown name (the nearest is suggested).
        CheckpointError: the files are missing, damaged, altered, or of another
            architecture.
        HubError: the hub cannot be reached or does not have it.

    Chapter: architecture.
    """
    name, folder = checkpoint_name(name), checkpoint_folder(name)
    if name in CHECKPOINTS:
        return read_model(folder)
    return read_model(folder, reconcile(folder).config)


def checkpoint_folder(name: str | None = None) -> Path:
    """The folder that transformers' from_pretrained takes.

    What is not on this machine yet is downloaded first, pinned to a revision,
    safetensors only.

    Args and Raises: as in `load_checkpoint`.

    Returns:
        the folder.

    Chapter: architecture.
    """
    name = checkpoint_name(name)
    if name == "mini":
        verify(MINI, json.loads(MINI_SHA256.read_text(encoding="utf-8")))
        return MINI
    if name in HUB_CHECKPOINTS:
        # imported when it is needed: huggingface_hub takes its time
        from gpt2course.checkpoints.hub import MODEL_FILES, REVISIONS, hub_folder

        return hub_folder(
            f"openai-community/{name}",
            REVISIONS[name],
            MODEL_FILES,
            needed="model.safetensors",
        )
    read_config(Path(name))
    return Path(name)


def verify(folder: Path, digests: dict[str, str]) -> None:
    """Compare files with the sha256 that was written down when they were made.

    Line ends of text files do not count: git may change them in a clone.

    Args:
        folder: where the files are.
        digests: name -> sha256, in hexadecimal digits.

    Raises:
        CheckpointError: a file is missing, or differs.
    """
    for name, digest in digests.items():
        try:
            content = (folder / name).read_bytes()
        except FileNotFoundError:
            raise CheckpointError(
                f"{folder / name} is missing; {_remedy(folder)}"
            ) from None
        if name.endswith((".json", ".jsonl", ".txt", ".md")):
            content = content.replace(b"\r\n", b"\n")
        found = sha256(content)
        if found != digest:
            raise CheckpointError(
                f"{folder / name} is not the file that was published (sha256 "
                f"{found[:8]}…, expected {digest[:8]}…); {_remedy(folder)}"
            )


def _remedy(folder: Path) -> str:
    """How to get files of the package again: from git in a clone, else from pip."""
    root = next((p for p in folder.resolve().parents if (p / ".git").exists()), None)
    if root and "site-packages" not in folder.parts:
        inside = folder.resolve().relative_to(root).as_posix()
        return (
            f"get it again with: git -C {shlex.quote(str(root))} checkout HEAD -- "
            f"{shlex.quote(inside)}"
        )
    source = "the address or file that you installed it from"
    with contextlib.suppress(metadata.PackageNotFoundError, ValueError):
        said = metadata.distribution("gpt2course").read_text("direct_url.json")
        if said:
            source = shlex.quote(json.loads(said)["url"])
    return (
        "install the package again with: "
        f"pip install --force-reinstall --no-deps {source}"
    )
