"""Text while it is written.

Whole characters, and stop strings wherever tokens cut them.
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gpt2course.checkpoints import load_checkpoint, load_tokenizer
from gpt2course.generation import (
    NotFinite,
    decode_utf8,
    generate,
    sampler,
    stream_text,
    until_stop,
)


@pytest.mark.parametrize("seed", range(3))
def test_streamed_text_is_the_decoded_text(seed):
    model, tokenizer = load_checkpoint("mini"), load_tokenizer("mini")
    torch.manual_seed(seed)
    pieces = list(
        stream_text(
            model, tokenizer, "This movie was", 40, strategy=sampler(temperature=1.5)
        )
    )
    torch.manual_seed(seed)
    ids = generate(
        model, tokenizer.encode("This movie was"), 40, strategy=sampler(temperature=1.5)
    )
    assert "".join(pieces) == tokenizer.decode(ids, skip_special_tokens=True)
    assert all(pieces)


def test_a_stop_string_ends_the_text_wherever_tokens_cut_it():
    model, tokenizer = load_checkpoint("mini"), load_tokenizer("mini")
    whole = "".join(stream_text(model, tokenizer, "This movie was", 30))
    for start in (3, 7, 12):
        stop = whole[start : start + 5]
        assert (
            "".join(stream_text(model, tokenizer, "This movie was", 30, stop=[stop]))
            == whole[: whole.index(stop)]
        )
    assert (
        "".join(
            stream_text(model, tokenizer, "This movie was", 30, stop=["never ever"])
        )
        == whole
    )
    with pytest.raises(ValueError, match="a stop string is ''"):
        next(stream_text(model, tokenizer, "This movie was", 30, stop=[""]))


def test_text_that_waits_for_a_stop_string_is_kept_too():
    tokenizer = load_tokenizer("mini")

    def tokens():
        yield from tokenizer.encode(" a good film")
        raise NotFinite("the logits at position 5 are not finite")

    pieces = []
    text = decode_utf8(tokens(), tokenizer)
    with pytest.raises(NotFinite):
        pieces.extend(until_stop(text, stop=["film festival"]))
    assert "".join(pieces) == " a good film"


@pytest.fixture(scope="module")
def gpt2_tokenizer():
    return load_tokenizer("gpt2")


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_every_piece_is_whole_characters(gpt2_tokenizer, text):
    pieces = list(decode_utf8(gpt2_tokenizer.encode(text), gpt2_tokenizer))
    assert "".join(pieces) == text
    assert all(pieces)


def test_half_a_character_waits_and_special_tokens_are_left_out(gpt2_tokenizer):
    cup = gpt2_tokenizer.encode("\N{HOT BEVERAGE}")
    assert len(cup) > 1
    end = gpt2_tokenizer.eos_token_id
    tokens = [*cup[:1], end, *cup[1:], cup[0]]
    assert list(decode_utf8(tokens, gpt2_tokenizer)) == [
        "\N{HOT BEVERAGE}",
        "\N{REPLACEMENT CHARACTER}",
    ]


@given(
    text=st.text("ab", max_size=30),
    stop=st.lists(st.text("ab", min_size=1, max_size=5), max_size=3),
    cuts=st.lists(st.integers(1, 4), min_size=30, max_size=30),
)
def test_a_stop_string_is_found_wherever_pieces_cut_it(text, stop, cuts):
    pieces, rest = [], text
    for n in cuts:
        pieces.append(rest[:n])
        rest = rest[n:]
    # the first stop string whose end is read wins, as when tokens arrive
    got = "".join(until_stop(pieces, stop))
    assert got == "".join(until_stop([text], stop))
    assert text.startswith(got)
    assert not any(s in got for s in stop)
    if not any(s in text for s in stop):
        assert got == text
    else:
        assert any(text[len(got) :].startswith(s) for s in stop)


def test_one_stop_string_needs_no_list():
    assert "".join(until_stop(["This movie was", " expected"], "expect")) == (
        "This movie was "
    )


@pytest.mark.parametrize("stop", ["", [""], [b"x"], [5], ["a", None], None, 5, b"x"])
def test_a_stop_string_that_is_none(stop):
    with pytest.raises(ValueError, match=r"^(a stop string|stop) (is|holds) "):
        list(until_stop(["text"], stop))


def test_ids_where_a_text_is_meant():
    model, tokenizer = load_checkpoint("mini"), load_tokenizer("mini")
    with pytest.raises(ValueError, match="prompt is a list"):
        stream_text(model, tokenizer, [1, 2, 3])
