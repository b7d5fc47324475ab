"""Where a page comes from: links to its notebook at the top, the run at the foot."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from pathlib import Path

from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx

from tools.publication import ROOT, colab, repository, requirement

LICENCE = (
    'Text and figures: <a href="https://creativecommons.org/licenses/by/4.0/"'
    ' rel="noopener">CC BY 4.0</a>. Code: MIT.'
)


def duration(seconds: float) -> str:
    """Seconds as a person says them: "under a second", "12 s", "3.5 minutes"."""
    if seconds < 1:
        return "under a second"
    return f"{seconds:.0f} s" if seconds < 99.5 else f"{seconds / 60:.1f} minutes"


def parameters(number: int) -> str:
    """A number of parameters as names of models have it: "3.5M", "124M", "1.6B"."""
    if number >= 1e9:
        return f"{number / 1e9:.1f}B"
    return f"{number / 1e6:.0f}M" if number >= 1e7 else f"{number / 1e6:.1f}M"


def built_with(ran_on: dict, seconds: float) -> str:
    """The sentence that says what a page was run with.

    Args:
        ran_on: what tools/stale.py has noted: checkpoint, parameters, data, effort,
            device.
        seconds: how long the cells took when they ran, not out of the cache.
    """
    kinds = {"embedded": "embedded data", "hub": "data from the hub"}
    data = kinds.get(ran_on["data"], "data of its own")
    device = "a CPU" if ran_on["device"] == "CPU" else f"a GPU ({ran_on['device']})"
    effort = "" if ran_on["effort"] == "page" else f" at effort {ran_on['effort']}"
    name, size = Path(ran_on["checkpoint"]).name, parameters(ran_on["parameters"])
    return (
        f"Built with the {name} checkpoint ({size} parameters) and {data} on"
        f" {device}{effort}; its cells ran in {duration(seconds)}."
    )


def seconds_of(app: Sphinx, pagename: str) -> float | None:
    """How long the cells of a page ran; None for a page without cells."""
    if pagename not in app.env.nb_metadata:
        return None
    run = NbMetadataCollector.get_exec_data(app.env, pagename)
    return run["runtime"] if run else None


def notebook_links(pagename: str, pathto: Callable, *, solutions: bool) -> str:
    """The links under a title: open the page's notebook in Colab, or download it.

    Where no repository is known, Colab has nothing to open: a line says what to do.

    Args:
        pagename: as Sphinx has it, "book/tokens".
        pathto: Sphinx's function from a file of the site to its address on the page.
        solutions: False in the students' edition, whose readers have no copy of the
            course.
    """
    name = f"{Path(pagename).name}.ipynb"
    download = html.escape(pathto(f"notebooks/{name}", 1))
    links = f'<a href="{download}" download>Download notebook</a>'
    if address := colab(name):
        address = html.escape(address)
        links = f'<a href="{address}" rel="noopener">Open in Colab</a> {links}'
        return f'<p class="course-links">{links}</p>'
    command = f"jupyter lab {name}"
    if needed := requirement():
        how = "To run it, download it, and in its folder"
        command = f'pip install "{needed}" jupyterlab && {command}'
    elif solutions:
        how = "To run it, download it into the folder of the course, and there"
        command = f"pip install . jupyterlab && {command}"
    else:
        how = "To run it where the course is installed, download it, and in its folder"
    return (
        f'<p class="course-links">{links}</p>\n<p class="course-run">{how}: '
        f"<code>{html.escape(command, quote=False)}</code></p>"
    )


def foot(app: Sphinx, pagename: str) -> str:
    """The foot of every page: what it was run with, the licence, where to ask."""
    lines = [LICENCE]
    seconds = seconds_of(app, pagename)
    if seconds is not None:
        ran_on = json.loads((ROOT / "_build/ran-on.json").read_text())
        sentence = html.escape(built_with(ran_on, seconds))
        lines.insert(0, f'<span class="course-status">{sentence}</span>')
    if owner_and_name := repository():
        issues = html.escape(f"https://github.com/{owner_and_name}/issues")
        lines.append(
            "Questions and mistakes:"
            f' <a href="{issues}" rel="noopener">{html.escape(owner_and_name)}</a>.'
        )
    return "".join(f'<p class="course-foot">{line}</p>' for line in lines)
