"""Figures. Each function returns a matplotlib figure; `show` puts it into the page.

`show` is in notebook.py; controls that a reader can move are in widgets.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gpt2course.course.notebook import INK, visible

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle
    from torch import Tensor

#: a colour that every kind of colour vision tells from the others, and that can be
#: read on white and on black
BLUE, ORANGE, GREEN, PURPLE = "#3d85c6", "#d9822b", "#2a9d74", "#b85fa8"
#: the colours of lines and bars, in their order
COLOURS = (BLUE, ORANGE, GREEN, PURPLE)
LINE_STYLES = ("-", "--", "-.", ":")
SCALE = (1.0, 0.5, 0.25, 0.1, 0.01)  # weights in the scale of an attention map


def axes(
    title: str, xlabel: str, ylabel: str, size: tuple[float, float] = (5.2, 3.1)
) -> tuple[Figure, Axes]:
    """Empty axes in the book's style.

    Args:
        title: the finding.
        xlabel, ylabel: what the numbers are, with their unit.
        size: width and height in inches.
    """
    import matplotlib.pyplot as plt

    style = {
        "font.family": "sans-serif",
        "font.size": 10,
        "axes.titlesize": 10.5,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "text.parse_math": False,  # a text may hold dollar signs
    }
    with plt.rc_context(style):
        figure, ax = plt.subplots(figsize=size)
        ax.set_title(title, wrap=True)
        ax.set(xlabel=xlabel, ylabel=ylabel)
        ax.grid(alpha=0.25, linewidth=0.5)
        ax.set_prop_cycle(color=COLOURS)
    return figure, ax


def attention_map(weights: Tensor, tokens: Sequence[str], title: str) -> Figure:
    """A grid of attention weights, with a scale of what a colour stands for.

    The opacity is the square root of the weight: a mean over heads has many small
    weights, which would hardly show beside the 1 of the first token.

    Args:
        weights: (T, T), rows sum to 1.
        tokens: T strings, shown as they are, spaces as middle dots.
        title: the finding.
    """
    for row in (weights, *weights):
        _check_length("rows or columns", row, tokens)
    figure, ax = axes(title, "looked at", "looks", size=(5.2, 4.6))
    names = [visible(token) for token in tokens]
    T = len(names)
    for row in range(T):
        for column in range(row + 1):
            ax.add_patch(_cell(column, row, _opacity(float(weights[row, column]))))
    ax.set(xlim=(-0.5, T - 0.5), ylim=(T - 0.5, -0.5), aspect="equal")
    ax.set_xticks(range(T), names, rotation=60, ha="right", parse_math=False)
    ax.set_yticks(range(T), names, parse_math=False)
    ax.grid(visible=False)
    scale = {f"{weight:.2f}": _cell(0, 0, _opacity(weight)) for weight in SCALE}
    # nothing is drawn above the diagonal
    legend = ax.legend(
        scale.values(), scale, title="weight", loc="upper right", frameon=False
    )
    for text in (legend.get_title(), *legend.get_texts()):
        text.set_color(INK)
    return figure


def _check_length(what: str, values: Sequence, names: Sequence) -> None:
    if len(values) != len(names):
        raise ValueError(f"there are {len(values)} {what} for {len(names)} names")


def _opacity(weight: float) -> float:
    return min(1.0, max(0.0, weight)) ** 0.5


def _cell(column: int, row: int, opacity: float) -> Rectangle:
    from matplotlib.patches import Rectangle

    return Rectangle(
        (column - 0.5, row - 0.5), 1, 1, facecolor=BLUE, alpha=opacity, edgecolor="none"
    )


def grid(
    values: Tensor,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    xlabel: str,
    ylabel: str,
    digits: int = 2,
) -> Figure:
    """Numbers in cells: blue above 0, orange below, the stronger the larger.

    Args:
        values: (R, K), finite.
        rows, columns: R and K names.
        title: the finding.
        xlabel, ylabel: what columns and rows are.
        digits: after the point.
    """
    R, K = values.shape
    figure, ax = axes(title, xlabel, ylabel, size=(5.2, 0.36 * R + 1.3))
    largest = float(values.abs().max()) or 1.0
    for row in range(R):
        for column in range(K):
            value = float(values[row, column])
            # pale enough to read the number in both themes
            cell = _cell(column, row, 0.6 * abs(value) / largest)
            cell.set_facecolor(BLUE if value >= 0 else ORANGE)
            ax.add_patch(cell)
            place = {"ha": "center", "va": "center", "fontsize": 10, "color": INK}
            ax.text(column, row, f"{value:.{digits}f}", **place)
    ax.set(xlim=(-0.5, K - 0.5), ylim=(R - 0.5, -0.5))
    ax.set_xticks(range(K), columns, parse_math=False)
    ax.set_yticks(range(R), rows, parse_math=False)
    ax.grid(visible=False)
    return figure


def confusion(
    counts: Sequence[Sequence[int]], names: Sequence[str], title: str
) -> Figure:
    """Confusion matrix: a row per true class, a column per answer, counts in the cells.

    Args:
        counts: K rows of K numbers.
        names: of the K classes.
        title: the finding.
    """
    for row in (counts, *counts):
        _check_length("rows or columns", row, names)
    figure, ax = axes(title, "predicted class", "true class", size=(5.2, 2.9))
    most = max(max(row) for row in counts) or 1
    for row, line in enumerate(counts):
        for column, count in enumerate(line):
            # pale enough to read the number in both themes
            ax.add_patch(_cell(column, row, 0.45 * count / most))
            place = {"ha": "center", "va": "center"}
            ax.text(column, row, f"{count:,}", **place, fontsize=14, color=INK)
    K = len(names)
    ax.set(xlim=(-0.5, K - 0.5), ylim=(K - 0.5, -0.5))
    ax.set_xticks(range(K), names, parse_math=False)
    ax.set_yticks(range(K), names, parse_math=False)
    ax.grid(visible=False)
    return figure


def bars(
    names: Sequence[str],
    values: Sequence[float],
    title: str,
    xlabel: str,
    form: str = "%.1f",
) -> Figure:
    """Horizontal bars in the order given, the first on top, each with its number.

    Args:
        names: one per bar.
        values: as many.
        title, xlabel: the finding, and what the numbers are, with their unit.
        form: how the numbers are written.
    """
    _check_length("values", values, names)
    figure, ax = axes(title, xlabel, "", size=(5.2, 0.32 * len(names) + 1.0))
    drawn = ax.barh(range(len(names)), values, color=BLUE)
    ax.bar_label(drawn, fmt=form, padding=3, color=INK)
    ax.set_yticks(range(len(names)), names, parse_math=False)
    ax.invert_yaxis()
    ax.grid(visible=False, axis="y")
    ax.margins(x=0.12)
    return figure


def next_tokens(
    tokens: Sequence[str], probabilities: Sequence[float], title: str
) -> Figure:
    """Bars for the most probable next tokens, longest on top.

    Args:
        tokens: strings.
        probabilities: as many, in 0..1.
        title: the finding.
    """
    names = [visible(token) for token in tokens]
    return bars(names, [100 * p for p in probabilities], title, "probability (%)")


def lines(
    series: dict[str, tuple[Sequence[float], Sequence[float]]],
    title: str,
    xlabel: str,
    ylabel: str,
    log: str = "",
) -> Figure:
    """One line for each name; with several, a legend.

    Args:
        series: name -> (x values, y values).
        title, xlabel, ylabel: the finding, and the axes with units.
        log: axes on a logarithmic scale: "", "x", "y" or "xy".
    """
    figure, ax = axes(title, xlabel, ylabel)
    drawn = []
    for i, (name, (x, y)) in enumerate(series.items()):
        color = COLOURS[i % len(COLOURS)]
        linestyle = LINE_STYLES[i // len(COLOURS) % len(LINE_STYLES)]
        drawn += ax.plot(x, y, label=name, color=color, linestyle=linestyle)
    for axis in log:
        getattr(ax, f"set_{axis}scale")("log")
    if len(series) > 1:
        _legend(ax, drawn, list(series))
    return figure


def grouped_bars(
    names: Sequence[str],
    series: dict[str, Sequence[float]],
    title: str,
    xlabel: str,
    form: str = "%.1f",
) -> Figure:
    """Horizontal bars in groups, one colour for each series, each with its number.

    Args:
        names: one per group, the first on top.
        series: name -> one value per group, 0 or more.
        title, xlabel: the finding, and what the numbers are, with their unit.
        form: how the numbers are written.
    """
    height = 0.23 * len(names) * len(series) + 1.1
    figure, ax = axes(title, xlabel, "", size=(5.2, height))
    thickness = 0.8 / len(series)
    groups = []
    for i, (name, values) in enumerate(series.items()):
        offset = (i - (len(series) - 1) / 2) * thickness
        places = [row + offset for row in range(len(names))]
        drawn = ax.barh(
            places, values, thickness, label=name, color=COLOURS[i % len(COLOURS)]
        )
        ax.bar_label(drawn, fmt=form, padding=3, color=INK)
        groups.append(drawn)
    ax.set_yticks(range(len(names)), names, parse_math=False)
    ax.invert_yaxis()
    ax.grid(visible=False, axis="y")
    ax.margins(x=0.12)
    _legend(ax, groups, list(series))
    return figure


def panels(
    x: Sequence[float],
    values: dict[str, Sequence[float]],
    title: str,
    xlabel: str,
    limits: dict[str, float] | None = None,
    limit_name: str = "",
) -> Figure:
    """Small figures in two columns, with a common x axis on a logarithmic scale.

    Args:
        x: positive numbers.
        values: title of a panel -> as many numbers.
        title, xlabel: the finding, and what x is, with its unit.
        limits: title of a panel -> a number that gets a dashed line.
        limit_name: what the dashed lines are.
    """
    rows = (len(values) + 1) // 2
    # an empty figure in the book's style, to which the panels are added
    figure, whole = axes(title, "", "", size=(5.2, 1.35 * rows + 0.8))
    whole.remove()
    figure.suptitle(title, x=0.02, ha="left", fontsize=10.5, color=INK, wrap=True)
    grid = list(figure.subplots(rows, 2, sharex=True, squeeze=False).flat)
    for ax, (name, y) in zip(grid, values.items(), strict=False):
        ax.plot(x, y, color=BLUE, marker="o", markersize=4)
        if limits and name in limits:
            ax.axhline(limits[name], color=ORANGE, linestyle="--", linewidth=1.2)
        ax.set_title(name, fontsize=10, loc="left", color=INK, parse_math=False)
        ax.set_xscale("log")
        ax.grid(alpha=0.25, linewidth=0.5)
        ax.margins(0.12)
        ax.tick_params(colors=INK, labelsize=10)
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color(INK)
    for ax in grid[len(values) :]:
        ax.remove()
    below = f"{xlabel}; dashed: {limit_name}" if limits else xlabel
    figure.supxlabel(below, fontsize=10, color=INK)
    figure.set_layout_engine("tight")
    return figure


def _legend(ax: Axes, drawn: Sequence[Artist], names: Sequence[str]) -> None:
    # matplotlib leaves out names that begin with _, so it gets them afterwards
    legend = ax.legend(drawn, ["name"] * len(names), frameon=False)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(name)
        text.set_color(INK)
        text.set_parse_math(False)
