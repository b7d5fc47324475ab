"""Meta tags for search engines and for links that are shared."""

from __future__ import annotations

import html
import re

from sphinx.application import Sphinx

from tools.publication import base_url

IMAGE_ALT = (
    "GPT-2: read it, run it, train it."
    " Beside it the lower triangle of a causal attention mask."
)


def meta_tags(app: Sphinx, pagename: str, title: str, meta: str) -> str:
    """The page's own meta tags with a description, and a card for shared links.

    Args:
        title: of the page, as HTML.
        meta: tags that the page has already, such as the description in its header.
    """
    title = re.sub(r"<[^>]+>", "", html.unescape(title))
    found = re.search(r'<meta content="([^"]*)"[^>]*name="description"', meta)
    if found:
        description = html.unescape(found[1])
    else:
        description = f"{title}: part of the course {app.config.html_title}."
        meta += f'<meta name="description" content="{html.escape(description)}" />\n'
    return meta + card(app, pagename, title, description)


def card(app: Sphinx, pagename: str, title: str, description: str) -> str:
    """Tags of the Open Graph protocol.

    Addresses in them must be absolute: without a known base URL there are none.
    """
    tags = {
        "og:type": "article",
        "og:site_name": app.config.html_title,
        "og:title": title,
        "og:description": description,
    }
    links = ""
    if base := base_url():
        page = base if pagename == app.config.root_doc else f"{base}{pagename}.html"
        tags |= {
            "og:url": page,
            "og:image": f"{base}_static/social-card.png",
            "og:image:alt": IMAGE_ALT,
        }
        links = f'<link rel="canonical" href="{html.escape(page)}" />\n'
    metas = [
        f'<meta property="{name}" content="{html.escape(text)}" />\n'
        for name, text in tags.items()
        if text
    ]
    size = '<meta name="twitter:card" content="summary_large_image" />\n'
    return links + "".join(metas) + size
