"""The directive `messages`: what the errors of the package say, apart from the boxes.

tools/messages.py reads them from the source. They are a folded list for each group;
book/_static/filter.js finds them together with the boxes.
"""

from __future__ import annotations

import html
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from tools.messages import PACKAGE, Message, listed

MOST_PLACES = 3  # functions that a message names
OPENING = '<details class="course-messages"><summary>'


class Messages(SphinxDirective):
    """`{messages}`: every message that no box of this page explains."""

    def run(self) -> list[nodes.Node]:
        """A folded list for each group."""
        page = Path(self.env.doc2path(self.env.docname)).read_text(encoding="utf-8")
        try:
            groups = listed(page)
        except ValueError as error:
            raise self.error(str(error)) from None
        found = []
        for title, messages in groups.items():
            count = f"{len(messages)} message{'s' if len(messages) > 1 else ''}"
            found.append(raw(f"{OPENING}{title}: {count}</summary>"))
            found.append(nodes.bullet_list("", *map(self.item, messages)))
            found.append(raw("</details>"))
        return found

    def item(self, message: Message) -> nodes.list_item:
        """A message, the type of its error and where it arises."""
        kinds = " or ".join(message.kinds)
        where = nodes.inline("", kinds, classes=["course-message-where"])
        for number, place in enumerate(message.places[:MOST_PLACES]):
            where += nodes.Text(", " if number else " in ")
            where += self.place(place)
        if more := len(message.places[MOST_PLACES:]):
            where += nodes.Text(f" and {more} more")
        if message.why:
            where += nodes.Text(f": {message.why}")
        text = raw(f"<code>{html.escape(message.text)}</code> ")
        line = nodes.paragraph("", "", text, where)
        return nodes.list_item("", line, classes=["course-message"])

    def place(self, name: str) -> nodes.Node:
        """A public name as a link to its entry in the API; a command as it is."""
        if name.startswith(PACKAGE):
            return nodes.inline("", name)
        shown = name.partition(".")[2]
        return pending_xref(
            "",
            nodes.inline("", shown),
            refdoc=self.env.docname,
            refdomain="py",
            reftype="obj",
            reftarget=f"{PACKAGE}.{name}",
            refexplicit=True,
        )


def raw(source: str) -> nodes.raw:
    """HTML of our own around the text."""
    return nodes.raw("", source, format="html")


def setup(app: Sphinx) -> dict:
    """Called by Sphinx."""
    app.add_directive("messages", Messages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
