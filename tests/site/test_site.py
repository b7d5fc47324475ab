"""The built site in a real browser, and the parts that build it."""

from __future__ import annotations

import functools
import gzip
import http.server
import json
import re
import threading
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import pytest
from playwright.sync_api import expect
from sphinx_external_toc.parsing import parse_toc_yaml

from gpt2course.checkpoints import load_checkpoint
from tools.publication import colab
from tools.sphinx_ext import tidy

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build/html"
CHAPTERS = [f"{name}.html" for name in parse_toc_yaml(ROOT / "_toc.yml")]
PAGES = ["index.html", *CHAPTERS, "search.html"]
# to look things up in, so they may be longer than MAX_SCREENS
REFERENCE = ("glossary", "sources", "measurements", "api", "search")
MAX_SCREENS = 20  # of a phone: what one reads at a sitting
KILOBYTE = 1000
VOCABULARY = f"{load_checkpoint('mini').config.vocab_size:,}"


# ---- in the browser ----------------------------------------------------------------


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
  [...document.querySelectorAll("body *")]
  .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
  .map(e => e.tagName + "." + e.getAttribute("class")).slice(0, 8)"""
NOT_DESCRIBED = """() => [...document.querySelectorAll(
    "img:not([alt]), main img[alt=''], main figure svg:not([role=img]),"
    + "svg[role=img]:not([aria-label]):not([aria-labelledby])")]
  .map(e => e.outerHTML.slice(0, 120))"""

AXE = {
    "resultTypes": ["violations"],
    "preload": False,
}  # preloading asks for every style sheet a second time
# what a page that passes all rules can still break in other colours or another width
AXE_AGAIN = AXE | {
    "runOnly": [
        *("color-contrast", "link-in-text-block"),
        *("target-size", "scrollable-region-focusable"),
    ]
}
NOT_DARK = """() => [...document.querySelectorAll("figure.course-figure")].filter(e => {
  const {color, backgroundColor} = getComputedStyle(e);
  const pale = Math.min(...color.match(/\\d+/g).slice(0, 3)) >= 150;
  return !pale || backgroundColor !== "rgba(0, 0, 0, 0)";
}).map(e => e.outerHTML.slice(0, 120))"""


def too_long(page) -> list[str]:
    """What to say of a page that is more than MAX_SCREENS windows high."""
    height = page.evaluate("document.documentElement.scrollHeight")
    screens = height / page.viewport_size["height"]
    if screens <= MAX_SCREENS:
        return []
    return [f"too long: {screens:.1f} screens of a phone; at most {MAX_SCREENS}"]


@pytest.mark.site
def test_a_page_that_is_too_long_is_found(visit):
    page = visit("search.html", width=390)
    assert too_long(page) == []
    page.evaluate("document.querySelector('main').style.height = `${20.5 * 844}px`")
    assert len(too_long(page)) == 1


def use_scheme(page, scheme: str) -> None:
    """As if the reader's system were light, or dark; waits for the theme."""
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.wait_for_function(
        "theme => document.documentElement.dataset.theme === theme", arg=scheme
    )


@pytest.mark.site
@pytest.mark.parametrize("name", PAGES)
def test_a_page_in_the_browser(visit, name):
    """No noise, no other host, nothing too wide or too long, pictures described, axe
    content."""
    from axe_playwright_python.sync_playwright import Axe

    page = visit(name)
    # axe takes seconds: every other page is light on a desk and dark on a phone, and
    # has all rules on the desk; the others are the other way round
    schemes = {1280: "light", 390: "dark"}
    rules = {1280: AXE, 390: AXE_AGAIN}
    if PAGES.index(name) % 2:
        schemes = {1280: "dark", 390: "light"}
        rules = {1280: AXE_AGAIN, 390: AXE}
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
        if width == 390 and Path(name).stem not in REFERENCE:
            problems += too_long(page)
        use_scheme(page, schemes[width])
        for violation in Axe().run(page, options=rules[width]).response["violations"]:
            nodes = [node["html"][:200] for node in violation["nodes"][:3]]
            problems.append(
                f"axe, {schemes[width]}, {width}: {violation['id']} {nodes}"
            )
    use_scheme(page, "dark")
    problems += [f"not for the dark: {figure}" for figure in page.evaluate(NOT_DARK)]
    assert not problems, "\n".join(problems)


@pytest.mark.site
def test_search_finds_a_chapter(visit):
    page = visit("index.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("attention")
    page.keyboard.press("Enter")
    # results arrive one by one, and the best need not come first
    results = page.locator("#search-results li a")
    result = results.filter(has_text=re.compile("attention", re.I)).first
    result.wait_for()
    result.click()
    page.wait_for_load_state("networkidle")
    assert "/book/" in page.url
    assert "attention" in page.locator("main").inner_text().lower()
    assert visit.problems == []


@pytest.mark.site
def test_a_message_is_found_on_a_phone(visit):
    """Pasted whole with one's own values, by a few words, or not at all."""
    page = visit("book/troubleshooting.html", width=390)
    box = page.get_by_label("Find a message")
    shown = page.locator("details.sd-dropdown:visible summary")
    listed = page.locator("li.course-message code:visible")
    lists = page.locator("details.course-messages:visible")
    found = page.locator("main output")
    boxes, rows = shown.count(), page.locator("li.course-message").count()
    everything = boxes + rows
    expect(listed).to_have_count(0)  # folded
    folded = lists.count()
    assert folded > 5
    box.fill("Cannot download openai-community/gpt2: no connection; without a network")
    expect(shown).to_have_text(["cannot download …: …"])
    expect(found).to_have_text(f"1 of {everything} messages")
    expect(page.locator("details[open]:visible")).to_have_count(1)
    box.fill("ctrl-c resumes")
    expect(shown).to_contain_text("stopped after step")
    # one that no box explains: its list opens, and shows it alone
    said = "it must be a whole number of at least 1 (leave it out to keep every token)"
    box.fill(f"Traceback (most recent call last):\nValueError: top_k is 2.5; {said}")
    expect(shown).to_have_count(0)
    expect(listed).to_have_text([f"top_k is …; {said}"])
    expect(lists).to_have_count(1)
    expect(found).to_have_text(f"1 of {everything} messages")
    # a shorter title that is inside of a longer one says less
    at_least = re.compile(r"^… is …; it must be at least 1$")
    box.fill("logging_steps is 0; it must be at least 1")
    expect(listed).to_have_text([at_least])
    box.fill("limit is 0; it must be at least 1")
    expect(listed).to_have_text(["limit is …; it must be at least 1"])
    box.fill(
        "eval_steps is 0; it must be at least 1\nlimit is 0; it must be at least 1"
    )
    expect(listed).to_have_count(2)
    box.fill("weight_map")
    expect(listed).to_have_text(["… has no weight_map"])
    box.fill("no such message anywhere")
    expect(shown).to_have_count(0)
    expect(lists).to_have_count(0)
    expect(found).to_have_text(re.compile("^None of these messages"))
    box.fill("")
    expect(shown).to_have_count(boxes)
    expect(lists).to_have_count(folded)
    expect(listed).to_have_count(0)
    assert boxes > 40
    assert rows > 200
    assert visit.problems == []


@pytest.mark.site
def test_the_list_of_messages_is_light_and_its_links_lead_to_the_api(site):
    page = (site / "book/troubleshooting.html").read_text(encoding="utf-8")
    assert len(page) < 300 * KILOBYTE
    rows = re.findall(r'<li class="course-message">(.*?)</li>', page, re.S)
    names = re.findall(r'<a [^>]*href="api\.html#([^"]+)"', "".join(rows))
    known = set(
        re.findall(r'id="([^"]+)"', (site / "book/api.html").read_text("utf-8"))
    )
    assert len(names) > 200
    assert set(names) <= known
    # what has no link is a command
    alone = re.sub(r"<a .*?</a>", "", "".join(rows))
    assert set(re.findall(r"<span>([^ <]+)", alone)) == {"gpt2course"}


COLOURS = """selector => {
  const seen = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
  const element = document.querySelector(selector);
  let behind = element;
  const clear = e => seen(getComputedStyle(e).backgroundColor)[3] === 0;
  while (behind && clear(behind)) behind = behind.parentElement;
  return [seen(getComputedStyle(element).color).slice(0, 3),
          behind ? seen(getComputedStyle(behind).backgroundColor).slice(0, 3)
                 : [255, 255, 255]];
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
    behind = f"({COLOURS})('main h1')[1]"
    page.wait_for_function(f"() => {behind}.reduce((a, b) => a + b) < 150")
    dark = page.evaluate(COLOURS, "main h1")
    assert sum(light[1]) > 600
    assert contrast(light) >= 7
    assert contrast(dark) >= 7
    assert contrast(page.evaluate(COLOURS, "nav.bd-links a")) >= 4.5
    page.goto(urljoin(page.url, CHAPTERS[1]), wait_until="networkidle")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert contrast(page.evaluate(COLOURS, ".course-status")) >= 4.5
    assert visit.problems == []


@pytest.mark.site
@pytest.mark.parametrize("width", [1280, 390])
def test_controls_work_without_a_kernel(visit, width):
    """The sliders on sampling choose a picture: by keyboard, by mouse, on a phone."""
    page = visit("book/sampling.html", width=width)
    explorer = page.locator(".course-explore").first
    view, top_k = (
        explorer.locator(".course-explore-view"),
        explorer.get_by_label("top k"),
    )
    everything = f"{VOCABULARY} of {VOCABULARY}"
    expect(view).to_contain_text(everything)
    expect(top_k).to_have_attribute("aria-valuetext", "off")
    top_k.focus()
    page.keyboard.press("Home")
    expect(view).to_have_text(re.compile(f"^2 of {VOCABULARY}"))
    expect(top_k).to_have_attribute("aria-valuetext", "2")
    page.keyboard.press("End")
    box = explorer.get_by_label("temperature").bounding_box()
    page.mouse.click(box["x"] + 3, box["y"] + box["height"] / 2)
    expect(explorer.locator("output").first).to_have_text("0.25")
    expect(view).to_contain_text(everything)
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
    expect(second.locator(".course-explore-view")).not_to_contain_text(
        f"{VOCABULARY} of"
    )
    assert not visit.problems


@pytest.mark.site
def test_the_home_page_is_light(visit, capsys):
    page = visit("index.html")
    urls = page.evaluate(
        "performance.getEntries()"
        ".filter(e => /resource|navigation/.test(e.entryType)).map(e => e.name)"
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
            f"\nhome page without MathJax: {plain / KILOBYTE:.0f} KB,"
            f" {packed / KILOBYTE:.0f} KB with gzip"
        )
    assert len(files) > 5
    assert plain < 400 * KILOBYTE
    assert packed < 100 * KILOBYTE


# ---- the built files ---------------------------------------------------------------


@pytest.mark.site
@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_says_what_it_was_run_with(site, name):
    page = (site / name).read_text(encoding="utf-8")
    source = (ROOT / name).with_suffix(".md").read_text(encoding="utf-8")
    if "```{code-cell}" not in source:
        assert "course-status" not in page
        return
    ran_on = json.loads((ROOT / "_build/ran-on.json").read_text())
    foot = page[page.index("bd-footer-content") :]
    line = re.search(r'<span class="course-status">(.*?)</span>', foot)
    assert line, "the foot of the page does not say what it was run with"
    assert Path(ran_on["checkpoint"]).name in line[1]
    assert re.search(
        r"its cells ran in (under a second|\d+ s|\d+\.\d minutes)\.$", line[1]
    )


@pytest.mark.site
@pytest.mark.parametrize("name", ["index.html", *CHAPTERS])
def test_a_page_can_be_run(site, name):
    """Its notebook is there; Colab opens it, or a line says how to run the download."""
    page = (site / name).read_text(encoding="utf-8")
    (shown,) = re.findall(r'</h1>\s*<p class="course-links">(.*?)</p>', page)
    links = {
        text: href for href, text in re.findall('<a href="(.*?)".*?>(.*?)</a>', shown)
    }
    notebook = (site / name).parent / links.pop("Download notebook")
    assert notebook.resolve().parent == site.resolve() / "notebooks"
    assert notebook.stem == ("index" if name == "index.html" else Path(name).stem)
    kinds = {
        cell["cell_type"]
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    }
    source = ROOT / "book" / f"{notebook.stem}.md"
    has_code = "```{code-cell}" in source.read_text(encoding="utf-8")
    assert kinds == ({"markdown", "code"} if has_code else {"markdown"})
    address = colab(notebook.name)
    assert links == ({"Open in Colab": address} if address else {})
    commands = re.findall(r'<p class="course-run">.*?<code>(.*?)</code></p>', page)
    assert len(commands) == (address is None)
    for command in commands:
        assert command.endswith(f"jupyter lab {notebook.name}")
        assert "_build" not in command
    foot = page[page.index("bd-footer-content") :]
    assert ("Questions and mistakes:" in foot) == bool(address)


@pytest.mark.site
def test_every_link_inside_the_site_leads_somewhere(site):
    """Pages, files and anchors; those of the root page, too, which were rewritten."""
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
    descriptions = re.findall(
        r'<meta (?:content="([^"]+)"[^>]*name="description"'
        r'|name="description" content="([^"]+)")',
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


@pytest.mark.site
def test_a_page_tidied_twice_is_the_page_tidied_once(site):
    for name in PAGES:
        page = (site / name).read_text(encoding="utf-8")
        assert tidy.tidy_page(page) == page


@pytest.mark.site
@pytest.mark.parametrize("name", PAGES)
def test_no_table_is_left_as_text(site, name):
    """As an output of Markdown would be."""
    text = (site / name).read_text(encoding="utf-8")
    assert not re.findall(r"<p>\s*\|.*", text)


@pytest.mark.site
@pytest.mark.parametrize("name", PAGES)
def test_every_page_says_its_licence(site, name):
    page = (site / name).read_text(encoding="utf-8")
    foot = page[page.index("bd-footer-content") :]
    assert "creativecommons.org/licenses/by/4.0/" in foot
    assert "Code: MIT." in foot


@pytest.mark.site
def test_numbers_on_the_site_are_those_in_the_notebooks(site):
    """Sphinx counts pages and exercises on the site, tools/chapters.py in notebooks."""
    seen = 0
    for name in CHAPTERS:
        page = (site / name).read_text(encoding="utf-8")
        notebook = site / "notebooks" / Path(name).with_suffix(".ipynb").name
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells)
        page = page[page.index("<article") :]
        title = re.search(
            r'<h1>(?:<span class="section-number">(\d+)\. </span>)?', page
        )
        assert re.search(r"^# (?:(\d+)\. )?", text, flags=re.M)[1] == title[1], name
        on_site = re.findall(
            r'<span class="caption-number">Exercise ([\d.]+) </span>', page
        )
        assert re.findall(r"^### Exercise ([\d.]+):", text, flags=re.M) == on_site
        assert all(number.split(".")[0] == title[1] for number in on_site)
        seen += len(on_site)
    assert seen > 50


# chapters with a cell that is not folded and cut off; who mends the last takes it off
CUT_OFF: set[str] = set()
CUT = """() => [...document.querySelectorAll("div.cell_input pre")]
  .filter(e => e.innerText.trim())  // nothing of what is folded
  .filter(e => e.scrollWidth > e.clientWidth).map(e => e.innerText)"""


@pytest.mark.site
def test_no_code_is_cut_off_on_a_desk(visit):
    """At 1280 pixels; on a phone code scrolls inside its box."""
    page = visit("index.html")
    cut = {}
    for name in CHAPTERS:
        page.goto(urljoin(page.url, f"/{name}"))
        if cells := page.evaluate(CUT):
            cut[Path(name).stem] = cells
    assert set(cut) == CUT_OFF, cut


SMALL_TEXT = """() => [...document.querySelectorAll("figure.course-figure svg")]
  .filter(svg => !svg.closest("details:not([open])"))
  .flatMap(svg => [...svg.querySelectorAll("text")].map(text => {
    const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
    const parts = [text, ...text.querySelectorAll("tspan")].filter(e =>
      [...e.childNodes].some(c => c.nodeType === Node.TEXT_NODE && c.data.trim()));
    const sizes = parts.map(e => parseFloat(getComputedStyle(e).fontSize) * scale);
    return [Math.max(0, ...sizes), text.textContent];
  })).filter(([size]) => 0 < size && size < 10.9)"""


@pytest.mark.site
def test_text_in_figures_can_be_read_on_a_phone(visit):
    page = visit("index.html", width=390)
    small = {}
    for name in CHAPTERS:
        page.goto(urljoin(page.url, f"/{name}"))
        if texts := page.evaluate(SMALL_TEXT):
            small[name] = texts
    assert small == {}


@pytest.mark.site
def test_what_is_wide_says_that_it_scrolls(visit):
    """On a phone; the hint changes at the end, and the keyboard reaches the box."""
    page = visit("book/gpt2.html", width=390)
    table = page.locator(".pst-scrollable-table-container.course-wide").first
    hint = "e => getComputedStyle(e, '::before').content"
    assert "Scroll sideways" in table.evaluate(hint)
    expect(table).to_have_attribute("tabindex", "0")
    table.evaluate("e => e.scrollTo(e.scrollWidth, 0)")
    page.wait_for_function(
        "e => e.matches('.course-wide-end')", arg=table.element_handle()
    )
    assert "Scroll back" in table.evaluate(hint)
    printed = page.locator(".output.stream.course-columns").first
    assert "layers, width" in printed.inner_text()
    assert "Scroll sideways" in printed.evaluate(hint)
    assert printed.get_attribute("tabindex") == "0"
    page.set_viewport_size({"width": 1280, "height": 844})
    page.wait_for_function("() => !document.querySelector('table.course-wide')")
    assert visit.problems == []
