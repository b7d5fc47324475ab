"""Pictures inside a notebook itself: PNG in a data URI, because Colab shows no other.

Neither attachments (googlecolab/colabtools#3836) nor SVG in any form (#2092). On white,
because a picture cannot know whether the notebook around it is light or dark.
"""

from __future__ import annotations

import base64
import html
import re
from pathlib import Path


def picture(path: Path, alt: str, caption: str) -> list[str]:
    """Lines of Markdown that show a picture with its caption."""
    if path.suffix == ".svg":
        data, width = rendered(path.read_text(encoding="utf-8"))
        kind, size = "png", f' width="{width}"'
    else:
        data, size = path.read_bytes(), ""
        kind = path.suffix.strip(".").replace("jpg", "jpeg")
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    image = f'<img src="{source}" alt="{html.escape(alt)}"{size}>'
    return ["", image, "", *([caption, ""] if caption else [])]


def rendered(svg: str) -> tuple[bytes, int]:
    """A drawing as PNG, twice as fine as it is shown, and its width in pixels.

    Fonts are matplotlib's, which every machine of the course has.
    """
    import matplotlib
    import resvg_py

    # the theme's colours are not known here: take the fallback of each
    svg = re.sub(r"var\(--[\w-]+,\s*([^()]+)\)", r"\1", svg)
    width = int(float(re.search(r'<svg[^>]*\swidth="([\d.]+)', svg)[1]))
    png = resvg_py.svg_to_bytes(
        svg,
        background="white",
        zoom=2,
        skip_system_fonts=True,
        font_dirs=[str(Path(matplotlib.get_data_path()) / "fonts/ttf")],
        font_family="DejaVu Sans",
        sans_serif_family="DejaVu Sans",
        monospace_family="DejaVu Sans Mono",
    )
    return bytes(png), width
