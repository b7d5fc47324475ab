"""Gives every use of a glossary term its meaning, which book/_static/terms.js shows.

The sentence stands in the page itself, as an attribute of the link to the glossary, so
nothing has to be fetched and without JavaScript the link is still a link.
"""

from __future__ import annotations

import html
import re

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

GLOSSARY = "book/glossary"
USE = re.compile(
    r'(<a class="reference internal" href="[^"]*#(term-[^"]+)")'
    r'(?=[^>]*><span class="xref std std-term")'
)


def meanings(env: BuildEnvironment) -> dict[str, str]:
    """The sentence of each term, by the id of its place in the glossary.

    The link to the page that explains the term is left out: it is the last thing in the
    definition, and a sentence that pops up should not end in the name of a page.
    """
    found = {}
    for item in env.get_doctree(GLOSSARY).findall(nodes.definition_list_item):
        paragraph = next(item.findall(nodes.paragraph))
        parts = [
            child.astext()
            for child in paragraph
            if not isinstance(child, (pending_xref, nodes.reference))
        ]
        for term in item.findall(nodes.term):
            found |= dict.fromkeys(term["ids"], " ".join("".join(parts).split()))
    return found


def add_meanings(
    app: Sphinx, pagename: str, _template: str, context: dict, _doctree
) -> None:
    """Put the sentence on each link of the role `term`, while a page is written."""
    body = context.get("body")
    if not body or "std-term" not in body or GLOSSARY not in app.env.found_docs:
        return
    if not hasattr(app, "course_meanings"):
        app.course_meanings = meanings(app.env)

    def with_meaning(match: re.Match) -> str:
        meaning = html.escape(app.course_meanings[match[2]])
        return f'{match[1]} data-course-meaning="{meaning}"'

    context["body"] = USE.sub(with_meaning, body)


def setup(app: Sphinx) -> dict:
    """Called by Sphinx."""
    app.connect("html-page-context", add_meanings)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
