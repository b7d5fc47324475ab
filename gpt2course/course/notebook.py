"""Show values: the same cell works in the book, in Colab and in a plain notebook.

plots.py draws figures and widgets.py controls; `show` puts a figure into a page.
"""

from __future__ import annotations

import ast
import html
import inspect
import io
import re
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.display import HTML
    from matplotlib.figure import Figure


def glue(name: str, value: object, form: str = "") -> None:
    """Hand a computed value to the prose of the book.

    In a notebook without the book's tools, do nothing.

    Args:
        name: what the prose calls it.
        value: shown as format(value, form).
        form: a format specification, such as ",.1f".
    """
    try:
        from myst_nb import glue as hand_over
    except ImportError:
        return
    hand_over(name, Text(format(value, form)), display=False)


class Text(str):
    """A string whose repr has no quotes, so that the book shows it as prose.

    The book reads what looks like Python as Python: 1,535 would become a pair of
    numbers, and 0.10 would lose its zero. An invisible joiner in front prevents that.
    """

    def __repr__(self) -> str:
        looks_like_python = "," in self or ("." in self and self.endswith("0"))
        return "\N{WORD JOINER}" + self if looks_like_python else str(self)


def visible(token: str) -> str:
    """A token as a figure or a table shows it: every character can be seen.

    Args:
        token: a string.

    Returns:
        spaces as middle dots, new lines as arrows, what cannot be printed by its code.
    """
    shown = token.replace(" ", "·").replace("\n", "↵").replace("\t", "⇥")
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in shown)


def show(figure: Figure, alt: str, caption: str = "") -> HTML:
    """A figure as an SVG inside the page.

    It takes the page's text colour, so it is readable in the dark.

    Args:
        figure: a matplotlib figure; it is closed.
        alt: what somebody who cannot see it should know.
        caption: the line below it.

    Raises:
        ValueError: no alt text.
    """
    import matplotlib
    import matplotlib.pyplot as plt
    from IPython.display import HTML

    if not alt.strip():
        raise ValueError(
            "a figure without alt text cannot be read by everybody; pass alt="
        )
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": alt}):
        figure.savefig(
            buffer,
            format="svg",
            transparent=True,
            bbox_inches="tight",
            metadata={"Date": None},
        )
    plt.close(figure)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1, flags=re.S)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1, flags=re.S)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    label = html.escape(alt, quote=True)
    style = "width:100%;max-width:40rem;height:auto"
    opening = f'<svg role="img" aria-label="{label}" style="{style}" '
    svg = svg.replace("<svg ", opening, 1)
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return HTML(f'<figure class="course-figure">{svg}{below}</figure>')


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> HTML:
    """A table of computed values, as the page's own tables look; what is wide scrolls.

    Args:
        header: a text for each column, none empty: whoever hears the page needs it.
        rows: as many values each, shown by str.

    Raises:
        ValueError: a column without a header, or a row of another length.
    """
    from IPython.display import HTML

    header, rows = list(header), [tuple(row) for row in rows]
    if not all(name.strip() for name in header):
        raise ValueError(f"a column of {list(header)} has no header; name it")
    if wrong := [row for row in rows if len(row) != len(header)]:
        raise ValueError(
            f"the row {list(wrong[0])} has {len(wrong[0])} values for {len(header)} "
            "columns"
        )

    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in header)
    body = ""
    for row in rows:
        cells = "".join(f"<td>{html.escape(str(value))}</td>" for value in row)
        body += f"<tr>{cells}</tr>"
    return HTML(
        '<div class="pst-scrollable-table-container"><table class="table">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def code_of(part: object, text: str) -> str:
    """The statements of a function or class that contain a text, as in its file.

    Args:
        part: a function, a method or a class.
        text: what to look for; of a compound statement, such as `if`, only the opening
            counts.

    Raises:
        ValueError: no statement contains the text.
    """
    source = textwrap.dedent(inspect.getsource(part))
    lines, found = source.splitlines(), []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt) and not isinstance(
            node, (ast.FunctionDef, ast.ClassDef)
        ):
            body = getattr(node, "body", None)
            end = body[0].lineno - 1 if body else node.end_lineno
            code = textwrap.dedent("\n".join(lines[node.lineno - 1 : end]))
            if text in code:
                found.append(code)
    if not found:
        raise ValueError(
            f"{part.__qualname__} has no statement with {text!r}; has its file changed?"
        )
    return "\n".join(found)


#: the colour of text in a figure, which `show` replaces by that of the page
INK = "#0a0b0c"
