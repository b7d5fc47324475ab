"""Every chapter runs as a notebook: cells, assertions, recorded outputs, exercises.

As a learner runs it: far from the repository, with the package from its wheel and
nothing else of the checkout. Stubs must fail their checks, solutions must pass them:
`references.to_run` turns both into assertions. Two chapters run at a time, each in a
process of nbval, at effort quick unless GPT2COURSE_EFFORT says otherwise. Light
chapters run twice in the same kernel, the students' edition first, and all of them
with GPT2COURSE_TWICE=all.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nbformat
import pytest
import references
from chapter import CHAPTERS, Chapter
from references import AT_A_TIME, CELL_SECONDS, ChapterError, converter
from samples import SAMPLE, spoiled
from wheel import ROOT, outside

from gpt2course import __version__, settings

RESULT = re.compile(r"^(PASSED|FAILED) .*?(\w+)\.ipynb::Cell (\d+)", flags=re.M)


# at effort quick their cells take a few seconds, apart from the imports
LIGHT = ("basics", "gpt2", "tokens", "counting", "greedy", "attention", "measurements")
NOTHING_ELSE = f"""\
import sys
files = [getattr(module, "__file__", None) or "" for module in sys.modules.values()]
found = [file for file in files if file.startswith({str(ROOT)!r})]
assert not found, f"from the checkout: {{found}}"
"""


def run_nbval(python: Path, *paths: Path) -> tuple[int, str]:
    """Run notebooks under nbval; return its exit status and what it printed."""
    command = [
        *(python, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-rA"),
        *("--color=no", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"),
        *(f"--nbval-cell-timeout={CELL_SECONDS}", "--nbval-kernel-startup-timeout=300"),
    ]
    chosen = {
        "GPT2COURSE_EFFORT": os.environ.get("GPT2COURSE_EFFORT") or "quick",
        "GPT2COURSE_CHECKPOINT": settings.checkpoint_name(),
    }
    result = subprocess.run(
        [*command, *paths],
        env=outside(**chosen),
        cwd=paths[0].parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return result.returncode, re.sub(
        r"\x1b\[[\d;]*m", "", result.stdout + result.stderr
    )


def run_chapter(chapter: Path, folder: Path, python: Path) -> tuple[int, int, str]:
    """Run one chapter; return exit status, number of cells, and what was printed."""
    compare_all = settings.checkpoint_name() == "mini"
    notebook = references.with_references(
        chapter, references.read_references(chapter), compare_all=compare_all
    )
    if chapter.stem in LIGHT or os.environ.get("GPT2COURSE_TWICE") == "all":
        notebook.cells = [*students_cells(chapter), *notebook.cells]
    notebook.cells.append(nbformat.v4.new_code_cell(NOTHING_ELSE))
    path = folder / f"{chapter.stem}.ipynb"
    nbformat.write(notebook, path)
    status, printed = run_nbval(python, path)
    return status, sum(cell.cell_type == "code" for cell in notebook.cells), printed


def students_cells(chapter: Path) -> list[nbformat.NotebookNode]:
    """The cells that a student gets, with ids of their own."""
    cells = converter.convert(chapter).cells
    for cell in cells:
        cell.id = f"student-{cell.id}"
    return cells


@pytest.fixture(scope="session")
def runs(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    learner_python: Path,
):
    """The runs of the chapters that were asked for; two are always under way."""
    folder = tmp_path_factory.mktemp("chapters")
    wanted = [
        item.callspec.params["chapter"]
        for item in request.session.items
        if "runs" in item.fixturenames
    ]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield {
            chapter: pool.submit(run_chapter, chapter, folder, learner_python)
            for chapter in wanted
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "chapter",
    [path for path in CHAPTERS if Chapter.read(path).cells],
    ids=lambda path: path.stem,
)
def test_chapter_runs(chapter: Path, runs: dict[Path, Future]) -> None:
    status, n_cells, printed = runs[chapter].result()
    passed = sum(outcome == "PASSED" for outcome, _, _ in RESULT.findall(printed))
    # nbval lets a cell after one that timed out fail as expected, and skips some:
    # so count, too
    assert (status, passed) == (0, n_cells), printed[-8000:]


@pytest.mark.slow
def test_nbval_sees_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, learner_python: Path
) -> None:
    """Wrong references, cells that raise, stubs that pass, solutions that fail."""
    monkeypatch.setenv("GPT2COURSE_CHECKPOINT", "mini")
    (right,) = recorded_sample()
    wrong = {**right, "stdout": "[1, 4, 8]\n"}
    not_printed = {"source": right["source"], "result": "[1, 4, 9]"}
    chapter = spoiled(tmp_path / "exercises", "...  # your code", "return side**2")
    chapter.write_text(
        chapter.read_text(encoding="utf-8").replace("side * side", "side + side"),
        encoding="utf-8",
    )
    raises = spoiled(tmp_path / "raises", 'glue("area"', 'no_such_name("area"')
    for name, path, reference in (
        ("right", SAMPLE, right),
        ("exercises", chapter, wrong),
        ("raises", raises, not_printed),
    ):
        notebook = references.with_references(path, [reference], compare_all=True)
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    _, printed = run_nbval(learner_python, *sorted(tmp_path.glob("*.ipynb")))
    results: dict[str, dict[int, str]] = {}
    for outcome, name, cell in RESULT.findall(printed):
        results.setdefault(name, {})[int(cell)] = outcome[0]
    # the sample's cells: the opening, one with a reference, the check, the stub, the
    # solution
    assert {
        name: "".join(outcome for _, outcome in sorted(cells.items()))
        for name, cells in results.items()
    } == {
        "right": "PPPPP",
        "exercises": "PFPFF",
        "raises": "PFFFF",
    }, printed


@pytest.mark.slow
@pytest.mark.parametrize("published", ["release", "commit"])
def test_the_opening_cell_installs_the_package(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wheel: Path,
    archive: Path,
    bare_python: Path,
    published: str,
) -> None:
    """From an index or from a commit's archive, here on this machine; and only once."""
    (tmp_path / "served/simple").mkdir(parents=True)
    (tmp_path / "served/simple/gpt2course").symlink_to(wheel.parent)
    there = f"/someone/course/archive/{archive.name}"
    (tmp_path / "served/someone/course").mkdir(parents=True)
    (tmp_path / "served/someone/course/archive").symlink_to(archive.parent)
    if published == "release":
        monkeypatch.setenv("PUBLISHED_RELEASE", __version__)
    else:
        monkeypatch.setenv("GITHUB_REPOSITORY", "someone/course")
        monkeypatch.setenv("GITHUB_SHA", archive.stem)
    cells = converter.convert(SAMPLE).cells
    opening = next(cell.source for cell in cells if cell.cell_type == "code")
    where = "import gpt2course\nprint('from', gpt2course.__file__)"
    asked: list[str] = []
    with index(tmp_path / "served", asked) as address:
        opening = opening.replace("https://github.com", address)
        (tmp_path / "opening.ipy").write_text("\n\n".join([opening, opening, where]))
        done = subprocess.run(
            [bare_python, "-m", "IPython", "--quiet", "opening.ipy"],
            env=outside(
                PIP_NO_INDEX="",
                PIP_INDEX_URL=f"{address}/simple/",
                PIP_NO_BUILD_ISOLATION="0",  # what builds it lies in the environment
            ),
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        subprocess.run(
            [bare_python, "-m", "pip", "uninstall", "--quiet", "--yes", "gpt2course"],
            check=True,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(f"gpt2course {__version__}, Python ") == 2
    assert done.stdout.count("checkpoint: mini") == 2
    assert f"from {bare_python.parents[1]}" in done.stdout
    # nothing else was missing, and the second time nothing at all
    from_index = ["/simple/gpt2course/", f"/simple/gpt2course/{wheel.name}"]
    assert asked == (from_index if published == "release" else [there])


@contextmanager
def index(folder: Path, asked: list[str]) -> Iterator[str]:
    """A package index of this machine: its address; it notes what pip asks for."""

    class Noting(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    handler = functools.partial(Noting, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def recorded_sample() -> list[dict[str, str]]:
    """The reference of the sample's one tagged cell."""
    return [
        {
            "source": "sides = [1, 2, 3]\nprint([side**2 for side in sides])",
            "stdout": "[1, 4, 9]\n",
        }
    ]


def test_references_lie_where_nbval_looks() -> None:
    notebook = references.with_references(SAMPLE, recorded_sample(), compare_all=True)
    (cell,) = references.checked_cells(notebook)
    assert cell.execution_count == 1
    assert cell.outputs[0].text == "[1, 4, 9]\n"


@pytest.mark.parametrize(
    "tags", ["[nbval-check-output, any-checkpoint]", "[nbval-check-output]"]
)
def test_another_checkpoint_compares_only_what_holds_for_any(
    tmp_path: Path, tags: str
) -> None:
    chapter = spoiled(tmp_path, "[nbval-check-output, any-checkpoint]", tags)
    notebook = references.with_references(chapter, recorded_sample(), compare_all=False)
    (cell,) = references.checked_cells(notebook)
    assert bool(cell.outputs) == ("any-checkpoint" in tags)


@pytest.mark.parametrize(
    "recorded",
    [
        [],
        [{"source": "print(1)", "stdout": "1\n"}],
        [*recorded_sample(), {"source": "gone", "stdout": ""}],
    ],
    ids=["never recorded", "changed since", "a cell is gone"],
)
def test_references_that_do_not_fit_are_refused(recorded: list) -> None:
    with pytest.raises(ChapterError, match=r"sample.*run make record"):
        references.with_references(SAMPLE, recorded, compare_all=True)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "any-checkpoint]",
            "raises-exception]",
            "raises-exception keeps a cell from being tested",
        ),
        ("any-checkpoint]", "nbval-skip]", "nbval-skip keeps a cell from being tested"),
        ('check("sample-area", area)', "area(3)", "calls check"),
    ],
)
def test_chapters_that_escape_the_test_are_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    chapter = spoiled(tmp_path, old, new)
    with pytest.raises(ChapterError, match=message):
        references.to_run(chapter)


def output(kind: str, **content) -> nbformat.NotebookNode:
    """A code cell with one output."""
    return nbformat.v4.new_code_cell(
        "x", outputs=[nbformat.v4.new_output(kind, **content)]
    )


def test_only_text_is_recorded() -> None:
    printed = output("stream", name="stdout", text="one\n")
    assert references.text_of(printed, SAMPLE) == {"stdout": "one\n"}
    value = output("execute_result", data={"text/plain": "1"}, execution_count=1)
    assert references.text_of(value, SAMPLE) == {"result": "1"}
    for cell, what in [
        (output("stream", name="stderr", text="a warning"), "stderr"),
        (
            output("display_data", data={"image/png": "", "text/plain": "<Figure>"}),
            "image/png",
        ),
        (nbformat.v4.new_code_cell("x"), "nothing"),
    ]:
        with pytest.raises(ChapterError, match=f"shows {what}"):
            references.text_of(cell, SAMPLE)
