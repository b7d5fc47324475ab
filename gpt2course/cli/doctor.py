"""gpt2course doctor: is everything here that the course needs?"""

from __future__ import annotations

import platform
import shutil
import time

from gpt2course import __version__
from gpt2course.cli.text import print_json

EXAMPLE = "gpt2course doctor --json"


def run(
    checkpoint: str | None = None, data: str | None = None, json: bool = False
) -> int:
    """Check this machine: versions, checkpoint, data, speed.

    Args:
        checkpoint: mini, gpt2, gpt2-medium, gpt2-large, gpt2-xl or a folder; by
            default GPT2COURSE_CHECKPOINT, else mini.
        data: embedded, hub or a folder with jokes.csv and reviews.csv; by default
            GPT2COURSE_DATA, else embedded (hub if GPT2COURSE_CHECKPOINT is a download).
        json: print one JSON object.
    """
    facts = _machine() | _model(checkpoint) | _data(data)
    if json:
        print_json(**facts)
        return 0
    for name, value in facts.items():
        print(f"{name:18} {value}")
    print("Everything that these settings need is here.")
    return 0


def _machine() -> dict[str, object]:
    import torch

    cuda = torch.cuda.is_available()
    return {
        "gpt2course": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cpu_threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if cuda else None,
        "free_disk_gb": round(shutil.disk_usage(".").free / 1e9, 1),
    }


def _model(checkpoint: str | None) -> dict[str, object]:
    """The checkpoint, and whether it generates."""
    from gpt2course.checkpoints import (
        checkpoint_folder,
        load_checkpoint,
        load_tokenizer,
    )
    from gpt2course.generation import generate
    from gpt2course.settings import checkpoint_name

    name = checkpoint_name(checkpoint)
    folder = checkpoint_folder(name)
    model, tokenizer = load_checkpoint(name), load_tokenizer(name)
    started = time.perf_counter()
    new_ids = generate(model, tokenizer.encode("This movie was"), 16)
    seconds = time.perf_counter() - started
    return {
        "checkpoint": name,
        "folder": str(folder),
        "parameters": sum(p.numel() for p in model.parameters()),
        "tokens": len(tokenizer),
        "tokens_per_second": round(len(new_ids) / seconds, 1),
        "writes": tokenizer.decode(new_ids),
    }


def _data(data: str | None) -> dict[str, object]:
    """The data that the settings name, read as the course reads them."""
    from gpt2course.data import load_jokes, load_reviews
    from gpt2course.settings import data_source, effort

    source = data_source(data)
    jokes, reviews = load_jokes(source), load_reviews(source)
    return {
        "data": source,
        "effort": effort(),
        "jokes": {"train": len(jokes.train), "validation": len(jokes.validation)},
        "reviews": {split: len(rows) for split, rows in reviews.items()},
    }
