"""Controls: the live form asks the function, the static form has asked it before."""

from __future__ import annotations

import json
import re

import pytest

from gpt2course import widgets


def draw(**values):
    return f"<b>{values}</b>"


def test_with_a_kernel_it_draws_what_is_chosen(monkeypatch):
    monkeypatch.delenv("GPT2COURSE_STATIC", raising=False)
    asked = []
    box = widgets.explore(lambda **values: asked.append(values) or "x", top_k=[None, 5], temperature=[1.0, 2.0])
    *sliders, _ = box.children
    assert [slider.description for slider in sliders] == ["top k", "temperature"]
    assert asked == [{"top_k": None, "temperature": 1.0}]
    sliders[0].index = 1
    assert asked[-1] == {"top_k": 5, "temperature": 1.0}


def test_without_a_kernel_every_picture_is_there_in_order(monkeypatch):
    monkeypatch.setenv("GPT2COURSE_STATIC", "1")
    page = widgets.explore(draw, top_k=[None, 5], temperature=[1.0, 0.5, 2.0]).data
    data = re.search(r"<template>(.*?)</template>", page, re.S).group(1)
    pictures = json.loads(data.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    assert len(pictures) == 6
    assert pictures[4] == draw(top_k=5, temperature=0.5)
    assert page.count('type="range"') == 2
    assert "src=" not in page
    assert "http" not in page


@pytest.mark.parametrize(
    ("controls", "says"),
    [({"top_k": []}, "'top_k' has no values"), ({"a": range(30), "b": range(30)}, "900 combinations are too many")],
)
def test_refusals(controls, says):
    with pytest.raises(ValueError, match=says):
        widgets.explore(draw, **controls)


def test_bars_escape_what_tokens_hold():
    table = widgets.bars(["<script>", " a\n"], [0.25, 0.5], "a & b")
    assert "<script>" not in table
    assert "·a↵" in table
    assert "25.0 %" in table
    with pytest.raises(ValueError, match="argument 2 is"):
        widgets.bars(["a"], [0.1, 0.2])


def test_surprise_colours_by_price_and_escapes_what_tokens_hold():
    page = widgets.surprise(["<b>", " a", "\n"], [0.0, 5.0, 99.0], "a & b")
    assert "<b>" not in page
    assert "a &amp; b" in page
    assert re.findall(r"/ (\d+)%", page) == ["0", "30", "60"]
    assert re.findall(r">([^<>]*)<br><small>([\d.]+)</small>", page) == [
        ("&lt;b&gt;", "0.0"),
        ("·a", "5.0"),
        ("↵", "99.0"),
    ]
    with pytest.raises(ValueError, match="argument 2 is"):
        widgets.surprise(["a"], [0.1, 0.2])
