"""Whether a folder that students get holds anything of a solution.

Every line and every paragraph of a solution, of its code, its text and its output, is
looked for in every file: pages, notebooks with their metadata, scripts. They are
compared word by word, so that markup and quotes do not matter. What the book shows
elsewhere tells nothing and is left out. The index of the search has single words: those
that only solutions use must not be in it. Pictures are not read; no solution draws one.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_cache import get_cache
from sphinx.search.en import SearchEnglish

from tools import stale
from tools.chapters import chapter_files, read_chapter
from tools.execute import is_cached, read_notebook
from tools.messages import in_markdown
from tools.publication import ROOT
from tools.reference import shown_text

FEWEST_WORDS = 3  # of a line that is looked for
SOLUTION = re.compile(
    r"^`{3,}\{solution-start\} *(?P<label>\S*).*?^`{3,}\{solution-end\}\n`{3,}$"
    r"|^(?P<fence>`{3,})\{code-cell\}[^\n]*\n(?::[^\n]*\n)*?"
    r":tags: \[[^\]]*\bsolution\b.*?^(?P=fence)$",
    flags=re.M | re.S,
)
# what a page shows in other words than the file: it cuts a line of text into pieces
NOT_AS_WRITTEN = re.compile(
    r"\{[\w:+-]+\}`[^`]*`|\$[^$\n]+\$|\]\([^)\n]*\)|^[`:].*$", re.M
)
INCLUDED = re.compile(r"^`{3,}\{literalinclude\} *(\S+)", flags=re.M)


@dataclass
class Secrets:
    """What must not be seen, each with the name of its solution.

    Args:
        solutions: their texts, by name.
        public: all that the book shows besides.
    """

    solutions: dict[str, str]
    public: str
    lines: dict[str, str] = field(init=False)
    terms: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        public = in_words(self.public)
        known = stems(public)
        self.lines, self.terms = {}, {}
        for name, text in self.solutions.items():
            for line in [*text.split("\n"), *re.split(r"\n\s*\n", text)]:
                words = in_words(line)
                if len(words.split()) >= FEWEST_WORDS and words not in public:
                    self.lines[words] = name
            self.terms |= dict.fromkeys(stems(in_words(text)) - known, name)

    @classmethod
    def of_book(cls, paths: list[Path] | None = None) -> Secrets:
        """The solutions of some chapters, by default of all, with their outputs."""
        solutions: dict[str, str] = {}
        public = []
        for path in chapter_files(ROOT / "book") if paths is None else paths:
            text = read_chapter(path)
            for number, match in enumerate(SOLUTION.finditer(text), 1):
                name = f"{path.stem}, {match['label'] or f'solution {number}'}"
                solutions[name] = NOT_AS_WRITTEN.sub("\n", match[0])
            rest = SOLUTION.sub("\n", text)
            shown = [path.parent / name for name in INCLUDED.findall(rest)]
            public += [rest, *(file.read_text(encoding="utf-8") for file in shown)]
            of_solutions, of_others = outputs(path)
            if of_solutions:
                solutions[f"{path.stem}, output"] = of_solutions
            public.append(of_others)
            if "```{room}" in rest:
                public.append(shown_text())
            if "```{messages}" in rest:
                public += in_markdown(text)
        return cls(solutions, "\n".join(public))

    def leaks(self, folder: Path) -> list[str]:
        """What of the solutions is in the files of a folder, and where."""
        found = []
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = path.relative_to(folder).as_posix()
            if path.name == "searchindex.js":
                terms = index_terms(path.read_text(encoding="utf-8"))
                for term in sorted(terms & self.terms.keys()):
                    found.append(f"{name} has the word {term!r} ({self.terms[term]})")
            text = " ".join(map(in_words, forms(path)))
            words = set(text.split())
            found += [
                f"{name} has {line!r} ({solution})"
                for line, solution in self.lines.items()
                if words.issuperset(line.split()) and line in text  # the first is fast
            ]
        return found


def in_words(text: str) -> str:
    """A text as its words alone, with one space around each."""
    words = " ".join(re.findall(r"\w+", text))
    return f" {words} "


def stems(words: str) -> set[str]:
    """What Sphinx's search makes of words, without numbers."""
    stem = SearchEnglish({}).stem
    return {stem(word) for word in set(words.lower().split()) if not word[0].isdigit()}


def index_terms(index: str) -> set[str]:
    """The words of a searchindex.js."""
    content = json.loads(re.search(r"setIndex\((.*)\)", index, flags=re.S)[1])
    return {*content["terms"], *content["titleterms"]}


def forms(path: Path) -> Iterator[str]:
    """A file's text as written, and as it is seen."""
    text = path.read_bytes().decode("utf-8", errors="ignore")
    if path.suffix in (".ipynb", ".json"):
        yield from strings(json.loads(text))
    else:
        yield html.unescape(text.replace("\\n", "\n"))
        # colours of code stand in spans, within words even
        seen = re.sub(r"<[^>]*>", " ", re.sub(r"</?span[^>]*>", "", text))
        yield html.unescape(seen)


def strings(content: object) -> Iterator[str]:
    """Every text in a JSON document."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for key, value in content.items():
            yield key
            yield from strings(value)
    elif isinstance(content, list):
        if content and all(isinstance(part, str) for part in content):
            yield "\n".join(content)  # lines of a cell
        else:
            for part in content:
                yield from strings(part)


def outputs(chapter: Path) -> tuple[str, str]:
    """What cells of solutions printed in the last build, and what all others did."""
    cache, notebook = get_cache(stale.CACHE), read_notebook(chapter)
    texts: dict[bool, list[str]] = {True: [], False: []}
    if notebook and is_cached(cache, notebook):
        record = cache.match_cache_notebook(notebook)
        for cell in cache.get_cache_bundle(record.pk).nb.cells:
            for output in cell.get("outputs", ()):
                secret = "solution" in cell.metadata.get("tags", ())
                texts[secret] += [
                    *strings(output.get("data", {})),
                    output.get("text", ""),
                ]
    return "\n".join(texts[True]), "\n".join(texts[False])
