"""Figures and numbers as a page shows them."""

from __future__ import annotations

import html
import sys
import xml.etree.ElementTree as ET

import matplotlib as mpl
import pytest
import torch
from matplotlib.colors import to_hex

from gpt2course.course import INK, code_of, glue, plots, show, table, visible

mpl.use("Agg")


def drawn(alt: str, caption: str = "") -> str:
    figure, ax = plots.axes("Loss falls", "steps", "nats per token")
    ax.plot([3, 2, 1])
    return show(figure, alt=alt, caption=caption).data


def test_a_figure_is_an_image_with_a_name():
    page = drawn(alt='It falls from 3 to 1 & "fast"', caption="a < b")
    root = ET.fromstring(page.replace("xlink:", ""))
    svg = root.find("{http://www.w3.org/2000/svg}svg")
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == 'It falls from 3 to 1 & "fast"'
    assert (svg.get("width"), svg.get("height")) == (
        None,
        None,
    )  # as wide as the page allows
    assert svg.get("viewBox")
    assert root.find("figcaption").text == "a < b"


def test_a_figure_takes_the_colour_of_the_page():
    page = drawn(alt="a line")
    assert "currentColor" in page
    assert INK not in page
    assert "<figcaption>" not in page


def test_a_figure_is_the_same_every_time():
    assert drawn(alt="a line") == drawn(alt="a line")


@pytest.mark.parametrize("alt", ["", "  \n"])
def test_alt_text_is_required(alt):
    with pytest.raises(ValueError, match="pass alt="):
        drawn(alt=alt)


def test_shown_figures_are_closed():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    drawn(alt="a line")
    assert plt.get_fignums() == before


def test_glue_hands_over_a_formatted_number(monkeypatch):
    import myst_nb

    handed = {}
    monkeypatch.setattr(
        myst_nb,
        "glue",
        lambda name, value, display: handed.update({name: (repr(value), display)}),
    )
    glue("tokens", 1234567.89, ",.1f")
    glue("name", "gpt2")
    assert handed == {
        "tokens": ("\N{WORD JOINER}1,234,567.9", False),
        "name": ("gpt2", False),
    }


def test_glue_outside_the_book_does_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "myst_nb", None)
    assert glue("tokens", 5) is None


def test_a_confusion_matrix_shows_every_count():
    page = show(
        plots.confusion([[1200, 3], [0, 45]], ["bad", "good"], "Hardly a mistake"),
        alt="four numbers",
    ).data
    for text in ("1,200", ">3<", ">0<", ">45<", ">bad<", ">good<", "Hardly a mistake"):
        assert text in page
    assert (
        "four numbers"
        in show(
            plots.confusion([[0, 0], [0, 0]], ["a", "b"], "Nothing"), alt="four numbers"
        ).data
    )


def test_a_grid_shows_its_numbers_and_their_sign():
    figure = plots.grid(
        torch.tensor([[0.5, -0.25], [0.0, 1.0]]), ["a", "$b$"], ["x", "y"], "T", "u", ""
    )
    (ax,) = figure.axes
    assert [text.get_text() for text in ax.texts] == ["0.50", "-0.25", "0.00", "1.00"]
    colours = [to_hex(cell.get_facecolor()) for cell in ax.patches]
    assert colours == [plots.BLUE, plots.ORANGE, plots.BLUE, plots.BLUE]
    assert [cell.get_alpha() for cell in ax.patches] == [0.3, 0.15, 0.0, 0.6]
    assert "$b$" in show(figure, alt="numbers").data
    plots.grid(torch.zeros(1, 1), ["a"], ["b"], "all zero", "", "")


def test_a_table_has_headers_and_escapes_its_values():
    page = table(["method", "right"], [["a < b", 0.5], ["c", "1"]]).data
    root = ET.fromstring(page)
    assert [cell.text for cell in root.iter("th")] == ["method", "right"]
    assert [cell.text for cell in root.iter("td")] == ["a < b", "0.5", "c", "1"]
    with pytest.raises(ValueError, match="has no header"):
        table(["method", " "], [])
    with pytest.raises(ValueError, match=r"the row \['a'\] has 1 values for 2 columns"):
        table(["method", "right"], [["a"]])


class Sample:
    """Code to look at."""

    def __init__(self) -> None:
        self.first = dict(
            a=1,
        )  # over three lines
        if self.first:
            self.second = "first"

    def no_code(self) -> None:
        pass


def test_code_is_shown_as_it_stands_in_the_file():
    shown = "self.first = dict(\n    a=1,\n)  # over three lines\nif self.first:"
    assert code_of(Sample.__init__, "self.first") == shown
    assert code_of(Sample, "self.second") == 'self.second = "first"'


def test_code_that_has_changed_is_an_error():
    with pytest.raises(ValueError, match=r"no_code has no statement with 'first'"):
        code_of(Sample.no_code, "first")


DOLLARS = ["$", " $5", "$x_1$", "$$", "\\$", "$\\frac$"]


def test_dollar_signs_are_no_mathematics():
    title = "It costs $5, not $6"
    square = torch.eye(len(DOLLARS))
    fractions = [1 / len(DOLLARS)] * len(DOLLARS)
    curves = {name: ([0, 1], [0, 1]) for name in DOLLARS}
    counts = [[1, 0], [0, 1]]
    for figure in (
        plots.attention_map(square, DOLLARS, title),
        plots.next_tokens(DOLLARS, fractions, title),
        plots.bars(DOLLARS, fractions, title, "price ($a$)"),
        plots.lines(curves, title, "$a$", "$b$"),
        plots.confusion(counts, DOLLARS[2:4], title),
    ):
        page = html.unescape(show(figure, alt="dollars").data)
        assert title in page
        for name in DOLLARS[2:4]:
            assert f">{visible(name)}<" in page


def test_an_attention_map_shows_small_weights_and_what_colours_mean():
    weights = torch.tensor([[1.0, 0.0, 0.0], [0.96, 0.04, 0.0], [0.5, 0.25, 0.25]])
    figure = plots.attention_map(weights, ["a", "b", "c"], "Looks back")
    (ax,) = figure.axes
    opacities = [round(patch.get_alpha(), 2) for patch in ax.patches]
    assert opacities == [1.0, 0.98, 0.2, 0.71, 0.5, 0.5]
    scale = ax.get_legend()
    assert [text.get_text() for text in scale.get_texts()] == [
        *("1.00", "0.50", "0.25", "0.10", "0.01")
    ]
    inks = {text.get_color() for text in (scale.get_title(), *scale.get_texts())}
    assert inks == {plots.INK}  # follows the theme


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        (" a\n", "·a↵"),
        ("\t", "⇥"),
        ("\x00", "\\u0000"),
        ("\u200d", "\\u200d"),
        ("é☕", "é☕"),
    ],
)
def test_every_character_of_a_token_can_be_seen(token, shown):
    assert visible(token) == shown
    figure = plots.next_tokens([token], [1.0], "One token")
    ET.fromstring(show(figure, alt="one bar").data.replace("xlink:", ""))


def test_grouped_bars_have_a_group_for_each_name_and_a_legend():
    figure = plots.grouped_bars(
        ["a", "$b$"], {"one": [1, 2], "two": [3, 4]}, "Twice", "per cent"
    )
    (ax,) = figure.axes
    assert sorted(bar.get_width() for bar in ax.patches) == [1, 2, 3, 4]
    assert len({round(bar.get_y(), 3) for bar in ax.patches}) == 4
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["one", "two"]
    assert "$b$" in show(figure, alt="bars").data


def test_a_legend_has_every_name():
    """matplotlib leaves out those that begin with an underscore."""
    names = ["_the", "b", "_", "$x$"]
    lines = plots.lines({name: ([1, 2], [1, 2]) for name in names}, "t", "x", "y")
    bars = plots.grouped_bars(["a"], {name: [1] for name in names}, "t", "x")
    for figure in (lines, bars):
        legend = figure.axes[0].get_legend()
        assert [text.get_text() for text in legend.get_texts()] == names
        drawn = show(figure, alt="all names").data
        assert "_the" in drawn
        assert "$x$" in drawn


def test_panels_have_one_figure_for_each_name():
    figure = plots.panels(
        [1, 10], {"a": [1, 2], "b": [2, 1], "c": [3, 3]}, "Three", "size",
        limits={"a": 1.5}, limit_name="before",
    )  # fmt: skip
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["a", "b", "c"]
    assert [len(ax.lines) for ax in figure.axes] == [2, 1, 1]
    assert "dashed: before" in show(figure, alt="three panels").data


def test_a_table_reads_its_rows_once():
    shown = table(["token", "p"], zip(["a", "b"], [0.5, 0.3], strict=True)).data
    assert shown == table(["token", "p"], [("a", 0.5), ("b", 0.3)]).data


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.next_tokens(["a", "b", "c"], [0.5], "t"),
        lambda: plots.bars(["a"], [1.0, 2.0], "t", "x"),
        lambda: plots.attention_map(torch.eye(6), ["a", "b"], "t"),
        lambda: plots.attention_map(torch.ones(2, 3), ["a", "b"], "t"),
        lambda: plots.confusion([[1, 2, 3], [4, 5, 6], [7, 8, 9]], ["a", "b"], "t"),
    ],
)
def test_as_many_values_as_names(draw):
    with pytest.raises(ValueError, match=r"are \d (values|rows or columns) for \d"):
        draw()
