"""Running text of MyST as Markdown: roles, links, footnotes, values.

Next: blocks.py, which takes a chapter apart into blocks and calls this for their text.
"""

from __future__ import annotations

import html
import re
from pathlib import Path

from tools.bibliography import cited, references
from tools.chapters import (
    ConvertError,
    glued_values,
    labels,
    page_numbers,
    title_of,
)
from tools.notebooks.pictures import picture
from tools.publication import ROOT, base_url, repository

INLINE = re.compile(
    r"""
      (?P<escaped>\\.)
    | \{(?P<role>[a-zA-Z][\w:+-]*)\}(?P<tick>`+)(?P<content>.+?)(?<!`)(?P=tick)(?!`)
    | (?P<code>`+)(?:.+?)(?<!`)(?P=code)(?!`)
    | (?P<display>\$\$.+?\$\$)(?:\s*\([\w:-]+\))?
    | (?P<math>\$(?!\s)(?:\\.|[^$\\])+?(?<!\s)\$(?!\d))
    | \[\^(?P<footnote>[\w-]+)\](?P<defines>:)?
    | (?P<image>!)?\[(?P<text>(?:[^\[\]]|\[[^\[\]]*\])*)\]
      (?:
        \((?P<target>[^()\s]*(?:\([^()\s]*\)[^()\s]*)*)(?:\s+"[^"]*")?\)(?:\{[^{}]*\})?
      | (?P<span>\{[^{}]*\})
      )
    """,
    flags=re.X | re.S,
)


class Prose:
    """The running text of one chapter on its way to Markdown."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.line = 1  # where the block that is converted begins, for errors
        self.number = page_numbers(path.parent).get(path.stem)
        self.labels = labels(path.parent)
        self.values = glued_values(path)
        self.site = base_url()

    def error(self, message: str) -> ConvertError:
        """An error that names the chapter and the line."""
        return ConvertError(f"{self.path.name}, line {self.line}: {message}")

    def text(self, text: str) -> str:
        """Running text without roles, links of MyST and footnotes; code stays."""
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
            path = self.path.parent / match["target"]
            return "\n".join(self.picture(path, match["text"], "")).strip()
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
            f"there is no plain form of the role {{{role}}}`{content}`;"
            " give it one in tools/notebooks/prose.py"
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
        """A link, which may point to a page, a label, a file or elsewhere."""
        page, _, place = target.partition("#")
        path = self.path.parent / page
        if re.match(r"\w+:", target):
            return f"[{shown}]({target})"
        if page.endswith(".md") and path.resolve().parent == self.path.parent.resolve():
            return self.to_page(shown, page.removesuffix(".md"), place)
        if (place and not page) or target in self.labels:
            return self.to_label(shown, target.removeprefix("#"))
        if page and path.exists():
            owner_and_name = repository()
            if not owner_and_name:
                return shown
            inside = path.resolve().relative_to(ROOT).as_posix()
            return f"[{shown}](https://github.com/{owner_and_name}/blob/HEAD/{inside})"
        raise self.error(f"the link [{shown}]({target}) points to nothing")

    def to_label(self, shown: str, label: str) -> str:
        """A link to a labelled place of this page or of another."""
        if label not in self.labels:
            raise self.error(f"there is no label {label!r}")
        place = self.labels[label]
        return self.to_page(shown or place.title, place.page, label)

    def to_page(self, shown: str, page: str, place: str) -> str:
        """A link within this notebook or to the site; words where no site is known."""
        path = self.path.parent / f"{page}.md"
        if not path.exists():
            raise self.error(f"there is no page {page!r}")
        shown = shown or title_of(path)
        if page == self.path.stem and place:
            return f"[{shown}](#{place})"
        if not self.site:
            return shown
        return f"[{shown}]({self.site}book/{page}.html{f'#{place}' if place else ''})"

    def picture(self, path: Path, alt: str, caption: str) -> list[str]:
        """A picture of the book, with its caption."""
        if not path.is_file():
            raise self.error(f"there is no picture {path.name}")
        return picture(path, alt, f"**Figure.** {caption}" if caption else "")


IN_A_CELL = re.compile(
    r"(?P<code>(?P<tick>`+).+?(?<!`)(?P=tick)(?!`))|(?P<math>\$[^$]+\$)|\\.|(?P<bar>\|)"
)


def escape_bars(cell: str) -> str:
    """Text for a cell of a table, where a plain bar would begin the next cell."""

    def escaped(match: re.Match) -> str:
        if match["math"]:  # a backslash would make it another sign
            return match[0].replace(r"\|", r"\Vert ").replace("|", r"\vert ")
        if match["code"] or match["bar"]:
            return match[0].replace("|", r"\|")
        return match[0]

    return IN_A_CELL.sub(escaped, cell)


def anchor(label: str) -> str:
    """A place that links can point to. Jupyter reads the id, Colab the name."""
    label = html.escape(label.replace(" ", "-"))
    return f'<a id="{label}" name="{label}"></a>'
