"""The sample chapter with every construct of the book, spoiled copies, a tiny site."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

SAMPLE = Path(__file__).parent / "sample/sample.md"


def spoiled(folder: Path, old: str, new: str) -> Path:
    """A copy of the sample chapter in which one text is replaced by another."""
    text = SAMPLE.read_text(encoding="utf-8")
    assert old in text, f"the sample has no {old!r}"
    shutil.copytree(SAMPLE.parent, folder, dirs_exist_ok=True)
    (folder / SAMPLE.name).write_text(text.replace(old, new), encoding="utf-8")
    return folder / SAMPLE.name


def build_tiny(folder: Path, text: str, *more: str, **settings: object) -> tuple:
    """A site of one page, with the site's own extension and more: (HTML, warnings)."""
    (folder / "index.md").write_text(text, encoding="utf-8")
    warnings = io.StringIO()
    settings |= {
        "extensions": ["myst_nb", "tools.sphinx_ext.course_site", *more],
        "source_suffix": {".md": "myst-nb"},  # Sphinx adds it to a shared default
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
    page = (folder / "out/index.html").read_text(encoding="utf-8")
    return page, warnings.getvalue()
