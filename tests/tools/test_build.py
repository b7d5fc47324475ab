"""What builds the site: what is stale, what failed, the foot of a page, diagrams."""

from __future__ import annotations

import functools
import html
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from samples import build_tiny
from wheel import outside

from gpt2course import __version__
from tools import build, execute, publication, stale
from tools.sphinx_ext import diagrams, provenance, prune


@pytest.fixture
def package(tmp_path) -> Path:
    folder = tmp_path / "gpt2course"
    (folder / "mini").mkdir(parents=True)
    (folder / "model.py").write_text("x = 1\n")
    (folder / "mini/config.json").write_text("{}\n")
    return folder


def test_the_outputs_key_follows_the_package_and_the_settings(package, monkeypatch):
    for name in ("GPT2COURSE_CHECKPOINT", "GPT2COURSE_DATA", "GPT2COURSE_EFFORT"):
        monkeypatch.delenv(name, raising=False)
    seen = [stale.outputs_key(package)]

    def is_new() -> bool:
        seen.append(stale.outputs_key(package))
        return seen[-1] not in seen[:-1]

    assert not is_new(), "nothing has changed"
    (package / "__pycache__").mkdir()
    (package / "__pycache__/model.pyc").write_bytes(b"compiled")
    assert not is_new(), "compiled files say nothing"
    (package / "model.py").write_text("x = 2\n")
    assert is_new()
    (package / "mini/config.json").write_text('{"n_layer": 2}\n')
    assert is_new()
    (package / "loss.py").write_text("")
    assert is_new()
    monkeypatch.setenv("GPT2COURSE_EFFORT", "quick")
    assert is_new()
    monkeypatch.setenv("GPT2COURSE_CHECKPOINT", "gpt2")
    assert is_new()
    monkeypatch.setattr(stale, "version", lambda name: "9.9")
    assert is_new()


CHAPTER = """---
jupytext:
  text_representation: {{extension: .md, format_name: myst}}
kernelspec: {{display_name: Python 3, language: python, name: python3}}
---

# A chapter

```{{code-cell}}
{code}
```
"""


@pytest.mark.slow
def test_a_failing_chapter_is_named_with_its_traceback_every_time(
    tmp_path, monkeypatch, capfd
):
    monkeypatch.setattr(stale, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "good.md").write_text(CHAPTER.format(code="print(1 + 1)"))
    (tmp_path / "bad.md").write_text(CHAPTER.format(code="nothing = 1\nnothing / 0"))
    (tmp_path / "prose.md").write_text("# No cells\n")
    names = ["good", "bad", "prose"]
    for attempt in ("first", "second"):
        assert execute.run_chapters(names, tmp_path) == ["bad"], attempt
        out, err = capfd.readouterr()
        assert "bad FAILED" in out
        assert "ZeroDivisionError" in err
        assert ("good ran" in out) == (attempt == "first"), "a good chapter runs once"
    (tmp_path / "bad.md").write_text(CHAPTER.format(code="print(2)"))
    assert execute.run_chapters(names, tmp_path) == []


def test_an_unknown_page_is_refused(capsys):
    assert build.main(["--only", "no-such-page"]) == 2
    assert "no page 'book/no-such-page'" in capsys.readouterr().out


def test_the_root_page_has_the_links_of_the_first_page(tmp_path):
    (tmp_path / "book").mkdir()
    page = (
        '<html data-content_root="../"><a href="tokens.html#ids">'
        '<img src="../_static/a.svg"><a href="#top"><a href="https://a.b/c">'
    )
    (tmp_path / "book/index.html").write_text(page)
    build.write_root_page(tmp_path)
    assert (tmp_path / "index.html").read_text() == (
        '<html data-content_root="./"><a href="book/tokens.html#ids">'
        '<img src="_static/a.svg"><a href="#top"><a href="https://a.b/c">'
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "under a second"),
        (12.4, "12 s"),
        (99.4, "99 s"),
        (99.6, "1.7 minutes"),
        (210, "3.5 minutes"),
    ],
)
def test_durations_are_for_people(seconds, text):
    assert provenance.duration(seconds) == text


def test_the_status_sentence():
    mini = {
        "checkpoint": "mini",
        "parameters": 3_500_000,
        "data": "embedded",
        "effort": "page",
        "device": "CPU",
    }
    sentence = (
        "Built with the mini checkpoint (3.5M parameters) and embedded data on a CPU;"
        " its cells ran in 12 s."
    )
    assert provenance.built_with(mini, 12) == sentence
    xl = {
        "checkpoint": "gpt2-xl",
        "parameters": 1_557_611_200,
        "data": "hub",
        "effort": "quick",
        "device": "Tesla T4",
    }
    sentence = (
        "Built with the gpt2-xl checkpoint (1.6B parameters) and data from the hub on"
        " a GPU (Tesla T4) at effort quick;"
    )
    assert provenance.built_with(xl, 90).startswith(sentence)


@pytest.fixture
def published(monkeypatch):
    """Say where the course is published; at first nobody knows."""
    for name in ("GITHUB_REPOSITORY", "GITHUB_SHA", "PUBLISHED_RELEASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(publication, "git", lambda *_: "")  # whatever this copy's is
    return lambda **known: [monkeypatch.setenv(*item) for item in known.items()]


def links_of(pagename: str, *, solutions: bool = True) -> tuple[dict, list[str]]:
    """The links under the title of a page (text -> address), and the lines to run."""

    def pathto(file: str, resource: int) -> str:
        assert resource, "a file of the site, no page"
        return f"../{file}"

    shown = provenance.notebook_links(pagename, pathto, solutions=solutions)
    links = re.findall('<a href="([^"]+)"[^>]*>([^<]+)</a>', shown)
    commands = re.findall('<p class="course-run">.*?<code>(.*?)</code></p>', shown)
    return {text: address for address, text in links}, [*map(html.unescape, commands)]


def test_a_page_of_a_known_repository_opens_in_colab(published):
    published(GITHUB_REPOSITORY="some-one/course", GITHUB_SHA="0123abc")
    there = "colab.research.google.com/github/some-one/course/blob/gh-pages/notebooks"
    for solutions in (True, False):
        links, commands = links_of("book/silent-failures", solutions=solutions)
        assert links == {
            "Open in Colab": f"https://{there}/silent-failures.ipynb",
            "Download notebook": "../notebooks/silent-failures.ipynb",
        }
        assert commands == []


@pytest.mark.parametrize(
    ("release", "solutions", "command"),
    [
        ("", True, "pip install . jupyterlab && jupyter lab tokens.ipynb"),
        ("", False, "jupyter lab tokens.ipynb"),
        (
            __version__,
            False,
            f'pip install "gpt2course=={__version__}" jupyterlab && '
            "jupyter lab tokens.ipynb",
        ),
    ],
    ids=["checkout", "students", "release"],
)
def test_without_a_repository_one_line_says_how_to_run_a_page(
    published, release, solutions, command
):
    if release:
        published(PUBLISHED_RELEASE=release)
    links, commands = links_of("book/tokens", solutions=solutions)
    assert links == {"Download notebook": "../notebooks/tokens.ipynb"}
    assert commands == [command]


@pytest.mark.parametrize("solutions", [True, False])
def test_a_page_says_how_to_run_it_to_whoever_reads_it(tmp_path, published, solutions):
    (tmp_path / "book").mkdir()
    (tmp_path / "book/page.md").write_text("# A page\n")
    build_tiny(
        tmp_path,
        "# Index\n\n```{toctree}\nbook/page\n```\n",
        *("sphinx_exercise", "tools.sphinx_ext.exercises"),
        course_solutions=solutions,
    )
    page = (tmp_path / "out/book/page.html").read_text(encoding="utf-8")
    assert 'href="../notebooks/page.ipynb" download' in page
    assert "colab" not in page
    assert page.count("jupyter lab page.ipynb</code>") == 1
    assert ("pip install . jupyterlab" in page) == solutions


@pytest.mark.slow
def test_the_line_installs_the_course(tmp_path, published, source, bare_python):
    """In a copy of its folder, where jupyterlab, which is not tested with, is there."""
    (command,) = links_of("book/tokens")[1]
    install, start = (shlex.split(part) for part in command.split(" && "))
    assert install == ["pip", "install", ".", "jupyterlab"]
    assert start == ["jupyter", "lab", "tokens.ipynb"]
    folder = shutil.copytree(source, tmp_path / "course")
    run = functools.partial(
        subprocess.run, cwd=folder, capture_output=True, text=True, check=False
    )
    done = run(
        [bare_python, "-m", *install[:-1]], env=outside(PIP_NO_BUILD_ISOLATION="0")
    )
    assert done.returncode == 0, done.stderr
    where = "import gpt2course.course; print(gpt2course.__file__)"
    done = run([bare_python, "-P", "-c", where], env=outside())
    run([bare_python, "-m", "pip", "uninstall", "--quiet", "--yes", "gpt2course"])
    assert done.stdout.startswith(str(bare_python.parents[1])), done.stderr


def test_the_foot_says_where_to_ask_if_somebody_knows(published):
    app = SimpleNamespace(env=SimpleNamespace(nb_metadata={}))
    foot = provenance.foot(app, "book/glossary")
    assert provenance.LICENCE in foot
    assert "Questions" not in foot
    published(GITHUB_REPOSITORY="some-one/course")
    contact = (
        '<p class="course-foot">Questions and mistakes: <a '
        'href="https://github.com/some-one/course/issues" rel="noopener">'
        "some-one/course</a>.</p>"
    )
    assert provenance.foot(app, "book/glossary") == foot + contact


def test_where_the_book_lives_is_asked_not_invented(monkeypatch):
    monkeypatch.delenv("SITE_URL", raising=False)
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    assert publication.base_url() is None
    monkeypatch.setenv("GITHUB_REPOSITORY", "Somebody/course")
    assert publication.repository() == "Somebody/course"
    assert publication.base_url() == "https://somebody.github.io/course/"
    monkeypatch.setenv("GITHUB_REPOSITORY", "Somebody/somebody.github.io")
    assert publication.base_url() == "https://somebody.github.io/"
    monkeypatch.setenv("SITE_URL", "https://example.org/gpt2")
    assert publication.base_url() == "https://example.org/gpt2/"


@pytest.mark.parametrize(
    ("css", "kept"),
    [
        ('/* a comment { */ @charset "utf-8";', '@charset "utf-8";'),
        ("a{color:red}", "a{color:red}"),
        (".used,.unused{x:y}", ".used{x:y}"),
        (".unused{x:y}", ""),
        (".used .unused b{x:y}", ""),
        (".used:not(.unused){x:y}", ".used:not(.unused){x:y}"),
        ("a:is(.unused,.used){x:y}", "a:is(.unused,.used){x:y}"),
        ("#gone{x:y}", ""),
        ('[data-a=".unused"]{x:y}', '[data-a=".unused"]{x:y}'),
        (r".a\:b{x:y}", r".a\:b{x:y}"),
        ('@media (a:b){.unused{x:y} p{content:"}"}}', '@media (a:b){p{content:"}"}}'),
        ("@media print{.unused{x:y}}", ""),
        ("@supports (x:y){@media a{i{x:y}}}", "@supports (x:y){@media a{i{x:y}}}"),
        ("@font-face{font-family:Font Awesome;src:url(a)}", ""),
        ("@font-face{font-family:Other}", "@font-face{font-family:Other}"),
        ("@keyframes k{0%{x:y}}", "@keyframes k{0%{x:y}}"),
    ],
)
def test_a_style_sheet_keeps_what_pages_can_use(css, kept):
    assert prune.prune(css, {"used", "a:b"}) == kept


@pytest.mark.parametrize(
    ("drawing", "least"),
    [
        ("<path/>", None),
        ('<text style="font: 10px sans">a</text>', 330),
        ('<g font-size="11"><text>a</text></g>', 300),
        ("<style>text{font-size:22px}</style><text>a</text>", 150),
        ('<text font-size="11">10<tspan font-size="5">2</tspan></text>', 300),
    ],
)
def test_a_figure_is_wide_enough_for_its_smallest_text(drawing, least):
    assert diagrams.least_width(' viewBox="0 0 300 100">', drawing) == least
    figure = f'<figure class="course-figure"><svg viewBox="0 0 300 100">{drawing}</svg>'
    width = f'style="min-width:{least}px;"'
    assert (width in diagrams.readable_figures(figure)) == (least is not None)


SVG = """<?xml version="1.0"?><!-- drawn by hand -->
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 100" width="300"
height="100" role="presentation"><marker id="tip"/><marker id="tip2"/>
<path marker-end="url(#tip)" stroke="currentColor"/><use href="#tip2"/></svg>"""


def test_an_inlined_diagram_is_described_and_keeps_its_ids_apart():
    svg = diagrams.inline_svg(SVG, alt='The "tip" & more', prefix="flow")
    assert svg.startswith(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 100"'
    )
    assert (
        'aria-label="The &quot;tip&quot; &amp; more" style="max-width:min(100%,300px)">'
        in svg
    )
    assert '<marker id="flow-tip"/><marker id="flow-tip2"/>' in svg
    assert 'url(#flow-tip)"' in svg
    assert 'href="#flow-tip2"' in svg


def test_the_diagram_directive(tmp_path, monkeypatch):
    monkeypatch.setattr(diagrams, "DIAGRAMS", tmp_path)
    (tmp_path / "flow.svg").write_text(SVG)
    page, warnings = build_tiny(
        tmp_path,
        "# Page\n\n```{diagram} flow.svg\n:alt: A token goes in.\n"
        ":caption: In *and* out.\n:name: flow\n```\n\n{ref}`flow`\n\n"
        "```{diagram} flow.svg\n```\n\n```{diagram} missing.svg\n:alt: Nothing.\n```\n",
    )
    assert 'aria-label="A token goes in."' in page
    assert re.search(
        r'<figure class="[^"]*course-figure course-diagram[^"]*" id="flow">', page
    )
    assert "In <em>and</em> out." in page
    assert '<a class="reference internal" href="#flow">' in page
    assert "the diagram flow.svg needs :alt:" in warnings
    assert "there is no diagram book/diagrams/missing.svg" in warnings
