"""Packed and int8 weights: what is exact is equal, what is rounded is near."""

from __future__ import annotations

import pytest
import torch
from conftest import TINY, cannot_run, random_ids, random_model

from gpt2course.generation import (
    CompiledWriter,
    Int8Linear,
    generate,
    generate_batch,
    one_token,
    pack_weights,
    quantize_weights,
)
from gpt2course.generation import quantized as quantized_file
from gpt2course.training import add_lora

MAKERS = {"packed": lambda model: pack_weights(model, 3), "int8": quantize_weights}
PROMPTS = [[1, 2, 3], [4, 5, 6, 7, 8], [9]]


@pytest.fixture(scope="module")
def model():
    return random_model()


def test_packed_weights_write_the_same(model):
    packed = pack_weights(model, 3)
    ids = random_ids(TINY, 2, 9)
    with torch.inference_mode():
        torch.testing.assert_close(packed(ids), model(ids), atol=1e-5, rtol=0)
    assert generate_batch(packed, PROMPTS, 20) == generate_batch(model, PROMPTS, 20)
    assert generate(packed, PROMPTS[1], 20) == generate(model, PROMPTS[1], 20)


def test_int8_weights_are_near_and_rows_do_not_disturb_each_other(model):
    rounded = quantize_weights(model)
    ids = random_ids(TINY, 2, 9)
    with torch.inference_mode():
        exact, found = model(ids), rounded(ids)
        alone = rounded(ids[:1])
    assert 0 < (found - exact).std() < 0.05 * exact.std()
    torch.testing.assert_close(found[:1], alone, atol=1e-6, rtol=0)
    together = generate_batch(rounded, PROMPTS, 20)
    assert together == [generate(rounded, prompt, 20) for prompt in PROMPTS]


@pytest.mark.parametrize("kind", MAKERS)
def test_the_flat_step_takes_them(model, kind):
    changed = MAKERS[kind](model)
    assert one_token(changed) != changed.hidden


@pytest.mark.parametrize("kind", MAKERS)
def test_the_model_stays_as_it_is(kind):
    model = random_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    MAKERS[kind](model)
    assert model.state_dict().keys() == before.keys()
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("fbgemm", [True, False])
def test_a_product_is_the_product_of_the_rounded_numbers(monkeypatch, fbgemm):
    if fbgemm and not quantized_file.has_fbgemm():
        cannot_run("this PyTorch has no FBGEMM: only the other product was tried")
    monkeypatch.setattr(quantized_file, "has_fbgemm", lambda: fbgemm)
    draw = torch.Generator().manual_seed(0)
    # weights in memory as a checkpoint has them: (in, out)
    weight = torch.randn(40, 24, generator=draw).t()
    bias = torch.randn(24, generator=draw)
    x = torch.randn(2, 3, 40, generator=draw)
    x[0, 0] *= 1000  # a row that must not take the others' precision
    x[1, 1] = 0
    limit = quantized_file.weight_limit()
    weight_scale = weight.abs().amax(1) / limit
    scale = x.abs().amax(-1, keepdim=True).clamp(min=1e-30)
    rounded = (x / scale * 127).round().double()
    whole = (weight / weight_scale[:, None]).round().double()
    expected = rounded @ whole.t() * weight_scale * (scale / 127) + bias
    found = Int8Linear(weight, bias)(x)
    torch.testing.assert_close(found.double(), expected, atol=1e-4, rtol=1e-4)
    assert found[1, 1].equal(bias)


def test_a_row_of_zeros_in_the_weights(model):
    layer = Int8Linear(torch.zeros(4, 8), None)
    assert layer(torch.ones(1, 8)).equal(torch.zeros(1, 4))


def test_processors_without_vnni_get_smaller_numbers(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: False)
    limit = quantized_file.weight_limit()
    assert 2 * 255 * limit < 2**15  # two products are summed in 16 bits


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda model: model.double(), "torch.float64 on cpu; a"),
        (lambda model: model.train(), r"train mode.*call model.eval\(\) first"),
    ],
    ids=["float64", "train mode"],
)
def test_what_is_refused(kind, change, says):
    with pytest.raises(ValueError, match=says):
        MAKERS[kind](change(random_model()))


@pytest.mark.parametrize("kind", MAKERS)
def test_hooks_and_other_layers_would_be_left_out(kind):
    model = random_model()
    hook = model.h[0].attn.register_forward_hook(lambda *_: None)
    with pytest.raises(ValueError, match=r"h\.0\.attn \(Causal.*has hooks"):
        MAKERS[kind](model)
    hook.remove()
    MAKERS[kind](model)
    add_lora(model, 2, seed=0)
    with pytest.raises(ValueError, match=r"c_attn \(Linear\).*merge_lora"):
        MAKERS[kind](model.eval())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_broken_weights_do_not_become_whole_numbers(value):
    model = random_model()
    with torch.no_grad():
        model.h[1].mlp.c_fc.weight[3, 1] = value
    with pytest.raises(ValueError, match="holds NaN or infinity"):
        quantize_weights(model)


def test_no_rows():
    with pytest.raises(ValueError, match="rows is 0; pass the number of texts"):
        pack_weights(random_model(), 0)


@pytest.mark.parametrize("kind", MAKERS)
def test_training_fails_and_gives_no_zeros(kind):
    changed = MAKERS[kind](random_model())
    with pytest.raises(RuntimeError, match="does not require grad"):
        changed(random_ids(TINY, 1, 4)).sum().backward()


@pytest.mark.parametrize("kind", MAKERS)
def test_no_compiled_step_leaves_them_out(model, kind):
    with pytest.raises(ValueError, match="a module has hooks or was exchanged"):
        CompiledWriter(MAKERS[kind](model), 16, backend="eager")


def test_without_mkl_the_model_itself_writes(model, monkeypatch):
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: False)
    assert pack_weights(model, 8) is model


@pytest.mark.parametrize("first", MAKERS)
@pytest.mark.parametrize("second", MAKERS)
def test_layers_are_exchanged_once(model, first, second):
    once = MAKERS[first](model)
    if once is model:
        cannot_run("this PyTorch has no MKL: nothing is packed")
    with pytest.raises(ValueError, match="were exchanged already"):
        MAKERS[second](once)


@pytest.mark.parametrize("maker", MAKERS)
def test_the_state_tells_which_weights_are_inside(maker):
    states = []
    for factor in (1.0, 0.5):
        model = random_model()
        with torch.no_grad():
            model.h[1].mlp.c_proj.weight.mul_(factor)
        states.append(MAKERS[maker](model).state_dict())
    first, second = states
    assert any(not torch.equal(first[name], second[name]) for name in first)
