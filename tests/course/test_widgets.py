"""Controls: the live form asks the function, the static form has asked it before."""

from __future__ import annotations

import json
import re

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from gpt2course.course import widgets


def draw(**values):
    return f"<b>{values}</b>"


def test_with_a_kernel_it_draws_what_is_chosen(monkeypatch):
    monkeypatch.delenv("GPT2COURSE_STATIC", raising=False)
    asked = []
    box = widgets.explore(
        lambda **values: asked.append(values) or "x",
        top_k=[None, 5],
        temperature=[1.0, 2.0],
    )
    *sliders, _ = box.children
    assert [slider.description for slider in sliders] == ["top k", "temperature"]
    assert asked == [{"top_k": None, "temperature": 1.0}]
    sliders[0].index = 1
    assert asked[-1] == {"top_k": 5, "temperature": 1.0}


def test_without_a_kernel_every_picture_is_there_in_order(monkeypatch):
    monkeypatch.setenv("GPT2COURSE_STATIC", "1")
    page = widgets.explore(draw, top_k=[None, 5], temperature=[1.0, 0.5, 2.0]).data
    data = re.search(r"<template>(.*?)</template>", page, re.S).group(1)
    pictures = json.loads(
        data.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    )
    assert len(pictures) == 6
    assert pictures[4] == draw(top_k=5, temperature=0.5)
    assert page.count('type="range"') == 2
    assert "src=" not in page
    assert "http" not in page


def test_words_are_buttons_and_numbers_a_slider(monkeypatch):
    controls = dict(word=["<made>", "read"], temperature=[1.0, 2.0])
    monkeypatch.setenv("GPT2COURSE_STATIC", "1")
    page = widgets.explore(draw, start=dict(word="read"), **controls).data
    assert page.count('type="range"') == 1
    radios = re.findall(r'<input type="radio"[^>]*>([^<]*)<', page)
    assert radios == ["&lt;made&gt;", "read"]
    assert re.findall(r'value="(\d)" checked', page) == ["1"]
    monkeypatch.delenv("GPT2COURSE_STATIC")
    words, numbers, _ = widgets.explore(draw, **controls).children
    assert type(words).__name__ == "ToggleButtons"
    assert type(numbers).__name__ == "SelectionSlider"


@pytest.mark.parametrize(
    ("controls", "says"),
    [
        ({"top_k": []}, "'top_k' has no values"),
        ({"a": range(30), "b": range(30)}, "900 combinations are too many"),
    ],
)
def test_refusals(controls, says):
    with pytest.raises(ValueError, match=says):
        widgets.explore(draw, **controls)


def test_bars_escape_what_tokens_hold():
    table = widgets.probability_bars(["<script>", " a\n"], [0.25, 0.5], "a & b")
    assert "<script>" not in table
    assert "·a↵" in table
    assert "25.0 %" in table
    with pytest.raises(ValueError, match="argument 2 is"):
        widgets.probability_bars(["a"], [0.1, 0.2])


def test_surprise_colours_by_price_and_escapes_what_tokens_hold():
    page = widgets.surprise(["<b>", " a", "\n"], [0.0, 5.0, 99.0], "a & b")
    assert "<b>" not in page
    assert "a &amp; b" in page
    assert re.findall(r"/ (\d+)%", page) == ["0", "25", "50"]
    assert re.findall(r">([^<>]*)<br><small>([\d.]+)</small>", page) == [
        ("&lt;b&gt;", "0.0"),
        ("·a", "5.0"),
        ("↵", "99.0"),
    ]
    with pytest.raises(ValueError, match="argument 2 is"):
        widgets.surprise(["a"], [0.1, 0.2])


RUN = [
    {"step": 0, "eval_loss": 5.0, "best": True},
    {"step": 0, "sample": "JOKE: no"},
    *({"step": step, "loss": 5.0 - step / 10, "lr": 1e-3} for step in range(1, 11)),
    {"step": 10, "eval_loss": 4.25, "best": True},
]


def pictures(watch: widgets.live_loss, rows=RUN) -> list[dict]:
    """What a notebook would be told to show, in order."""
    InteractiveShell.instance()  # without one, display prints
    with capture_output() as shown, watch:
        for row in rows:
            watch(row)
    return [
        {"html": output.data["text/html"], "update": output.update}
        for output in shown.outputs
    ]


def test_live_loss_grows_in_one_place(monkeypatch):
    monkeypatch.delenv("GPT2COURSE_STATIC", raising=False)
    monkeypatch.setattr(widgets, "REDRAW", 0.0)
    first, *others = pictures(widgets.live_loss("It falls"))
    assert not first["update"]
    assert "Loss. held out: from 5.00 at step 0 to 5.00 at step 0." in first["html"]
    assert (
        len(others) == 10 + 1 + 1
    )  # the sample is no point, and the end of the block draws once more
    assert all(other["update"] for other in others)
    assert (
        "training: from 4.90 at step 1 to 4.00 at step 10; held out: from 5.00 at step "
        "0 to 4.25 at step 10." in (others[-1]["html"])
    )
    assert "It falls" in others[-1]["html"]


def test_live_loss_does_not_draw_all_the_time(monkeypatch):
    monkeypatch.delenv("GPT2COURSE_STATIC", raising=False)
    monkeypatch.setattr(widgets, "REDRAW", 1000.0)
    assert len(pictures(widgets.live_loss())) == 2  # the first row, and the end


def test_live_loss_is_one_picture_in_a_page(monkeypatch):
    monkeypatch.setenv("GPT2COURSE_STATIC", "1")
    (only,) = pictures(widgets.live_loss())
    assert "to 4.25 at step 10" in only["html"]
    assert pictures(widgets.live_loss(), rows=[]) == []


def break_off(watch):
    watch(RUN[0])
    raise KeyboardInterrupt


def test_live_loss_shows_a_run_that_breaks_off(monkeypatch):
    monkeypatch.setenv("GPT2COURSE_STATIC", "1")
    InteractiveShell.instance()
    with capture_output() as shown:
        watch = widgets.live_loss()
        with pytest.raises(KeyboardInterrupt), watch:
            break_off(watch)
    assert len(shown.outputs) == 1
