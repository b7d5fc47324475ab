"""What the real GPT-2 answered, beside the mini: nothing where nobody recorded it.

benchmarks/real_gpt2.py writes the file, on a machine that reaches the hub.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpt2course.course import measurements
from gpt2course.course.notebook import show
from gpt2course.course.plots import next_tokens
from gpt2course.settings import HUB_CHECKPOINTS, checkpoint_name

if TYPE_CHECKING:
    from IPython.display import HTML

NAME = "real-gpt2"  # of the measurement


def _recorded(prompt: str) -> tuple[str, dict] | None:
    """The checkpoint's name and its row for a prompt.

    None without a file, and where the page itself runs on a published checkpoint.
    """
    if NAME not in measurements.names() or checkpoint_name() in HUB_CHECKPOINTS:
        return None
    found = measurements.read(NAME)
    rows = [row for row in found["rows"] if row["prompt"] == prompt]
    return (found["checkpoint"], rows[0]) if rows else None


def real_next_tokens(prompt: str, n: int = 8) -> HTML | None:
    """The figure of the tokens that the real GPT-2 finds most probable.

    Args:
        prompt: one of those in benchmarks/real_gpt2.py.
        n: how many tokens, at most 20.

    Returns:
        None, which a notebook does not show, where nothing is recorded.

    Chapter: gpt2.
    """
    if not (found := _recorded(prompt)):
        return None
    name, row = found
    tokens, probabilities = zip(*row["top"][:n], strict=True)
    return show(
        next_tokens(tokens, probabilities, f"The real {name}: after “{prompt}”"),
        alt=f"Bar chart of the {n} most probable next tokens of the real {name} after "
        "the prompt, with their probabilities in per cent.",
        caption=f"The same prompt, read by the real {name}; recorded.",
    )


def real_samples(prompt: str, settings: str) -> None:
    """Print what the real GPT-2 wrote; nothing where nothing is recorded.

    Args:
        prompt, settings: of those in benchmarks/real_gpt2.py.

    Chapter: sampling.
    """
    if not (found := _recorded(prompt)):
        return
    name, row = found
    texts = [s["text"] for s in row["samples"] if s["settings"] == settings]
    print(f"recorded from the real {name}:")
    for text in texts:
        print("•", prompt + text.replace("\n", " "))
