"""The memory calculator: the numbers of its JavaScript are Python's, the page works."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from conftest import TINY, cannot_run
from playwright.sync_api import expect
from test_site import address, site, visit  # noqa: F401 (fixtures)

from gpt2course.config import SIZES
from gpt2course.training import inference_memory, parameter_count, training_memory
from tools.sphinx_ext.memory import FIRST, SIZE, calculator

NODE = shutil.which("node")
PAGE = "book/large.html"
STILL = {"embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0}
SHAPES = [
    *((config, 1, min(128, config.n_positions)) for config in SIZES.values()),
    (SIZES["gpt2"], 8, 1024),
    (TINY, 3, 20),
    (replace(SIZES["gpt2-medium"], **STILL), 2, 512),
]


def ways() -> list[dict]:
    """Every combination of the options that is allowed."""
    choices = itertools.product(
        ("no", "bf16"),
        ("adamw_torch", "adamw_8bit"),
        (False, True),
        ((0, "float32"), (8, "float32"), (8, "float16")),
        ("cuda", "cpu"),
    )
    return [
        {
            "mixed_precision": precision,
            "optim": optim,
            "gradient_checkpointing": saving,
            "lora_rank": rank,
            "frozen_dtype": frozen,
            "device": device,
        }
        for precision, optim, saving, (rank, frozen), device in choices
        if frozen == "float32" or precision != "no"
    ]


def test_javascript_has_the_numbers_of_python(tmp_path):
    if NODE is None:
        cannot_run(
            "no Node on this machine: the memory calculator's JavaScript was not "
            "compared with Python; install node"
        )
    training, inference = [], []
    for config, rows, length in SHAPES:
        shape = {"batch_size": rows, "length": length}
        for way in ways():
            expected = asdict(training_memory(config, **shape, **way))
            trained = parameter_count(config, way["lora_rank"])
            training.append((config.to_dict(), shape | way, expected, trained))
        for dtype in ("float32", "bfloat16", "int8"):
            expected = asdict(inference_memory(config, **shape, dtype=dtype))
            inference.append((config.to_dict(), shape | {"dtype": dtype}, expected))
    refused = [
        (TINY.to_dict(), {"batch_size": 1, "length": 33}, "from 1 to 32"),
        (TINY.to_dict(), {"batch_size": 0, "length": 8}, "at least 1"),
        (TINY.to_dict(), {"batch_size": 1, "length": 8, "lora_rank": 25}, "1 to 24"),
    ]
    cases = tmp_path / "cases.json"
    content = {"training": training, "inference": inference, "refused": refused}
    cases.write_text(json.dumps(content), encoding="utf-8")
    script = Path(__file__).with_name("memory.mjs")
    done = subprocess.run(
        [NODE, script, cases], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == f"{len(training) + len(inference)} cases\n"


def test_what_the_page_shows_before_javascript():
    memory = training_memory(SIZES[SIZE], **FIRST)
    assert f"{memory.total / 1e9:.2f} of 15.8 GB" in calculator()


@pytest.mark.site
def test_the_calculator_computes_in_the_page(visit):  # noqa: F811
    page = visit(PAGE, width=390)
    form, verdict = (
        page.locator(".course-memory"),
        page.locator(".course-memory-verdict"),
    )
    first = training_memory(SIZES[SIZE], **FIRST).total / 1e9
    expect(verdict).to_have_text(f"Fits by this formula: {first:.2f} of 15.8 GB.")
    form.get_by_label("What for").select_option("full")
    expect(form.get_by_label("LoRA rank")).to_be_hidden()
    full = training_memory(SIZES[SIZE], **FIRST | {"lora_rank": 0}).total / 1e9
    expect(verdict).to_have_text(f"Does not fit: {full:.2f} GB, and there are 15.8.")
    form.get_by_label("What for").select_option("generate")
    form.get_by_label("Number format").select_option("int8")
    form.get_by_label("Rows").fill("3")
    memory = inference_memory(SIZES[SIZE], batch_size=3, length=128, dtype="int8")
    expect(verdict).to_contain_text(f"{memory.total / 1e9:.2f} of")
    cache = form.locator("[data-line=cache] td").first
    expect(cache).to_have_text(f"{memory.cache / 1e9:.2f}")
    form.get_by_label("Tokens per row").fill("2000")
    expect(verdict).to_have_text("Tokens: a whole number from 1 to 1024.")
    expect(form.locator("table")).to_be_hidden()
    assert visit.problems == []
