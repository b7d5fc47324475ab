"""Writing text: the same tokens as transformers, a clean end, clear refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import TINY, random_ids, random_model, twins

from gpt2course.cache import KVCache
from gpt2course.generation import (
    Greedy,
    NotFinite,
    Sample,
    beam_search,
    check_finite,
    generate,
    generate_batch,
    stream_tokens,
)
from gpt2course.model import GPT2


@pytest.mark.parametrize("seed", range(4))
def test_greedy_text_equals_transformers(seed):
    theirs, ours = twins(replace(TINY, vocab_size=500))
    prompt = random_ids(TINY, 1, 3 + seed, seed)
    expected = theirs.generate(
        prompt, do_sample=False, max_new_tokens=20, pad_token_id=0
    )[0, 3 + seed :]
    assert generate(ours, prompt[0].tolist(), 20) == expected.tolist()


def test_the_cache_changes_nothing():
    model, ids = random_model(), random_ids(TINY, 1, 5)
    written = generate(model, ids[0].tolist(), 25)
    for token in written:
        with torch.no_grad():
            assert model(ids)[0, -1].argmax() == token
        ids = torch.cat((ids, torch.tensor([[token]])), dim=1)


def test_it_stops_after_the_end_of_text():
    model = random_model()
    unstopped = generate(model, [1, 2, 3], 25)
    third = unstopped[2]
    # the same model, in which the third token is the end of text: swap two rows of the
    # embedding
    order = torch.arange(TINY.vocab_size)
    order[[third, TINY.eos_token_id]] = order[[TINY.eos_token_id, third]]
    with torch.no_grad():
        model.wte.weight.copy_(model.wte.weight[order])
    written = generate(model, order[[1, 2, 3]].tolist(), 25)
    assert written == order[unstopped[: unstopped.index(third) + 1]].tolist()
    assert written[-1] == TINY.eos_token_id


def test_it_stops_when_the_positions_are_used_up():
    prompt = random_ids(TINY, 1, 28)[0].tolist()
    assert 1 <= len(generate(random_model(), prompt, 100)) <= 4
    assert len(generate(random_model(replace(TINY, vocab_size=5000)), prompt, 100)) == 4


def test_tokens_come_one_by_one():
    model = random_model()
    assert next(stream_tokens(model, [1, 2], 10)) == generate(model, [1, 2], 10)[0]


@pytest.mark.parametrize(
    ("prompt", "max_new_tokens", "says"),
    [
        ([], 5, "the prompt is empty"),
        (
            [1] * 32,
            5,
            "the prompt has 32 tokens.*at most 31",
        ),
        ([1, 61], 5, "input_ids holds 61,"),
        ([1, -1], 5, "input_ids holds -1,"),
        ([1], 0, "max_new_tokens is 0"),
        ([1], -3, "max_new_tokens is -3"),
    ],
)
def test_bad_input(prompt, max_new_tokens, says):
    with pytest.raises(ValueError, match=says):
        generate(random_model(), prompt, max_new_tokens)


def test_broken_weights_do_not_write_exclamation_marks():
    model = random_model()
    with torch.no_grad():
        model.h[1].mlp.c_fc.weight[3, 4] = torch.nan
    with pytest.raises(ValueError, match="the logits at position 2 are not finite"):
        generate(model, [1, 2])


def test_a_batch_of_unequal_prompts_equals_each_alone_and_transformers():
    theirs, ours = twins(TINY)
    eos, prompts = TINY.eos_token_id, [[1, 2, 3], [4], [5, 6, 7, 8, 9, 10, 11]]
    written = generate_batch(ours, prompts, 12)
    assert written == [generate(ours, prompt, 12) for prompt in prompts]
    ids = torch.tensor([[eos] * (7 - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (7 - len(p)) + [1] * len(p) for p in prompts])
    expected = theirs.generate(
        ids, attention_mask=mask, do_sample=False, max_new_tokens=12, pad_token_id=eos
    )
    for got, row in zip(written, expected[:, 7:].tolist(), strict=True):
        assert got == (row[: row.index(eos) + 1] if eos in row else row)


def test_a_stopped_and_continued_cache_equals_an_uninterrupted_run():
    model, cache = random_model(), KVCache(TINY)
    whole = generate(model, [1, 2, 3], 20, stop_ids=())
    stream = stream_tokens(model, [1, 2, 3], 20, stop_ids=(), cache=cache)
    first = [next(stream) for _ in range(8)]
    assert (
        first + generate(model, [1, 2, 3, *first], 12, stop_ids=(), cache=cache)
        == whole
    )
    with pytest.raises(ValueError, match="the cache holds"):
        generate(model, [1, 2], 5, cache=cache)


@pytest.mark.parametrize(
    ("prompts", "max_new_tokens", "says"),
    [
        ([[1], []], 5, "prompt 1 is empty"),
        (
            [[1], [2], [1] * 32],
            5,
            "prompt 2 has 32 tokens.*at most 31",
        ),
        ([], 5, "no prompts"),
        ([[1], [2]], 0, "max_new_tokens is 0"),
        ([[1], [61]], 5, "input_ids holds 61,"),
    ],
)
def test_bad_input_in_a_batch(prompts, max_new_tokens, says):
    with pytest.raises(ValueError, match=says):
        generate_batch(random_model(), prompts, max_new_tokens)


def broken_from(position):
    """A model that breaks once it reads the token at this position."""
    model = random_model()
    with torch.no_grad():
        model.wpe.weight[position] = torch.nan
    return model


def test_logits_that_are_not_finite_keep_the_text_so_far():
    written = []
    with pytest.raises(
        NotFinite,
        match="logits at position 7 are not finite",
    ):
        written.extend(stream_tokens(broken_from(6), [1, 2, 3], 20, stop_ids=()))
    assert written == generate(random_model(), [1, 2, 3], 4, stop_ids=())
    with pytest.raises(NotFinite, match="the logits at position 7"):
        generate_batch(broken_from(6), [[1, 2, 3], [4, 5]], 20)


def test_finite_logits_whose_sum_is_infinite_in_half_precision():
    logits = torch.full((1, 50257), -3.0, dtype=torch.float16)
    assert logits.sum().isinf()
    check_finite(logits, 5)
    for broken in (torch.nan, torch.inf, -torch.inf):
        logits[0, 7] = broken
        with pytest.raises(NotFinite, match="position 5"):
            check_finite(logits, 5)


@pytest.mark.parametrize(
    "ids",
    [
        torch.tensor([1, 2, 3]),
        np.array([1, 2, 3]),
        (1, 2, 3),
        iter([1, 2, 3]),
        [np.int64(1), torch.tensor(2), 3],
    ],
    ids=["tensor", "array", "tuple", "iterator", "mixed"],
)
def test_ids_come_in_many_forms(ids):
    model = random_model()
    assert generate(model, ids, 8) == generate(model, [1, 2, 3], 8)


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        ("This movie", "input_ids is the text 'This movie'.*tokenizer.encode"),
        (torch.tensor([[1, 2]]), r"input_ids holds \[1, 2\]"),
        (torch.tensor([1.0, 2.0]), "input_ids holds 1.0"),
        ([1, None], "input_ids holds None"),
        (["This", "movie"], "input_ids holds 'This'"),
        ({"input_ids": [1, 2]}, "input_ids holds 'input_ids'"),
    ],
    ids=["text", "two dimensions", "floats", "None", "texts", "encoding"],
)
def test_what_is_no_ids_is_refused(ids, says):
    model = random_model()
    with pytest.raises(ValueError, match=says):
        generate(model, ids, 8)
    with pytest.raises(ValueError, match=says):
        beam_search(model, ids, 2, 8)
    if not isinstance(ids, dict):  # a batch of encodings is refused by its first key
        with pytest.raises(ValueError, match=says.replace("input_ids", "prompt 0", 1)):
            generate_batch(model, [ids], 8, strategy=Greedy())


def test_a_batch_that_is_one_text_is_refused():
    with pytest.raises(ValueError, match="prompts is the text 'abc'"):
        generate_batch(random_model(), "abc", 8)


def test_a_short_prompt_is_not_cut_where_the_longest_ends():
    model = random_model()
    prompts = [[5], list(range(1, 31))]  # of 32 positions
    alone = [generate(model, prompt, 10) for prompt in prompts]
    assert generate_batch(model, prompts, 10) == alone
    assert len(alone[0]) > len(alone[1]) == 2
    seeds = [torch.Generator().manual_seed(i) for i in (1, 2)]
    drawn = generate_batch(model, prompts, 10, strategy=Sample(), generator=seeds)
    for i, prompt, text in zip((1, 2), prompts, drawn, strict=True):
        own = torch.Generator().manual_seed(i)
        assert text == generate(model, prompt, 10, strategy=Sample(), generator=own)


def test_a_cache_without_room_is_refused_before_anything_is_written():
    model = random_model()
    cache = KVCache(model.config, max_length=4)
    written = stream_tokens(model, [1, 2, 3], 10, stop_ids=(), cache=cache)
    with pytest.raises(ValueError, match="room for 4 tokens and the text may have 13"):
        next(written)
    assert cache.length == 0


def test_a_cache_of_another_text_is_refused():
    model = random_model()
    cache = KVCache(model.config)
    written = generate(model, [1, 2, 3], 4, stop_ids=(), cache=cache)
    with pytest.raises(ValueError, match="the cache holds 6 tokens of another text"):
        generate(model, [1, 2, 4, *range(10)], 4, cache=cache)
    # read again from another place, by the model itself
    length, cache.length = cache.length, 0
    with torch.no_grad():
        model(torch.tensor([[9, 8, 7, 6, 5, 4]]), cache=cache)
    assert generate(model, [9, 8, 7, 6, 5, 4, 3], 4, stop_ids=(), cache=cache) == (
        generate(model, [9, 8, 7, 6, 5, 4, 3], 4, stop_ids=())
    )
    cache.length = 3  # rewound
    with pytest.raises(ValueError, match="the cache holds 3 tokens of another text"):
        generate(model, [9, 8, 6, 5], 4, cache=cache)
    cache = KVCache(model.config)
    assert generate(model, [1, 2, 3], 4, stop_ids=(), cache=cache) == written
    assert cache.length == length
    text = [1, 2, 3, *written]
    again = generate(model, text, 4, stop_ids=(), cache=cache)
    assert again == generate(model, text, 4, stop_ids=())


def test_a_model_that_drops_out_does_not_write():
    model = GPT2(replace(TINY, resid_pdrop=0.1))
    for write in (generate, beam_search):
        with pytest.raises(ValueError, match=r"in train mode.*call model\.eval\(\)"):
            write(model, [1, 2, 3])
        write(model.eval(), [1, 2, 3], max_new_tokens=2)
        model.train()
