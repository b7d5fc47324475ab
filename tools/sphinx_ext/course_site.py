"""What this book adds to Jupyter Book, and what it takes away.

Adds: a line under each title that says what the page was run with, the `diagram` directive, cards for links that are
shared. Takes away: everything that asks another host, scripts and styles that no page uses, and the flaws of the stock
pages that make a browser or a screen reader stumble.
"""

from __future__ import annotations

import html
import importlib.util
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from tools.publication import base_url, repository

ROOT = Path(__file__).resolve().parents[2]
DIAGRAMS = ROOT / "book/diagrams"
MATHJAX_PARTS = (
    "tex-chtml.js",
    "output/chtml/fonts",
    "input/tex/extensions",
)  # 2 of 24 MB


# ---- the line under the title --------------------------------------------------------------------------------------


def duration(seconds: float) -> str:
    """Seconds as a person says them: "under a second", "12 s", "3.5 minutes"."""
    if seconds < 1:
        return "under a second"
    return f"{seconds:.0f} s" if seconds < 99.5 else f"{seconds / 60:.1f} minutes"


def built_with(ran_on: dict, seconds: float) -> str:
    """The sentence that says what a page was run with.

    Args:
        ran_on: what tools/build.py has noted: checkpoint, parameters, data, effort, device.
        seconds: how long the page's cells took when they ran, not when they came from the cache.
    """
    size = ran_on["parameters"]
    size = (
        f"{size / 1e9:.1f}B"
        if size >= 1e9
        else f"{size / 1e6:.0f}M"
        if size >= 1e7
        else f"{size / 1e6:.1f}M"
    )
    data = {"embedded": "embedded data", "hub": "data from the hub"}.get(
        ran_on["data"], "data of its own"
    )
    device = "a CPU" if ran_on["device"] == "CPU" else f"a GPU ({ran_on['device']})"
    effort = "" if ran_on["effort"] == "page" else f" at effort {ran_on['effort']}"
    name = Path(ran_on["checkpoint"]).name
    machine = f"{device}{effort}; its cells ran in {duration(seconds)}."
    return (
        f"Built with the {name} checkpoint ({size} parameters) and {data} on {machine}"
    )


def status_line(app: Sphinx, pagename: str, pathto) -> str:
    """The line as HTML, with the links to the notebook; empty for a page without cells."""
    run = (
        NbMetadataCollector.get_exec_data(app.env, pagename)
        if pagename in app.env.nb_metadata
        else None
    )
    if not run or run["runtime"] is None:
        return ""
    ran_on = json.loads((ROOT / "_build/ran-on.json").read_text())
    notebook = f"notebooks/{Path(pagename).name}.ipynb"
    links = [f'<a href="{pathto(notebook, 1)}" download>Download notebook</a>']
    if owner_and_name := repository():
        colab = f"https://colab.research.google.com/github/{owner_and_name}/blob/gh-pages/{notebook}"
        links.insert(
            0, f'<a href="{html.escape(colab)}" rel="noopener">Open in Colab</a>'
        )
    sentence = html.escape(built_with(ran_on, run["runtime"]))
    return f'<div class="course-status"><p>{sentence}</p><p class="course-status-links">{" ".join(links)}</p></div>'


def social_card(app: Sphinx, pagename: str, title: str, description: str) -> str:
    """Meta tags for shared links. Addresses in them must be absolute: without a known base URL there are none."""
    tags = {
        "og:type": "article",
        "og:site_name": app.config.html_title,
        "og:title": title,
        "og:description": description,
    }
    links = ""
    if base := base_url():
        page = base if pagename == app.config.root_doc else f"{base}{pagename}.html"
        image_alt = "GPT-2: read it, run it, train it. Beside it the lower triangle of a causal attention mask."
        tags |= {
            "og:url": page,
            "og:image": f"{base}_static/social-card.png",
            "og:image:alt": image_alt,
        }
        links = f'<link rel="canonical" href="{html.escape(page)}" />\n'
    metas = [
        f'<meta property="{name}" content="{html.escape(text)}" />'
        for name, text in tags.items()
        if text
    ]
    return links + "\n".join(
        [*metas, '<meta name="twitter:card" content="summary_large_image" />', ""]
    )


def dress_page(
    app: Sphinx, pagename: str, _template: str, context: dict, _doctree
) -> None:
    """Add the status line and the meta tags while a page is written."""
    title = re.sub(
        r"<[^>]+>", "", html.unescape(context.get("title") or app.config.html_title)
    )
    meta = context.get("metatags") or ""
    found = re.search(r'<meta content="([^"]*)"[^>]*name="description"', meta)
    description = (
        html.unescape(found[1])
        if found
        else f"{title}: part of the course {app.config.html_title}."
    )
    if not found:
        meta += f'<meta name="description" content="{html.escape(description)}" />\n'
    context["metatags"] = meta + social_card(app, pagename, title, description)
    if context.get("body"):
        line = status_line(app, pagename, context["pathto"])
        context["body"] = context["body"].replace("</h1>", f"</h1>\n{line}", 1)


# ---- diagrams ------------------------------------------------------------------------------------------------------


def inline_svg(svg: str, alt: str, prefix: str) -> str:
    """An SVG file's text as an element of the page: described, never larger than drawn, its ids unlike any other's."""
    svg = re.sub(r"<!--.*?-->", "", svg[svg.index("<svg") :], flags=re.S).strip()
    for name in set(re.findall(r'\bid="([^"]+)"', svg)):
        svg = re.sub(
            rf'(\bid="|url\(#|href="#){re.escape(name)}(?=["\)])',
            rf"\g<1>{prefix}-{name}",
            svg,
        )
    opening, rest = svg.split(">", 1)
    opening = re.sub(r'\s(role|aria-\w+|width|height)="[^"]*"', "", opening)
    width = re.search(r'viewBox="\S+ \S+ (\S+)', opening)
    size = f' style="max-width:min(100%,{width[1]}px)"' if width else ""
    return f'{opening} role="img" aria-label="{html.escape(alt)}"{size}>{rest}'


class Diagram(SphinxDirective):
    """`{diagram} file.svg` puts book/diagrams/file.svg into the page itself, so that it follows the theme's colours."""

    required_arguments = 1
    option_spec = {  # noqa: RUF012 (docutils reads it from the class)
        "alt": directives.unchanged_required,
        "caption": directives.unchanged,
        "name": directives.unchanged,
    }

    def run(self) -> list[nodes.Node]:
        """A figure with the SVG and its caption."""
        path = DIAGRAMS / self.arguments[0]
        alt = self.options.get("alt", "").strip()
        if not alt:
            raise self.error(
                f"the diagram {path.name} needs :alt:, what somebody who cannot see it should know"
            )
        if not path.is_file():
            raise self.error(f"there is no diagram book/diagrams/{self.arguments[0]}")
        self.env.note_dependency(str(path))
        picture = inline_svg(path.read_text(encoding="utf-8"), alt, path.stem)
        figure = nodes.figure(
            "",
            nodes.raw("", picture, format="html"),
            classes=["course-figure", "course-diagram"],
        )
        if self.options.get("caption"):
            text, messages = self.state.inline_text(
                self.options["caption"], self.lineno
            )
            figure += [nodes.caption("", "", *text), *messages]
        self.set_source_info(figure)
        self.add_name(figure)
        return [figure]


# ---- what is taken away --------------------------------------------------------------------------------------------

UNUSED_FILES = (
    *("**/*.map", "scripts/fontawesome.js*", "scripts/bootstrap.js*", "sphinx-thebe.*"),
    *("vendor", "locales", "images", "*webpack-macros.html", "styles/theme.css"),
)
UNWANTED = (
    r'<script[^>]*src="[^"]*(?:fontawesome|bootstrap|sphinx-thebe)\.js[^"]*"[^>]*></script>',
    r'<link rel="preload"[^>]*bootstrap\.js[^>]*>',
    r'<link[^>]*href="[^"]*sphinx-thebe\.css[^"]*"[^>]*>',
    r"<script>const THEBE_JS_URL.*?</script>",
    r'<script type="text/x-thebe-config">.*?</script>',
    r"<script>kernelName = .*?</script>",
    r'<meta name="viewport" content="width=device-width, initial-scale=1" ?/>',  # one of three remains
    r'<meta name="docsearch:[^>]*>',
)
ONLY_WHEN_USED = {  # scripts and styles: the sign of what they are for
    r'<script[^>]*src="[^"]*mathjax[^"]*"[^>]*></script>': 'class="math',
    r'<script[^>]*src="[^"]*course\.js[^"]*"[^>]*></script>': 'class="math',
    r'<script[^>]*src="[^"]*terms\.js[^"]*"[^>]*></script>': "data-course-meaning",
    r"<script>window\.MathJax = .*?</script>": 'class="math',
    r'<link[^>]*href="[^"]*sphinx-design[^"]*"[^>]*>': 'class="sd-',
    r'<script[^>]*src="[^"]*design-tabs\.js[^"]*"[^>]*></script>': 'class="sd-tab',
    r'<link[^>]*href="[^"]*exercise\.css[^"]*"[^>]*>': 'class="exercise',
    r'<script[^>]*src="[^"]*(?:searchtools|language_data|searchindex)\.js[^"]*"[^>]*></script>': 'id="search-results"',
}
REPLACED = (
    # without it the first paint is light for readers of the dark, until the theme's script has run
    (
        'localStorage.getItem("theme") || "auto"',
        'localStorage.getItem("theme") || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")',
    ),
    ('data-theme="auto"', 'data-theme="light"'),
    # what is seen outside landmarks, such as the book's name, is hard to reach for a screen reader
    (
        '<div id="pst-primary-sidebar" class',
        '<div id="pst-primary-sidebar" role="complementary" aria-label="Book" class',
    ),
    # the label must contain the words that are seen on the button, which are "Search Ctrl+K"
    (
        'search-button-field search-button__button pst-js-only" title="Search" aria-label="Search"',
        'search-button-field search-button__button pst-js-only" title="Search"',
    ),
    (
        '<summary aria-label="Toggle hidden content">',
        "<summary>",
    ),  # it hides the words that are seen
    # a role that ARIA has given up, on the items of a list
    ('role="doc-biblioentry"', 'role="listitem"'),
    ("<th></th>", "<td></td>"),  # pandas; a heading that says nothing is none
    (
        'title="Toggle primary sidebar"',
        'title="Contents of the book" aria-label="Contents of the book"',
    ),
    (
        'title="Toggle secondary sidebar"',
        'title="Contents of this page" aria-label="Contents of this page"',
    ),
)


def tidy_page(page: str) -> str:
    """A written page without what the stock theme should not have put there; doing it twice changes nothing."""
    for pattern in UNWANTED:
        page = re.sub(pattern, "", page, flags=re.S)
    for pattern, sign in ONLY_WHEN_USED.items():
        if sign not in page:
            page = re.sub(pattern, "", page)
    page = re.sub(
        r"styles/theme\.css\?digest=\w+", "basic.css", page
    )  # which does nothing but import that
    for old, new in REPLACED:
        page = page.replace(old, new)
    return re.sub(r"<title>(.*?) &#8212; \1</title>", r"<title>\1</title>", page)


def css_blocks(css: str) -> Iterator[tuple[str, str | None]]:
    """The top-level rules of a style sheet: (selectors or @rule, what is in the braces or None)."""
    start = opened = depth = 0
    for match in re.finditer(
        r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|[{};]', css, flags=re.S
    ):
        if match[0] == "{":
            depth += 1
            opened = opened if depth > 1 else match.end()
        elif match[0] == "}":
            depth -= 1
            if depth == 0:
                yield css[start : opened - 1].strip(), css[opened : match.start()]
                start = match.end()
        elif match[0] == ";" and depth == 0:
            yield css[start : match.start()].strip(), None
            start = match.end()


def prune_css(css: str, used: set[str]) -> str:
    """A style sheet without the rules that no page can use.

    Args:
        css: the style sheet.
        used: every word of all pages and scripts; a rule stays when each class and id that it needs is among them.
    """
    kept = []
    for head, body in css_blocks(re.sub(r"/\*.*?\*/", "", css, flags=re.S)):
        if body is None:
            kept.append(f"{head};")
        elif head.startswith(("@media", "@supports", "@container")):
            if inside := prune_css(body, used):
                kept.append(f"{head}{{{inside}}}")
        elif head.startswith("@font-face"):
            if "Awesome" not in body:  # its icons are replaced in course.css
                kept.append(f"{head}{{{body}}}")
        elif head.startswith("@"):
            kept.append(f"{head}{{{body}}}")
        else:
            selectors = [
                s for s in re.split(r",(?![^(]*\))", head) if needed_names(s) <= used
            ]
            if selectors:
                kept.append(f"{','.join(selectors)}{{{body}}}")
    return "".join(kept)


def needed_names(selector: str) -> set[str]:
    """Classes and ids that an element must have for a selector to match; not those in brackets, as in :not()."""
    plain = selector
    while plain != (plain := re.sub(r"\([^()]*\)|\[[^\]]*\]", "", plain)):
        pass
    return {
        name.replace("\\", "") for name in re.findall(r"[.#]((?:[\w-]|\\.)+)", plain)
    }


def tidy_site(app: Sphinx, failure: Exception | None) -> None:
    """After the build: tidy every page, prune the style sheets, bring the used part of MathJax, drop the rest."""
    if failure or app.builder.format != "html":
        return
    out = Path(app.outdir)
    static = out / "_static"
    for pattern in UNUSED_FILES:
        for path in list(static.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    words = set()
    for path in sorted(out.rglob("*.html")):
        page = tidy_page(path.read_text(encoding="utf-8"))
        path.write_text(page, encoding="utf-8")
        words |= set(re.findall(r"[\w-]+", page))
    for path in [*static.glob("*.js"), *static.glob("scripts/*.js")]:
        words |= set(re.findall(r"[\w-]+", path.read_text(encoding="utf-8")))
    for path in static.rglob("*.css"):
        if path.name != "course.css":
            path.write_text(
                prune_css(path.read_text(encoding="utf-8"), words), encoding="utf-8"
            )

    package = (
        Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent
        / "static/mathjax"
    )
    for part in MATHJAX_PARTS:
        source, target = package / part, static / "mathjax" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(
            source, target, dirs_exist_ok=True
        ) if source.is_dir() else shutil.copyfile(source, target)


def setup(app: Sphinx) -> dict:
    """Called by Sphinx."""
    app.add_directive("diagram", Diagram)
    app.connect("html-page-context", dress_page, priority=900)
    app.connect("build-finished", tidy_site, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
