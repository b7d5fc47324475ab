"""Beam search: the texts and the scores of transformers' generate(num_beams=...)."""

from __future__ import annotations

import pytest
import torch
from conftest import TINY, random_model, twins
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt2course.generation import beam_search, generate


@settings(max_examples=30)
@given(
    st.sampled_from([2, 3, 5]),
    st.sampled_from([-0.5, 0.0, 1.0, 2.0]),
    st.booleans(),
    st.sampled_from([1, 5, 15]),
    st.integers(0, 10_000),
)
def test_equals_transformers(num_beams, length_penalty, early_stopping, new, seed):
    theirs, ours = twins(TINY)
    eos = TINY.eos_token_id
    prompt = torch.randint(
        TINY.vocab_size - 1, (1, 4), generator=torch.Generator().manual_seed(seed)
    )
    expected = theirs.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        do_sample=False,
        num_beams=num_beams,
        max_new_tokens=new,
        length_penalty=length_penalty,
        early_stopping=early_stopping,
        pad_token_id=eos,
        num_return_sequences=num_beams,
        return_dict_in_generate=True,
        output_scores=True,
    )
    beams = beam_search(
        ours,
        prompt[0].tolist(),
        num_beams,
        new,
        length_penalty=length_penalty,
        early_stopping=early_stopping,
    )
    assert beams
    for beam, row, score in zip(
        beams,
        expected.sequences[:, 4:].tolist(),
        expected.sequences_scores,
        strict=False,
    ):
        assert beam.ids == (row[: row.index(eos) + 1] if eos in row else row)
        assert beam.score == pytest.approx(score.item(), abs=1e-4)


def test_one_beam_is_greedy():
    model = random_model()
    assert beam_search(model, [1, 2, 3], 1, 12)[0].ids == generate(model, [1, 2, 3], 12)


def test_more_beams_find_no_less_probable_text():
    model = random_model()
    scores = [
        beam_search(model, [1, 2], n, 8, length_penalty=0.0)[0].score for n in (1, 8)
    ]
    assert scores[1] >= scores[0] - 1e-5


@pytest.mark.parametrize(
    ("prompt", "num_beams", "new", "says"),
    [
        ([], 2, 5, "the prompt is empty"),
        ([1], 0, 5, "num_beams is 0; it must be a whole number of at least 1"),
        ([1], 1000, 5, "num_beams is 1000"),
        ([1], 2, 0, "max_new_tokens is 0"),
        ([1] * 32, 2, 5, "use at most 31"),
        ([61], 2, 5, "input_ids holds 61,"),
    ],
)
def test_bad_input(prompt, num_beams, new, says):
    with pytest.raises(ValueError, match=says):
        beam_search(random_model(), prompt, num_beams, new)


def test_broken_weights():
    model = random_model()
    with torch.no_grad():
        model.wpe.weight[4] = torch.nan
    with pytest.raises(ValueError, match="the logits at position 5 are not finite"):
        beam_search(model, [1, 2, 3], 2, 8)


def test_probabilities_of_half_precision_are_added_in_float32():
    model = random_model().bfloat16()
    logits = torch.randn(TINY.vocab_size, generator=torch.Generator().manual_seed(0))
    logits = logits.bfloat16()
    model.head = lambda hidden: logits.expand(len(hidden), -1)  # whatever it has read
    best = beam_search(model, [1, 2, 3], 4, 10, length_penalty=0.0)[0]
    expected = logits.float().log_softmax(dim=-1)[best.ids].sum().item()
    assert best.score == pytest.approx(expected, abs=1e-4)
