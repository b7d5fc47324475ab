"""Slides: what stands on them, what the speaker gets, and that all of it fits."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from conftest import cannot_run
from nbformat.v4 import new_code_cell, new_output
from references import BOOK

from tools.chapters import read_chapter
from tools.editions.leaks import Secrets
from tools.slides import slides, write_slides
from tools.slides.blocks import HEIGHT, LINES, Deck, Slide, plain

CHAPTERS = ("attention", "large")  # diagrams, figures, formulas, tables, a live panel
SVG = '<figure class="course-figure"><svg viewBox="0 0 400 200"></svg></figure>'


def made(*cells, url: str | None = None) -> list[Slide]:
    """The slides of a page with one heading, of Markdown and of code cells."""
    deck = Deck(url)
    deck.text("# Page\n\n## Heading")
    for cell in cells:
        deck.text(cell) if isinstance(cell, str) else deck.code(cell)
    return deck.finished()[1:]


def cell(source: str, *outputs, tags: tuple[str, ...] = ()):
    """A code cell with what it printed, a text, or drew, HTML."""
    kinds = [
        new_output("display_data", {"text/html": output})
        if output.startswith("<")
        else new_output("stream", name="stdout", text=output)
        for output in outputs
    ]
    return new_code_cell(source, outputs=kinds, metadata={"tags": list(tags)})


def shown(slide: Slide) -> str:
    """The text that the class sees."""
    return plain("\n".join(slide.shown))


def notes(slide: Slide) -> str:
    """The text that the speaker sees."""
    return plain("\n".join(slide.notes))


TEXT = "One. Then (see. There.) two. **Packing** is this. A last one."


def test_what_introduces_a_term_is_shown_and_all_text_is_in_the_notes():
    (slide,) = made(TEXT)
    assert shown(slide) == "Packing is this."
    assert notes(slide) == TEXT.replace("**", "")


def test_a_term_that_points_back_comes_with_the_sentence_before_it():
    (slide,) = made("Some rows share a line. That is **packing**. Good.")
    assert shown(slide) == "Some rows share a line. That is packing."


def test_else_the_first_sentence_stands_before_what_it_leads_to():
    (slide,) = made("*First. Still.* Second.\n\nThird.", cell("x = 1", "7"), "End. Or.")
    assert re.sub(r"\s+", " ", shown(slide)) == "First. Still. x = 1 7 End."
    assert re.sub(r"\s+", " ", notes(slide)) == "First. Still. Second. Third. End. Or."


def test_notes_stand_beside_what_they_lead_to():
    long = "\n".join(f"x{n} = {n}" for n in range(LINES))
    one, two = made("A. B.", cell(long), "C. D.", cell(long))
    assert (notes(one), notes(two)) == ("A. B.", "C. D.")
    assert (one.goes_on, two.goes_on) == (False, True)


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        (cell("x = 1", "7"), "x = 1\n7"),
        (cell("x = 1", "7", tags=("hide-input",)), "7"),
        (cell("x = 1", "7", tags=("hide-output",)), "x = 1"),
        (cell("draw()", SVG), ""),
        (cell('x = 1\nglue(\n    "x",\n    x,\n)\ny = 2'), "x = 1\ny = 2"),
        (cell("from gpt2course.course import glue\n\nx = 1"), "x = 1"),
        (cell("%pip install x", "7"), "%pip install x\n7"),
    ],
)
def test_code_is_shown_unless_it_only_draws_or_glues(given, seen):
    (slide,) = made("Lead.", given)
    assert re.sub(r"\n+", "\n", shown(slide)) == f"Lead.\n{seen}".strip()
    assert "".join(slide.shown).count("<svg") == (seen == "")


def test_long_code_is_cut_between_statements_and_nothing_is_lost():
    statement = "def f{0}():\n    a = {0}\n    return a\n"
    code = "\n".join(statement.format(n) for n in range(12))
    found = made("Lead.", cell(code, "7"))
    assert len(found) >= 3
    text = "\n".join(shown(slide) for slide in found)
    assert re.findall(r"\S+", text) == ["Lead.", *code.split(), "7"]
    for slide in found:
        assert slide.height <= 1.2 * HEIGHT
        first = shown(slide).removeprefix("Lead.").strip().split("\n")[0]
        assert first.startswith("def "), first


def test_long_output_is_cut_and_says_so():
    (slide,) = made(cell("print()", "\n".join(map(str, range(100)))))
    assert shown(slide).split()[:3] == ["print()", "0", "1"]
    assert shown(slide).endswith("... (all of it is on the page)")
    assert slide.height <= 1.2 * HEIGHT


def test_questions_stand_alone_and_their_answers_are_for_the_speaker():
    question = """**{0}.** Question {0}?

- a) choice
- b) other

<details>
<summary>Answers</summary>

- a) *no.* Because {0}.

</details>"""
    quiz = "\n\n".join(question.format(n) for n in (1, 2))
    _, one, two = made("Before.", f"### Test yourself\n\n{quiz}")
    for number, slide in enumerate((one, two), 1):
        assert slide.title == "Test yourself"
        assert f"Question {number}?" in shown(slide)
        assert shown(slide).count("choice") == 1
        assert "Because" not in shown(slide)
        assert notes(slide) == f"a) no. Because {number}."


def test_an_exercise_is_shown_with_its_cell_and_the_hint_is_for_the_speaker():
    text = "### Exercise 1.1: Count\n\n●○○ 3 minutes\n\nWrite `f`. It counts."
    stub = cell("def f():\n    ...\n\ncheck('x', f)", "Not yet: there is nothing here.")
    hint = "<details>\n<summary>Hint</summary>\n\nLook.\n\n</details>"
    first, slide = made(text, stub, hint, "Where to go next: on. Or not.")
    assert shown(first) == "Exercise 1.1: Count", "a heading without text lists others"
    assert "Write f. It counts." in shown(slide)
    assert "check('x', f)" in shown(slide)
    assert "Not yet" not in shown(slide)
    assert "Look." not in shown(slide)
    assert notes(slide).startswith("Look.")


def test_boxes_are_for_the_speaker_and_live_panels_lead_to_the_page():
    box = "> **Note**\n>\n> Aside."
    live = "> On the book's own page a live model stands here: it runs."
    (slide,) = made(box, live, url="https://example.org/page.html")
    assert "Aside." in notes(slide)
    assert "Aside." not in shown(slide)
    assert '<a href="https://example.org/page.html">On the book' in slide.shown[0]


# ---- the chapters ------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The slides of some chapters."""
    folder = tmp_path_factory.mktemp("slides") / "slides"
    try:
        write_slides([BOOK / f"{name}.md" for name in CHAPTERS], folder)
    except ValueError as error:
        cannot_run(f"{error}: make book")
    return folder


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_heading_figure_and_formula_of_a_page_is_on_a_slide(folder, name):
    text = read_chapter(BOOK / f"{name}.md")
    code = re.compile(r"^(`{3,})\{?[\w-]*\}?.*?^\1$", flags=re.M | re.S)
    prose = code.sub("", text)
    found = slides(BOOK / f"{name}.md")
    titles = [plain(s.title) for s in found if s.level == 2 and not s.goes_on]
    headings = re.findall(r"^## (.+)$", prose, flags=re.M)
    assert titles == [heading.replace("`", "") for heading in headings]
    assert all(slide.shown for slide in found)
    all_shown = "\n".join(part for slide in found for part in slide.shown)
    drawn = len(re.findall(r"^```\{diagram\}", text, flags=re.M))
    drawn += len(re.findall(r"^show\(", text, flags=re.M))
    assert all_shown.count("<figure") == drawn > 0
    assert all_shown.count(r"\[") == len(re.findall(r"^\$\$", prose, flags=re.M)) > 0


def test_no_slide_has_anything_of_a_solution(folder):
    secrets = Secrets.of_book([BOOK / f"{name}.md" for name in CHAPTERS])
    assert len(secrets.solutions) > len(CHAPTERS)
    assert secrets.leaks(folder) == []
    (folder / "x.html").write_text(html.escape("\n".join(secrets.solutions.values())))
    assert secrets.leaks(folder), "one would be found"
    (folder / "x.html").unlink()


@pytest.mark.site
@pytest.mark.parametrize("name", CHAPTERS)
def test_all_of_it_fits_and_needs_no_network(browser, folder, name):
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    requests, problems = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("requestfailed", lambda request: problems.append(request.url))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((folder / f"{name}.html").as_uri())
    page.wait_for_function("window.MathJax?.startup?.promise && Reveal.isReady()")
    found = page.evaluate("""async () => {
        await MathJax.startup.promise;
        return Reveal.getSlides().map((slide, number) => {
            Reveal.slide(number);
            const shown = slide.querySelector(".shown");
            const box = shown.getBoundingClientRect();
            const widths = [...shown.querySelectorAll("*")].map((e) =>
                e.getBoundingClientRect().right);
            return [box.bottom, Math.max(...widths), parseFloat(shown.style.zoom)];
        });
    }""")
    assert len(found) == len(slides(BOOK / f"{name}.md"))
    assert max(bottom for bottom, _, _ in found) <= 720
    assert max(right for _, right, _ in found) <= 1280
    assert min(zoom for _, _, zoom in found) >= 0.7, "too small to read"
    assert page.locator("mjx-container").count() > 0
    assert problems == []
    assert all(url.startswith("file:") for url in requests)
    page.close()
