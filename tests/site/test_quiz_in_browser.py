"""A self-test in a page: without a script, with one, and on the home page."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

ROOT = Path(__file__).resolve().parents[2]
PAGE = """# Page

```{quiz}
One `x < y`?
- no
  Not *this*.
+ yes
  This.
- maybe
  Nor this.

Two?
+ yes
  Yes.
- no
  No.
- never
  Never.
```
"""
INDEX = """# Index

{.course-path}
- [Page](page.md)
- [Other](other.md)
- [Other, again](other-again.md)

```{toctree}
page
other
other-again
```
"""
KEY = "gpt2course-quiz"
MARKS = "span.course-progress"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of a home page and a page with a self-test."""
    folder = tmp_path_factory.mktemp("quiz")
    texts = {"index": INDEX, "page": PAGE, "other": "# Other", "other-again": "# Again"}
    for name, text in texts.items():
        (folder / f"{name}.md").write_text(text)
    warnings = io.StringIO()
    settings = {
        "extensions": ["myst_parser", "tools.sphinx_ext.quiz"],
        "myst_enable_extensions": ["attrs_block"],
        "source_suffix": {".md": "markdown"},
        "html_theme": "basic",
        "html_static_path": [str(ROOT / "book/_static")],
        "html_css_files": ["course.css"],
        "html_js_files": ["quiz.js"],
    }
    with docutils_namespace():
        Sphinx(
            folder, None, folder / "out", folder / "trees", "html", settings,
            status=None, warning=warnings, freshenv=True,
        ).build()  # fmt: skip
    assert not warnings.getvalue()
    return folder / "out"


def test_a_question_is_a_group_of_radio_buttons_with_names(built):
    page = (built / "page.html").read_text()
    assert page.count("<fieldset") == page.count("<legend>") == 2
    assert page.count('type="radio"') == page.count("<label for=") == 6
    assert '<code class="docutils literal notranslate">' in page
    assert "<em>this</em>" in page
    assert page.count('<div class="right">') == 2
    assert "Test yourself: 2 questions" in page


@pytest.mark.site
@pytest.mark.parametrize("script", [True, False])
def test_a_choice_shows_what_it_says_by_keyboard_too(browser, built, script):
    page = browser.new_context(java_script_enabled=script).new_page()
    page.goto((built / "page.html").as_uri())
    why = page.get_by_text("No. Not this.").first
    expect(why).to_be_hidden()
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(why).to_be_hidden()
    page.keyboard.press("Space")
    expect(why).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_text("Right. This.").first).to_be_visible()
    expect(why).to_be_hidden()


@pytest.mark.site
def test_answers_are_kept_shown_at_home_and_forgotten(browser, built):
    page = browser.new_context().new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto((built / "page.html").as_uri())
    page.locator("summary").click()
    page.get_by_label("yes").first.check()
    page.get_by_label("never").check()
    expect(page.locator("[role=status]")).to_have_text("No. Never.")
    page.reload()
    page.locator("summary").click()
    expect(page.get_by_label("yes").first).to_be_checked()
    expect(page.get_by_label("never")).to_be_checked()
    page.goto((built / "index.html").as_uri())
    expect(page.locator(MARKS)).to_have_text([" self-test: 1 of 2 right"])
    page.get_by_role("button", name="Forget my answers").click()
    expect(page.locator(MARKS)).to_have_count(0)
    assert page.evaluate(f"localStorage.getItem('{KEY}')") is None
    assert all(url.startswith("file:") for url in requests)


@pytest.mark.site
def test_passed_exercises_are_read_from_a_file_and_kept(browser, built, tmp_path):
    page = browser.new_context().new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto((built / "index.html").as_uri())
    file = tmp_path / "gpt2course-progress.jsonl"
    names = [
        "page-one",
        "page-two",
        "page-one",
        "other-again-one",
        "nowhere-one",
        "<b>",
    ]
    lines = [json.dumps({"exercise": name}) for name in names]
    file.write_text("\r\n".join(["", *lines, "{", "7", "null", '{"exercise": [1]}']))
    page.get_by_text("Exercises that you passed").click()
    page.locator("input[type=file]").set_input_files(file)
    expect(page.locator("[role=status]")).to_have_text("Exercises in this file: 4.")
    shown = [" exercises passed: 2", " exercises passed: 1"]
    for _ in range(2):
        expect(page.locator(MARKS)).to_have_text(shown)
        expect(page.locator(f"a[href='other.html'] + {MARKS}")).to_have_count(0)
        page.reload()
    file.write_bytes(b"\xff\x00")
    page.get_by_text("Exercises that you passed").click()
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_text("This file notes no exercise.").wait_for()
    expect(page.locator(MARKS)).to_have_text(shown)
    page.get_by_role("button", name="Forget my answers").click()
    expect(page.locator(MARKS)).to_have_count(0)
    assert page.evaluate("localStorage.length") == 0
    assert all(url.startswith("file:") for url in requests)


@pytest.mark.site
def test_what_somebody_else_stored_does_no_harm(browser, built):
    page = browser.new_context().new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((built / "page.html").as_uri())
    for content in ("{", "7", '{"page": 3}', '{"page": {"answers": [1]}}'):
        for key in (KEY, "gpt2course-passed"):
            page.evaluate("([k, v]) => localStorage.setItem(k, v)", [key, content])
        for name in ("page", "index"):
            page.goto((built / f"{name}.html").as_uri())
    assert problems == []
