"""Run the chapters and build the site in _build/html: what `make book` and `make page` call.

The chapters run first, two at a time with one torch thread each, and their outputs go to the notebook cache that the
book reads. jupyter-cache knows a chapter by the source of its cells alone, so outputs would stay the same after a
change in the package: the cache is emptied here when anything that outputs depend on has changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path

import yaml
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.executors.utils import single_nb_execution
from myst_nb.core.config import NbParserConfig
from myst_nb.core.read import create_nb_reader
from myst_parser.config.main import MdParserConfig
from sphinx_external_toc.parsing import parse_toc_yaml

from gpt2course import settings
from tools.notebooks import write_notebooks
from tools.publication import ROOT, base_url, repository

BUILD = ROOT / "_build"
CACHE = BUILD / ".jupyter_cache"
RAN_ON = BUILD / "ran-on.json"
LIBRARIES = ("torch", "transformers", "datasets", "numpy", "matplotlib")
AT_A_TIME = 2


def say(line: str) -> None:
    """One line about what happens, at once even when the output is a file."""
    print(f"book: {line}", flush=True)


def digest_of_files(digest, paths) -> None:
    """Add the names and the content of files, and of all files in folders, to a digest."""
    for path in sorted(paths):
        files = (
            [path]
            if path.is_file()
            else sorted(p for p in path.rglob("*") if p.is_file())
        )
        for file in files:
            if "__pycache__" not in file.parts:
                digest.update(file.relative_to(path.parent).as_posix().encode() + b"\0")
                digest.update(hashlib.sha256(file.read_bytes()).digest())


def outputs_key(package: Path = ROOT / "gpt2course") -> str:
    """What the outputs of the chapters depend on, apart from their cells: the package, the settings, the libraries."""
    digest = hashlib.sha256()
    digest_of_files(digest, [package])
    choices = (settings.checkpoint_name(), settings.data_source(), settings.effort())
    digest.update(
        json.dumps(
            [choices, [version(name) for name in LIBRARIES], sys.version_info[:2]]
        ).encode()
    )
    digest_of_files(
        digest,
        [
            Path(choice)
            for choice in choices[:2]
            if Path(choice).exists() and "/" in choice
        ],
    )
    return digest.hexdigest()


def pages_key(outputs: str) -> str:
    """What every page depends on, apart from its own text: outputs, extension, style, where it is published."""
    digest = hashlib.sha256(outputs.encode())
    book = ROOT / "book"
    digest_of_files(
        digest,
        [
            ROOT / "tools",
            book / "_static",
            book / "glossary.md",  # its sentences stand on the other pages, too
            book / "references.bib",
            ROOT / "_toc.yml",
            ROOT / "_config.yml",
        ],
    )
    digest.update(f"{repository()} {base_url()}".encode())
    return digest.hexdigest()


def ran_on() -> dict:
    """Checkpoint, data and device that the chapters run with, for the line at the top of each page."""
    import torch

    from gpt2course.checkpoints import load_checkpoint

    model = load_checkpoint()
    return {
        "checkpoint": settings.checkpoint_name(),
        "parameters": sum(p.numel() for p in model.parameters()),
        "data": settings.data_source(),
        "effort": settings.effort(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
    }


def empty_when_stale() -> None:
    """Remove outputs, or pages, that were made from something that has changed since."""
    old = json.loads(RAN_ON.read_text()) if RAN_ON.exists() else {}
    outputs = outputs_key()
    pages = pages_key(outputs)
    if old.get("outputs_key") != outputs:
        if CACHE.exists():
            say(
                "the package, the settings or a library has changed: every chapter runs again"
            )
        shutil.rmtree(CACHE, ignore_errors=True)
        old = ran_on()
    if old.get("pages_key") != pages:
        for folder in ("html", ".doctrees"):
            shutil.rmtree(BUILD / folder, ignore_errors=True)
    BUILD.mkdir(exist_ok=True)
    RAN_ON.write_text(
        json.dumps(old | {"outputs_key": outputs, "pages_key": pages}, indent=1) + "\n"
    )


def run_chapters(names: list[str]) -> list[str]:
    """Run the chapters whose outputs are not in the cache yet; return the names of those that failed."""
    execute = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))[
        "execute"
    ]
    cache = get_cache(CACHE)
    waiting = []
    for name in names:
        path = ROOT / f"{name}.md"
        text = path.read_text(encoding="utf-8")
        reader = create_nb_reader(str(path), MdParserConfig(), NbParserConfig(), text)
        notebook = reader.read(text) if reader else None
        if notebook is None or not any(
            cell.cell_type == "code" for cell in notebook.cells
        ):
            continue
        try:
            cache.match_cache_notebook(notebook)
        except KeyError:
            waiting.append((name, path, notebook))
    if not waiting:
        say("no chapter has to run: all outputs are in the cache")
        return []

    say(f"running {len(waiting)} of {len(names)} chapters, {AT_A_TIME} at a time")
    os.environ["OMP_NUM_THREADS"] = (
        "1"  # kernels inherit it: two chapters, one torch thread each
    )
    os.environ["GPT2COURSE_STATIC"] = "1"  # controls that work without a kernel
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = (
        "1"  # they are widgets, which would ask a CDN for their code
    )
    failed = []
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        jobs = {
            pool.submit(
                single_nb_execution,
                notebook,
                cwd=str(path.parent),
                timeout=execute["timeout"],
                allow_errors=False,
                extra_arguments=[
                    "--log-level=40"
                ],  # errors, not a warning per kernel that it talks over TCP
            ): (name, path)
            for name, path, notebook in waiting
        }
        for job in as_completed(jobs):
            name, path = jobs[job]
            result = job.result()
            if result.err:
                say(f"{name} FAILED after {result.time:.0f} s")
                print(result.exc_string, file=sys.stderr, flush=True)
                failed.append(name)
            else:
                join_streams(result.nb)
                bundle = CacheBundleIn(
                    result.nb, str(path), data={"execution_seconds": result.time}
                )
                cache.cache_notebook_bundle(
                    bundle, check_validity=False, overwrite=True
                )
                say(f"{name} ran in {result.time:.0f} s")
    return failed


def join_streams(notebook) -> None:
    """Make one output of what a cell printed piece by piece; the book would put each piece on a line of its own."""
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


def build_pages(only: str | None = None) -> bool:
    """Turn chapters and outputs into pages with jupyter-book; True when there was neither error nor warning."""
    command = [
        sys.executable,
        "-c",
        "from jupyter_book.cli.main import main; main()",
        "build",
        str(ROOT),
    ]
    if only:
        # a table of contents of this page alone; links to the other pages cannot be checked then, so warnings pass
        folder = BUILD / "only" / only
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "_toc.yml").write_text(f"format: jb-book\nroot: {only}\n")
        command += [
            "--toc",
            str(folder / "_toc.yml"),
            "--path-output",
            str(folder),
            "--quiet",
        ]
    else:
        command += ["-W", "-n", "--keep-going", "--quiet"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if result.returncode:
        print(result.stdout, result.stderr, sep="\n", file=sys.stderr)
    elif result.stderr.strip():
        print(result.stderr, file=sys.stderr)
    return result.returncode == 0


def write_root_page(site: Path) -> None:
    """The first page again as the root's index.html, instead of the stock redirect, with its links put right."""

    def from_root(match: re.Match) -> str:
        attribute, target = match.groups()
        if target.startswith("../"):
            target = target.removeprefix("../")
        elif not re.match(r"#|/|[a-z]+:", target):
            target = f"book/{target}"
        return f'{attribute}="{target}"'

    page = (site / "book/index.html").read_text(encoding="utf-8")
    page = page.replace('data-content_root="../"', 'data-content_root="./"')
    (site / "index.html").write_text(
        re.sub(r'\b(href|src|action)="([^"]+)"', from_root, page), encoding="utf-8"
    )


def main(arguments: list[str] | None = None) -> int:
    """Build the book; 0 when every chapter ran and every page was built without a warning."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", metavar="NAME", help="run and build one page, for whoever edits it"
    )
    only = parser.parse_args(arguments).only
    start = time.monotonic()
    os.chdir(ROOT)
    names = list(parse_toc_yaml(ROOT / "_toc.yml"))
    if only:
        only = f"book/{Path(only).stem}"
        if only not in names:
            say(
                f"there is no page {only!r}; pages are {', '.join(name.removeprefix('book/') for name in names)}"
            )
            return 2

    try:
        empty_when_stale()
    except ValueError as error:  # an unknown checkpoint, an unreachable hub: the message says what to do
        say(str(error))
        return 2
    failed = run_chapters([only] if only else names)
    if failed:
        say(f"stopped: {', '.join(failed)} failed, see above")
        return 1
    say("writing the pages")
    if not build_pages(only):
        say("stopped: see the warnings above")
        return 1
    site = BUILD / "html"
    if only:
        site = BUILD / "only" / only / "_build/html"
    else:
        write_root_page(site)
        try:
            write_notebooks(ROOT / "book", site / "notebooks")
        except (
            ValueError
        ) as error:  # a chapter with something that a notebook cannot show
            say(f"stopped: {error}")
            return 1
    page = (site / (f"{only}.html" if only else "index.html")).relative_to(ROOT)
    say(f"done in {time.monotonic() - start:.0f} s: {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
