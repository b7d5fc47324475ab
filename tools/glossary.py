"""Which pages use a term before the page that explains it, without a link?

`python -m tools.glossary` prints file, line, term, and where the term is explained.
Link the first use, with {term}`…` or to the section, or say there, in bold, what it is.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tools.chapters import Place, chapter_files, labels
from tools.publication import ROOT

NOT_READ_IN_ORDER = (
    *("index", "glossary", "sources", "contributing", "how-made"),
    *("troubleshooting", "instructor", "instructor-chapters", "api"),
)
# Words of everyday English too: a program cannot tell whether the term is meant.
EVERYDAY = {
    *("accuracy", "attention", "baseline", "batch", "block", "context", "decoding"),
    *("key", "label", "layer", "loss", "mask", "mini", "padding", "query"),
    *("sampling", "seed", "shape", "step", "streaming", "temperature", "value"),
    *("Trainer", "resuming"),
}


@dataclass(frozen=True)
class Term:
    """An entry of the glossary."""

    name: str
    definition: str
    line: int

    @property
    def page(self) -> str:
        """The page that explains it: where the link at its end leads.

        Raises:
            ValueError: the definition does not end in a link to a page or a label.
        """
        link = re.search(r"\]\(([\w-]+)(\.md)?\)$", self.definition)
        if link and link[2]:
            return link[1]
        if not link or link[1] not in places():
            raise ValueError(f"{self.name!r} must end in a link to a page or a label")
        return places()[link[1]].page

    @property
    def pattern(self) -> re.Pattern:
        """The term in a text, with a hyphen or a space, in the plural or not."""
        words = re.sub(r"[ -]", "[ -]", re.escape(self.name).replace(r"\ ", " "))
        words = words.replace(r"\[ -]", "[ -]")
        flags = 0 if self.name.isupper() else re.IGNORECASE
        return re.compile(rf"(?<![\w-]){words}(?:s|es)?(?![\w-])", flags)


@cache
def places() -> dict[str, Place]:
    """The page of every label in the book, and what stands there."""
    return labels(ROOT / "book")


def glossary(text: str) -> list[Term]:
    """The entries of the glossary directive."""
    start = text.index("```{glossary}")
    lines = text[start : text.index("\n```", start)].splitlines()
    first = text[:start].count("\n") + 1
    found: list[Term] = []
    for number, line in enumerate(lines[1:], start=first + 1):
        if line.startswith(" "):
            term = found.pop()
            definition = f"{term.definition} {line.strip()}".strip()
            found.append(Term(term.name, definition, term.line))
        elif line.strip():
            found.append(Term(line.strip(), "", number))
    return found


TEXT_INSIDE = ("admonition", "note", "tip", "warning", "important", "margin", "seealso")
FENCE = re.compile(r"\s*(`{3,}|~{3,}|:{3,})(?:\{([\w-]+)\})?")
NOT_TEXT = (
    r"\{(?!term\})[\w:-]+\}`[^`]*`",  # other roles
    r"(?<![}`])(`+)(?!`)[^\n]+?(?<!`)\1(?!`)",  # code
    r"\$\$.*?\$\$",
    r"\$(?!\s)[^$\n]+\$",
    r"<!--.*?-->",
)


def prose(text: str) -> str:
    """A chapter with everything blank that is not running text, line for line."""
    lines, result, closing = text.splitlines(), [], None
    front = lines.index("---", 1) if lines[0] == "---" else -1
    for number, line in enumerate(lines):
        opened = FENCE.match(line)
        if closing:  # inside of code, until its fence
            closing = None if line.strip() == closing else closing
            line = ""
        elif opened:
            if opened[2] not in TEXT_INSIDE and line.strip() != opened[1]:
                gate = (opened[2] or "").endswith(("-start", "-end"))
                closing = None if gate else opened[1]
            line = ""
        elif number <= front or re.match(r"#+ |:[\w-]+:|\([\w-]+\)=", line):
            line = ""  # a heading cannot explain, and links in it look odd
        result.append(line)
    text = "\n".join(result)
    for pattern in NOT_TEXT:
        text = re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.S)
    return text


LINKED = re.compile(
    r"\{term\}`[^`]*`|\[(?:[^\[\]]|\[[^\]]*\])*\]\([^)]*\)|\*\*[^*]+\*\*", flags=re.S
)


def findings(
    page: str, text: str, terms: list[Term], order: list[str]
) -> Iterator[str]:
    """Terms that a page uses before the page that explains them, and does not link."""
    running = prose(text)
    linked = [match.span() for match in LINKED.finditer(running)]
    for term in terms:
        explained = term.page
        if term.name in EVERYDAY or order.index(explained) <= order.index(page):
            continue
        first = term.pattern.search(running)
        if first and not any(a <= first.start() < b for a, b in linked):
            line = running.count("\n", 0, first.start()) + 1
            yield f"book/{page}.md:{line}: {term.name!r} is explained in {explained}.md"


def book() -> tuple[dict[str, str], list[Term]]:
    """The text of every page in the order of the book, and the glossary."""
    pages = {
        path.stem: path.read_text(encoding="utf-8")
        for path in chapter_files(ROOT / "book")
    }
    return pages, glossary(pages["glossary"])


def all_findings() -> list[str]:
    """The findings of every page, in the order of the book."""
    pages, terms = book()
    order = [name for name in pages if name not in NOT_READ_IN_ORDER]
    return [
        finding
        for page in order
        for finding in findings(page, pages[page], terms, order)
    ]


if __name__ == "__main__":
    every = all_findings()
    print(*every, f"{len(every)} findings", sep="\n")
    sys.exit(bool(every))
