"""Controls that a reader can move, and plots that grow.

One cell, two homes: computed with a kernel, precomputed in the static page. Figures
without controls are in plots.py.
"""

from __future__ import annotations

import html
import itertools
import json
import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gpt2course.course.notebook import visible

if TYPE_CHECKING:
    from IPython.display import HTML

MOST_PICTURES = 400

# Finds its own element, so that several explorers fit on a page; needs nothing from
# outside.
SCRIPT = """
(function () {
  const root = document.currentScript.closest(".course-explore");
  const pictures = JSON.parse(root.querySelector("template").content.textContent);
  const controls = root.querySelector("form");
  const view = root.querySelector(".course-explore-view");
  function update() {
    let index = 0;
    for (const control of controls.children) {
      const names = JSON.parse(control.dataset.names);
      const input = control.querySelector("[type=range], :checked");
      index = index * names.length + Number(input.value);
      if (input.type !== "range") continue;
      input.setAttribute("aria-valuetext", names[input.value]);
      input.nextElementSibling.textContent = names[input.value];
    }
    view.innerHTML = pictures[index];
  }
  controls.addEventListener("input", update);
  controls.addEventListener("submit", event => event.preventDefault());
  update();
})();
"""


def explore(
    draw: Callable[..., str],
    *,
    start: dict[str, object] | None = None,
    **controls: Sequence[object],
) -> object:
    """Show `draw(**values)`, with a slider for each control, or buttons for words.

    With a kernel (Jupyter, Colab) these are ipywidgets and draw is called on each move.
    In the static page, every combination is drawn when the page is built, and a few
    lines of JavaScript choose among the pictures.

    Args:
        draw: takes one value for each control, returns HTML.
        controls: name -> the values it can take, in order. None reads "off".
        start: name -> the value shown first; the first of its values unless given.

    Returns:
        something that a notebook displays.

    Raises:
        ValueError: a control without values, or more than MOST_PICTURES combinations.
    """
    for name, values in controls.items():
        if not values:
            raise ValueError(f"the control {name!r} has no values; give at least one")
    first = {
        name: list(values).index((start or {}).get(name, values[0]))
        for name, values in controls.items()
    }
    combinations = list(itertools.product(*controls.values()))
    if len(combinations) > MOST_PICTURES:
        raise ValueError(
            f"{len(combinations)} combinations are too many for a page; "
            f"{MOST_PICTURES} is the limit"
        )
    if os.environ.get("GPT2COURSE_STATIC"):
        return static(draw, controls, combinations, first)
    return _live(draw, controls, first)


def _live(
    draw: Callable[..., str],
    controls: dict[str, Sequence[object]],
    first: dict[str, int],
) -> object:
    import ipywidgets
    from IPython.display import HTML, display

    widgets = {}
    for name, values in controls.items():
        options = [(_shown(value), i) for i, value in enumerate(values)]
        settings = dict(options=options, value=first[name], description=_label(name))
        if _are_words(values):
            widgets[name] = ipywidgets.ToggleButtons(**settings)
        else:
            widgets[name] = ipywidgets.SelectionSlider(
                **settings, continuous_update=False
            )

    def redraw(**chosen: int) -> None:
        display(HTML(draw(**{name: controls[name][i] for name, i in chosen.items()})))

    output = ipywidgets.interactive_output(redraw, widgets)
    return ipywidgets.VBox([*widgets.values(), output])


def static(
    draw: Callable[..., str],
    controls: dict[str, Sequence[object]],
    combinations: Sequence[tuple],
    first: dict[str, int],
) -> HTML:
    """All pictures and their controls as one piece of HTML that needs no kernel."""
    from IPython.display import HTML

    pictures = [
        draw(**dict(zip(controls, values, strict=True))) for values in combinations
    ]
    drawn = [
        (_buttons if _are_words(values) else _slider)(name, values, first[name])
        for name, values in controls.items()
    ]
    chosen = tuple(values[first[name]] for name, values in controls.items())
    shown = pictures[combinations.index(chosen)]
    data = html.escape(json.dumps(pictures), quote=False)
    return HTML(
        '<div class="course-explore"><form class="course-explore-controls">'
        f"{''.join(drawn)}</form>"
        f'<div class="course-explore-view" aria-live="polite">{shown}</div>'
        f"<template>{data}</template><script>{SCRIPT}</script></div>"
    )


def _are_words(values: Sequence[object]) -> bool:
    """Words have no order that a slider could show."""
    return all(isinstance(value, str) for value in values)


def _names(values: Sequence[object]) -> str:
    names = json.dumps([_shown(value) for value in values])
    return html.escape(names, quote=True)


def _slider(name: str, values: Sequence[object], first: int) -> str:
    shown = html.escape(_shown(values[first]))
    return (
        f'<label data-names="{_names(values)}">{html.escape(_label(name))} '
        f'<input type="range" min="0" max="{len(values) - 1}" value="{first}" '
        f'aria-valuetext="{shown}"><output>{shown}</output></label>'
    )


def _buttons(name: str, values: Sequence[object], first: int) -> str:
    label = html.escape(_label(name), quote=True)
    buttons = "".join(
        f'<label><input type="radio" name="{label}" value="{index}"'
        f"{' checked' * (index == first)}>{html.escape(_shown(value))}</label>"
        for index, value in enumerate(values)
    )
    return (
        f'<fieldset data-names="{_names(values)}"><legend>{label}</legend>'
        f"{buttons}</fieldset>"
    )


def _shown(value: object) -> str:
    return "off" if value is None else str(value)


def _label(name: str) -> str:
    return name.replace("_", " ")


REDRAW = 1.0  # seconds between two drawings of a live plot


class live_loss:
    """Draw a training run while it goes.

        with live_loss() as watch:
            finetune(..., watch=watch)

    With a kernel one picture grows below the cell. In the static page it is drawn once,
    at the end of the block. Either way what is there when a run breaks off stays.

    Args:
        title: of the picture.

    Chapter: training.
    """

    def __init__(self, title: str = "Loss while it trains") -> None:
        self.title = title
        self.rows: list[dict] = []
        self.handle = None
        self.drawn = -float("inf")
        self.live = not os.environ.get("GPT2COURSE_STATIC")

    def __enter__(self) -> live_loss:
        return self

    def __exit__(self, *_: object) -> None:
        if self.rows:
            self.draw()

    def __call__(self, row: dict) -> None:
        """Take one row of the log, as `finetune` hands it over."""
        if "loss" not in row and "eval_loss" not in row:
            return
        self.rows.append(row)
        if self.live and time.monotonic() - self.drawn >= REDRAW:
            self.draw()

    def draw(self) -> None:
        """Put the picture below the cell, in the place of the one before."""
        from IPython.display import display

        from gpt2course.course.notebook import show
        from gpt2course.course.plots import lines

        curves = {}
        said = []
        for name, key in (("training", "loss"), ("held out", "eval_loss")):
            points = [(row["step"], row[key]) for row in self.rows if key in row]
            if points:
                curves[name] = tuple(zip(*points, strict=True))
                (start, first), (end, last) = points[0], points[-1]
                said.append(
                    f"{name}: from {first:.2f} at step {start} to {last:.2f} "
                    f"at step {end}"
                )
        picture = show(
            lines(curves, self.title, "step", "loss (nats per token)"),
            alt="Loss. " + "; ".join(said) + ".",
        )
        if self.handle is None:
            self.handle = display(picture, display_id=True)
        else:
            self.handle.update(picture)
        self.drawn = time.monotonic()


# a notebook elsewhere does not have the book's style sheet: what makes it a bar is here
BAR = "background:#3d85c6;display:block;height:0.9rem;min-width:1px"
TOKEN = (
    "border-radius:0.2rem;display:inline-block;margin:0.1rem;padding:0 0.25rem;"
    "text-align:center;line-height:1.3"
)


def probability_bars(
    names: Sequence[str], probabilities: Sequence[float], caption: str = ""
) -> str:
    """A small table of horizontal bars, as HTML; the longest bar has the full width.

    Light enough to have hundreds in a page.

    Args:
        names: one per row, shown with spaces as middle dots.
        probabilities: as many, in 0..1.
        caption: the line above.

    Raises:
        ValueError: lists of different lengths.
    """
    rows, longest = "", max(probabilities, default=0) or 1
    for name, probability in zip(names, probabilities, strict=True):
        width = 100 * probability / longest
        rows += (
            f"<tr><th>{html.escape(visible(name))}</th>"
            f'<td style="width:99%"><i style="{BAR};width:{width:.1f}%"></i></td>'
            f'<td style="white-space:nowrap">{100 * probability:.1f} %</td></tr>'
        )
    head = f"<caption>{html.escape(caption)}</caption>"
    return f'<table class="course-bars" style="width:100%">{head}{rows}</table>'


# nats from which on a token has the full colour: one in 22,000 is as probable
FULL_COLOUR_FROM = 10.0


def surprise(tokens: Sequence[str], nats: Sequence[float], caption: str = "") -> str:
    """A text with the loss of each token below it, as HTML.

    The colour behind a token is the stronger, the larger its loss.

    The scale is always the same, so that two texts can be compared.

    Args:
        tokens: strings, shown with spaces as middle dots.
        nats: as many losses, 0 or more.
        caption: the line above.

    Raises:
        ValueError: lists of different lengths.

    Chapter: the loss.
    """
    spans = ""
    for token, loss in zip(tokens, nats, strict=True):
        strength = 50 * min(1.0, loss / FULL_COLOUR_FROM)
        spans += (
            f'<span style="background:rgb(217 130 43 / {strength:.0f}%);{TOKEN}">'
            f"{html.escape(visible(token))}<br><small>{loss:.1f}</small></span>"
        )
    head = f"<p>{html.escape(caption)}</p>"
    return f'<div class="course-surprise">{head}{spans}</div>'
