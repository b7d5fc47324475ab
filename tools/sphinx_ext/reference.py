"""The directive `{room}`: the public names of a room of the package, each in a box.

Sphinx's autodoc shows what is in a box. Types of ours in signatures become links.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

from tools.reference import page_part
from tools.sphinx_ext.lessons import nested

# in a signature that is longer than python_maximum_signature_line_length
PARAMETERS = re.compile(r"(?<=\(</span>)\s*<dl>\s*((?:<dd>.*?</dd>\s*)+)</dl>\s*", re.S)


class Room(SphinxDirective):
    """What a room holds, and its public names."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """A paragraph and the boxes."""
        return nested(self, lambda: page_part(self.arguments[0]))


def link_to_face(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.Node
) -> nodes.Node | None:
    """A type of ours in a signature, which names the file, leads to the room."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target:
        return None
    name = target.rpartition(".")[2]
    for known, entry in env.get_domain("py").objects.items():
        of_ours = target == name or target.startswith("gpt2course.")
        same = known.rpartition(".")[2] == name
        if of_ours and same and entry.objtype in ("class", "exception", "data"):
            place = (node["refdoc"], entry.docname, entry.node_id)
            return make_refnode(app.builder, *place, text, known)
    return None


def plain_signatures(
    _app: Sphinx, _pagename: str, _template: str, context: dict, _doctree
) -> None:
    """The parameters of a long signature as lines of text.

    Sphinx writes a list of definitions without terms, at which screen readers stumble.
    """

    def lines(match: re.Match) -> str:
        parameters = match[1].replace("<dd>", "<span>").replace("</dd>", "</span>")
        return f'<span class="course-parameters">{parameters}</span>'

    body = context.get("body") or ""
    context["body"] = PARAMETERS.sub(lines, body)


def setup(app: Sphinx) -> dict:
    """Called by Sphinx."""
    app.add_directive("room", Room)
    app.connect("missing-reference", link_to_face)
    app.connect("html-page-context", plain_signatures)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
