"""The directive `memory-calculator`: how many bytes a GPT-2 needs, without a kernel.

The form and the table of its first setting are written here, with Python's numbers;
book/_static/memory.js computes the others in the reader's browser.
"""

from __future__ import annotations

import html
import json
from dataclasses import asdict

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from gpt2course.config import SIZES
from gpt2course.training import training_memory

SIZE = "gpt2-xl"
T4 = 15.8  # GB, 14.74 GiB, as PyTorch reports it in Colab
FIRST = {
    "batch_size": 16,
    "length": 128,
    "mixed_precision": "fp16",
    "gradient_checkpointing": True,
    "lora_rank": 8,
}
LINES = {
    "weights": "Weights",
    "weight_copies": "16-bit copies of weights",
    "gradients": "Gradients",
    "optimizer": "Optimizer state",
    "activations": "Activations",
    "temporary": "On top, at the peak",
    "cache": "KV cache",
    "total": "Together",
}
TASKS = {"full": "train all weights", "lora": "train LoRA", "generate": "generate"}
PRECISIONS = {"no": "float32", "bf16": "mixed, bfloat16", "fp16": "mixed, float16"}
OPTIMIZERS = {"adamw_torch": "AdamW", "adamw_8bit": "8-bit AdamW"}
DTYPES = {
    "float32": "float32",
    "float16": "float16 or bfloat16",
    "int8": "int8 weights",
}


class MemoryCalculator(SphinxDirective):
    """`{memory-calculator}`: the form, and the lines that it adds up."""

    def run(self) -> list[nodes.Node]:
        """The element that memory.js finds by its class."""
        return [nodes.raw("", calculator(), format="html")]


def calculator() -> str:
    """The whole element."""
    memory = training_memory(SIZES[SIZE], **FIRST)
    lines = asdict(memory) | {"total": memory.total}
    rows = "".join(row(name, lines[name], memory.total) for name in LINES)
    fields = "".join(
        (
            select("Size", "size", {name: name for name in SIZES}, SIZE),
            select("What for", "task", TASKS, "lora"),
            number("Rows (batch size)", "rows", FIRST["batch_size"]),
            number("Tokens per row", "tokens", FIRST["length"]),
            select("Precision", "precision", PRECISIONS, "fp16", "full lora"),
            number("LoRA rank", "rank", FIRST["lora_rank"], "lora"),
            select("Optimizer", "optim", OPTIMIZERS, "adamw_torch", "full lora"),
            select("Number format", "dtype", DTYPES, "float16", "generate"),
            number("Memory of the GPU (GB)", "available", T4, step="any"),
            box("Gradient checkpointing", "saving", True, "full lora"),
            box("Dropout", "dropout", True, "full lora"),
            box("Frozen weights in 16 bits", "frozen", False, "lora"),
        )
    )
    sizes = html.escape(json.dumps({n: c.to_dict() for n, c in SIZES.items()}))
    fits = "Fits by this formula" if memory.total <= T4 * 1e9 else "Does not fit"
    return (
        f'<div class="course-memory" data-sizes="{sizes}">'
        '<form aria-label="Memory calculator"><fieldset disabled>'
        f'<legend class="course-memory-title">Does it fit?</legend>{fields}'
        "</fieldset></form>"
        f'<p class="course-memory-verdict" role="status">{fits}: '
        f"{memory.total / 1e9:.2f} of {T4} GB.</p>"
        '<table class="course-memory-table"><thead><tr><th scope="col">What</th>'
        '<th scope="col">GB</th><th scope="col">Part</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def row(name: str, size: int, total: int) -> str:
    """One line of the table; a line of nothing is hidden."""
    hidden = "" if size else " hidden"
    return (
        f'<tr data-line="{name}"{hidden}><th scope="row">{LINES[name]}</th>'
        f"<td>{size / 1e9:.2f}</td>"
        '<td aria-hidden="true"><span class="course-memory-bar" '
        f'style="width:{100 * size / total:.1f}%"></span></td></tr>'
    )


def field(label: str, control: str, tasks: str, kind: str = "") -> str:
    """A control with its label; tasks are those that have it, all unless given."""
    shown = f' data-for="{tasks}"' if tasks else ""
    hidden = " hidden" if tasks and "lora" not in tasks.split() else ""
    return f'<label class="course-memory-field{kind}"{shown}{hidden}>{label}{control}'


def select(label: str, name: str, options: dict, first: str, tasks: str = "") -> str:
    """A choice among names."""
    inside = "".join(
        f'<option value="{value}"{" selected" if value == first else ""}>{text}'
        "</option>"
        for value, text in options.items()
    )
    control = f'<select name="{name}">{inside}</select></label>'
    return field(f"<span>{label}</span>", control, tasks)


def number(
    label: str, name: str, first: float, tasks: str = "", step: str = "1"
) -> str:
    """A number to type."""
    control = (
        f'<input type="number" name="{name}" value="{first}" min="1" step="{step}" '
        'inputmode="decimal"></label>'
    )
    return field(f"<span>{label}</span>", control, tasks)


def box(label: str, name: str, first: bool, tasks: str) -> str:
    """Yes or no."""
    checked = " checked" if first else ""
    control = f"<span>{label}</span></label>"
    checkbox = f'<input type="checkbox" name="{name}"{checked}>'
    return field(checkbox, control, tasks, " course-memory-box")


def setup(app: Sphinx) -> dict:
    """Called by Sphinx."""
    app.add_directive("memory-calculator", MemoryCalculator)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
