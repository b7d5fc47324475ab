"""Run the chapters, two at a time, and keep their outputs in the notebook cache.

The book reads the cache; so does the next run of this. A chapter has one torch thread.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import yaml
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from jupyter_cache.executors.utils import single_nb_execution
from myst_nb.core.config import NbParserConfig
from myst_nb.core.read import create_nb_reader
from myst_parser.config.main import MdParserConfig
from nbformat import NotebookNode

from tools import stale
from tools.chapters import read_chapter
from tools.publication import ROOT
from tools.stale import say

AT_A_TIME = 2
ENVIRONMENT = {  # kernels inherit it
    "OMP_NUM_THREADS": "1",
    "GPT2COURSE_STATIC": "1",  # controls that work without a kernel
    # bars are widgets, which would ask a CDN for their code
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}


def run_chapters(names: list[str], root: Path = ROOT) -> list[str]:
    """Run the chapters without outputs in the cache; return those that failed.

    Args:
        names: as _toc.yml has them, such as "book/tokens".
        root: where they are found.
    """
    cache = get_cache(stale.CACHE)
    notebooks = waiting(names, root)
    if not notebooks:
        say("no chapter has to run: all outputs are in the cache")
        return []
    say(f"running {len(notebooks)} of {len(names)} chapters, {AT_A_TIME} at a time")
    os.environ.update(ENVIRONMENT)
    failed = []
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        jobs = {
            pool.submit(run, notebook, (root / name).parent): name
            for name, notebook in notebooks.items()
        }
        for job in as_completed(jobs):
            name, result = jobs[job], job.result()
            if result.err:
                say(f"{name} FAILED after {result.time:.0f} s")
                print(result.exc_string, file=sys.stderr, flush=True)
                failed.append(name)
                continue
            join_streams(result.nb)
            data = {"execution_seconds": result.time}
            bundle = CacheBundleIn(result.nb, str(root / f"{name}.md"), data=data)
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            say(f"{name} ran in {result.time:.0f} s")
    return failed


def waiting(names: list[str], root: Path = ROOT) -> dict[str, NotebookNode]:
    """The chapters that have no outputs in the cache, as notebooks."""
    cache = get_cache(stale.CACHE)
    notebooks = {name: read_notebook(root / f"{name}.md") for name in names}
    return {
        name: notebook
        for name, notebook in notebooks.items()
        if notebook and not is_cached(cache, notebook)
    }


def run_seconds(names: list[str], root: Path = ROOT) -> dict[str, float]:
    """How long each chapter ran when its outputs were made: {"tokens": 12.3, ...}."""
    cache = get_cache(stale.CACHE)
    seconds = {}
    for name in names:
        notebook = read_notebook(root / f"{name}.md")
        if notebook and is_cached(cache, notebook):
            record = cache.match_cache_notebook(notebook)
            seconds[Path(name).name] = record.data["execution_seconds"]
    return seconds


def read_notebook(path: Path) -> NotebookNode | None:
    """A chapter as the book reads it; None for one without a code cell."""
    text = read_chapter(path)
    reader = create_nb_reader(str(path), MdParserConfig(), NbParserConfig(), text)
    notebook = reader.read(text) if reader else None
    if notebook and any(cell.cell_type == "code" for cell in notebook.cells):
        return notebook
    return None


def is_cached(cache: JupyterCacheAbstract, notebook: NotebookNode) -> bool:
    """Whether the cache has the outputs of these cells."""
    try:
        cache.match_cache_notebook(notebook)
    except KeyError:
        return False
    return True


def run(notebook: NotebookNode, folder: Path):
    """Execute a notebook in a folder, as long as _config.yml allows for a cell."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    return single_nb_execution(
        notebook,
        cwd=str(folder),
        timeout=config["execute"]["timeout"],
        allow_errors=False,
        extra_arguments=["--log-level=40"],  # errors, not that a kernel talks over TCP
    )


def join_streams(notebook: NotebookNode) -> None:
    """One output of what a cell printed piece by piece; else each has its own line."""
    for cell in notebook.cells:
        joined: list = []
        for output in cell.get("outputs", ()):
            before = joined[-1] if joined else None
            if (
                before
                and output.output_type == before.output_type == "stream"
                and output.name == before.name
            ):
                before.text += output.text
            else:
                joined.append(output)
        if "outputs" in cell:
            cell.outputs = joined
