"""Every command that a page or the help shows: it parses, and it runs from a wheel."""

from __future__ import annotations

import csv
import importlib
import json
import re
import shlex
import zipfile
from pathlib import Path

import pytest
from cli_tools import REVIEWS
from conftest import run_python

import gpt2course
from gpt2course.cli import COMMANDS
from gpt2course.cli.options import parse

ROOT = Path(gpt2course.__file__).resolve().parents[1]
# the same commands with less to do
QUICK = {
    "generate": ["--max-new-tokens", "2"],
    "evaluate": ["--limit", "4"],
    "finetune-jokes": [
        *("--max-steps", "1", "--per-device-train-batch-size", "4"),
        *("--max-eval-samples", "4", "--device", "cpu"),
    ],
    "finetune-sentiment": [
        *("--data", "reviews", "--max-length", "16", "--num-train-epochs", "0.5"),
    ],
    "pretrain": [
        *("--max-steps", "1", "--warmup-steps", "0", "--num-processes", "1"),
        *("--model.vocab-size", "270", "--model.n-positions", "16"),
        *("--model.n-layer", "1", "--tokens-per-step", "64"),
    ],
}


def module(name: str):
    return importlib.import_module(f"gpt2course.cli.{name.replace('-', '_')}")


def commands(path: Path) -> list[list[str]]:
    """What follows gpt2course in each line of a page that is a command."""
    text = path.read_text("utf-8").replace("\\\n", " ")  # a long line is continued
    lines = re.findall(r"^ *(?:accelerate launch .* -m )?gpt2course .*", text, re.M)
    words = [shlex.split(line, comments=True) for line in lines]
    return [line[line.index("gpt2course") + 1 :] for line in words]


README = commands(ROOT / "README.md")
PAGES = [
    *README,
    *(line for page in sorted(ROOT.glob("book/**/*.md")) for line in commands(page)),
    *(line for card in ROOT.glob("gpt2course/**/README.md") for line in commands(card)),
    *(shlex.split(module(name).EXAMPLE)[1:] for name in COMMANDS),
]


def test_the_readme_shows_every_command():
    assert {line[0] for line in README} == set(COMMANDS)


@pytest.mark.parametrize("line", PAGES, ids=" ".join)
def test_a_command_on_a_page_is_understood(line):
    name, *arguments = line
    assert name in COMMANDS
    parse(name, module(name), arguments)


RUN = """
import json, os, sys
folder, lines, reviews = json.loads(sys.argv[1])
os.chdir(folder)
sys.path.insert(0, os.path.join(folder, "installed"))
import gpt2course.data
assert gpt2course.__file__.startswith(folder), gpt2course.__file__
from gpt2course.cli import main
for line in lines:
    print("$", *line, flush=True)
    if line[0] == "pretrain":  # all reviews would take minutes
        gpt2course.data.embedded_reviews = lambda: reviews
    code = main(line)
    if code != 0:
        sys.exit(f"{line}: exit code {code}")
"""


@pytest.mark.slow
def test_every_command_runs_from_a_wheel(tmp_path, wheel):
    """What pip would install is complete, and works far from the repository."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    (entry,) = tmp_path.glob("installed/*.dist-info/entry_points.txt")
    assert "gpt2course = gpt2course.cli:main" in entry.read_text()

    (tmp_path / "reviews").mkdir()
    table = tmp_path / "reviews" / "reviews.csv"
    with open(table, "w", newline="", encoding="utf-8") as file:
        rows = [row for split in REVIEWS.values() for row in split]
        csv.writer(file).writerows([("text", "label"), *rows])
    lines = [[*line, *QUICK.get(line[0], [])] for line in README]
    # pretrain last, since it gets other reviews
    lines.sort(key=lambda line: line[0] == "pretrain")
    done = run_python(
        "-c", RUN, json.dumps([str(tmp_path), lines, REVIEWS]), HF_HUB_OFFLINE="1"
    )
    assert done.returncode == 0, done.stderr
    for line in lines:
        assert f"$ {' '.join(line)}\n" in done.stdout
    assert "Everything that these settings need is here." in done.stdout
    assert "Try: gpt2course classify 'I hate this movie!'" in done.stdout
