"""Sampling: the draw of transformers' generate, for every combination of filters."""

from __future__ import annotations

import pytest
import torch
from conftest import TINY, random_model, twins
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.generation import logits_process

from gpt2course.generation import (
    Greedy,
    MinP,
    RepetitionPenalty,
    Sample,
    Temperature,
    TopK,
    TopP,
    generate,
    generate_batch,
    sampler,
)

SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.sampled_from([0.3, 0.9, 1.0, 2.5]),
        "top_k": st.sampled_from([1, 3, 20, 10_000]),
        "top_p": st.sampled_from([0.01, 0.5, 0.95, 1.0]),
        "min_p": st.sampled_from([0.01, 0.3, 1.0]),
        "repetition_penalty": st.sampled_from([0.7, 1.0, 1.5]),
    },
)


@settings(max_examples=60)
@given(SETTINGS, st.integers(1, 3), st.integers(0, 10_000))
def test_filters_equal_those_of_transformers(chosen, batch, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(batch, 50, generator=generator)
    ids = torch.randint(50, (batch, 7), generator=generator)
    theirs = logits
    for name, kind in (
        ("repetition_penalty", logits_process.RepetitionPenaltyLogitsProcessor),
        ("temperature", logits_process.TemperatureLogitsWarper),
        ("top_k", logits_process.TopKLogitsWarper),
        ("top_p", logits_process.TopPLogitsWarper),
        ("min_p", logits_process.MinPLogitsWarper),
    ):
        if name in chosen:
            theirs = kind(chosen[name])(ids, theirs)
    torch.testing.assert_close(
        sampler(**chosen).filtered(logits, ids), theirs, rtol=0, atol=1e-6
    )


@settings(max_examples=25)
@given(SETTINGS, st.sampled_from([1, 3]), st.integers(0, 10_000))
def test_the_same_seed_draws_the_same_texts_as_transformers(chosen, batch, seed):
    theirs, ours = twins(TINY)
    eos = TINY.eos_token_id
    prompts = torch.randint(
        TINY.vocab_size - 1, (batch, 5), generator=torch.Generator().manual_seed(seed)
    )
    torch.manual_seed(seed)
    expected = theirs.generate(
        prompts,
        attention_mask=torch.ones_like(prompts),
        do_sample=True,
        max_new_tokens=12,
        pad_token_id=eos,
        **{"top_k": 0} | chosen,
    )[:, 5:].tolist()
    torch.manual_seed(seed)
    for got, row in zip(
        generate_batch(ours, prompts.tolist(), 12, strategy=sampler(**chosen)),
        expected,
        strict=True,
    ):
        assert got == (row[: row.index(eos) + 1] if eos in row else row)


def test_a_generator_a_row_makes_a_text_independent_of_its_batch():
    model = random_model()

    def texts(seeds):
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        return generate_batch(
            model, [[1, 2]] * len(seeds), 10, strategy=Sample(), generator=generators
        )

    assert texts([5, 6, 7])[2] == texts([7])[0]
    assert texts([5])[0] != texts([6])[0]


def test_greedy_takes_filters_too():
    logits, ids = torch.tensor([[1.0, 2.0, 1.9]]), torch.tensor([[1]])
    assert Greedy()(logits, ids).item() == 1
    assert Greedy(RepetitionPenalty(2.0))(logits, ids).item() == 2


def test_filters_are_values():
    assert TopK(3) == TopK(3) != TopK(4)
    assert hash(TopP(0.9)) == hash(TopP(0.9))
    assert (
        Sample(TopK(3), TopP(0.9))
        == Sample(TopK(3), TopP(0.9))
        != Sample(TopP(0.9), TopK(3))
    )


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Temperature(0), "temperature is 0"),
        (lambda: Temperature(1e-38), "temperature is 1e-38.*1e-06"),
        (lambda: Temperature(5e-324), "temperature is 5e-324"),
        (lambda: Temperature(-1.0), "temperature is -1.0"),
        (lambda: Temperature(float("nan")), "temperature is nan"),
        (lambda: Temperature(float("inf")), "temperature is inf"),
        (lambda: RepetitionPenalty(float("inf")), "repetition_penalty is inf"),
        (lambda: RepetitionPenalty(0), "repetition_penalty is 0"),
        (lambda: RepetitionPenalty(1e-39), "repetition_penalty is 1e-39"),
        (lambda: MinP(1.5), "min_p is 1.5"),
        (lambda: MinP(0), "min_p is 0"),
        (lambda: TopK(0), "top_k is 0"),
        (lambda: TopK(1.5), "top_k is 1.5"),
        (lambda: TopP(0.0), "top_p is 0.0"),
        (lambda: TopP(1.1), "top_p is 1.1"),
        (lambda: sampler(temperature=0.0), "temperature is 0.0"),
    ],
)
def test_values_out_of_range(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_generate_passes_the_strategy_on():
    model = random_model()
    torch.manual_seed(3)
    once = generate(model, [1, 2, 3], 10, strategy=sampler(top_k=5), stop_ids=())
    torch.manual_seed(3)
    assert (
        generate(model, [1, 2, 3], 10, strategy=sampler(top_k=5), stop_ids=()) == once
    )
    assert generate(
        model, [1, 2, 3], 10, strategy=sampler(top_k=1), stop_ids=()
    ) == generate(model, [1, 2, 3], 10, stop_ids=())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("value", [1e-6, 1e6])
def test_the_smallest_and_largest_values_still_draw(value, dtype):
    logits = torch.tensor([[30000.0, -30000.0, 29000.0]], dtype=dtype)
    ids = torch.tensor([[1]])
    cold = sampler(temperature=1e-6, repetition_penalty=value)
    assert cold(logits, ids).item() == 0
    assert 0 <= Sample(Temperature(value))(logits, ids).item() <= 2
