"""The first cells of a notebook: where it comes from, and a machine made ready.

The cell installs the package where it is missing, at the version of the page; whatever
else it does is `start` of gpt2course.course.
"""

from __future__ import annotations

import nbformat
from nbformat import NotebookNode

from gpt2course import __version__
from tools.chapters import run_seconds
from tools.notebooks.blocks import Page
from tools.publication import requirement

TEXT = """\
*This notebook is {where}. Numbers in its text are those of the page; the cells compute
yours.*

The first cell {installs}takes the real gpt2 if there is a GPU and a connection to the
hub, else the small *mini* that comes with the course, and prints what it found. Change
its line `CHECKPOINT` to choose another, and run it as often as you like. What time and
memory gpt2 takes on Colab's free GPU, a T4, has not been measured. In Colab,
`to_drive("FOLDER")` from `gpt2course.course` keeps a folder in your Drive. From
its first call on, `progress()` from there notes the exercises that you pass in a file
beside the notebook, and prints them."""
CELL = """\
import importlib.util

if importlib.util.find_spec("gpt2course") is None:
    {install}

from gpt2course.course import start

CHECKPOINT = "auto"  # or "mini", "gpt2", "gpt2-medium", a folder
start(CHECKPOINT, version="{version}"{seconds})"""
BY_HAND = """\
raise ImportError(
        "install gpt2course from a copy of the course's repository: "
        "%pip install /PATH/TO/THE/COPY"
    )"""


def opening(page: Page) -> list[NotebookNode]:
    """The first two cells of a chapter's notebook."""
    needed, seconds = requirement(), run_seconds(page.path)
    install = f'%pip install --quiet "{needed}"' if needed else BY_HAND
    text = TEXT.format(
        where=page.to_page("a page of the course", page.path.stem, ""),
        installs="installs the course where it is missing, " if needed else "",
    )
    code = CELL.format(
        install=install,
        version=__version__,
        seconds="" if seconds is None else f", seconds={seconds:.0f}",
    )
    return [nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell(code)]
