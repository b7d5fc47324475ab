"""Loops that chapters write out compute on a GPU, where there is one.

There is none here: what is checked is that model, batches and random generators are in
the same place, on pretended devices. Neither speed nor memory of a GPU is known.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from chapter import BOOK, Chapter
from wheel import ROOT, outside

WEEKLY = os.environ.get("GPT2COURSE_TWICE") == "all"
# the page -> from where on make test leaves its cells to the weekly run
PAGES = {
    "jokes": "## Which learning rate?",
    "batches": "## Packing without a document mask",
    "training": "## Learning-rate schedule",
    "silent-failures": "(clinic-case-6)=",
    "evaluating": "## Sliding windows",
}
# the files of a run cannot hold pretended tensors
NEVER = {"training": "## Monitoring, and keeping the best"}


def cells_before(name: str, end: str | None) -> list[str]:
    """The code of a page's cells, up to a heading or to the exercises."""
    chapter = Chapter.read(BOOK / f"{name}.md")
    before, found, _ = chapter.text.partition(end or "\n## Exercises")
    assert found, f"{name}.md has no line {end!r} any more; name another one above"
    n_cells = before.count("```{code-cell}")
    return [cell.source for cell in chapter.cells[:n_cells]]


def spoiled(cells: list[str], right: str, wrong: str) -> list[str]:
    """The same cells with a mistake in one place."""
    assert sum(cell.count(right) for cell in cells) == 1, right
    return [cell.replace(right, wrong) for cell in cells]


@pytest.fixture(scope="module")
def failed() -> dict[str, str]:
    """How each page fails on a pretended GPU; one process, which imports torch once."""
    programs = {
        name: cells_before(name, NEVER.get(name) if WEEKLY else end)
        for name, end in PAGES.items()
    }
    jokes = cells_before("jokes", "## One batch first")
    programs |= {
        "batch": spoiled(jokes, "input_ids.to(device)", "input_ids"),
        "generator": spoiled(jokes, "Generator(device)", "Generator()"),
        "model": spoiled(jokes, "**no_dropout\n).to(device)", "**no_dropout\n)"),
        "numpy": ["import torch", "torch.ones(2, device='cuda').numpy()"],
    }
    chosen = {
        "GPT2COURSE_CHECKPOINT": "mini",
        "GPT2COURSE_DATA": "embedded",
        "GPT2COURSE_EFFORT": "quick",
    }
    done = subprocess.run(
        [sys.executable, ROOT / "tests/pretend_gpu.py"],
        input=json.dumps(programs),
        env=outside(PYTHONPATH=str(ROOT), MPLBACKEND="Agg", **chosen),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_loops_run_where_the_model_is(failed: dict[str, str], name: str) -> None:
    assert failed[name] == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("batch", "Expected all tensors to be on the same device"),
        ("model", "Expected all tensors to be on the same device"),
        ("generator", "Expected a 'cuda' device type for generator but found 'cpu'"),
        ("numpy", "can't convert cuda:0 device type tensor to numpy"),
    ],
)
def test_a_forgotten_move_would_be_seen(
    failed: dict[str, str], mistake: str, message: str
) -> None:
    assert message in failed[mistake]
