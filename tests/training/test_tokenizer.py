"""A tokenizer of one's own: every text survives it, and the ids are as in GPT-2."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_pretraining import TEXTS, TOKENIZER

from gpt2course.training import END_OF_TEXT, train_tokenizer


def test_ids():
    assert TOKENIZER.id_to_token(0) == "!"
    assert TOKENIZER.token_to_id(END_OF_TEXT) == TOKENIZER.get_vocab_size() - 1 == 279
    assert TOKENIZER.encode(END_OF_TEXT).ids == [279]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives(text):
    ids = TOKENIZER.encode(text).ids
    assert TOKENIZER.decode(ids, skip_special_tokens=False) == text


@pytest.mark.parametrize(
    ("vocab_size", "says"),
    [
        (256, "vocab_size is 256; .* need at least 257"),
        (9999, "the texts give [0-9]+ tokens, not 9999"),
    ],
)
def test_impossible_vocabularies(vocab_size, says):
    with pytest.raises(ValueError, match=says):
        train_tokenizer(TEXTS, vocab_size)
