"""Turn chapters (MyST markdown) into notebooks that look right in Jupyter and in Colab.

A notebook knows plain Markdown only. So admonitions become quotations, diagrams become embedded pictures, references
become links, and computed values are written into the prose. The student edition leaves the solutions out. Anything
that has no plain form here is an error: MyST syntax never reaches a reader of a notebook.

`python -m tools.notebooks FOLDER` writes the student edition, with --solutions the instructor's.
"""

from __future__ import annotations

import argparse
import ast
import base64
import hashlib
import html
import json
import re
import sys
import textwrap
from collections import Counter
from pathlib import Path

import jupytext
import nbformat
import yaml
from nbformat import NotebookNode
from sphinx_external_toc.parsing import parse_toc_yaml

from tools.bibliography import cited, listed, references
from tools.publication import ROOT, base_url, repository

BOXES = {
    name: name.title()
    for name in (
        "note",
        "tip",
        "warning",
        "important",
        "caution",
        "attention",
        "hint",
        "danger",
        "error",
        "margin",
    )
} | {"seealso": "See also"}
ONLY_LOOKS = {
    *("language", "caption", "name", "class", "dedent"),
    *("linenos", "emphasize-lines", "lineno-start", "lineno-match"),
}
SELECT = {"pyobject", "lines", "start-at", "start-after", "end-at", "end-before"}
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
INSTALL = """\
# installs the course where it is missing, in Colab for example; a minute at most
import importlib.util

if importlib.util.find_spec("gpt2course") is None:
    %pip install --quiet "gpt2course @ git+https://github.com/{repository}"
"""


class ConvertError(ValueError):
    """A chapter that cannot become a notebook. The message names the chapter and what is in the way."""


def chapter_files(book: Path) -> list[Path]:
    """Every chapter of the table of contents, in its order."""
    return [
        book.parent / f"{name}.md" for name in parse_toc_yaml(book.parent / "_toc.yml")
    ]


def write_notebooks(book: Path, folder: Path, *, solutions: bool = False) -> list[Path]:
    """Write a notebook for each chapter of the book, and remove those of chapters that are gone.

    Args:
        book: folder of the chapters; _toc.yml lies beside it.
        folder: where NAME.ipynb goes for the chapter NAME.md.
        solutions: the instructor's edition instead of the students'.
    """
    notebooks = {
        folder / f"{path.stem}.ipynb": convert(path, solutions=solutions)
        for path in chapter_files(book)
    }
    folder.mkdir(parents=True, exist_ok=True)
    for path, notebook in notebooks.items():
        nbformat.write(notebook, path)
    for old in set(folder.glob("*.ipynb")) - set(notebooks):
        old.unlink()
    return list(notebooks)


def convert(chapter: Path, *, solutions: bool = False) -> NotebookNode:
    """One chapter as a notebook without outputs. The same chapter gives the same notebook, cell ids included.

    Raises:
        ConvertError: a directive, a role or an option without a plain form, an unknown label, a fence left open.
    """
    source = jupytext.reads(chapter.read_text(encoding="utf-8"), fmt="md:myst")
    page = Page(chapter, solutions)
    cells = []
    for cell in source.cells:
        if cell.cell_type == "code":
            if solutions or not (
                page.in_solution or "solution" in cell.metadata.get("tags", ())
            ):
                tags = (
                    {"tags": list(cell.metadata.tags)}
                    if cell.metadata.get("tags")
                    else {}
                )
                cells.append(nbformat.v4.new_code_cell(cell.source, metadata=tags))
        elif text := "\n".join(page.blocks(cell.source.splitlines(), top=True)).strip():
            cells.append(nbformat.v4.new_markdown_cell(text))
    if page.open:
        raise page.error(f"{page.open}-start has no {page.open}-end")
    if any(cell.cell_type == "code" for cell in cells):
        cells = [*opening(page), *cells]
    seen: Counter[tuple[str, str]] = Counter()  # two cells may have the same source
    for cell in cells:
        content = cell.cell_type, cell.source
        cell.id = hashlib.sha256(
            repr((chapter.stem, seen[content], content)).encode()
        ).hexdigest()[:12]
        seen[content] += 1
    metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def opening(page: Page) -> list[NotebookNode]:
    """The first cells: where this comes from, and how to get the package."""
    where = page.to_page("a page of the course", page.path.stem, "")
    text = f"*This notebook is {where}. Numbers in its text are those of the page; the cells compute yours.*"
    owner_and_name = repository()
    if not owner_and_name:
        text += (
            "\n\nIt needs the package `gpt2course`. If the first import fails, install the package from a copy of the "
            "course's repository: `pip install ./FOLDER`, with the name of your copy's folder."
        )
        return [nbformat.v4.new_markdown_cell(text)]
    install = INSTALL.format(repository=owner_and_name).rstrip()
    return [nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell(install)]


# ---- what other pages and the build know ---------------------------------------------------------------------------


def labels(book: Path) -> dict[str, tuple[str, str]]:
    """Every label of every chapter in a folder: label -> (chapter, what it is called)."""
    found = {}
    for path in sorted(book.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        for label, after in re.findall(r"^\(([\w:-]+)\)=\n+(.*)", text, flags=re.M):
            found[label] = path.stem, after.lstrip("# ")
        # a directive is called by its title, when it has one
        directive = r"^[`:]{3,}\{[\w-]+\} *(.*)\n(?::.*\n)*?:(?:label|name): *(\S+)"
        for title, label in re.findall(directive, text, flags=re.M):
            found[label] = (
                path.stem,
                title if title and "." not in title else "the figure",
            )
    return found


def title_of(path: Path) -> str:
    """The first heading of a chapter."""
    heading = (
        re.search(r"^# (.+)", path.read_text(encoding="utf-8"), flags=re.M)
        if path.exists()
        else None
    )
    return heading[1].strip() if heading else path.stem


def glued_values(chapter: Path) -> dict[str, str]:
    """What the last build computed for the prose of a chapter; empty when it was not built."""
    glued = (
        chapter.parent.parent
        / "_build/jupyter_execute"
        / chapter.parent.name
        / f"{chapter.stem}.glue.json"
    )
    if not glued.exists():
        return {}
    return {
        name: o["data"]["text/plain"]
        for name, o in json.loads(glued.read_text(encoding="utf-8")).items()
    }


# ---- pictures and code ---------------------------------------------------------------------------------------------


def picture(path: Path, alt: str, caption: str) -> list[str]:
    """A picture inside the notebook itself.

    As a PNG in a data URI, because Colab shows neither attachments (googlecolab/colabtools#3836) nor SVG in any form
    (#2092). On white, because a picture cannot know whether the notebook around it is light or dark.
    """
    if path.suffix == ".svg":
        data, width = rendered(path.read_text(encoding="utf-8"))
        kind, size = "png", f' width="{width}"'
    else:
        data, kind, size = (
            path.read_bytes(),
            path.suffix.strip(".").replace("jpg", "jpeg"),
            "",
        )
    encoded = base64.b64encode(data).decode()
    image = (
        f'<img src="data:image/{kind};base64,{encoded}" alt="{html.escape(alt)}"{size}>'
    )
    return ["", image, "", *([caption, ""] if caption else [])]


def rendered(svg: str) -> tuple[bytes, int]:
    """A drawing as PNG, twice as fine as it is shown, with fonts that every machine of ours has; and its width."""
    import matplotlib
    import resvg_py

    svg = re.sub(
        r"var\(--[\w-]+,\s*([^()]+)\)", r"\1", svg
    )  # the theme's colours are not known here
    width = int(float(re.search(r'<svg[^>]*\swidth="([\d.]+)', svg)[1]))
    fonts = str(Path(matplotlib.get_data_path()) / "fonts/ttf")
    sans, mono = "DejaVu Sans", "DejaVu Sans Mono"
    families = {
        "font_family": sans,
        "sans_serif_family": sans,
        "monospace_family": mono,
    }
    png = resvg_py.svg_to_bytes(
        svg,
        background="white",
        zoom=2,
        skip_system_fonts=True,
        font_dirs=[fonts],
        **families,
    )
    return bytes(png), width


def excerpt(source: str, options: dict[str, str]) -> str:
    """The part of a file that the options of literalinclude name.

    Raises:
        ValueError: an option that is not known here, or one that finds nothing.
    """
    lines = source.splitlines()
    if wrong := set(options) - ONLY_LOOKS - SELECT:
        raise ValueError(f"literalinclude has the unknown option {wrong.pop()!r}")
    if "pyobject" in options:
        node = ast.parse(source)
        for name in options["pyobject"].split("."):
            node = next(
                (child for child in node.body if getattr(child, "name", None) == name),
                None,
            )
            if node is None:
                raise ValueError(f"literalinclude finds no {options['pyobject']}")
        first = min(
            [node.lineno, *(decorator.lineno for decorator in node.decorator_list)]
        )
        lines = lines[first - 1 : node.end_lineno]
    if "lines" in options:
        ranges = [part.partition("-") for part in options["lines"].split(",")]
        spans = [
            (int(a or 1), int(b or len(lines)) if dash else int(a))
            for a, dash, b in ranges
        ]
        lines = [line for first, last in spans for line in lines[first - 1 : last]]
    for edge in ("start-at", "start-after", "end-at", "end-before"):
        if edge in options:
            at = next(
                (i for i, line in enumerate(lines) if options[edge] in line), None
            )
            if at is None:
                raise ValueError(f"literalinclude finds no line with {options[edge]!r}")
            at += edge in ("start-after", "end-at")
            lines = lines[at:] if edge.startswith("start") else lines[:at]
    return textwrap.dedent("\n".join(lines)).strip("\n")


def pipe_table(rows: list[list[str]], header_rows: int) -> list[str]:
    """Rows of cells as a Markdown table, which always has exactly one header row."""
    if header_rows == 0:
        rows = [[""] * len(rows[0]), *rows]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return [lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]]


# ---- MyST to Markdown ----------------------------------------------------------------------------------------------

FENCE = re.compile(
    r"(?P<indent>\s*)(?P<fence>`{3,}|:{3,}|~{3,})(?:\{(?P<name>[^}]+)\})?\s*(?P<argument>.*)"
)
LABEL = re.compile(r"\(([\w:-]+)\)=\s*")
NOT_SHOWN = re.compile(
    r"%.*|\+\+\+.*|\{[#.\w][^{}`]*\}"
)  # comments, block breaks, attributes of the next block
INLINE = re.compile(
    r"""
      (?P<escaped>\\.)
    | \{(?P<role>[a-zA-Z][\w:+-]*)\}(?P<tick>`+)(?P<content>.+?)(?<!`)(?P=tick)(?!`)
    | (?P<code>`+)(?:.+?)(?<!`)(?P=code)(?!`)
    | (?P<display>\$\$.+?\$\$)(?:\s*\([\w:-]+\))?
    | (?P<math>\$(?!\s)(?:\\.|[^$\\])+?(?<!\s)\$(?!\d))
    | \[\^(?P<footnote>[\w-]+)\](?P<defines>:)?
    | (?P<image>!)?\[(?P<text>(?:[^\[\]]|\[[^\[\]]*\])*)\]
      (?:\((?P<target>[^()\s]*(?:\([^()\s]*\)[^()\s]*)*)(?:\s+"[^"]*")?\)(?:\{[^{}]*\})?|(?P<span>\{[^{}]*\}))
    """,
    flags=re.X | re.S,
)


class Page:
    """One chapter on its way to Markdown. It remembers across cells which exercise or solution is open."""

    def __init__(self, path: Path, solutions: bool) -> None:
        self.path, self.solutions = path, solutions
        self.open: str | None = (
            None  # "exercise" or "solution" between its start and its end
        )
        self.labels = labels(path.parent)
        self.values = glued_values(path)
        self.site = base_url()

    @property
    def in_solution(self) -> bool:
        """Between solution-start and solution-end."""
        return self.open == "solution"

    def error(self, message: str) -> ConvertError:
        """An error that names the chapter."""
        return ConvertError(f"{self.path.name}: {message}")

    def blocks(self, lines: list[str], *, top: bool = False) -> list[str]:
        """Lines of MyST as lines of Markdown.

        Args:
            lines: whole blocks.
            top: these are not inside a directive, so solutions may begin and end here.
        """
        result: list[str] = []
        i = 0
        while i < len(lines):
            line = lines[i]
            end = i + 1
            if opened := FENCE.fullmatch(line):
                end = self.closing(lines, i, opened["fence"])
                if opened["name"]:
                    body = [
                        inner.removeprefix(opened["indent"])
                        for inner in lines[i + 1 : end - 1]
                    ]
                    new = self.directive(
                        opened["name"].strip(), opened["argument"].strip(), body, top
                    )
                    new = [
                        "",
                        *(
                            opened["indent"] + inner if inner else inner
                            for inner in new
                        ),
                        "",
                    ]
                elif opened["fence"].startswith(":"):
                    raise self.error(
                        f"a fence of colons needs a name in braces: {line!r}"
                    )
                else:
                    new = lines[i:end]
            elif line.lstrip().startswith("$$") and line.count("$$") == 1:
                end = next(
                    (j + 1 for j in range(i + 1, len(lines)) if "$$" in lines[j]), None
                )
                if end is None:
                    raise self.error("$$ opens a formula that never ends")
                new = [
                    *lines[i : end - 1],
                    re.sub(r"\$\$\s*\([\w:-]+\)", "$$", lines[end - 1]),
                ]
            elif label := LABEL.fullmatch(line):
                new = [anchor(label[1]), ""]
            elif NOT_SHOWN.fullmatch(line.strip()):
                new = []
            elif not line.strip():
                new = [""]
            else:
                while (
                    end < len(lines)
                    and lines[end].strip()
                    and not self.starts_block(lines[end])
                ):
                    end += 1
                new = self.text("\n".join(defined(lines[i:end]))).split("\n")
            if self.solutions or not self.in_solution:
                result += new
            i = end
        return single_blanks(result)

    @staticmethod
    def starts_block(line: str) -> bool:
        """Whether a line ends the paragraph above it."""
        return bool(
            FENCE.fullmatch(line)
            or LABEL.fullmatch(line)
            or line.lstrip().startswith("$$")
        )

    def closing(self, lines: list[str], start: int, fence: str) -> int:
        """The index after the line that closes a fence."""
        for i in range(start + 1, len(lines)):
            line = lines[i].strip()
            if len(line) >= len(fence) and set(line) == {fence[0]}:
                return i + 1
        raise self.error(f"this fence is never closed: {lines[start]!r}")

    def directive(
        self, name: str, argument: str, body: list[str], top: bool
    ) -> list[str]:
        """A directive as Markdown."""
        options, body = self.options(body)
        gate = re.fullmatch(r"(exercise|solution)-(start|end)", name)
        if gate and top:
            return self.gate(gate[1], gate[2], argument, options)
        if name in BOXES:  # what stands beside the name is the first line of its text
            return self.box(
                BOXES[name], [argument, *body] if argument else body, options
            )
        match name:
            case "admonition" | "dropdown":
                return self.box(
                    argument,
                    body,
                    {"class": "dropdown"} if name == "dropdown" else options,
                )
            case "diagram":
                caption = self.text(options.get("caption", ""))
                return self.named(
                    options,
                    self.picture(
                        self.path.parent / "diagrams" / argument, options, caption
                    ),
                )
            case "figure" | "image":
                caption = " ".join(self.blocks(body)).strip()
                return self.named(
                    options, self.picture(self.path.parent / argument, options, caption)
                )
            case "literalinclude":
                path = (self.path.parent / argument).resolve()
                try:
                    code = excerpt(path.read_text(encoding="utf-8"), options)
                except (OSError, ValueError) as error:
                    raise self.error(f"{argument}: {error}") from None
                language = options.get(
                    "language", "python" if path.suffix == ".py" else ""
                )
                return [
                    *self.heading(options.get("caption", "")),
                    f"```{language}",
                    *code.split("\n"),
                    "```",
                ]
            case "code-block" | "code" | "sourcecode":
                return [
                    *self.heading(options.get("caption", "")),
                    f"```{argument}",
                    *body,
                    "```",
                ]
            case "math":
                return ["$$", *([argument] if argument else []), *body, "$$"]
            case "table":
                return [
                    *self.named(options, self.heading(argument)),
                    *self.blocks(body),
                ]
            case "list-table":
                table = pipe_table(self.rows(body), int(options.get("header-rows", 0)))
                return [*self.named(options, self.heading(argument)), *table]
            case "glossary":
                return self.glossary(body)
            case "bibliography":
                return listed(self.path.parent / "references.bib")
            case "tableofcontents" | "contents":
                return []
        raise self.error(
            f"there is no plain form of the directive {{{name}}}; give it one in tools/notebooks.py"
        )

    def options(self, body: list[str]) -> tuple[dict[str, str], list[str]]:
        """The options at the start of a directive, and the rest."""
        options: dict[str, str] = {}
        if body and body[0].strip() == "---" and "---" in body[1:]:
            end = body.index("---", 1)
            return {
                k: str(v) for k, v in yaml.safe_load("\n".join(body[1:end])).items()
            }, body[end + 1 :]
        while body and (option := re.fullmatch(r":([\w-]+):\s*(.*)", body[0].strip())):
            options[option[1]] = re.sub(r"""^(["'])(.*)\1$""", r"\2", option[2])
            body = body[1:]
        return options, body

    def gate(
        self, kind: str, edge: str, argument: str, options: dict[str, str]
    ) -> list[str]:
        """The start or the end of an exercise or of its solution."""
        if edge == "end":
            if self.open != kind:
                raise self.error(f"{kind}-end without {kind}-start")
            self.open = None
            return []
        if self.open:
            raise self.error(f"{kind}-start inside of another {self.open}")
        self.open = kind
        if kind == "solution":
            return ["#### Solution"]
        return self.named(options, ["", f"### Exercise: {self.text(argument)}"])

    def box(self, title: str, body: list[str], options: dict[str, str]) -> list[str]:
        """An admonition as a quotation with a bold title; one that is folded on the page is folded here too."""
        inner = self.blocks(body)
        if "dropdown" in options.get("class", "").split():
            return [
                "<details>",
                f"<summary>{html.escape(title)}</summary>",
                "",
                *inner,
                "",
                "</details>",
            ]
        text = "\n".join([f"**{self.text(title)}**", "", *inner]).strip()
        return [f"> {line}".rstrip() for line in text.split("\n")]

    def named(self, options: dict[str, str], lines: list[str]) -> list[str]:
        """Lines with a place that links can point to, when the directive has a label."""
        label = options.get("label") or options.get("name")
        return [anchor(label), *lines] if label else lines

    def heading(self, title: str) -> list[str]:
        """The title of a table or of a piece of code."""
        return [f"**{self.text(title)}**", ""] if title else []

    def picture(self, path: Path, options: dict[str, str], caption: str) -> list[str]:
        """A picture of the book, with its caption."""
        if not path.is_file():
            raise self.error(f"there is no picture {path.name}")
        return picture(
            path, options.get("alt", ""), f"**Figure.** {caption}" if caption else ""
        )

    def rows(self, body: list[str]) -> list[list[str]]:
        """The cells of a list-table."""
        rows: list[list[str]] = []
        for line in filter(str.strip, body):
            start = re.fullmatch(r"(\* )?\s*- ?(.*)", line)
            if start and start[1]:
                rows.append([start[2]])
            elif rows and start:
                rows[-1].append(start[2])
            elif rows:
                rows[-1][-1] += " " + line.strip()
            else:
                raise self.error(f"a list-table cannot begin with {line!r}")
        if len({len(row) for row in rows}) != 1:
            raise self.error("the rows of a list-table have different lengths")
        return [[self.text(cell.strip()) for cell in row] for row in rows]

    def glossary(self, body: list[str]) -> list[str]:
        """Terms and their meanings, as a list."""
        entries: list[str] = []
        for line in filter(str.strip, body):
            if line.startswith((":", " ")):
                entries[-1] += " " + line.lstrip(": ")
            else:
                entries.append(f"- {anchor(f'term-{line.strip()}')}**{line.strip()}**:")
        return self.text("\n".join(entries)).split("\n")

    def text(self, text: str) -> str:
        """A piece of running text: roles, links and footnotes replaced, code and formulas left alone."""
        return INLINE.sub(self.inline, text)

    def inline(self, match: re.Match) -> str:
        """What replaces one piece that INLINE found."""
        if match["role"]:
            return self.role(match["role"], match["content"])
        if match["display"]:
            return match["display"]  # without its label
        if match["footnote"]:
            return f"<sup>{match['footnote']}</sup>"
        if match["span"]:
            return self.text(match["text"])
        if match["image"]:
            if re.match(r"\w+:", match["target"]):
                return f"![{match['text']}]({match['target']})"
            return "\n".join(
                self.picture(
                    self.path.parent / match["target"], {"alt": match["text"]}, ""
                )
            ).strip()
        if match["target"] is not None:
            return self.link(self.text(match["text"]), match["target"])
        return match[0]

    def role(self, role: str, content: str) -> str:
        """A role as Markdown."""
        explicit = re.fullmatch(r"(.+?)\s*<([^<>]+)>", content, flags=re.S)
        shown, target = explicit.groups() if explicit else ("", content)
        match role:
            case "doc":
                return self.to_page(shown, target.removesuffix(".md"), "")
            case "ref" | "numref":
                return self.to_label(re.sub(r"\s*%s|\{\w+\}", "", shown), target)
            case "eq":
                return "the equation"
            case "math":
                return f"${content}$"
            case "glue:text":
                name = content.split(":")[0]
                return self.values.get(name, f"*({name}, as computed above)*")
            case "term":
                return shown or content
            case "cite" | "cite:p" | "cite:t":
                return self.citation(content, in_sentence=role == "cite:t")
        raise self.error(
            f"there is no plain form of the role {{{role}}}`{content}`; give it one in tools/notebooks.py"
        )

    def citation(self, content: str, *, in_sentence: bool) -> str:
        """Author and year of some sources, with a link to what is cited."""
        known, texts = references(self.path.parent / "references.bib"), []
        for key in map(str.strip, content.split(",")):
            if key not in known:
                raise self.error(f"references.bib has no entry {key!r}")
            text = cited(known[key], in_sentence=in_sentence)
            url = known[key].fields.get("url")
            if doi := known[key].fields.get("doi"):
                url = f"https://doi.org/{doi}"
            texts.append(f"[{text}]({url})" if url else text)
        return " and ".join(texts) if in_sentence else f"({'; '.join(texts)})"

    def link(self, shown: str, target: str) -> str:
        """A link of Markdown, which may point to a page, a label, a file of the repository or elsewhere."""
        page, _, place = target.partition("#")
        if re.match(r"\w+:", target):
            return f"[{shown}]({target})"
        if (
            page.endswith(".md")
            and (self.path.parent / page).resolve().parent == self.path.parent.resolve()
        ):
            return self.to_page(shown, page.removesuffix(".md"), place)
        if (place and not page) or target in self.labels:
            return self.to_label(shown, target.removeprefix("#"))
        if page and (self.path.parent / page).exists():
            owner_and_name = repository()
            inside = (
                (self.path.parent / page).resolve().relative_to(ROOT).as_posix()
                if owner_and_name
                else ""
            )
            return (
                f"[{shown}](https://github.com/{owner_and_name}/blob/HEAD/{inside})"
                if owner_and_name
                else shown
            )
        raise self.error(f"the link [{shown}]({target}) points to nothing")

    def to_label(self, shown: str, label: str) -> str:
        """A link to a labelled place of this page or of another."""
        if label not in self.labels:
            raise self.error(f"there is no label {label!r}")
        page, called = self.labels[label]
        return self.to_page(shown or called, page, label)

    def to_page(self, shown: str, page: str, place: str) -> str:
        """A link within this notebook, or to the site; plain words when nobody knows where the site is."""
        path = self.path.parent / f"{page}.md"
        if not path.exists():
            raise self.error(f"there is no page {page!r}")
        shown = shown or title_of(path)
        if page == self.path.stem and place:
            return f"[{shown}](#{place})"
        if not self.site:
            return shown
        return f"[{shown}]({self.site}book/{page}.html{f'#{place}' if place else ''})"


def anchor(label: str) -> str:
    """A place that links can point to. Jupyter reads the id, Colab the name."""
    label = html.escape(label.replace(" ", "-"))
    return f'<a id="{label}" name="{label}"></a>'


def single_blanks(lines: list[str]) -> list[str]:
    """Lines without blank ones at the edges, and never two in a row, except inside of fenced code."""
    result: list[str] = []
    fenced = False
    for line in lines:
        fenced ^= line.lstrip("> ").startswith(("```", "~~~"))
        if line.strip() or fenced or (result and result[-1].strip()):
            result.append(line)
    while result and not result[-1].strip():
        result.pop()
    return result


def defined(lines: list[str]) -> list[str]:
    """A paragraph in which "term, newline, colon, meaning" has become a list entry; Markdown has no such form."""
    result: list[str] = []
    for line in lines:
        if (meaning := re.fullmatch(r" {0,3}: +(.*)", line)) and result:
            result[-1] = f"- **{result[-1].strip()}**: {meaning[1]}"
        else:
            result.append(line)
    return result


def main(arguments: list[str] | None = None) -> int:
    """Write the notebooks of the whole book into a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--solutions", action="store_true", help="the instructor's edition"
    )
    given = parser.parse_args(arguments)
    try:
        paths = write_notebooks(ROOT / "book", given.folder, solutions=given.solutions)
    except ConvertError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(paths)} notebooks in {given.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
