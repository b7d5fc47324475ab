"""The workflows of .github: pinned, with few rights, and clean for two linters."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tools.publication import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
BIN = Path(sys.executable).parent
PINNED = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


@pytest.mark.parametrize(
    "command",
    [["actionlint"], ["zizmor", "--offline", "--quiet", ".github"]],
    ids=lambda command: command[0],
)
def test_linters_find_nothing(command):
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_is_pinned_and_has_few_rights(path):
    text = path.read_text(encoding="utf-8")
    used = re.findall(r"uses: (.+)", text)
    assert used
    assert [use for use in used if not PINNED.fullmatch(use)] == []
    assert text.count("actions/checkout@") == text.count("persist-credentials: false")
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    assert "pull_request_target" not in workflow[True]  # YAML reads "on" as true
    for job in workflow["jobs"].values():
        assert job["permissions"]
        assert job["timeout-minutes"]


def test_every_chapter_runs_twice_in_one_kernel_each_week():
    """In the set of packages that Colab has: there readers run a cell again."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/weekly.yml").read_text())
    (tests,) = [
        step
        for step in workflow["jobs"]["colab"]["steps"]
        if "pytest" in step.get("run", "")
    ]
    assert tests["env"] == {"GPT2COURSE_TWICE": "all"}
    read = (ROOT / "tests/chapters/test_chapters.py").read_text(encoding="utf-8")
    assert 'os.environ.get("GPT2COURSE_TWICE") == "all"' in read


def test_one_action_has_one_version():
    used = {
        use
        for path in WORKFLOWS
        for use in re.findall(r"uses: (.+)", path.read_text(encoding="utf-8"))
    }
    names = [use.split("@")[0] for use in used]
    assert sorted(names) == sorted(set(names))


def test_every_file_that_a_workflow_names_is_there():
    for path in WORKFLOWS:
        text = path.read_text(encoding="utf-8")
        for name in re.findall(
            r"(?:benchmarks|\.github|tests)/[\w./-]+\b|\w+\.txt", text
        ):
            made = {"lowest.txt"}  # by the workflow itself
            assert name in made or (ROOT / name).exists(), f"{path.name}: {name}"


def test_the_make_targets_of_the_workflows_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^(\w+):", makefile, flags=re.M))
    for path in WORKFLOWS:
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"\bmake (\w+)\s*(?:#.*)?$", text, flags=re.M)) <= targets
