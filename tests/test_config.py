"""The shapes: the published sizes, and what a config.json may not say."""

from __future__ import annotations

import json

import pytest

from gpt2course.checkpoints import MINI
from gpt2course.config import SIZES, GPT2Config


@pytest.mark.parametrize(
    ("name", "n_layer", "n_embd", "n_head"),
    [
        ("gpt2", 12, 768, 12),
        ("gpt2-medium", 24, 1024, 16),
        ("gpt2-large", 36, 1280, 20),
        ("gpt2-xl", 48, 1600, 25),
    ],
)
def test_the_published_sizes(name, n_layer, n_embd, n_head):
    config = SIZES[name]
    assert (config.n_layer, config.n_embd, config.n_head) == (n_layer, n_embd, n_head)
    assert (
        config.vocab_size,
        config.n_positions,
        config.eos_token_id,
        config.head_size,
    ) == (50257, 1024, 50256, 64)


def test_the_shipped_mini_has_its_size():
    shipped = GPT2Config.from_dict(json.loads((MINI / "config.json").read_text()))
    assert all(
        getattr(shipped, name) == getattr(SIZES["mini"], name)
        for name in ("vocab_size", "n_positions", "n_embd")
    )
    assert (shipped.n_layer, shipped.n_head) == (
        SIZES["mini"].n_layer,
        SIZES["mini"].n_head,
    )


def test_there_and_back():
    config = GPT2Config(n_embd=48, n_head=3, attn_pdrop=0.0)
    assert GPT2Config.from_dict(config.to_dict()) == config


def test_transformers_config_is_read():
    import transformers

    theirs = transformers.GPT2Config(n_embd=48, n_head=3, n_layer=5, resid_pdrop=0.3)
    assert GPT2Config.from_dict(theirs.to_dict()) == GPT2Config(
        n_embd=48, n_head=3, n_layer=5, resid_pdrop=0.3
    )


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"n_layer": 0}, "n_layer is 0; it must be a whole number of at least 1"),
        ({"vocab_size": 1.5}, "vocab_size is 1.5"),
        ({"n_positions": "1024"}, "n_positions is '1024'"),
        ({"n_embd": 100, "n_head": 12}, "n_embd 100 cannot be split into 12 heads"),
        (
            {"attn_pdrop": 1.0},
            r"attn_pdrop is 1.0; a dropout probability lies in \[0, 1\)",
        ),
    ],
)
def test_impossible_shapes(values, says):
    with pytest.raises(ValueError, match=says):
        GPT2Config(**values)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"model_type": "llama"}, "model_type is 'llama'"),
        (
            {"activation_function": "gelu"},
            "activation_function is 'gelu'; GPT-2 uses one of gelu_new",
        ),
        ({"n_inner": 100}, r"n_inner is 100; GPT-2 has 4 \* n_embd = 3072"),
        (
            {"scale_attn_by_inverse_layer_idx": True},
            "scale_attn_by_inverse_layer_idx is True",
        ),
        ({"scale_attn_weights": False}, "scale_attn_weights is False"),
        ({"add_cross_attention": True}, "add_cross_attention is True"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings is False"),
    ],
)
def test_variants_that_the_model_does_not_compute(entry, says):
    with pytest.raises(ValueError, match=says):
        GPT2Config.from_dict({**GPT2Config().to_dict(), **entry})


def test_both_names_of_the_activation_are_one():
    written = {
        **GPT2Config().to_dict(),
        "activation_function": "gelu_pytorch_tanh",
        "n_inner": 3072,
    }
    assert GPT2Config.from_dict(written) == GPT2Config()


@pytest.mark.parametrize("beside", [{}, {"n_head": 12}])
def test_a_shape_under_another_name_is_not_overlooked(beside):
    # the number of heads changes no tensor's shape: nothing else would notice
    entries = {
        k: v for k, v in GPT2Config().to_dict().items() if k != "n_head"
    } | beside
    with pytest.raises(ValueError, match=r"num_attention_heads is 3 .*rename num_att"):
        GPT2Config.from_dict({**entries, "num_attention_heads": 3})
    same = {**entries, "n_head": 3, "num_attention_heads": 3}
    assert GPT2Config.from_dict(same).n_head == 3
