"""The model equals Hugging Face's, part by part and as a whole."""

from __future__ import annotations

import math

import pytest
import torch
from conftest import TINY, random_ids, random_model, twins
from hypothesis import given
from hypothesis import strategies as st

from gpt2course.checkpoints import to_hf
from gpt2course.config import SIZES, GPT2Config
from gpt2course.loss import cross_entropy, shift
from gpt2course.model import GPT2, attention, causal_mask, reference_attention


@pytest.mark.parametrize("attn_implementation", ["eager", "sdpa"])
@pytest.mark.parametrize("n_layer", [12, 24, 36, 48])
def test_every_depth_equals_hugging_face(n_layer, attn_implementation):
    config = GPT2Config(
        vocab_size=97, n_positions=40, n_embd=36, n_layer=n_layer, n_head=3
    )
    theirs, ours = twins(config, 0.2, attn_implementation)
    ids = random_ids(config, 2, 40)
    with torch.no_grad():
        torch.testing.assert_close(ours(ids), theirs(ids).logits, atol=1e-5, rtol=0)


def test_the_real_width_equals_hugging_face():
    config = GPT2Config(vocab_size=97, n_positions=64)  # 768 wide, 12 layers, 12 heads
    theirs, ours = twins(config, 0.2)
    ids = random_ids(config, 1, 64)
    with (
        torch.no_grad()
    ):  # in float32 two kernels of Hugging Face's own differ by 1e-3 here
        torch.testing.assert_close(
            ours.double()(ids), theirs.double()(ids).logits, atol=1e-9, rtol=0
        )


def test_gradients_equal_hugging_face():
    theirs, ours = twins(TINY)
    ids = random_ids(TINY, 2, 20)
    theirs(ids, labels=ids).loss.backward()
    cross_entropy(*shift(ours(ids), ids)).backward()
    for name, parameter in ours.named_parameters():
        expected = theirs.get_parameter(f"transformer.{name}").grad
        if name.split(".")[-2].startswith("c_") and name.endswith("weight"):
            expected = expected.t()  # Conv1D
        torch.testing.assert_close(
            parameter.grad,
            expected,
            atol=1e-5,
            rtol=1e-4,
            msg=lambda m, name=name: f"{name}: {m}",
        )


def test_dropout_only_while_training():
    model, ids = random_model(), random_ids(TINY, 1, 20)
    assert torch.equal(model(ids), model(ids))
    model.train()
    assert not torch.equal(model(ids), model(ids))


def test_the_past_does_not_see_the_future():
    model, ids = random_model(), random_ids(TINY, 1, 20)
    other = ids.clone()
    other[0, 12:] = (other[0, 12:] + 1) % TINY.vocab_size
    before, after = model(ids), model(other)
    torch.testing.assert_close(before[:, :12], after[:, :12])
    assert (before[:, 12:] - after[:, 12:]).abs().amax(dim=-1).min() > 1e-3


def test_a_document_mask_keeps_packed_texts_apart():
    model = random_model()
    first, second = random_ids(TINY, 1, 7, seed=1), random_ids(TINY, 1, 9, seed=2)
    mask = torch.block_diag(causal_mask(7), causal_mask(9)).bool()
    position_ids = torch.cat((torch.arange(7), torch.arange(9)))[None]
    packed = model(
        torch.cat((first, second), dim=1), mask=mask, position_ids=position_ids
    )
    torch.testing.assert_close(
        packed, torch.cat((model(first), model(second)), dim=1), atol=1e-5, rtol=0
    )


def test_the_head_reads_the_hidden_states():
    model, ids = random_model(), random_ids(TINY, 2, 5)
    assert model.hidden(ids).shape == (2, 5, TINY.n_embd)
    assert torch.equal(model.head(model.hidden(ids)), model(ids))


def test_causal_mask():
    assert causal_mask(3).tolist() == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]
    assert causal_mask(2, 4).tolist() == [
        [True, True, True, False],
        [True, True, True, True],
    ]


@given(past=st.integers(0, 6), T=st.integers(1, 6))
def test_the_fused_kernel_equals_the_reference(past, T):
    generator = torch.Generator().manual_seed(past * 10 + T)
    S = past + T
    q, k, v = (
        torch.randn(2, 3, n, 5, generator=generator, dtype=torch.float64)
        for n in (T, S, S)
    )
    expected = reference_attention(q, k, v, causal_mask(T, S))
    torch.testing.assert_close(attention(q, k, v), expected)
    mask = torch.rand(2, 1, T, S, generator=generator) < 0.5
    mask[..., 0] = True  # every query may look at something
    expected = reference_attention(q, k, v, mask)
    torch.testing.assert_close(attention(q, k, v, mask), expected)


def test_the_reference_equals_a_loop_over_queries_and_keys():
    q, k, v = torch.randn(3, 1, 1, 4, 5, dtype=torch.float64)
    output = reference_attention(q, k, v, causal_mask(4))[0, 0]
    for t in range(4):
        scores = [
            sum(float(a * b) for a, b in zip(q[0, 0, t], k[0, 0, s], strict=True))
            for s in range(t + 1)
        ]
        exponentials = [math.exp(score / math.sqrt(5)) for score in scores]
        expected = sum(
            value * weight / sum(exponentials)
            for value, weight in zip(v[0, 0], exponentials, strict=False)
        )
        torch.testing.assert_close(output[t], expected)


def test_initial_weights():
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=500, n_positions=64, n_embd=96, n_layer=8, n_head=3)
    for name, p in GPT2(config).named_parameters():
        if name.endswith("c_proj.weight"):
            assert p.std().item() == pytest.approx(0.02 / math.sqrt(2 * 8), rel=0.05), (
                name
            )
        elif name.endswith("bias"):
            assert p.count_nonzero() == 0, name
        elif "ln_" in name:
            assert (p == 1).all(), name
        else:
            assert p.std().item() == pytest.approx(0.02, rel=0.05), name


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("gpt2", 124_439_808),
        ("gpt2-medium", 354_823_168),
        ("gpt2-large", 774_030_080),
        ("gpt2-xl", 1_557_611_200),
    ],
)
def test_parameter_counts(name, count):
    with torch.device("meta"):
        assert sum(p.numel() for p in GPT2(SIZES[name]).parameters()) == count


@pytest.mark.parametrize(
    ("input_ids", "says"),
    [
        (torch.zeros(1, 0, dtype=torch.long), r"input_ids has shape \(1, 0\)"),
        (
            torch.zeros(5, dtype=torch.long),
            r"input_ids has shape \(5,\); it must be \(B, T\)",
        ),
        (
            torch.zeros(1, 33, dtype=torch.long),
            "33 tokens are more than .* 32 positions",
        ),
        (torch.tensor([[0, 61]]), "input_ids holds 61.*61 tokens"),
        (torch.tensor([[0, -1]]), "input_ids holds -1.*61 tokens"),
        (torch.zeros(1, 2), "input_ids has dtype torch.float32"),
        ("some text", "input_ids is a str"),
        ([[1, 2]], "input_ids is a list"),
    ],
    ids=[
        *("empty", "one dimension", "too long", "too large", "negative"),
        *("floats", "text", "list"),
    ],
)
def test_bad_input(input_ids, says):
    with pytest.raises(ValueError, match=says):
        random_model()(input_ids)


def test_positions_outside_are_named():
    with pytest.raises(
        ValueError, match=r"position_ids holds 32.*32 positions"
    ) as raised:
        random_model()(random_ids(TINY, 1, 2), position_ids=torch.tensor([[0, 32]]))
    assert "input_ids" not in str(raised.value)


@pytest.mark.parametrize(
    ("input_ids", "position_ids"),
    [
        ([[0, 61]], None),
        ([[-1, 0]], None),
        ([[0, 1]], [[0, 32]]),
        ([[0, 1]], [[-1, 0]]),
    ],
)
def test_tables_are_never_asked_for_what_they_lack(input_ids, position_ids):
    """On a GPU such a lookup would end the process; nothing there raises IndexError."""
    model = random_model()
    asked = []
    for table in (model.wte, model.wpe):
        table.register_forward_pre_hook(lambda *_: asked.append(1))
    if position_ids is not None:
        position_ids = torch.tensor(position_ids)
    with pytest.raises(ValueError, match="outside this model's"):
        model(torch.tensor(input_ids), position_ids=position_ids)
    assert not asked
    model(torch.tensor([[0, 60]]), position_ids=torch.tensor([[0, 31]]))
    assert len(asked) == 2


def test_saving_shares_no_name_with_the_head():
    assert not any("lm_head" in name for name in to_hf(random_model()))


def test_a_mask_of_numbers_is_refused():
    """The kernel would add it to the scores."""
    model, ids = random_model(), random_ids(TINY, 1, 5)
    with pytest.raises(ValueError, match=r"mask has dtype torch.float32; .*mask.bool"):
        model(ids, mask=torch.ones(5, 5).tril())


def test_positions_have_the_shape_of_the_ids():
    model, ids = random_model(), random_ids(TINY, 1, 5)
    for positions in (torch.tensor([[3]]), [[0, 1, 2, 3, 4]]):
        with pytest.raises(ValueError, match=r"shape of input_ids, \(1, 5\)"):
            model(ids, position_ids=positions)
