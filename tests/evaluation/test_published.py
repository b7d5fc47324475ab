"""The paper's tables as data: their form, and what the paper says about them."""

from __future__ import annotations

import pytest

from gpt2course.evaluation import (
    DATA_SETS,
    HARNESS,
    OVERLAP,
    PAPER,
    PARAMETERS,
    SUMMARIES,
    improved,
)


def test_every_column_has_four_sizes():
    assert list(PAPER) == list(DATA_SETS)
    assert list(HARNESS) == list(PARAMETERS)
    assert all(figures.keys() <= PAPER.keys() for figures in HARNESS.values())
    assert {len(row) for row in PAPER.values()} == {len(PARAMETERS)}


def test_seven_of_eight_data_sets_are_improved():
    names = {DATA_SETS[key].name.split(",")[0] for key in improved("gpt2-xl")}
    assert len(names) == 7
    everything = {data_set.name.split(",")[0] for data_set in DATA_SETS.values()}
    assert everything - names == {"One Billion Word"}


def test_the_smallest_improves_less():
    assert set(improved("gpt2")) < set(improved("gpt2-xl"))


def test_an_unknown_size_suggests_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'gpt2-xl'"):
        improved("gpt2-x1")


def test_the_means_are_those_that_the_paper_prints():
    means = [round(sum(scores) / 3 + 1e-9, 2) for scores in SUMMARIES.values()]
    assert means == [32.75, 31.55, 23.99, 21.4, 20.98, 15.03]
    own, webtext = zip(*OVERLAP.values(), strict=True)
    assert round(sum(own) / 6, 1) == 5.9
    assert round(sum(webtext) / 6, 1) == 3.2


def test_the_counts_are_those_of_the_shapes():
    import torch

    from gpt2course.config import SIZES
    from gpt2course.model import GPT2

    for name, count in PARAMETERS.items():
        with torch.device("meta"):
            assert sum(p.numel() for p in GPT2(SIZES[name]).parameters()) == count


def test_larger_is_better_but_for_one_step():
    worse = [
        (key, i)
        for key, row in PAPER.items()
        for i in range(3)
        if (row[i + 1] < row[i]) == DATA_SETS[key].larger_is_better
    ]
    assert worse == [("cbt_cn", 2)]
