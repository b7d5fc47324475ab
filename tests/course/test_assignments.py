"""Notebooks to hand out: no student's file tells an answer or a hidden input."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest
import yaml
from chapter import CHAPTERS as PAGES
from references import BOOK

from gpt2course import __version__
from gpt2course.course import variants
from gpt2course.course.assignments import (
    CHAPTERS,
    assignment_files,
    chapters_of,
    exercises_of,
)
from gpt2course.course.variants import VARIANTS, course_code, secret_values
from tools.chapters import read_chapter

SEED = "spring"


def run(text: str) -> None:
    """The code cells of a notebook, one after another."""
    space: dict = {}
    for cell in json.loads(text)["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), space)


def test_chapters_are_those_of_the_table_of_contents():
    parts = yaml.safe_load((BOOK.parent / "_toc.yml").read_text("utf-8"))["parts"]
    files = [
        c["file"] for part in parts if "numbered" in part for c in part["chapters"]
    ]
    assert list(CHAPTERS) == [file.removeprefix("book/") for file in files]


def test_every_variant_belongs_to_one_chapter():
    found = [name for chapter in CHAPTERS for name in exercises_of(chapter)]
    assert sorted(found) == sorted(VARIANTS)


def test_points_and_minutes_are_those_of_the_pages():
    text = "\n".join(map(read_chapter, PAGES))
    for name, variant in VARIANTS.items():
        start = text.index(f":label: ex-{name}\n")
        of_page = re.search(r"minutes: (\d+), points: (\d+)", text[start:])
        assert (variant.minutes, variant.points) == tuple(map(int, of_page.groups()))


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        (["12", "attention"], ["attention", "cache"]),
        (["cache", "12", "cache"], ["cache"]),
        (["evaluating-a-classifier"], ["evaluating-a-classifier"]),
    ],
)
def test_chapters_by_name_and_number(chosen, names):
    assert chapters_of(chosen) == names


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ("cahce", "unknown chapter 'cahce'; did you mean 'cache'"),
        ("99", r"no chapter 99; they have the numbers 1 to 26"),
        ("0", "no chapter 0"),
        ("-1", "no chapter -1"),
        ("basics", "'basics' has no exercise that can be handed out"),
        ("1", "'basics' has no exercise"),
    ],
)
def test_chapters_that_are_refused(chosen, says):
    with pytest.raises(ValueError, match=says):
        chapters_of(["cache", chosen])


@pytest.fixture(scope="module")
def plain() -> dict[str, str]:
    return assignment_files(chapters_of([]), SEED, "plain")


def test_plain_notebooks_are_valid_and_stay(plain):
    for path, text in plain.items():
        nbformat.validate(nbformat.reads(text, as_version=4), relax_add_props=False)
        assert path.startswith(("student/", "instructor/"))
    assert plain == assignment_files(chapters_of([]), SEED, "plain")
    assert plain != assignment_files(chapters_of([]), "autumn", "plain")


def test_students_get_neither_solutions_nor_hidden_inputs_nor_the_seed(plain):
    code = course_code(SEED)
    students = {p: t for p, t in plain.items() if p.startswith("student/")}
    assert len(students) == len(plain) / 2
    for path, text in students.items():
        assert secret_values(SEED, Path(path).stem) not in text
        assert (
            secret_values(SEED, Path(path).stem)
            in plain[f"instructor/{Path(path).name}"]
        )
        assert SEED not in text
        assert "require" not in text
        cells = {c["id"]: "".join(c["source"]) for c in json.loads(text)["cells"]}
        for name in {key.removesuffix("-text") for key in cells} & set(VARIANTS):
            variant = VARIANTS[name]
            values = variant.values(name, code)
            assert cells[f"{name}-answer"] == variant.start(values)
            assert variant.question(values) in cells[f"{name}-text"]
            assert f'course="{code}"' in cells[f"{name}-check"]


@pytest.mark.parametrize("seed", [SEED, "autumn", None])
def test_instructors_solutions_are_right(seed):
    """The whole notebook runs: its checks raise for a wrong answer."""
    for path, text in assignment_files(
        ["cache", "silent-failures"], seed, "plain"
    ).items():
        if path.startswith("instructor/"):
            run(text)
            with pytest.raises(AssertionError):
                run(text.replace("return ", "return 1, "))


def test_a_notebook_that_changes_the_check_gets_no_points(monkeypatch):
    source = assignment_files(["cache"], SEED, "nbgrader")["source/cache/cache.ipynb"]
    with pytest.raises(AssertionError, match="it should be"):
        run(source.replace("### END SOLUTION", "require = print").replace("2 *", "3 *"))
    monkeypatch.setattr(variants, "same", lambda a, b: True)
    with pytest.raises(AssertionError, match="this notebook has changed the check"):
        run(source)


def test_students_notebooks_run_and_say_what_is_missing(plain, capsys):
    run(plain["student/cache.ipynb"])
    assert "Not yet: " in capsys.readouterr().out


@pytest.mark.parametrize("seed", ["", " \n"])
def test_an_empty_seed_is_refused(seed):
    with pytest.raises(ValueError, match="the seed is empty"):
        assignment_files(["cache"], seed, "plain")


def test_without_a_seed_hidden_inputs_are_new_each_time():
    first, second = (assignment_files(["cache"], None, "plain") for _ in range(2))
    assert first["student/cache.ipynb"] == second["student/cache.ipynb"]
    assert first["instructor/cache.ipynb"] != second["instructor/cache.ipynb"]
    assert "course=" not in first["student/cache.ipynb"]


# the keys of nbgrader's schema 3, and whether they are needed in a graded cell
NBGRADER = {"schema_version", "grade_id", "grade", "solution", "locked", "task"}


def test_nbgrader_sources_have_its_metadata():
    files = assignment_files(chapters_of([]), SEED, "nbgrader")
    compile(files.pop("nbgrader_config.py"), "nbgrader_config.py", "exec")
    assert len(files) == len(chapters_of([]))
    points = 0
    for path, text in files.items():
        chapter = path.split("/")[1]
        assert path == f"source/{chapter}/{chapter}.ipynb"
        notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook, relax_add_props=False)
        graded = [c for c in notebook.cells if "nbgrader" in c.metadata]
        ids = [cell.metadata.nbgrader.grade_id for cell in graded]
        assert len(ids) == len(set(ids)) == 3 * len(exercises_of(chapter))
        for cell in graded:
            about = cell.metadata.nbgrader
            assert about.schema_version == 3
            assert re.fullmatch(r"[a-zA-Z0-9_\-]+", about.grade_id)
            keys = NBGRADER | ({"points"} if about.grade else set())
            assert about.keys() == keys
            assert about.solution != about.locked
            assert not about.grade or cell.cell_type == "code"
            points += about.get("points", 0)
    assert points == sum(variant.points for variant in VARIANTS.values())


@pytest.mark.parametrize("seed", [SEED, "autumn"])
def test_an_nbgrader_source_is_right_and_its_release_is_not(seed):
    source = assignment_files(["cache"], seed, "nbgrader")["source/cache/cache.ipynb"]
    run(source)
    notebook = json.loads(source)
    for cell in notebook["cells"]:  # as nbgrader takes the regions out
        cell["source"] = re.sub(
            r"### BEGIN (SOLUTION|HIDDEN TESTS)\n.*?### END \1",
            "",
            "".join(cell["source"]),
            flags=re.S,
        ).splitlines(keepends=True)
    release = json.dumps(notebook)
    assert secret_values(seed, "cache") in source
    assert secret_values(seed, "cache") not in release
    assert "return" not in release
    with pytest.raises(AssertionError, match="there is nothing here yet"):
        run(release)


def test_an_otter_source_has_its_blocks_and_is_right():
    text = assignment_files(["cache", "counting"], SEED, "otter")[
        "counting/counting.ipynb"
    ]
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook, relax_add_props=False)
    raw = [c.source.splitlines() for c in notebook.cells if c.cell_type == "raw"]
    config, *questions = [yaml.safe_load("\n".join(r[1:])) for r in raw if len(r) > 1]
    assert config["name"] == "counting"
    assert config["requirements"] == [f"gpt2course=={__version__}"]
    assert {q["name"].replace("_", "-"): q["points"] for q in questions} == {
        name: VARIANTS[name].points for name in exercises_of("counting")
    }
    block = ["QUESTION", "SOLUTION", "SOLUTION", "TESTS", "TESTS", "QUESTION"]
    found = [lines[0].split()[-1] for lines in raw[1:]]
    assert found == block * len(questions)
    for cell in notebook.cells:  # a hidden test, or one that students see
        hidden = cell.source.startswith("# HIDDEN\n")
        assert (secret_values(SEED, "counting") in cell.source) == hidden
    run(text)
