"""What the real GPT-2 answered, beside the mini: nothing where nobody recorded it.

benchmarks/real_gpt2.py and benchmarks/evaluation.py write the files, on a machine that
reaches the hub.
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


def _record() -> dict | None:
    """The record; None without one, and where the page itself runs on a published
    checkpoint."""
    if NAME not in measurements.names() or checkpoint_name() in HUB_CHECKPOINTS:
        return None
    return measurements.read(NAME)


def _recorded(prompt: str) -> tuple[str, dict] | None:
    """The checkpoint's name and its row for a prompt, if there is a record of it."""
    if not (found := _record()):
        return None
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


def real_speed() -> None:
    """Print how fast the real GPT-2 wrote, and where; nothing without a record.

    Chapter: cache.
    """
    if not (found := _record()):
        return
    machine = found["machine"]
    print(
        f"recorded from the real {found['checkpoint']}: "
        f"{found['tokens_per_second']:,.0f} greedy tokens per second\n"
        f"({machine['accelerator'] or machine['processor']}, one text, with the cache)"
    )


def real_evaluations() -> dict[str, dict[str, float]]:
    """Our own results with the published sizes on the real sets, as far as recorded.

    Returns:
        a size's results with the keys of `gpt2course.evaluation.HARNESS`: "wikitext2"
        per word, "lambada_acc" in per cent, "lambada_ppl". A size that nobody measured
        is not there.

    Chapter: evaluating as the paper did.
    """
    found = {}
    for size in HUB_CHECKPOINTS:
        if (name := f"evaluation-{size}") not in measurements.names():
            continue
        record = measurements.read(name)
        if record["data"] != "hub":
            continue
        by_task = {row["task"]: row for row in record["rows"]}
        last_word = by_task["last-word"]
        found[size] = {
            "wikitext2": by_task["perplexity"]["word_perplexity"],
            "lambada_acc": 100 * last_word["accuracy"],
            "lambada_ppl": last_word["perplexity"],
        }
    return found
