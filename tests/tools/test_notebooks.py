"""Notebooks made from chapters: no MyST left, nothing lost, no solution shown."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import nbformat
import pytest
from conftest import cannot_run
from references import BOOK, converter
from samples import SAMPLE, spoiled
from wheel import importable, imported

from gpt2course import __version__
from tools import chapters, publication
from tools.notebooks import pictures, prose

convert, ConvertError = converter.convert, converter.ConvertError

MYST = {
    "directive": r"^[ >]*[`:~]{3,}\s*\{",
    "colon fence": r"^[ >]*:{3,}",
    "role": r"\{[a-z:]+\}`",
    "label": r"^\([\w:-]+\)=",
    "option": r"^[ >]*:[\w-]+:( |$)",
    "comment": r"^%",
    "block break": r"^\+\+\+",
    "attributes": r"^\{[.#]|\]\{[.#]",
    "footnote": r"\[\^",
    "label of a formula": r"\$\$ *\([\w-]+\)",
    "link to a chapter": r"\]\((?!https?:)[^)]*\.md",
    "definition": r"^ {0,3}: ",
}


@pytest.fixture(autouse=True)
def nowhere_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this copy's remote is: here nobody knows where the site will be."""
    for name in ("SITE_URL", "GITHUB_REPOSITORY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("GITHUB_SHA", "PUBLISHED_RELEASE"):
        monkeypatch.delenv(name, raising=False)
    for module in (publication, prose):
        monkeypatch.setattr(module, "repository", lambda: None)


def markdown(notebook: nbformat.NotebookNode, *, with_code: bool = True) -> str:
    """The prose of a notebook, if asked without code and formulas."""
    text = "\n\n".join(
        cell.source for cell in notebook.cells if cell.cell_type == "markdown"
    )
    if with_code:
        return text
    text = re.sub(r"^([ >]*)(`{3,})[\w ]*$.*?^\1\2$", "", text, flags=re.M | re.S)
    return re.sub(r"(?<!\})(`+)[^`]+\1", "", text)


def left_over(text: str) -> list[str]:
    """Which constructs of MyST are in a text, with what they look like."""
    found = [
        (name, re.search(pattern, text, flags=re.M)) for name, pattern in MYST.items()
    ]
    return [f"{name}: {match[0]!r}" for name, match in found if match]


@pytest.mark.parametrize(
    "chapter", [*converter.chapter_files(BOOK), SAMPLE], ids=lambda path: path.stem
)
@pytest.mark.parametrize("solutions", [False, True], ids=["student", "instructor"])
def test_chapters_become_plain_notebooks(chapter: Path, solutions: bool) -> None:
    notebook = convert(chapter, solutions=solutions)
    nbformat.validate(notebook)
    assert left_over(markdown(notebook, with_code=False)) == []
    assert notebook == convert(chapter, solutions=solutions), (
        "the same chapter must give the same notebook"
    )
    source = chapter.read_text(encoding="utf-8")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    hidden = 0 if solutions else source.count("tags: [solution]")
    on_page = len(re.findall(r"^```\{code-cell\}", source, flags=re.M))
    assert len(code) == on_page - hidden + bool(on_page), "and the opening cell"
    assert not any(cell.outputs or cell.execution_count for cell in code)
    undeclared = set().union(*(imported(cell.source) for cell in code)) - importable()
    assert undeclared == set(), "pyproject.toml must name what brings them"
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


@pytest.mark.parametrize("construct", MYST)
def test_left_over_syntax_is_seen(construct: str) -> None:
    examples = {
        "directive": "> ```{note}",
        "colon fence": ":::",
        "role": "a {doc}`b`",
        "label": "(a-b)=",
        "option": ":tags: [a]",
        "comment": "% no",
        "block break": "+++",
        "attributes": "{.wide}",
        "footnote": "a[^1]",
        "label of a formula": "$$ (eq)",
        "link to a chapter": "[a](b.md)",
        "definition": ": meaning",
    }
    assert [
        line.split(":")[0] for line in left_over(f"text\n{examples[construct]}\ntext")
    ].count(construct) == 1


def test_students_get_no_solutions() -> None:
    student, instructor = convert(SAMPLE), convert(SAMPLE, solutions=True)
    everything = "\n".join(cell.source for cell in student.cells)
    for secret in ("side * side", "as high as it is wide", "Solution"):
        assert secret not in everything
        assert secret in "\n".join(cell.source for cell in instructor.cells)
    assert "was the last" in everything, "the text after the solution is for everybody"
    kept = [cell for cell in instructor.cells if cell in student.cells]
    assert len(kept) >= len(student.cells) - 2, (
        "cells without a solution are the same in both, with the same ids"
    )


def test_a_cell_tagged_solution_is_hidden_wherever_it_stands(tmp_path: Path) -> None:
    chapter = spoiled(tmp_path, "[nbval-check-output, any-checkpoint]", "[solution]")
    assert "sides = [1, 2, 3]" not in "\n".join(
        cell.source for cell in convert(chapter).cells
    )


def test_every_construct_keeps_its_content() -> None:
    text = re.sub(r'"data:[^"]*"', '""', markdown(convert(SAMPLE)))
    for expected in [
        "> **After this page you can**\n>\n> - see every construct once.",
        "> > **Warning**\n> >\n> > Take care.\n> >\n> > - one",
        "> **Tip**\n>\n> A tip between colons, with ${\\alpha}$.",
        "<details>\n<summary>Open me</summary>\n\nFolded **text**.\n\n</details>",
        "[link](https://example.org/a_(b)), [the second section](#sample-second), "
        "[The second section](#sample-second)",
        "A sample chapter, this page, [the figure](#fig-sample), the equation, $a^2$, "
        "$b_{[1](2)}$, `{not}` a role,",
        "token, marked, a footnote<sup>one</sup> and an escaped \\{brace\\}.",
        '<a id="sample-second" name="sample-second"></a>\n\n## The second section',
        'alt="A black square, &quot;the sample&quot;." width="40">\n\n'
        "**Figure.** A square with the side $a$.",
        "$$\na^2 + b^2\n$$\n\n$$\nc^2\n$$",
        '```python\ndef area(self) -> int:\n    """Its area."""\n    return 9\n```',
        '```python\nclass Square:\n    """A square."""\n```',
        '**Three lines**\n\n```python\n"""What the sample',
        "```python\n{kept}`as it is`\n```",
        "**Areas**\n\n| side | area |\n| --- | --- |\n| 1 |",
        "| two sides | $4$ |",
        "- **Term**: Meaning of the",
        "### Exercise 1: The area of a square\n\n●○○ 5 minutes",
    ]:
        assert expected in text
    assert "nobody reads this" not in text
    assert "block-attribute" not in text


def test_a_file_that_a_page_includes_is_text_of_the_notebook() -> None:
    text = markdown(convert(BOOK / "contributing.md"))
    assert "# Contributing\n" in text
    assert "# How to change something" not in text, "a page has one title"
    assert "## A first change in ten minutes" in text


def test_pictures_are_png_on_white() -> None:
    """Colab shows no SVG, and black on a dark page could not be seen."""
    from io import BytesIO

    from matplotlib.image import imread

    encoded = re.search(r"data:image/png;base64,([^\"]+)", markdown(convert(SAMPLE)))[1]
    image = imread(BytesIO(base64.b64decode(encoded)))
    assert image.shape[:2] == (40, 80), "twice as fine as it is shown"
    assert image[20, 20, :3].tolist() == [0, 0, 0], "currentColor"
    assert image[20, 60, :3].tolist() == [0, 1, 0], (
        "the fallback of a colour that only the page's theme knows"
    )


def test_diagrams_with_text_show_it() -> None:
    blank = '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="20"></svg>'
    text = blank.replace("></svg", '><text x="5" y="15">attention</text></svg')
    assert pictures.rendered(blank)[0] != pictures.rendered(text)[0], (
        "no font was found"
    )


def test_values_of_the_build_are_written_into_the_prose(tmp_path: Path) -> None:
    chapter = spoiled(tmp_path / "book", "Some text", "Some text")
    assert "| 1 | *(area, as computed above)* |" in markdown(convert(chapter)), (
        "not built: no value is made up"
    )
    folder = tmp_path / "_build/jupyter_execute/book"
    folder.mkdir(parents=True)
    (folder / "sample.glue.json").write_text(
        '{"area": {"data": {"text/plain": "nine"}}}', encoding="utf-8"
    )
    text = markdown(convert(chapter))
    assert "| 1 | nine |" in text
    assert "- **Term**: Meaning of the nine." in text


def test_values_lie_where_the_build_puts_them() -> None:
    """If myst-nb wrote them elsewhere, every number in the notebooks would be gone."""
    chapters = [
        path
        for path in converter.chapter_files(BOOK)
        if "{glue:text}" in path.read_text(encoding="utf-8")
    ]
    assert chapters
    if not (BOOK.parent / "_build/html/index.html").exists():
        cannot_run("the book is not built: make book")
    missing = {
        path.stem for path in chapters if "as computed above" in markdown(convert(path))
    }
    assert not missing


def test_links_lead_to_the_published_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chapter = spoiled(tmp_path, "(sample.md)", "(other.md#there)")
    (tmp_path / "other.md").write_text("(there)=\n# Another page\n", encoding="utf-8")
    assert ", this page," in markdown(convert(chapter)), (
        "plain words when the address is not known"
    )
    monkeypatch.setenv("GITHUB_REPOSITORY", "someone/course")
    text = markdown(convert(chapter))
    assert "[this page](https://someone.github.io/course/book/other.html#there)" in text
    assert (
        "[a page of the course](https://someone.github.io/course/book/sample.html)"
        in text
    )
    monkeypatch.setenv("SITE_URL", "https://example.org/gpt2")
    assert "[this page](https://example.org/gpt2/book/other.html#there)" in markdown(
        convert(chapter)
    )


def test_the_course_is_installed_from_where_it_is_published(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def first() -> str:
        return next(c for c in convert(SAMPLE).cells if c.cell_type == "code").source

    assert "%pip install /PATH/TO/THE/COPY" in first(), "nobody knows the address"
    monkeypatch.setattr(publication, "repository", lambda: "someone/course")
    monkeypatch.setenv("GITHUB_SHA", "0123abc")
    address = "https://github.com/someone/course/archive/0123abc.zip"
    assert f'%pip install --quiet "gpt2course @ {address}"' in first()
    assert 'if importlib.util.find_spec("gpt2course") is None:' in first()
    monkeypatch.setenv("PUBLISHED_RELEASE", __version__)
    assert f'%pip install --quiet "gpt2course=={__version__}"' in first()
    monkeypatch.setenv("PUBLISHED_RELEASE", "99")
    with pytest.raises(ValueError, match="PUBLISHED_RELEASE is 99"):
        first()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "```{table} Another one",
            "```{csv-table} Another one",
            r"sample\.md, line 103: .*directive \{csv-table\}",
        ),
        (
            "{term}`token`",
            "{menuselection}`token`",
            r"sample\.md.*role \{menuselection\}`token`",
        ),
        ("{ref}`sample-second`", "{ref}`nowhere`", r"no label 'nowhere'"),
        ("(sample.md)", "(missing.md)", r"no page 'missing'"),
        (
            "[the second section](sample-second)",
            "[x](no-such-place)",
            r"no-such-place\) points to nothing",
        ),
        ("{diagram} sample.svg", "{diagram} missing.svg", "no picture missing.svg"),
        (
            ":pyobject: Square.area",
            ":pyobject: Square.volume",
            "named 'Square.volume' not found",
        ),
        (
            ":end-before: def area",
            ":end-before: def volume",
            "end-before pattern not found: def volume",
        ),
        (":lines: 1-2, 4", ":linse: 1-2", "unknown option 'linse'"),
        ("```{exercise-end}\n```", "", "solution-start inside of another exercise"),
        ("```{solution-end}\n```", "", "solution-start has no solution-end"),
        ("  - $4$\n", "", "rows of a list-table have different lengths"),
        ("````{note}", "`````{note}", "never closed"),
        ("Some text", "```{include} gone.md\n```", "include gone.md: no such file"),
        ("Some text", "```{include} a.md\n:tab: 2\n```", "an unknown option"),
        (":::{tip}", ":::tip", "needs a name in braces"),
    ],
)
def test_what_has_no_plain_form_is_an_error(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    chapter = spoiled(tmp_path, old, new)
    with pytest.raises(ConvertError, match=message):
        convert(chapter)


def test_writing_the_whole_book(tmp_path: Path) -> None:
    chapter = spoiled(tmp_path / "book", "Some text", "Some text")
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (folder / "gone.ipynb").touch()
    assert converter.write_notebooks([chapter], folder) == [folder / "sample.ipynb"]
    assert sorted(path.name for path in folder.iterdir()) == ["sample.ipynb"]
    written = nbformat.read(folder / "sample.ipynb", as_version=4)
    assert [cell.id for cell in written.cells] == [
        cell.id for cell in convert(chapter).cells
    ]
    assert "side * side" not in (folder / "sample.ipynb").read_text(encoding="utf-8")


# ---- what other people's files look like -------------------------------------------

HEADER = """---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {display_name: Python 3, language: python, name: python3}
---

"""


def converted(folder: Path, body: str | bytes) -> str:
    """The prose of the notebook that is made of a chapter, after its opening cell."""
    raw = body if isinstance(body, bytes) else (HEADER + body).encode()
    (folder / "page.md").write_bytes(raw)
    return markdown(convert(folder / "page.md"))


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    body = (HEADER + "# Title\n\n```{code-cell}\n1 + 1\n```\n").encode()
    plain = converted(tmp_path, body)
    for marks in (1, 2, 3):
        assert converted(tmp_path, b"\xef\xbb\xbf" * marks + body) == plain
    assert plain.endswith("\n\n# Title")
    assert "jupytext" not in plain


def test_windows_line_ends_change_nothing(tmp_path: Path) -> None:
    body = (HEADER + "# Title\n\nOne.\n\n- a\n- b\n").encode()
    assert converted(tmp_path, body.replace(b"\n", b"\r\n")) == converted(
        tmp_path, body
    )


@pytest.mark.parametrize("hidden", ["% the answer is 42", "+++", "{.wide}"])
def test_what_is_not_shown_ends_a_paragraph(tmp_path: Path, hidden: str) -> None:
    text = converted(tmp_path, f"Read this.\n{hidden}\nThen go on.\n")
    assert text.endswith("Read this.\n\nThen go on.")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("> a\n> % the answer is 42\n> b", "> a\n>\n> b"),
        ("> % the answer is 42\n> b", ">\n> b"),
        (">% the answer is 42\n> b", ">\n> b"),
        ("- % the answer is 42\n- two", "-\n- two"),
        ("1. % the answer is 42\n2. two", "1.\n2. two"),
        ("> - a\n> - % the answer is 42", "> - a\n> -"),
        ("- item\n  % the answer is 42\n  more", "- item\n\n  more"),
        ("> 50 % of them\n- 50 % more", "> 50 % of them\n- 50 % more"),
        ("> ```\n> % magic\n> ```", "> ```\n> % magic\n> ```"),
        (">     % magic", ">     % magic"),
        ("*% magic*", "*% magic*"),
        (
            "```{note}\n> a\n> % the answer is 42\n```",
            "> **Note**\n>\n> > a\n> >",
        ),
        (
            "```{list-table}\n* - a\n  - % the answer is 42\n* - b\n    % the answer\n"
            "  - c\n```",
            "|  |  |\n| --- | --- |\n| a |  |\n| b | c |",
        ),
    ],
)
def test_comments_in_quotations_and_lists_reach_nobody(
    tmp_path: Path, body: str, expected: str
) -> None:
    assert converted(tmp_path, f"Begin.\n\n{body}\n").endswith(f"Begin.\n\n{expected}")


@pytest.mark.parametrize("body", ["> % c", "- % c", "> - % c", "- a\n  % c"])
def test_what_counts_as_a_comment_is_one_on_the_page(body: str) -> None:
    from markdown_it.renderer import RendererHTML
    from myst_parser.config.main import MdParserConfig
    from myst_parser.parsers.mdit import create_md_parser

    tokens = create_md_parser(MdParserConfig(), RendererHTML).parse(body)
    assert "myst_line_comment" in [token.type for token in tokens]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("a | b", r"a \| b"),
        (r"a \| b", r"a \| b"),
        ("`a | b`", r"`a \| b`"),
        ("$|x| + \\|y\\|$", r"$\vert x\vert  + \Vert y\Vert $"),
    ],
)
def test_a_bar_stays_inside_its_cell(tmp_path: Path, cell: str, expected: str) -> None:
    rows = f"* - one\n% no\n  - two\n* - {cell}\n  - 2\n"
    table = f"```{{list-table}}\n:header-rows: 1\n\n{rows}```\n"
    lines = converted(tmp_path, table).splitlines()
    assert lines[-3:] == ["| one | two |", "| --- | --- |", f"| {expected} | 2 |"]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"# Title\n\ncaf\xe9\n", r"page\.md, line 3: the byte 0xe9 is not UTF-8"),
        ("# T\n\na\u2028b\n".encode(), r"page\.md, line 3: the character U\+2028"),
        (b"# T\na\x0cb\n", r"page\.md, line 2: the character U\+000C"),
    ],
)
def test_odd_bytes_are_named_with_their_line(
    tmp_path: Path, raw: bytes, message: str
) -> None:
    with pytest.raises(ConvertError, match=message):
        converted(tmp_path, raw)


def test_an_error_names_the_line(tmp_path: Path) -> None:
    body = "# Title\n\nText.\n\n```{code-cell}\n1\n```\n\n\nSee {ref}`nowhere`.\n"
    line = (HEADER + body).split("\n").index("See {ref}`nowhere`.") + 1
    with pytest.raises(ConvertError, match=rf"page\.md, line {line}: there is no"):
        converted(tmp_path, body)


# ---- as on the site ----------------------------------------------------------------


@pytest.mark.parametrize("tag", ["hide-input", "hide-cell", "remove-input"])
def test_folded_cells_stay_folded(tmp_path: Path, tag: str) -> None:
    chapter = spoiled(tmp_path, "[nbval-check-output, any-checkpoint]", f"[{tag}]")
    cells = [cell for cell in convert(chapter).cells if cell.cell_type == "code"]
    folded, glued = [cell for cell in cells if "source_hidden" in cell.metadata]
    assert "glue(" in glued.source
    assert folded.source.startswith("sides = [1, 2, 3]")
    assert folded.metadata.source_hidden is True
    assert folded.metadata.jupyter.source_hidden is True


def test_pages_and_exercises_have_the_numbers_of_the_site(tmp_path: Path) -> None:
    chapter = spoiled(tmp_path / "book", "Some text", "Some text")
    (tmp_path / "book/other.md").write_text("# Other\n", encoding="utf-8")
    (tmp_path / "book/home.md").write_text("# Home\n", encoding="utf-8")
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/home\nparts:\n"
        "- caption: One\n  numbered: 1\n  chapters: [{file: book/other}]\n"
        "- caption: Two\n  numbered: 1\n  chapters: [{file: book/sample}]\n",
        encoding="utf-8",
    )
    assert chapters.page_numbers(chapter.parent) == {"other": 1, "sample": 2}
    text = markdown(convert(chapter))
    assert "\n# 2. A sample chapter\n" in text
    assert "### Exercise 2.1: The area of a square" in text
    assert "The exercise [Exercise 2.1](#ex-sample-area) was" in text
    assert markdown(convert(chapter.with_name("home.md"))) == "# Home"


def test_an_exercise_shows_its_rating_and_keeps_it_as_metadata() -> None:
    notebook = convert(SAMPLE)
    assert "●○○ 5 minutes · 2 points · trains areas" in markdown(notebook)
    kept = [c.metadata.exercise for c in notebook.cells if "exercise" in c.metadata]
    assert kept == [{"difficulty": 1, "minutes": 5, "points": 2, "trains": "areas"}]


def test_a_rating_that_is_not_valid_is_an_error(tmp_path: Path) -> None:
    chapter = spoiled(tmp_path, "minutes: 5", "minutes: 500")
    with pytest.raises(ConvertError, match="exercise 1: minutes is 500; it must be"):
        convert(chapter)
