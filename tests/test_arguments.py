"""What Python would take for something else is refused, by name, value and remedy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import random_model

from gpt2course.arguments import number, rows_of_ids, texts, token_ids, whole_number
from gpt2course.checkpoints import load_tokenizer
from gpt2course.data import (
    concatenate,
    encode_jokes,
    pack_sequences,
    shuffled_stream,
    split_reviews,
)
from gpt2course.generation import (
    beam_search,
    generate,
    generate_batch,
    sampler,
    stream_text,
)
from gpt2course.sentiment import predict, tokenise_reviews

MODEL = random_model()


def test_what_is_meant_is_taken_as_it_is():
    for ids in ([1, 2], (1, 2), np.array([1, 2]), torch.tensor([1, 2]), iter([1, 2])):
        assert token_ids("ids", ids) == [1, 2]
    assert token_ids("ids", [np.int64(1), torch.tensor(2)]) == [1, 2]
    assert rows_of_ids("rows", torch.tensor([[1], [2]]), "row {}") == [[1], [2]]
    assert texts("texts", ("a", "b")) == ["a", "b"]
    assert whole_number("n", np.int64(3), 1) == 3
    for value in (1, 0.5, np.float32(0.5), torch.tensor(0.5)):
        assert number("t", value) is value


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer("mini")


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda t: tokenise_reviews("good", t), "texts is the text 'good'; it must be"),
        (
            lambda t: tokenise_reviews([1], t),
            "texts holds 1; it must be a list of text",
        ),
        (lambda t: tokenise_reviews(None, t), "texts is None; it must be a list of"),
        (lambda t: tokenise_reviews(b"good", t), "texts is b'good'; it must be"),
        (lambda t: encode_jokes("ha", t), "jokes is the text 'ha'; it must be a list"),
        (lambda t: encode_jokes([None], t), "jokes holds None; it must be a list"),
        (lambda t: generate(MODEL, b"the"), "input_ids is b'the'; it must be one flat"),
        (lambda t: generate(MODEL, [True, False]), "input_ids holds True; it must be"),
        (lambda t: generate(MODEL, torch.tensor([True])), "input_ids holds True; it"),
        (lambda t: generate(MODEL, None), "input_ids is None; it must be one flat"),
        (lambda t: generate(MODEL, 5), "input_ids is 5; it must be one flat sequence"),
        (lambda t: generate(MODEL, torch.tensor(5)), "input_ids is 5; it must be one"),
        (lambda t: generate(MODEL, [1], 3.0), "max_new_tokens is 3.0; it must be a w"),
        (lambda t: generate(MODEL, [1], "3"), "max_new_tokens is '3'; it must be a wh"),
        (lambda t: generate(MODEL, [1], None), "max_new_tokens is None; it must be"),
        (lambda t: generate(MODEL, [1], True), "max_new_tokens is True; it must be a"),
        (lambda t: generate(MODEL, [1], stop_ids=5), "stop_ids is 5; it must be one"),
        (lambda t: generate(MODEL, [1], stop_ids="5"), "stop_ids is the text '5'"),
        (lambda t: generate_batch(MODEL, None), "prompts is None; it must be a list"),
        (lambda t: generate_batch(MODEL, [1, 2]), "prompt 0 is 1; it must be one"),
        (lambda t: generate_batch(MODEL, b"ab"), "prompts is b'ab'; it must be a list"),
        (lambda t: beam_search(MODEL, [1], 2.0), "num_beams is 2.0; it must be a who"),
        (lambda t: beam_search(MODEL, [1], "2"), "num_beams is '2'; it must be a whol"),
        (lambda t: sampler(temperature="0.5"), "temperature is '0.5'; it must be a nu"),
        (lambda t: sampler(temperature=None), "temperature is None; it must be a numb"),
        (lambda t: sampler(top_p="0.5"), "top_p is '0.5'; it must be a number"),
        (lambda t: sampler(min_p=True), "min_p is True; it must be a number"),
        (lambda t: sampler(top_k=True), "top_k is True; it must be a whole number"),
        (lambda t: sampler(repetition_penalty=[2]), r"repetition_penalty is \[2\]; it"),
        (
            lambda t: list(stream_text(MODEL, t, "a", stop=None)),
            "stop is None; it must be a list of texts",
        ),
        (
            lambda t: list(stream_text(MODEL, t, "a", stop=[5])),
            "stop holds 5; it must be a list of texts",
        ),
        (lambda t: pack_sequences([[1.5, 2.0]], 8), "document 0 holds 1.5; it must be"),
        (lambda t: pack_sequences([[1, 2], [-1, -2]], 8), "document 1 holds -2; token"),
        (lambda t: pack_sequences(["ab"], 8), "document 0 is the text 'ab'; pass"),
        (lambda t: pack_sequences([[1, 2]], 8.0), "row_length is 8.0; it must be a wh"),
        (lambda t: pack_sequences(None, 8), "documents is None; it must be a list"),
        (lambda t: concatenate([[1.5, 2.0]], 0), "document 0 holds 1.5; it must be"),
        (lambda t: concatenate([[1, -2]], 0), "document 0 holds -2; token ids begin"),
        (lambda t: concatenate("ab", 0), "documents is the text 'ab'; it must be a l"),
        (lambda t: concatenate([[1]], None), "eos_token_id is None; it must be a who"),
        (lambda t: concatenate([[1]], True), "eos_token_id is True; it must be a who"),
        (lambda t: concatenate([[1]], -100), "eos_token_id is -100; it must be a who"),
        (
            lambda t: pack_sequences([[1, 2]], 8, pad_token_id=1.5),
            "pad_token_id is 1.5; it must be a whole number",
        ),
        (
            lambda t: pack_sequences([[1, 2]], 8, pad_token_id=-100),
            "pad_token_id is -100; it must be a whole number of at least 0",
        ),
        (
            lambda t: shuffled_stream(*concatenate([[1]], 0), seed=2**64),
            f"seed is {2**64}; it must be below",
        ),
        (
            lambda t: split_reviews([("a", 0)] * 9, n_test=-1),
            "n_test is -1; it must be a whole number of at least 0",
        ),
        (
            lambda t: split_reviews([("a", 0), ("b", 1)], n_test="1"),
            "n_test is '1'; it must be a whole number",
        ),
        (
            lambda t: split_reviews([(str(i), 0) for i in range(30)], n_test=28),
            "n_test is 28; besides the 3 for validation there are 27 texts that occur",
        ),
        (
            lambda t: split_reviews(
                [(str(i), i % 2) for i in range(30)], n_test=30, stratified=True
            ),
            "n_test is 30; besides the 1 for validation there are 14 texts with label",
        ),
        (lambda t: number("t", np.bool_(True)), "t is np.True_; it must be a number"),
        (lambda t: number("t", torch.tensor(True)), r"t is tensor\(True\); it must be"),
        (
            lambda t: whole_number("n", torch.tensor(True), 0),
            r"n is tensor\(True\); it",
        ),
    ],
)
def test_what_is_not_meant_is_refused(call, says, tokenizer):
    with pytest.raises(ValueError, match=f"^{says}"):
        call(tokenizer)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (["good"], "row 0 is the text 'good'; pass tokenizer.encode"),
        ("good", "rows is the text 'good'; it must be a list with a list of ids"),
        ([[5], []], "row 1 has 0 tokens; it must have 1 to 64"),
        ([[5] * 65], "row 0 has 65 tokens; it must have 1 to 64"),
        ([[280]], "row 0 holds 280; token ids lie between 0 and 279"),
        ([[5, -1]], "row 0 holds -1; token ids lie between 0 and 279"),
        ([[0.5]], "row 0 holds 0.5; it must be one flat sequence of ids"),
        ([5], "row 0 is 5; it must be one flat sequence of ids"),
        (None, "rows is None; it must be a list with a list of ids"),
    ],
)
def test_a_classifier_predicts_from_ids(small_classifier, rows, says):
    with pytest.raises(ValueError, match=f"^{says}"):
        predict(small_classifier, rows)
