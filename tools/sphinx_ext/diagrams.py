"""The directive `diagram`, and a least width for figures whose text would get small."""

from __future__ import annotations

import html
import re

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

from tools.publication import ROOT

DIAGRAMS = ROOT / "book/diagrams"
READABLE = 11  # pixels: no text in a figure is smaller, on a phone either
VIEW_BOX = re.compile(r'viewBox="\S+ \S+ ([\d.]+)')
FONT_SIZE = re.compile(r'font-size[:=]\s*"?([\d.]+)|font:\s*(?:[a-z]+ )*([\d.]+)px')
TEXT = re.compile(r"<text.*?</text>", flags=re.S)
FIGURE = re.compile(
    r'(<figure class="[^"]*course-figure.*?<svg)([^>]*>)(.*?</svg>)', flags=re.S
)


class Diagram(SphinxDirective):
    """`{diagram} file.svg` puts book/diagrams/file.svg into the page itself.

    So it follows the theme's colours.
    """

    required_arguments = 1
    option_spec = {  # noqa: RUF012 (docutils reads it from the class)
        "alt": directives.unchanged_required,
        "caption": directives.unchanged,
        "name": directives.unchanged,
    }

    def run(self) -> list[nodes.Node]:
        """A figure with the SVG and its caption."""
        path = DIAGRAMS / self.arguments[0]
        alt = self.options.get("alt", "").strip()
        if not alt:
            raise self.error(
                f"the diagram {path.name} needs :alt:, what somebody who cannot see it"
                " should know"
            )
        if not path.is_file():
            raise self.error(f"there is no diagram book/diagrams/{self.arguments[0]}")
        self.env.note_dependency(str(path))
        picture = inline_svg(path.read_text(encoding="utf-8"), alt, path.stem)
        figure = nodes.figure(
            "",
            nodes.raw("", picture, format="html"),
            classes=["course-figure", "course-diagram"],
        )
        if caption := self.options.get("caption"):
            text, messages = self.state.inline_text(caption, self.lineno)
            figure += [nodes.caption("", "", *text), *messages]
        self.set_source_info(figure)
        self.add_name(figure)
        return [figure]


def inline_svg(svg: str, alt: str, prefix: str) -> str:
    """An SVG file's text as an element of the page.

    Args:
        alt: what it says to a screen reader.
        prefix: put before its ids, so that they are unlike any other's.
    """
    svg = re.sub(r"<!--.*?-->", "", svg[svg.index("<svg") :], flags=re.S).strip()
    for name in set(re.findall(r'\bid="([^"]+)"', svg)):
        use = rf'(\bid="|url\(#|href="#){re.escape(name)}(?=["\)])'
        svg = re.sub(use, rf"\g<1>{prefix}-{name}", svg)
    opening, rest = svg.split(">", 1)
    opening = re.sub(r'\s(role|aria-\w+|width|height)="[^"]*"', "", opening)
    width = VIEW_BOX.search(opening)  # never larger than drawn
    size = f' style="max-width:min(100%,{width[1]}px)"' if width else ""
    return f'{opening} role="img" aria-label="{html.escape(alt)}"{size}>{rest}'


def least_width(opening: str, drawing: str) -> int | None:
    """How wide an SVG must be, in pixels, for its smallest text to be readable.

    Args:
        opening: the attributes of the svg element.
        drawing: what is inside of it.

    Returns:
        None for a drawing without text.
    """
    width = VIEW_BOX.search(opening)
    texts = TEXT.findall(drawing)
    if not width or not texts:
        return None
    sizes = font_sizes(opening + TEXT.sub("", drawing))  # of groups and styles
    # in one text the largest counts: an exponent may be smaller
    sizes += [max(found) for found in map(font_sizes, texts) if found]
    return round(float(width[1]) * READABLE / min(sizes)) if sizes else None


def font_sizes(svg: str) -> list[float]:
    """Every size of a font that a piece of SVG names."""
    return [float(a or b) for a, b in FONT_SIZE.findall(svg)]


def readable_figures(body: str) -> str:
    """A page's body in which no figure gets so narrow that its text is too small.

    On a phone such a figure scrolls inside its box.
    """

    def widened(match: re.Match) -> str:
        before, opening, drawing = match.groups()
        if not (least := least_width(opening, drawing)):
            return match[0]
        style = f"min-width:{least}px;"
        if 'style="' in opening:
            opening = opening.replace('style="', f'style="{style}', 1)
        else:
            opening = f' style="{style}"{opening}'
        return before + opening + drawing

    return FIGURE.sub(widened, body)
