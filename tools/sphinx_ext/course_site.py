"""What this book adds to Jupyter Book, and what it takes away.

provenance.py: links to the notebook at the top, the run's facts and the licence at the
foot. social.py: cards for shared links. diagrams.py: figures. tidy.py: takes away what
asks another host and what makes a browser or a screen reader stumble.
"""

from __future__ import annotations

from sphinx.application import Sphinx

from tools.sphinx_ext import diagrams, provenance, social, tidy


def dress_page(
    app: Sphinx, pagename: str, _template: str, context: dict, _doctree
) -> None:
    """Add the links, the foot and the meta tags while a page is written."""
    title = context.get("title") or app.config.html_title
    meta = context.get("metatags") or ""
    context["metatags"] = social.meta_tags(app, pagename, title, meta)
    context["theme_extra_footer"] = provenance.foot(app, pagename)
    body = diagrams.readable_figures(context.get("body") or "")
    if pagename.startswith("book/"):  # the others are search and the like
        links = provenance.notebook_links(
            pagename, context["pathto"], solutions=app.config.course_solutions
        )
        body = body.replace("</h1>", f"</h1>\n{links}", 1)
    # keeps the book from reading a text as a number; who copies it stumbles over it
    body = body.replace("\N{WORD JOINER}", "")
    if body:
        context["body"] = body
    tidy.drop_unused_scripts(context)


def setup(app: Sphinx) -> dict:
    """Called by Sphinx."""
    app.add_directive("diagram", diagrams.Diagram)
    app.connect("config-inited", tidy.use_own_templates)
    app.connect("html-page-context", dress_page, priority=900)
    app.connect("build-finished", tidy.tidy_site, priority=900)
    tidy.leave_out_thebe(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
