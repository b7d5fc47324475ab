"""gpt2course export-live: the file of the live model. It is made in course/."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from gpt2course.cli.text import print_json

EXAMPLE = "gpt2course export-live --output live.safetensors"


def run(
    output: Path,
    checkpoint: str | None = None,
    dtype: Literal["auto", "int8", "float16"] = "auto",
    json: bool = False,
) -> int:
    """Make the file that the live model in a page loads.

    Args:
        output: the file. One of an earlier export is replaced, no other.
        checkpoint: mini, gpt2, gpt2-medium, gpt2-large, gpt2-xl or a folder; by
            default GPT2COURSE_CHECKPOINT, else mini.
        dtype: auto takes int8 when it is close enough on validation reviews.
        json: print one JSON object.
    """
    from gpt2course.course import export_live, refuse_other_file
    from gpt2course.files import refuse_reserved_name, write_bytes

    refuse_reserved_name(output)
    refuse_other_file(output)
    file = export_live(checkpoint, dtype)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(output, file.content)
    if json:
        print_json(output=str(output), **file.report())
        return 0
    print(
        f"{output}: {file.dtype}, {len(file.content) / 1e6:.1f} MB; on "
        f"{file.tokens:,} tokens top-1 agreement {file.top1_agreement:.1%}, "
        f"KL {file.kl:.4f} nats per token"
    )
    return 0
