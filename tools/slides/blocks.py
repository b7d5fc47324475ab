"""A chapter as slides: sections, and what fits on one slide.

The text comes from the student's notebook, in which roles and directives have a plain
form already, and outputs from the last build.
"""

from __future__ import annotations

import ast
import base64
import html
import math
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_cache import get_cache
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from tools import stale
from tools.execute import read_notebook
from tools.notebooks import convert
from tools.publication import base_url

# of a slide of 1280 x 720 pixels, below its heading
HEIGHT = 590
LINES = 18  # of code on a slide
SHORT = 150  # pixels of a text that joins what is tall, which is shown smaller then
FIGURE = 450  # of a figure with its caption, beside a short text
# as slides.css sets them: pixels of a line, characters in a line
TEXT, CODE, PRINTED = (40, 80), (29, 88), (26, 96)
NO_CODE = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
NO_OUTPUT = {"hide-output", "hide-cell", "remove-output", "remove-cell"}
# as tools/notebooks writes them
LIVE, CAPTION, QUIZ = "On the book's own page", "**Figure.**", "Test yourself"
OBJECTIVES = "After this page you can"
SENTENCE = re.compile(r"(?:(?<=[.?!])|(?<=[.?!][)\"*]))\s+(?=[A-Z*`$\[(\"])")

POINTS_BACK = re.compile(r"(?:That|This|These|Those|They|It|So|But)\b").match


@dataclass(frozen=True)
class Block:
    """What stands on a slide: HTML, and about how many pixels it takes."""

    html: str
    height: float


@dataclass
class Slide:
    """A slide.

    Args:
        title: HTML of its heading.
        level: of the heading, as on the page.
        goes_on: whether a slide with the same heading stands before it.
        shown: HTML of what stands below the heading.
        notes: HTML for the speaker.
        height: of what is shown, estimated, in pixels.
    """

    title: str
    level: int
    goes_on: bool = False
    shown: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    height: float = 0


def slides(chapter: Path) -> list[Slide]:
    """The slides of a chapter.

    Args:
        chapter: its file; the outputs of its cells are in the cache.

    Raises:
        ConvertError: a chapter that cannot become a notebook.
        ValueError: the cache has no outputs of the chapter.
    """
    site = base_url()
    deck = Deck(site and f"{site}book/{chapter.stem}.html")
    for cell in with_outputs(chapter):
        if cell.cell_type == "code":
            deck.code(cell)
        else:
            deck.text(cell.source)
    return deck.finished()


def with_outputs(chapter: Path) -> list[NotebookNode]:
    """The cells of the student's notebook after its opening, with their outputs.

    Raises:
        ValueError: the cache has no outputs of the chapter.
    """
    cells, source = convert(chapter).cells, read_notebook(chapter)
    if source is None:  # nothing to run
        return cells
    cache = get_cache(stale.CACHE)
    try:
        ran = cache.get_cache_bundle(cache.match_cache_notebook(source).pk).nb.cells
    except KeyError:
        raise ValueError(f"{chapter.name} has not been run yet") from None
    left = iter(ran)  # with the solutions, which the student's notebook has not
    for cell in cells[2:]:
        if cell.cell_type == "code":
            cell.outputs = next(
                one.outputs for one in left if one.source.strip() == cell.source.strip()
            )
    return cells[2:]


class Deck:
    """Slides in the making: the last one is open.

    Args:
        url: of the chapter's page; None where nobody knows it.
    """

    def __init__(self, url: str | None = None) -> None:
        self.url = url
        self.slides: list[Slide] = []
        self.notes: list[str] = []  # to what comes next
        self.lead: Block | None = None  # the first sentence of the text before it
        self.said = False  # whether a sentence of that text is shown
        self.exercise = False  # whether the text before its cell is being read
        self.quiz = False
        self.folded = False  # between <details> and </details>
        self.markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
        self.markdown.use(dollarmath_plugin, renderer=formula)

    def open(self, title: str, level: int) -> None:
        """A slide with a heading of its own."""
        if self.slides:
            self.close()
        self.slides.append(Slide(title, level))

    def close(self) -> None:
        """The text after the last block of a heading."""
        if self.lead:
            self.put(self.lead)
        self.slides[-1].notes += self.notes
        self.notes, self.lead, self.said = [], None, False

    def show(self, *blocks: Block) -> None:
        """Blocks that stand together where there is room, after their lead."""
        together = [self.lead, *blocks] if self.lead else list(blocks)
        self.lead, self.said = None, False
        height = sum(block.height for block in together)
        if height <= room(*together):
            together = [Block("\n".join(block.html for block in together), height)]
        for block in together:
            self.put(block)

    def put(self, block: Block) -> None:
        """A block on the open slide, or on one more if there is no room."""
        now = self.slides[-1]
        height = now.height + block.height
        if now.shown and height > room(Block("", now.height), block):
            now = Slide(now.title, now.level, goes_on=True)
            self.slides.append(now)
        now.shown.append(block.html)
        now.height += block.height
        now.notes += self.notes
        self.notes = []

    def finished(self) -> list[Slide]:
        """All slides. A heading with nothing but headings under it shows those."""
        self.close()
        for number, slide in enumerate(self.slides):
            if not slide.shown:
                titles = []
                for other in self.slides[number + 1 :]:
                    if other.level <= slide.level:
                        break
                    titles += [] if other.goes_on else [f"<li>{other.title}</li>"]
                slide.shown.append(f"<ul>{''.join(titles)}</ul>")
        return self.slides

    def text(self, source: str) -> None:
        """The Markdown between two code cells."""
        tokens: list[Token] = []
        for token in self.markdown.parse(source):
            tokens.append(token)
            if token.level == 0 and token.nesting <= 0:
                self.block(tokens)
                tokens = []

    def block(self, tokens: list[Token]) -> None:
        """A block of Markdown: a paragraph, a list, a table and so on."""
        kind, html = tokens[0].type.removesuffix("_open"), self.html(tokens)
        if kind == "heading":
            self.heading(tokens)
        elif kind == "html_block":
            self.raw(html)
        elif self.folded:
            self.notes.append(html)
        elif kind == "paragraph":
            self.paragraph(tokens[1].content, html)
        elif kind in ("bullet_list", "ordered_list"):
            self.list(tokens)
        elif kind == "table":
            self.show(Block(html, 20 + 52 * html.count("<tr>")))
        elif kind == "math_block":
            self.show(Block(html, 110 + 50 * html.count(r"\\")))
        elif kind == "fence":
            self.source(tokens[0].content, tokens[0].info)
        elif kind == "blockquote" and not is_box(html):
            if self.url:
                html = html.replace(LIVE, f'<a href="{self.url}">{LIVE}</a>')
            height = sum(map(height_of, plain(html).split("\n")))
            title = 150 if self.slides[-1].level == 1 else 0
            self.show(Block(html, height + title))
        else:
            self.notes.append(html)

    def heading(self, tokens: list[Token]) -> None:
        """A heading opens a slide."""
        title = self.html(tokens[1:2])
        self.exercise = title.startswith("Exercise ")
        self.quiz = title == QUIZ
        self.open(title, int(tokens[0].tag[1]))

    def raw(self, html: str) -> None:
        """HTML in a notebook: a picture, or the fold around a hint or an answer."""
        if "<img " in html:
            self.show(Block(f"<figure>{html}</figure>", figure_height(html)))
        elif fold := re.search("<(/?)details>", html):
            self.folded = not fold[1]

    def paragraph(self, source: str, html: str) -> None:
        """Text. Shown is what introduces a term, else the first sentence."""
        shown = self.slides[-1].shown
        if source.startswith(CAPTION) and shown:
            caption = html.replace("<strong>Figure.</strong>", "")
            shown[-1] = shown[-1].replace("</figure>", f"{caption}</figure>")
        elif self.exercise or self.quiz or "<img " in html:
            if self.quiz and shown:
                self.open(QUIZ, 3)
            self.put(Block(html, height_of(source)))
        else:
            self.notes.append(html)
            said = sentences(source.replace("\n", " "))
            terms = [
                # "That is **packing**." says nothing without the sentence before it
                f"{said[n - 1]} {sentence}" if n and POINTS_BACK(sentence) else sentence
                for n, sentence in enumerate(said)
                if "**" in sentence
            ]
            leads = terms or ([] if self.said else said[:1])
            blocks = [
                Block(self.markdown.render(lead), height_of(lead)) for lead in leads
            ]
            if terms:
                self.lead = None
                for block in blocks:
                    self.put(block)
            elif blocks:
                self.lead = blocks[0]
            self.said = self.said or bool(blocks)

    def list(self, tokens: list[Token]) -> None:
        """A list, cut between its items where it is too long for a slide."""
        items: list[list[Token]] = []
        for token in tokens[1:-1]:
            if token.type == "list_item_open" and token.level == 1:
                items.append([])
            items[-1].append(token)
        part, height = [], 0.0
        for item in items:
            more = height_of(plain(self.html(item)))
            if part and height + more > HEIGHT:
                self.show(Block(self.html([tokens[0], *part, tokens[-1]]), height))
                part, height = [], 0.0
            part += item
            height += more
        html = self.html([tokens[0], *part, tokens[-1]])
        if self.quiz:  # its choices have letters
            html = html.replace("<ul>", '<ul class="choices">', 1)
        self.show(Block(html, height))

    def html(self, tokens: list[Token]) -> str:
        """HTML of some tokens."""
        return self.markdown.renderer.render(tokens, self.markdown.options, {})

    def code(self, cell: NotebookNode) -> None:
        """A cell: its outputs, and its code unless it only draws or glues."""
        tags = set(cell.metadata.get("tags", ()))
        outputs = [] if self.exercise or tags & NO_OUTPUT else self.outputs(cell)
        source = without_glue(cell.source)
        drawn = any("<figure" in block.html for block in outputs)
        if source and not drawn and not tags & NO_CODE:
            self.source(source, "python", *outputs)
        elif outputs:
            self.show(*outputs)
        self.exercise = False

    def source(self, source: str, language: str, *outputs: Block) -> None:
        """Code, in pieces that fit, the last of them with what it prints."""
        *pieces, last = (
            Block(coloured("\n".join(piece), language), 30 + CODE[0] * len(piece))
            for piece in cut(source.strip("\n").split("\n"))
        )
        for piece in pieces:
            self.show(piece)
        self.show(last, *outputs)

    def outputs(self, cell: NotebookNode) -> list[Block]:
        """What a cell printed and drew."""
        found = []
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if html := data.get("text/html"):
                rows = html.count("<tr") if "<figure" not in html else 0
                height = figure_height(html) if "<figure" in html else HEIGHT
                found.append(Block(html, 20 + 46 * rows if rows else height))
            elif source := data.get("text/markdown"):
                found.append(Block(self.markdown.render(source), height_of(source)))
            elif text := data.get("text/plain") or (
                output.get("name") == "stdout" and output.text
            ):
                found.append(printed(text.strip("\n")))
        return found


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph; what a bracket or emphasis encloses is one."""
    found = [""]
    for part in SENTENCE.split(text):
        whole = found[-1].count("(") <= found[-1].count(")")
        if whole and all(found[-1].count(sign) % 2 == 0 for sign in "*`$"):
            found.append(part)
        else:
            found[-1] += f" {part}"
    return found[1:]


def is_box(html: str) -> bool:
    """Whether a quotation was an admonition, other than the chapter's objectives."""
    return html.startswith("<blockquote>\n<p><strong>") and OBJECTIVES not in html


def room(*blocks: Block) -> float:
    """How many pixels blocks may take together on a slide."""
    tallest = max(block.height for block in blocks)
    short = sum(block.height for block in blocks) - tallest <= SHORT
    return 1.2 * HEIGHT if short else HEIGHT


def figure_height(html: str) -> float:
    """Pixels for a figure; one that is taller than wide has a slide of its own."""
    if box := re.search(r'viewBox="\S+ \S+ (\S+) (\S+)"', html):
        width, height = map(float, box.groups())
    else:  # a PNG has its size at the same place always
        data = base64.b64decode(re.search(r"base64,([^\"]{40})", html)[1])
        width, height = struct.unpack(">II", data[16:24])
    return FIGURE if height <= width else 2 * HEIGHT


def formula(content: str, options: dict) -> str:
    """A formula as MathJax finds it."""
    opening, closing = (r"\[", r"\]") if options["display_mode"] else (r"\(", r"\)")
    return f"{opening}{html.escape(content)}{closing}"


def plain(written: str) -> str:
    """The text of HTML."""
    return html.unescape(re.sub(r"<[^>]*>", "", written)).strip()


def lines(text: str, width: int) -> int:
    """How many lines a text takes."""
    return sum(max(1, math.ceil(len(line) / width)) for line in text.split("\n"))


def height_of(text: str) -> float:
    """Pixels that a paragraph or an item takes."""
    return 16 + TEXT[0] * lines(text.replace("\n", " "), TEXT[1])


def coloured(source: str, language: str) -> str:
    """HTML of code."""
    lexer = get_lexer_by_name(language or "text")
    return highlight(source, lexer, HtmlFormatter(cssclass="code"))


def printed(text: str) -> Block:
    """Printed text, cut where a slide ends."""
    kept = text.split("\n")
    if lines(text, PRINTED[1]) > LINES:
        while lines("\n".join(kept), PRINTED[1]) >= LINES:
            kept.pop()
        kept.append("... (all of it is on the page)")
    text = "\n".join(kept)
    height = 24 + PRINTED[0] * lines(text, PRINTED[1])
    return Block(f'<pre class="printed">{html.escape(text)}</pre>', height)


def without_glue(source: str) -> str:
    """Code without the statements that hand numbers to the prose."""
    try:
        body = ast.parse(source).body
    except SyntaxError:  # a command of IPython
        return source
    kept = dict(enumerate(source.split("\n"), 1))
    for node in body:
        written = ast.unparse(node)
        if re.match(r"glue\(|from gpt2course\.course import glue$", written):
            for number in range(node.lineno, node.end_lineno + 1):
                del kept[number]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept.values())).strip()


def cut(code: list[str]) -> list[list[str]]:
    """Lines of code in pieces that fit, cut between statements where that is possible.

    Of the places, the one next to the middle is taken.
    """
    middle, last = len(code) // 2, min(LINES, len(code) - 1)
    starts = [
        number
        for number in range(2, last + 1)
        if code[number].strip() and not code[number].startswith((" ", ")", "]", "}"))
    ]
    blank = [number for number in range(2, last + 1) if not code[number - 1].strip()]
    if len(code) <= LINES or (len(code) <= 1.2 * LINES and not starts):
        return [code]
    at = min(starts or blank or [last], key=lambda number: abs(number - middle))
    return [code[:at], *cut(code[at:])]
