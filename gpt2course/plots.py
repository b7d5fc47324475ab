"""Figures. Each function returns a matplotlib figure; `notebook.show` puts it into the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpt2course.notebook import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# distinguishable with every kind of colour vision, readable on white and on black
BLUE, ORANGE, GREEN, PURPLE = "#3d85c6", "#d9822b", "#2a9d74", "#b85fa8"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE)


def axes(title: str, xlabel: str, ylabel: str, size: tuple[float, float] = (5.2, 3.1)) -> tuple[Figure, Axes]:
    """Empty axes in the book's style: the title says the finding, the labels carry units."""
    import matplotlib.pyplot as plt

    style = {
        "font.family": "sans-serif", "font.size": 10, "axes.titlesize": 10.5, "axes.titlelocation": "left",
        "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
        **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    }  # fmt: skip
    with plt.rc_context(style):
        figure, ax = plt.subplots(figsize=size)
        ax.set_title(title, wrap=True)
        ax.set(xlabel=xlabel, ylabel=ylabel)
        ax.grid(alpha=0.25, linewidth=0.5)
        ax.set_prop_cycle(color=COLOURS)
    return figure, ax
