"""Benchmark of the heads: what counts as repeated, and what was committed."""

from __future__ import annotations

import inside
import pytest
import torch
from conftest import random_model

from gpt2course.checkpoints import MINI, read_config
from gpt2course.course import measurements


@pytest.mark.parametrize(
    ("ids", "fraction"),
    [([1, 2, 3, 4, 5], 0.0), ([1, 2, 3, 4] * 3, 5 / 9), ([7] * 9, 5 / 6)],
)
def test_the_repeated_fraction(ids, fraction):
    assert inside.repeated_fraction(ids) == pytest.approx(fraction)


def test_a_text_without_n_grams_is_refused():
    with pytest.raises(ValueError, match="3 tokens have no 4-gram"):
        inside.repeated_fraction([1, 2, 3])


def test_continuations_are_of_one_length_and_depend_on_the_heads(monkeypatch):
    model = random_model()
    monkeypatch.setattr(inside, "NEW_TOKENS", 20)
    lengths = []
    monkeypatch.setattr(
        inside, "repeated_fraction", lambda ids: lengths.append(tuple(ids)) or 0.0
    )
    prompts = [[1, 2, 3], [4, 5, 6]]
    inside.repetition(model, prompts, [], stop=False)
    every = [(layer, head) for layer in range(3) for head in range(4)]
    inside.repetition(model, prompts, every, stop=False)
    assert {len(ids) for ids in lengths} == {23}
    assert lengths[:2] != lengths[2:]


def test_scores_are_means_over_the_draws(monkeypatch):
    monkeypatch.setattr(inside, "DRAWN", 10)
    scores = inside.head_scores(random_model())
    for score in scores.values():
        assert score.shape == (3, 4)
        assert ((score >= 0) & (score <= 1)).all()
    one = torch.stack([*scores.values()])
    monkeypatch.setattr(inside, "SEEDS", range(1))
    assert not torch.equal(
        one, torch.stack([*inside.head_scores(random_model()).values()])
    )


def test_the_committed_figures_are_of_every_head_of_the_mini():
    found, config = measurements.read("inside"), read_config(MINI)
    places = [(row["layer"], row["head"]) for row in found["rows"]]
    assert places == [
        (layer, head)
        for layer in range(config.n_layer)
        for head in range(config.n_head)
    ]
    best = sorted(found["rows"], key=lambda row: -row["induction"])[: inside.SILENCED]
    for rows in ("rows", "rows_until_end"):
        _, without, control = found["repetition"][rows]
        assert without["heads"] == [[row["layer"], row["head"]] for row in best]
        drawn = [tuple(head) for heads in control["heads"] for head in heads]
        assert not {tuple(head) for head in without["heads"]} & set(drawn)
