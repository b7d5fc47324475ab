"""A glossary term shows its sentence: in the page's HTML, and in a browser."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = """# Glossary

```{glossary}
token
  A piece of "text", say `a`. [Page](page.md)

KV cache
  Keys & values. [Page](page.md)
```
"""
PAGE = """# Page

A {term}`token`, two {term}`tokens <token>`, a {term}`KV cache`, a [page](glossary.md).

And [a link](https://example.org).
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of a page and a glossary, with the extension and its script."""
    folder = tmp_path_factory.mktemp("terms")
    (folder / "book").mkdir()
    (folder / "book/glossary.md").write_text(GLOSSARY)
    (folder / "book/page.md").write_text(PAGE)
    (folder / "index.md").write_text(
        "# Index\n\n```{toctree}\nbook/page\nbook/glossary\n```\n"
    )
    warnings = io.StringIO()
    settings = {
        "extensions": ["myst_parser", "tools.sphinx_ext.terms"],
        "source_suffix": {".md": "markdown"},  # Sphinx adds it to a shared default
        "html_theme": "basic",
        "html_static_path": [str(ROOT / "book/_static")],
        "html_css_files": ["course.css"],
        "html_js_files": ["terms.js"],
    }
    with docutils_namespace():
        Sphinx(
            folder, None, folder / "out", folder / "trees", "html", settings,
            status=None, warning=warnings, freshenv=True,
        ).build()  # fmt: skip
    assert not warnings.getvalue()
    return folder / "out/book/page.html"


def test_each_use_of_a_term_carries_its_sentence(built):
    page = built.read_text()
    sentence = 'data-course-meaning="A piece of “text”, say a."'
    assert page.count(sentence) == 2
    assert 'data-course-meaning="Keys &amp; values."' in page
    assert page.count("data-course-meaning") == 3


def opened(browser, built: Path, **context):
    """The page, its first term, and what pops up."""
    page = browser.new_context(**context).new_page()
    page.goto(built.as_uri())
    return (
        page,
        page.locator("[data-course-meaning]").first,
        page.locator("#course-meaning"),
    )


@pytest.mark.site
def test_the_mouse_shows_and_hides_the_sentence(browser, built):
    page, term, meaning = opened(browser, built)
    expect(meaning).to_be_hidden()
    term.hover()
    expect(meaning).to_have_text("A piece of “text”, say a.")
    expect(term).to_have_attribute("aria-describedby", "course-meaning")
    meaning.hover()  # it stays while the mouse is on it
    page.wait_for_timeout(300)
    expect(meaning).to_be_visible()
    page.mouse.move(0, 700)
    meaning.wait_for(state="hidden")
    expect(term).not_to_have_attribute("aria-describedby", re.compile(""))


@pytest.mark.site
def test_the_keyboard_shows_and_escape_hides_it(browser, built):
    page, term, meaning = opened(browser, built)
    for _ in range(30):
        page.keyboard.press("Tab")
        if term.evaluate("term => term === document.activeElement"):
            break
    expect(meaning).to_be_visible()
    page.keyboard.press("Escape")
    meaning.wait_for(state="hidden", timeout=2000)
    page.keyboard.press("Enter")  # it is still a link
    page.wait_for_url("**/glossary.html#term-token")


@pytest.mark.site
def test_a_finger_shows_it_with_a_way_to_the_glossary(browser, built):
    size = {"width": 390, "height": 844}
    page, term, meaning = opened(
        browser, built, has_touch=True, is_mobile=True, viewport=size
    )
    term.tap()
    expect(meaning).to_be_visible()
    assert page.url == built.as_uri()
    box = page.locator(".course-meaning").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= size["width"]
    page.locator(".course-meaning a").tap()
    page.wait_for_url("**/glossary.html#term-token")
