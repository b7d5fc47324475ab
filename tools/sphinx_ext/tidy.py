"""What is taken away from stock pages, each with the reason that keeps it here."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

from tools.sphinx_ext.prune import prune, words_of

TEMPLATES = Path(__file__).parent / "templates"
# 2 of the package's 24 MB: what the book's formulas need
MATHJAX_PARTS = ("tex-chtml.js", "output/chtml/fonts", "input/tex/extensions")
UNUSED_FILES = (
    *("**/*.map", "scripts/fontawesome.js*", "scripts/bootstrap.js*"),
    "sphinx-thebe.*",
    *("vendor", "locales", "images", "*webpack-macros.html", "styles/theme.css"),
)
# scripts and styles, and the pattern in a page's body of what they are for
ONLY_WHEN_USED = {
    "mathjax": 'class="math',
    "terms.js": "data-course-meaning",
    "memory.js": 'class="course-memory"',
    "filter.js": "course-filter",
    "quiz.js": "course-(quiz|path)",
    "sphinx-design": 'class="sd-',
    "design-tabs": 'class="sd-tab',
}
# stock markup that fails axe, or is light for a moment in the dark: old, new
REPLACED = (
    (
        'localStorage.getItem("theme") || "auto"',
        'localStorage.getItem("theme") || '
        '(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")',
    ),
    ('data-theme="auto"', 'data-theme="light"'),
    # what is seen outside landmarks is hard to reach for a screen reader
    (
        '<div id="pst-primary-sidebar" class',
        '<div id="pst-primary-sidebar" role="complementary" aria-label="Book" class',
    ),
    # a label must contain the words that are seen: "Search Ctrl+K"
    (
        'search-button-field search-button__button pst-js-only" '
        'title="Search" aria-label="Search"',
        'search-button-field search-button__button pst-js-only" title="Search"',
    ),
    ('<summary aria-label="Toggle hidden content">', "<summary>"),
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


def use_own_templates(_app: Sphinx, config: Config) -> None:
    """Let templates/ win over the theme's."""
    config.templates_path.append(str(TEMPLATES))


def leave_out_thebe(app: Sphinx) -> None:
    """Disconnect sphinx-thebe, which jupyter-book always loads.

    It writes its const twice, a script error on every page, and names another host.
    """
    for listeners in app.events.listeners.values():
        for listener in list(listeners):
            if listener.handler.__module__ == "sphinx_thebe":
                listeners.remove(listener)


def drop_unused_scripts(context: dict) -> None:
    """Leave out scripts and styles of a page that has nothing for them to do."""
    body = context.get("body") or ""
    unused = [
        name for name, sign in ONLY_WHEN_USED.items() if not re.search(sign, body)
    ]
    unused.append("sphinx-thebe")
    for kind in ("script_files", "css_files"):
        context[kind] = [
            file
            for file in context.get(kind, [])
            if not any(name in str(getattr(file, "filename", file)) for name in unused)
        ]


def tidy_page(page: str) -> str:
    """A written page with the stock theme's flaws fixed; twice changes nothing."""
    for old, new in REPLACED:
        page = page.replace(old, new)
    return page


def tidy_site(app: Sphinx, failure: Exception | None) -> None:
    """After the build: tidy pages and styles, bring MathJax, drop the rest."""
    if failure or app.builder.format != "html":
        return
    out = Path(app.outdir)
    static = out / "_static"
    for pattern in UNUSED_FILES:
        for path in list(static.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    pages = sorted(out.rglob("*.html"))
    for path in pages:
        page = path.read_text(encoding="utf-8")
        path.write_text(tidy_page(page), encoding="utf-8")
    scripts = [*static.glob("*.js"), *static.glob("scripts/*.js")]
    used = words_of([*pages, *scripts])
    for path in static.rglob("*.css"):
        if path.name != "course.css":
            css = path.read_text(encoding="utf-8")
            path.write_text(prune(css, used), encoding="utf-8")
    bring_mathjax(static / "mathjax")


def bring_mathjax(target: Path) -> None:
    """Copy what the book needs of MathJax from the package sphinx-mathjax-offline."""
    package = importlib.util.find_spec("sphinx-mathjax-offline").origin
    source = Path(package).parent / "static/mathjax"
    for part in MATHJAX_PARTS:
        (target / part).parent.mkdir(parents=True, exist_ok=True)
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, dirs_exist_ok=True)
        else:
            shutil.copyfile(source / part, target / part)
