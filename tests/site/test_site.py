"""The built site in a real browser, and the parts that build it."""

from __future__ import annotations

import functools
import gzip
import http.server
import json
import os
import re
import shutil
import threading
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import pytest
from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build/html"
from tools import build, publication
from tools.sphinx_ext import course_site

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
CHROMIUM_FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *(
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ),
]
CHAPTERS = [f"{name}.html" for name in parse_toc_yaml(ROOT / "_toc.yml")]
PAGES = ["index.html", *CHAPTERS, "search.html"]
KILOBYTE = 1000


# ---- in the browser ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site() -> Path:
    assert (SITE / "index.html").exists(), "the site is not built; run make book"
    return SITE


@pytest.fixture(scope="module")
def address(site):
    """The site on 127.0.0.1, from a thread."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    if not Path(CHROMIUM).exists():
        message = f"no Chromium at {CHROMIUM}: the pages were not looked at in a browser; name one in CHROMIUM"
        if os.environ.get("GPT2COURSE_REQUIRE_ALL") == "1":
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=CHROMIUM_FLAGS
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, address):
    """Open pages of the site; what goes wrong on any of them is in `visit.problems`."""
    contexts, problems = [], []

    def open_page(name: str, *, width: int = 1280, scheme: str = "light"):
        context = browser.new_context(
            viewport={"width": width, "height": 844},
            color_scheme=scheme,
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console",
            lambda m: (
                problems.append(f"console: {m.text}")
                if m.type in ("error", "warning")
                else None
            ),
        )
        page.on("pageerror", lambda error: problems.append(f"script: {error}"))
        page.on(
            "request",
            lambda r: problems.append(f"asked {r.url}") if outside(r.url) else None,
        )
        page.on(
            "response",
            lambda r: (
                problems.append(f"{r.status} {r.url}") if r.status >= 400 else None
            ),
        )
        page.goto(address + name, wait_until="networkidle")
        return page

    def outside(url: str) -> bool:
        return not url.startswith((address, "data:", "blob:"))

    open_page.problems = problems
    yield open_page
    for context in contexts:
        context.close()


TOO_WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? [] :
  [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1)
  .map(e => e.tagName + "." + e.getAttribute("class")).slice(0, 8)"""
NOT_DESCRIBED = """() => [...document.querySelectorAll("img:not([alt]), main img[alt=''],"
  + "main figure svg:not([role=img]), svg[role=img]:not([aria-label]):not([aria-labelledby])")]
  .map(e => e.outerHTML.slice(0, 120))"""

AXE = {
    "resultTypes": ["violations"],
    "preload": False,
}  # preloading asks for every style sheet a second time
NOT_DARK = """() => [...document.querySelectorAll("figure.course-figure")].filter(e => {
  const {color, backgroundColor} = getComputedStyle(e);
  return Math.min(...color.match(/\\d+/g).slice(0, 3)) < 150 || backgroundColor !== "rgba(0, 0, 0, 0)";
}).map(e => e.outerHTML.slice(0, 120))"""


@pytest.mark.site
@pytest.mark.parametrize("name", PAGES)
def test_a_page_in_the_browser(visit, name):
    """No noise, no other host, nothing wider than a phone, every picture described, no complaint from axe."""
    from axe_playwright_python.sync_playwright import Axe

    page = visit(name)
    problems = visit.problems
    problems += [
        f"not described: {picture}" for picture in page.evaluate(NOT_DESCRIBED)
    ]
    for width in (1280, 390):
        if page.viewport_size["width"] != width:
            page.set_viewport_size({"width": width, "height": 844})
            page.wait_for_timeout(
                1000
            )  # the theme looks what scrolls when a change of size is over
        problems += [
            f"too wide at {width}: {element}" for element in page.evaluate(TOO_WIDE)
        ]
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.wait_for_function(
                "theme => document.documentElement.dataset.theme === theme", arg=scheme
            )
            for violation in Axe().run(page, options=AXE).response["violations"]:
                nodes = [node["html"][:200] for node in violation["nodes"][:3]]
                problems.append(f"axe, {scheme}, {width}: {violation['id']} {nodes}")
    problems += [f"not for the dark: {figure}" for figure in page.evaluate(NOT_DARK)]
    assert not problems, "\n".join(problems)


@pytest.mark.site
def test_search_finds_a_chapter(visit):
    page = visit("index.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("attention")
    page.keyboard.press("Enter")
    result = page.locator("#search-results li a").first
    result.wait_for()
    assert (
        page.locator(
            "#search-results li a", has_text=re.compile("attention", re.I)
        ).count()
        > 0
    )
    result.click()
    page.wait_for_load_state("networkidle")
    assert "/book/" in page.url
    assert "attention" in page.locator("main").inner_text().lower()
    assert visit.problems == []


COLOURS = """selector => {
  const seen = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
  const element = document.querySelector(selector);
  let behind = element;
  while (behind && [0].includes(seen(getComputedStyle(behind).backgroundColor)[3] ?? 1)) behind = behind.parentElement;
  return [seen(getComputedStyle(element).color).slice(0, 3),
          behind ? seen(getComputedStyle(behind).backgroundColor).slice(0, 3) : [255, 255, 255]];
}"""


def contrast(colours: list[list[float]]) -> float:
    """The contrast ratio of WCAG 2 between two colours of 0 to 255 a channel."""

    def luminance(colour):
        parts = [c / 255 for c in colour]
        linear = [
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted(luminance(colour) for colour in colours)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_wcag():
    assert contrast([[0, 0, 0], [255, 255, 255]]) == pytest.approx(21)
    assert contrast([[118, 118, 118], [255, 255, 255]]) == pytest.approx(4.54, abs=0.01)


@pytest.mark.site
def test_the_dark_is_dark_readable_and_remembered(visit):
    page = visit("index.html")
    light = page.evaluate(COLOURS, "main h1")
    button = page.locator(".theme-switch-button:visible").first
    for _ in range(3):
        button.click()
        if page.evaluate("document.documentElement.dataset.theme") == "dark":
            break
    page.wait_for_timeout(400)
    dark = page.evaluate(COLOURS, "main h1")
    assert sum(dark[1]) < 150 < 600 < sum(light[1])
    assert contrast(light) >= 7
    assert contrast(dark) >= 7
    assert contrast(page.evaluate(COLOURS, "nav.bd-links a")) >= 4.5
    page.goto(urljoin(page.url, CHAPTERS[1]), wait_until="networkidle")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert contrast(page.evaluate(COLOURS, ".course-status p")) >= 4.5
    assert visit.problems == []


@pytest.mark.site
@pytest.mark.parametrize("width", [1280, 390])
def test_controls_work_without_a_kernel(visit, width):
    """The sliders on sampling choose among the precomputed pictures: by keyboard, by mouse, on a phone."""
    page = visit("book/sampling.html", width=width)
    explorer = page.locator(".course-explore").first
    view, top_k = (
        explorer.locator(".course-explore-view"),
        explorer.get_by_label("top k"),
    )
    assert "4,096 of 4,096" in view.inner_text()
    assert top_k.get_attribute("aria-valuetext") == "off"
    top_k.focus()
    page.keyboard.press("Home")
    assert view.inner_text().startswith("2 of 4,096")
    assert top_k.get_attribute("aria-valuetext") == "2"
    page.keyboard.press("End")
    box = explorer.get_by_label("temperature").bounding_box()
    page.mouse.click(box["x"] + 3, box["y"] + box["height"] / 2)
    assert explorer.locator("output").first.inner_text() == "0.25"
    assert "4,096 of 4,096" in view.inner_text()
    assert box["x"] + box["width"] <= width

    second = page.locator(".course-explore").nth(1)  # min-p and the repetition penalty
    first_bar = second.locator(".course-explore-view td").nth(1)
    before = float(first_bar.inner_text().split()[0])
    second.get_by_label("repetition penalty").focus()
    page.keyboard.press("End")
    assert (
        float(first_bar.inner_text().split()[0]) < before / 2
    )  # a word that was read twice
    second.get_by_label("min p").focus()
    page.keyboard.press("Home")
    assert "4,096 of" not in second.locator(".course-explore-view").inner_text()
    assert not visit.problems


@pytest.mark.site
def test_the_home_page_is_light(visit, capsys):
    page = visit("index.html")
    urls = page.evaluate(
        "performance.getEntries().filter(e => /resource|navigation/.test(e.entryType)).map(e => e.name)"
    )
    files = {
        urldefrag(url)[0].split("?")[0].split("/", 3)[3]
        for url in urls
        if url.startswith("http")
    }
    bodies = [
        (SITE / unquote(name or "index.html")).read_bytes()
        for name in files
        if "mathjax" not in name
    ]
    plain, packed = (
        sum(map(len, bodies)),
        sum(len(gzip.compress(body)) for body in bodies),
    )
    with capsys.disabled():
        print(
            f"\nhome page without MathJax: {plain / KILOBYTE:.0f} KB, {packed / KILOBYTE:.0f} KB with gzip"
        )
    assert len(files) > 5
    assert plain < 400 * KILOBYTE
    assert packed < 100 * KILOBYTE


# ---- the built files -----------------------------------------------------------------------------------------------


@pytest.mark.site
@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_says_what_it_was_run_with(site, name):
    page = (site / name).read_text(encoding="utf-8")
    if "cell_input" not in page:
        assert "course-status" not in page
        return
    ran_on = json.loads((ROOT / "_build/ran-on.json").read_text())
    line = re.search(r'</h1>\s*<div class="course-status"><p>(.*?)</p>', page)
    assert line, "no status line under the title"
    assert Path(ran_on["checkpoint"]).name in line[1]
    assert re.search(
        r"its cells ran in (under a second|\d+ s|\d+\.\d minutes)\.$", line[1]
    )
    notebook = site / "notebooks" / Path(name).with_suffix(".ipynb").name
    assert f'href="../notebooks/{notebook.name}"' in page
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    assert any(cell["cell_type"] == "code" for cell in cells)


@pytest.mark.site
def test_every_link_inside_the_site_leads_somewhere(site):
    """Pages, files and anchors; also those of the root page, whose links were rewritten."""
    anchors, broken = {}, []
    for path in site.rglob("*.html"):
        anchors[path.resolve()] = set(
            re.findall(r'\bid="([^"]+)"', path.read_text(encoding="utf-8"))
        )
    for path in site.rglob("*.html"):
        for target in re.findall(
            r'\b(?:href|src)="([^"]*)"', path.read_text(encoding="utf-8")
        ):
            if re.match(r"[a-z]+:", target):
                continue
            file, _, anchor = target.partition("#")
            goal = (
                (path.parent / unquote(file.split("?")[0])).resolve()
                if file
                else path.resolve()
            )
            if not goal.exists() or (
                anchor and goal in anchors and anchor not in anchors[goal]
            ):
                broken.append(f"{path.relative_to(site)}: {target}")
    assert len(anchors) >= len(PAGES)
    assert broken == []


@pytest.mark.site
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_described_for_search_engines(site, name):
    page = (site / name).read_text(encoding="utf-8")
    assert "http-equiv" not in page, "a redirect is not a page"
    assert len(re.findall("<title>[^<]+</title>", page)) == 1
    assert len(re.findall(r'<meta [^>]*name="viewport"', page)) == 1
    descriptions = re.findall(
        r'<meta (?:content="([^"]+)"[^>]*name="description"|name="description" content="([^"]+)")',
        page,
    )
    assert len(descriptions) == 1
    assert 'property="og:title"' in page


@pytest.mark.site
def test_no_address_of_this_machine_is_published(site):
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert str(ROOT) not in text, path
        assert "file://" not in text, path


# ---- what builds it ------------------------------------------------------------------------------------------------


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
    seen = [build.outputs_key(package)]

    def is_new() -> bool:
        seen.append(build.outputs_key(package))
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
    monkeypatch.setattr(build, "version", lambda name: "9.9")
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
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    shutil.copy(ROOT / "_config.yml", tmp_path)
    (tmp_path / "good.md").write_text(CHAPTER.format(code="print(1 + 1)"))
    (tmp_path / "bad.md").write_text(CHAPTER.format(code="nothing = 1\nnothing / 0"))
    (tmp_path / "prose.md").write_text("# No cells\n")
    names = ["good", "bad", "prose"]
    for attempt in ("first", "second"):
        assert build.run_chapters(names) == ["bad"], attempt
        out, err = capfd.readouterr()
        assert "bad FAILED" in out
        assert "ZeroDivisionError" in err
        assert ("good ran" in out) == (attempt == "first"), "a good chapter runs once"
    (tmp_path / "bad.md").write_text(CHAPTER.format(code="print(2)"))
    assert build.run_chapters(names) == []


def test_an_unknown_page_is_refused(capsys):
    assert build.main(["--only", "no-such-page"]) == 2
    assert "no page 'book/no-such-page'" in capsys.readouterr().out


def test_the_root_page_has_the_links_of_the_first_page(tmp_path):
    (tmp_path / "book").mkdir()
    page = '<html data-content_root="../"><a href="tokens.html#ids"><img src="../_static/a.svg"><a href="#top"><a href="https://a.b/c">'
    (tmp_path / "book/index.html").write_text(page)
    build.write_root_page(tmp_path)
    assert (tmp_path / "index.html").read_text() == (
        '<html data-content_root="./"><a href="book/tokens.html#ids"><img src="_static/a.svg"><a href="#top">'
        '<a href="https://a.b/c">'
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
    assert course_site.duration(seconds) == text


def test_the_status_sentence():
    mini = {
        "checkpoint": "mini",
        "parameters": 3_500_000,
        "data": "embedded",
        "effort": "page",
        "device": "CPU",
    }
    sentence = "Built with the mini checkpoint (3.5M parameters) and embedded data on a CPU; its cells ran in 12 s."
    assert course_site.built_with(mini, 12) == sentence
    xl = {
        "checkpoint": "gpt2-xl",
        "parameters": 1_557_611_200,
        "data": "hub",
        "effort": "quick",
        "device": "Tesla T4",
    }
    sentence = "Built with the gpt2-xl checkpoint (1.6B parameters) and data from the hub on a GPU (Tesla T4) at effort quick;"
    assert course_site.built_with(xl, 90).startswith(sentence)


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


def test_a_style_sheet_keeps_what_pages_can_use():
    css = """/* a comment { */ @charset "utf-8"; a{color:red} .used,.unused{x:y} .unused{x:y} .used .unused b{x:y}
    .used:not(.unused){x:y} a:is(.unused,.used){x:y} #gone{x:y} [data-a=".unused"]{x:y} .a\\:b{x:y}
    @media (min-width:1px){.unused{x:y} @supports (x:y){p{content:"}"}}} @media print{.unused{x:y}}
    @font-face{font-family:Font Awesome;src:url(a)} @font-face{font-family:Other} @keyframes k{0%{x:y}}"""
    assert course_site.prune_css(css, {"used", "a:b"}) == (
        '@charset "utf-8";a{color:red}.used{x:y}.used:not(.unused){x:y}a:is(.unused,.used){x:y}'
        '[data-a=".unused"]{x:y}.a\\:b{x:y}@media (min-width:1px){@supports (x:y){p{content:"}"}}}'
        "@font-face{font-family:Other}@keyframes k{0%{x:y}}"
    )


def test_a_page_tidied_twice_is_the_page_tidied_once(site):
    for name in PAGES:
        page = (site / name).read_text(encoding="utf-8")
        assert course_site.tidy_page(page) == page


SVG = """<?xml version="1.0"?><!-- drawn by hand -->
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 100" width="300" height="100" role="presentation">
<marker id="tip"/><marker id="tip2"/><path marker-end="url(#tip)" stroke="currentColor"/><use href="#tip2"/></svg>"""


def test_an_inlined_diagram_is_described_and_keeps_its_ids_apart():
    svg = course_site.inline_svg(SVG, alt='The "tip" & more', prefix="flow")
    assert svg.startswith(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 100" role="img"'
    )
    assert (
        'aria-label="The &quot;tip&quot; &amp; more" style="max-width:min(100%,300px)">'
        in svg
    )
    assert '<marker id="flow-tip"/><marker id="flow-tip2"/>' in svg
    assert 'url(#flow-tip)"' in svg
    assert 'href="#flow-tip2"' in svg


def build_tiny(folder: Path, text: str) -> tuple[str, str]:
    """A site of one page with the extension alone: (its HTML, the warnings)."""
    import io

    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace

    (folder / "index.md").write_text(text)
    warnings = io.StringIO()
    settings = {
        "extensions": ["myst_nb", "tools.sphinx_ext.course_site"],
        "nb_execution_mode": "off",
        "html_theme": "basic",
    }
    with docutils_namespace():
        app = Sphinx(
            folder,
            None,
            folder / "out",
            folder / "trees",
            "html",
            settings,
            status=None,
            warning=warnings,
        )
        app.build()
    return (folder / "out/index.html").read_text(), warnings.getvalue()


def test_the_diagram_directive(tmp_path, monkeypatch):
    monkeypatch.setattr(course_site, "DIAGRAMS", tmp_path)
    (tmp_path / "flow.svg").write_text(SVG)
    page, warnings = build_tiny(
        tmp_path,
        "# Page\n\n```{diagram} flow.svg\n:alt: A token goes in.\n:caption: In *and* out.\n:name: flow\n```\n\n"
        "{ref}`flow`\n\n```{diagram} flow.svg\n```\n\n```{diagram} missing.svg\n:alt: Nothing.\n```\n",
    )
    assert 'aria-label="A token goes in."' in page
    assert re.search(
        r'<figure class="[^"]*course-figure course-diagram[^"]*" id="flow">', page
    )
    assert "In <em>and</em> out." in page
    assert '<a class="reference internal" href="#flow">' in page
    assert "the diagram flow.svg needs :alt:" in warnings
    assert "there is no diagram book/diagrams/missing.svg" in warnings
