"""Editions: what students get holds no solution, what instructors get says why."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from conftest import cannot_run
from references import BOOK
from samples import build_tiny

from tools import editions, stale
from tools.chapters import chapter_files
from tools.editions import __main__ as command
from tools.editions import mistakes
from tools.editions.leaks import Secrets, in_words
from tools.notebooks import convert
from tools.sphinx_ext import exercises

SITE = BOOK.parent / "_build/html"
PAGE = """\
---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {display_name: Python 3, language: python, name: python3}
---

# A page

Everybody reads this sentence.

````{exercise-start} The area of a square
:label: ex-area
````
Write it.
````{exercise-end}
````

````{solution-start} ex-area
:class: dropdown
````
As high as *wide*, says the "zoologist".

```{code-cell}
:tags: [solution]
def area(side: int) -> int:
    return side if side < 2 or 3 > side else side * side
```
````{solution-end}
````

After the solution.

```{code-cell}
:tags: [solution]
alone = "a cell by itself"
```
"""


@pytest.fixture(scope="module")
def secrets() -> Secrets:
    """The solutions of the whole book."""
    return Secrets.of_book()


@pytest.fixture
def page(tmp_path: Path) -> Secrets:
    """The solutions of PAGE, which nobody has run."""
    (tmp_path / "index.md").write_text(PAGE, encoding="utf-8")
    return Secrets.of_book([tmp_path / "index.md"])


EXERCISES = ("sphinx_exercise", "tools.sphinx_ext.exercises")


@pytest.mark.parametrize("solutions", [True, False])
def test_a_site_without_solutions(tmp_path: Path, page: Secrets, solutions: bool):
    html, warnings = build_tiny(tmp_path, PAGE, *EXERCISES, course_solutions=solutions)
    assert warnings == ""
    found = page.leaks(tmp_path / "out")
    assert "Everybody reads this sentence." in html
    assert "After the solution." in html
    if not solutions:
        # what Sphinx copies by default, and _config.yml forbids, is seen, and no more
        assert {leak.split()[0] for leak in found} == {"_sources/index.md.txt"}
        assert "solution" not in html.replace("After the solution.", "")
        return
    # the search would have seen them: code, prose and single words
    for part in ("return side if side 2 or 3 side", "says the zoologist", "a cell by"):
        assert any(part in leak for leak in found), part
    assert "searchindex.js has the word 'zoologist' (index, ex-area)" in found


@pytest.mark.parametrize("solutions", [True, False])
def test_pages_without_solutions_say_so(solutions: bool):
    app = SimpleNamespace(config=SimpleNamespace(course_solutions=solutions))
    context = {"theme_extra_footer": "<p>the licence</p>"}
    exercises.say_so(app, "index", "page.html", context, None)
    assert ("without the solutions" in context["theme_extra_footer"]) != solutions
    assert context["theme_extra_footer"].endswith("<p>the licence</p>")


def test_where_a_solution_can_hide(tmp_path: Path, page: Secrets):
    """In a notebook: a cell, metadata, an output; in a script; in any other file."""
    cell = nbformat.v4.new_code_cell("1 + 1")
    secret = "return side if side < 2 or 3 > side else side * side"
    places = {
        "source": lambda: cell.update(source=f"def area(side):\n    {secret}"),
        "metadata": lambda: cell.metadata.update(answer={"code": [secret, "x"]}),
        "output": lambda: cell.update(
            outputs=[nbformat.v4.new_output("stream", text=secret)]
        ),
    }
    for name, hide in places.items():
        hide()
        folder = tmp_path / name
        folder.mkdir()
        notebook = nbformat.v4.new_notebook(cells=[cell])
        nbformat.write(notebook, folder / "page.ipynb")
        assert page.leaks(folder), name
        cell = nbformat.v4.new_code_cell("1 + 1")
    for name in ("a.js", "b.md", "c"):
        (tmp_path / "d").mkdir(exist_ok=True)
        (tmp_path / "d" / name).write_text(json.dumps(f"x\n{secret}"))
    assert len(page.leaks(tmp_path / "d")) == 3


def test_what_the_book_shows_elsewhere_is_no_secret():
    shown = "def area(side):\n    return side * side\n\nwords = 3"
    secrets = Secrets({"a": "return side * side\nwords.append(side)\ntoo short"}, shown)
    assert list(secrets.lines) == [
        " words append side ",
        " return side side words append side too short ",
    ]
    assert set(secrets.terms) == {"append", "too", "short"}


def test_the_site_has_solutions_on_its_pages_and_none_in_its_notebooks(secrets):
    """Each is found where it is meant to be: so one in a notebook would be, too."""
    if not ((SITE / "index.html").exists() and stale.is_current()):
        cannot_run("the book is not built as it is now: make book")
    for name, text in secrets.solutions.items():
        assert any(line in in_words(text) for line in secrets.lines), name
    found = secrets.leaks(SITE)
    pages = "\n".join(leak for leak in found if not leak.startswith("notebooks/"))
    assert [line for line in secrets.lines if repr(line) not in pages] == []
    assert [word for word in secrets.terms if f"word {word!r} " not in pages] == []
    assert [leak for leak in found if leak.startswith("notebooks/")] == []
    assert len(list((SITE / "notebooks").iterdir())) == len(chapter_files(BOOK))


def test_a_folder_with_a_solution_is_not_published(tmp_path: Path, page: Secrets):
    new, folder = tmp_path / "new", tmp_path / "student"
    for part, text in ((new, "area = 1"), (folder, "the edition of last week")):
        part.mkdir()
        (part / "page.html").write_text(text)
    (new / "other.txt").write_text("alone = 'a cell by itself'")
    message = "students would see a solution: other.txt has ' alone a cell by itself '"
    with pytest.raises(ValueError, match=message):
        editions.put_if_clean(new, folder, page)
    assert (folder / "page.html").read_text() == "the edition of last week"
    (new / "other.txt").unlink()
    editions.put_if_clean(new, folder, page)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["student"]
    assert (folder / "page.html").read_text() == "area = 1"


# ---- instructors -------------------------------------------------------------------


def test_instructors_see_solutions_points_and_common_mistakes():
    found = mistakes.common_mistakes("loss")
    lines = {name: [line for m in ms for line in m.lines] for name, ms in found.items()}
    notebook = convert(BOOK / "loss.md", solutions=True, mistakes=lines)
    text = "\n".join(cell.source for cell in notebook.cells)
    overview = notebook.cells[2].source
    assert re.search(
        r"Its 5 exercises take \d+ minutes and give \d+ points\.", overview
    )
    assert "| Exercise 7.1: How many count? | ●○○ | 4 | 1 | which tokens" in overview
    assert text.count("**Common mistakes**") == 5
    assert (
        "```python\nlambda labels: labels[:, 1:].numel()\n"
        "# Not yet: you count padding too; a label of -100 does not count\n```"
    ) in text
    # after the solution of its own exercise, before the next exercise
    order = ["Exercise 7.1:", "predicted\n```", "Exercise 7.2:", "the sign is wrong"]
    body = text.split(overview)[1]
    assert sorted(order, key=body.index) == order
    student = "\n".join(c.source for c in convert(BOOK / "loss.md").cells)
    assert "Common mistakes" not in student
    assert "For instructors" not in student


def test_each_wrong_answer_has_its_code():
    """With the functions that it uses, and the same number as in the table."""
    files = sorted(mistakes.WRONG_ANSWERS.glob("[a-z]*.py"))
    assert len(files) > 15
    for path in files:
        table = mistakes.load(path.stem).WRONG
        codes = mistakes.sources(path.read_text(encoding="utf-8"))
        assert {name: len(rows) for name, rows in table.items()} == {
            name: len(rows) for name, rows in codes.items()
        }, path.name
        for code in (code for rows in codes.values() for code in rows):
            assert code
            compile(code, path.name, "exec")
    source = """\
A = 3


def helper(x):
    return x + A


def unused(x):
    return x


WRONG = {
    "e": [
        (helper, "phrase"),
        (
            lambda x: (
                helper(x)
                + 1
            ),
            "phrase",
        ),
    ],
    "f": [(helper(3), "phrase"), (helper, "phrase")],
}
"""
    helper = "A = 3\n\ndef helper(x):\n    return x + A"
    assert mistakes.sources(source) == {
        "e": [helper, "lambda x: (\n    helper(x)\n    + 1\n)"],
        "f": [helper + "\n\nhelper(3)", helper.split("\n\n")[1]],
    }


def test_a_right_answer_among_the_wrong_ones_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(mistakes, "WRONG_ANSWERS", tmp_path)
    assert mistakes.common_mistakes("loss") == {}, "a chapter without any"
    (tmp_path / "loss.py").write_text(
        "WRONG = {'loss-count': [(None, ''), "
        "(lambda labels: (labels[:, 1:] != -100).sum(), '')]}"
    )
    message = r"loss\.py: loss-count accepts wrong answer 2"
    with pytest.raises(ValueError, match=message):
        mistakes.common_mistakes("loss")


# ---- what cannot be made -----------------------------------------------------------


@pytest.mark.parametrize("edition", ["student", "instructor", "slides"])
def test_what_cannot_be_made_is_one_line(edition, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(stale, "RAN_ON", tmp_path / "ran-on.json")
    for arguments, message in [
        (["--only", "tokenz"], "stopped: there is no page 'book/tokenz'; pages are "),
        (
            ["--only", "loss"],
            "page book/loss is not built, or not as it is now: make page P=loss",
        ),
        ([], "stopped: the book is not built, or not as it is now: make book"),
    ]:
        assert command.main([edition, *arguments]) == 2
        out, err = capsys.readouterr()
        assert message in out
        assert out.count("\n") == 1
        assert err == ""


def test_a_page_that_is_no_chapter_has_no_slides(tmp_path, monkeypatch):
    monkeypatch.setattr(editions, "where", lambda only: tmp_path)
    with pytest.raises(ValueError, match="book/glossary is no chapter, so it has no"):
        editions.slides("book/glossary")
    assert list(tmp_path.iterdir()) == []


def test_two_processes_do_not_make_the_same_edition(tmp_path: Path):
    with editions.alone(tmp_path / "student"):
        with (
            pytest.raises(
                ValueError, match=r"another process is making .*student; wait"
            ),
            editions.alone(tmp_path / "student"),
        ):
            pytest.fail("two at once")
        with editions.alone(tmp_path / "instructor"):
            pass
    with editions.alone(tmp_path / "student"):
        pass
