"""Blocks of MyST as blocks of Markdown: directives, labels, formulas, comments.

Running text inside of them is the work of prose.py.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from pathlib import Path

import yaml
from sphinx.config import Config
from sphinx.directives.code import LiteralInclude, LiteralIncludeReader

from tools.bibliography import listed
from tools.chapters import Rating, exercise_name, read_chapter
from tools.lessons import guide, lesson
from tools.messages import in_markdown
from tools.notebooks.prose import Prose, anchor, escape_bars
from tools.quiz import read_quiz
from tools.reference import notebook_part

# lines of Markdown about wrong answers, by the name of the exercise
Mistakes = Mapping[str, list[str]]

BOXES = {
    name: name.title()
    for name in (
        *("note", "tip", "warning", "important", "caution", "attention"),
        *("hint", "danger", "error", "margin"),
    )
} | {"seealso": "See also"}

FENCE = re.compile(
    r"(?P<indent>\s*)(?P<fence>`{3,}|:{3,}|~{3,})"
    r"(?:\{(?P<name>[^}]+)\})?\s*(?P<argument>.*)"
)
LABEL = re.compile(r"\(([\w:-]+)\)=\s*")
# comments, block breaks, attributes of the next block
NOT_SHOWN = re.compile(r"%.*|\+\+\+.*|\{[#.\w][^{}`]*\}")

# what opens a quotation or an item of a list
CONTAINERS = re.compile(r"(?:\s*(?:>|(?:[-*+]|\d+[.)])(?=\s)) ?)+")


class Page(Prose):
    """One chapter. It remembers across cells which exercise or solution is open."""

    def __init__(self, path: Path, solutions: bool, mistakes: Mistakes) -> None:
        super().__init__(path)
        self.solutions = solutions
        self.mistakes = mistakes
        self.open: str | None = None  # "exercise" or "solution"
        self.exercises = 0
        self.headings: list[str] = []  # of the exercises
        self.label = ""  # of the exercise whose solution is open
        self.ratings: list[Rating | None] = []  # of the chapter's exercises, in order
        self.titled = False

    @property
    def in_solution(self) -> bool:
        """Between solution-start and solution-end."""
        return self.open == "solution"

    def close(self) -> None:
        """The end of the chapter.

        Raises:
            ConvertError: an exercise or a solution is still open.
        """
        if self.open:
            raise self.error(f"{self.open}-start has no {self.open}-end")

    def markdown(self, source: str, line: int) -> str:
        """What stands between two code cells, as Markdown.

        Args:
            source: MyST.
            line: where it begins in the chapter's file, from 1.
        """
        return "\n".join(self.blocks(source.split("\n"), line)).strip()

    def blocks(self, lines: list[str], line: int | None = None) -> list[str]:
        """Lines of MyST as lines of Markdown.

        Args:
            lines: whole blocks.
            line: where they begin in the file, from 1; None inside of a directive,
                where no solution may begin or end.
        """
        result: list[str] = []
        i = 0
        while i < len(lines):
            if line is not None:
                self.line = line + i
            new, i = self.block(lines, i, top=line is not None)
            if self.solutions or not self.in_solution:
                result += new
        return single_blanks(result)

    def block(self, lines: list[str], i: int, *, top: bool) -> tuple[list[str], int]:
        """The block that begins at lines[i] as Markdown, and where the next begins."""
        line = lines[i]
        if opened := FENCE.fullmatch(line):
            return self.fenced(lines, i, opened, top=top)
        if line.lstrip().startswith("$$") and line.count("$$") == 1:
            return self.formula(lines, i)
        if label := LABEL.fullmatch(line):
            return [anchor(label[1]), ""], i + 1
        if NOT_SHOWN.fullmatch(line.strip()):
            return [""], i + 1
        if not line.strip():
            return [""], i + 1
        end = i + 1
        while end < len(lines) and not ends_paragraph(lines[end]):
            end += 1
        text = self.text("\n".join(defined(commentless(lines[i:end]))))
        return self.numbered(text).split("\n"), end

    def numbered(self, text: str) -> str:
        """The first heading gets the number that the page has on the site."""
        if self.titled or not text.startswith("# "):
            return text
        self.titled = True
        return f"# {self.number}. {text[2:]}" if self.number else text

    def fenced(
        self, lines: list[str], i: int, opened: re.Match, *, top: bool
    ) -> tuple[list[str], int]:
        """A directive, or plain code between fences."""
        end = self.closing(lines, i, opened["fence"])
        indent = opened["indent"]
        if not opened["name"]:
            if opened["fence"].startswith(":"):
                raise self.error(
                    f"a fence of colons needs a name in braces: {lines[i]!r}"
                )
            return lines[i:end], end
        body = [inner.removeprefix(indent) for inner in lines[i + 1 : end - 1]]
        new = self.directive(
            opened["name"].strip(), opened["argument"].strip(), body, top=top
        )
        return ["", *(indent + inner if inner else inner for inner in new), ""], end

    def closing(self, lines: list[str], start: int, fence: str) -> int:
        """The index after the line that closes a fence."""
        for i in range(start + 1, len(lines)):
            line = lines[i].strip()
            if len(line) >= len(fence) and set(line) == {fence[0]}:
                return i + 1
        raise self.error(f"this fence is never closed: {lines[start]!r}")

    def formula(self, lines: list[str], i: int) -> tuple[list[str], int]:
        """A formula between lines of $$, without its label."""
        for end in range(i + 1, len(lines)):
            if "$$" in lines[end]:
                last = re.sub(r"\$\$\s*\([\w:-]+\)", "$$", lines[end])
                return [*lines[i:end], last], end + 1
        raise self.error("$$ opens a formula that never ends")

    def directive(
        self, name: str, argument: str, body: list[str], *, top: bool
    ) -> list[str]:
        """A directive as Markdown."""
        options, body = split_options(body)
        gate = re.fullmatch(r"(exercise|solution)-(start|end)", name)
        if gate and top:
            return self.gate(gate[1], gate[2], argument, options)
        if name in BOXES:  # what stands beside the name is the first line of its text
            inner = [argument, *body] if argument else body
            return self.box(BOXES[name], inner, options)
        match name:
            case "admonition":
                return self.box(argument, body, options)
            case "dropdown":
                return self.box(argument, body, {"class": "dropdown"})
            case "diagram" | "figure" | "image":
                return self.figure(name, argument, body, options)
            case "literalinclude":
                return self.excerpt(argument, options)
            case "lesson" | "chapter-guide":
                return self.planned(name, argument, body)
            case "room":
                return notebook_part(argument)
            case "messages":
                return in_markdown(read_chapter(self.path))
            case "include":
                return self.included(argument, options)
            case "code-block" | "code" | "sourcecode":
                title = self.heading(options.get("caption", ""))
                return [*title, f"```{argument}", *body, "```"]
            case "math":
                return ["$$", *([argument] if argument else []), *body, "$$"]
            case "table":
                title = named(options, self.heading(argument))
                return [*title, *self.blocks(body)]
            case "list-table":
                table = pipe_table(self.rows(body), int(options.get("header-rows", 0)))
                return [*named(options, self.heading(argument)), *table]
            case "glossary":
                return self.glossary(body)
            case "bibliography":
                return listed(self.path.parent / "references.bib")
            case "gpt2-live" | "gpt2-whole":
                said = "On the book's own page a live model stands here: it runs in the"
                return [f"> {said} browser, with a text of your own."]
            case "memory-calculator":
                said = "On the book's own page a calculator stands here. In a notebook,"
                return [f"> {said} call `training_memory` with values of your own."]
            case "quiz":
                return self.quiz("\n".join(body))
            case "tableofcontents" | "contents":
                return []
        raise self.error(
            f"there is no plain form of the directive {{{name}}};"
            " give it one in tools/notebooks/blocks.py"
        )

    def gate(
        self, kind: str, edge: str, argument: str, options: dict[str, str]
    ) -> list[str]:
        """The start or the end of an exercise or of its solution."""
        if edge == "end":
            if self.open != kind:
                raise self.error(f"{kind}-end without {kind}-start")
            self.open = None
            return self.mistaken() if kind == "solution" else []
        if self.open:
            raise self.error(f"{kind}-start inside of another {self.open}")
        self.open = kind
        if kind == "solution":
            self.label = argument
            return ["#### Solution"]
        self.exercises += 1
        name = exercise_name(self.number, self.exercises)
        self.headings.append(f"{name}: {self.text(argument)}")
        heading = ["", f"### {self.headings[-1]}"]
        if rating := dict(enumerate(self.ratings, 1)).get(self.exercises):
            heading += ["", f"{rating.dots} {rating.rest}", ""]
        return named(options, heading)

    def mistaken(self) -> list[str]:
        """The common mistakes of the exercise whose solution has just ended."""
        found = self.mistakes.get(self.label.removeprefix("ex-"), ())
        if not (self.solutions and found):
            return []
        title = "**Common mistakes**, and what the check says about each:"
        return ["", title, *found, ""]

    def box(self, title: str, body: list[str], options: dict[str, str]) -> list[str]:
        """An admonition as a quotation with a bold title; a folded one stays folded."""
        inner = self.blocks(body)
        if "dropdown" in options.get("class", "").split():
            summary = f"<summary>{html.escape(title)}</summary>"
            return ["<details>", summary, "", *inner, "", "</details>"]
        text = "\n".join([f"**{self.text(title)}**", "", *inner]).strip()
        return [f"> {line}".rstrip() for line in text.split("\n")]

    def quiz(self, source: str) -> list[str]:
        """The questions of a self-test, each with its explanations folded."""
        try:
            questions = read_quiz(source)
        except ValueError as error:
            raise self.error(str(error)) from None
        lines = ["### Test yourself", ""]
        for number, question in enumerate(questions, 1):
            answers = []
            lines += [f"**{number}.** {self.text(question.text)}", ""]
            for letter, choice in zip("abcde", question.choices, strict=False):
                lines.append(f"- {letter}) {self.text(choice.text)}")
                verdict = "right" if choice.right else "no"
                answers.append(f"- {letter}) *{verdict}.* {self.text(choice.why)}")
            summary = "<summary>Answers</summary>"
            lines += ["", "<details>", summary, "", *answers, "", "</details>", ""]
        return lines

    def figure(
        self, name: str, file: str, body: list[str], options: dict[str, str]
    ) -> list[str]:
        """A picture with its caption."""
        if name == "diagram":
            path = self.path.parent / "diagrams" / file
            caption = self.text(options.get("caption", ""))
        else:
            path = self.path.parent / file
            caption = " ".join(self.blocks(body)).strip()
        return named(options, self.picture(path, options.get("alt", ""), caption))

    def excerpt(self, file: str, options: dict[str, str]) -> list[str]:
        """The part of a file that literalinclude shows, read by Sphinx itself."""
        path = (self.path.parent / file).resolve()
        try:
            reader = LiteralIncludeReader(str(path), include_options(options), Config())
            code, _ = reader.read()
        except (OSError, ValueError) as error:
            raise self.error(f"{file}: {error}") from None
        language = options.get("language", "python" if path.suffix == ".py" else "")
        title = self.heading(options.get("caption", ""))
        return [*title, f"```{language}", *code.strip("\n").split("\n"), "```"]

    def planned(self, name: str, argument: str, body: list[str]) -> list[str]:
        """A plan of a lesson, or the boxes of the chapters."""
        book = self.path.parent
        try:
            made = lesson(argument, body, book) if argument else guide(body, book)
        except ValueError as error:
            raise self.error(f"{{{name}}}: {error}") from None
        return self.blocks(made)

    def included(self, file: str, options: dict[str, str]) -> list[str]:
        """The text of another file, from a line on."""
        start = int(options.pop("start-line", 0))
        path = self.path.parent / file
        if options or not path.is_file():
            raise self.error(f"include {file}: no such file, or an unknown option")
        return self.blocks(read_chapter(path).split("\n")[start:])

    def heading(self, title: str) -> list[str]:
        """The title of a table or of a piece of code."""
        return [f"**{self.text(title)}**", ""] if title else []

    def rows(self, body: list[str]) -> list[list[str]]:
        """The cells of a list-table."""
        rows: list[list[str]] = []
        for line in commentless(shown(body)):
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
        return [[escape_bars(self.text(cell.strip())) for cell in row] for row in rows]

    def glossary(self, body: list[str]) -> list[str]:
        """Terms and their meanings, as a list."""
        entries: list[str] = []
        for line in shown(body):
            if line.startswith((":", " ")):
                if not entries:
                    raise self.error(f"a glossary cannot begin with {line!r}")
                entries[-1] += " " + line.lstrip(": ")
            else:
                term = line.strip()
                entries.append(f"- {anchor(f'term-{term}')}**{term}**:")
        return self.text("\n".join(entries)).split("\n")


def ends_paragraph(line: str) -> bool:
    """Whether a line does not belong to the paragraph above it."""
    return bool(
        not line.strip()
        or FENCE.fullmatch(line)
        or LABEL.fullmatch(line)
        or NOT_SHOWN.fullmatch(line.strip())
        or line.lstrip().startswith("$$")
    )


def shown(lines: list[str]) -> list[str]:
    """Lines that are neither blank nor comments."""
    return [line for line in lines if line.strip() and line.lstrip()[0] != "%"]


def commentless(lines: list[str]) -> list[str]:
    """Lines without comments in quotations and lists, outside of their fenced code."""
    result: list[str] = []
    fence = ""
    for line in lines:
        opened = CONTAINERS.match(line)
        rest = line[opened.end() :] if opened else line
        found = re.match(r"\s*(`{3,}|~{3,})", rest)
        if fence:
            fence = "" if rest.lstrip().startswith(fence) else fence
        elif found:
            fence = found[1]
        elif opened and re.match(r" {0,3}%", rest):
            line = opened[0].rstrip()
        result.append(line)
    return result


def split_options(body: list[str]) -> tuple[dict[str, str], list[str]]:
    """The options at the start of a directive, and the rest."""
    if body and body[0].strip() == "---" and "---" in body[1:]:
        end = body.index("---", 1)
        options = yaml.safe_load("\n".join(body[1:end]))
        return {name: str(value) for name, value in options.items()}, body[end + 1 :]
    options = {}
    while body and (option := re.fullmatch(r":([\w-]+):\s*(.*)", body[0].strip())):
        options[option[1]] = re.sub(r"""^(["'])(.*)\1$""", r"\2", option[2])
        body = body[1:]
    return options, body


def include_options(options: dict[str, str]) -> dict:
    """The options of literalinclude as Sphinx would read them.

    Raises:
        ValueError: an option that Sphinx does not know, or a value that it refuses.
    """
    read = LiteralInclude.option_spec
    if wrong := set(options) - set(read):
        raise ValueError(f"literalinclude has the unknown option {wrong.pop()!r}")
    known = {name: read[name](value or None) for name, value in options.items()}
    return {"dedent": None} | known  # cut the indent that all lines share


def pipe_table(rows: list[list[str]], header_rows: int) -> list[str]:
    """Rows of cells as a Markdown table, which always has exactly one header row."""
    if header_rows == 0:
        rows = [[""] * len(rows[0]), *rows]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return [lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]]


def named(options: dict[str, str], lines: list[str]) -> list[str]:
    """Lines with a place that links can point to, when the directive has a label."""
    label = options.get("label") or options.get("name")
    return [anchor(label), *lines] if label else lines


def single_blanks(lines: list[str]) -> list[str]:
    """Lines without blank ones at the edges or two in a row, outside of fenced code."""
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
    """A paragraph in which "term, newline, colon, meaning" has become a list entry."""
    result: list[str] = []
    for line in lines:
        if (meaning := re.fullmatch(r" {0,3}: +(.*)", line)) and result:
            result[-1] = f"- **{result[-1].strip()}**: {meaning[1]}"
        else:
            result.append(line)
    return result
