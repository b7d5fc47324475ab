"""Weights there and back: every form in circulation is read, every damage is named."""

from __future__ import annotations

import json

import pytest
import torch
from conftest import TINY, random_ids, random_model, twins
from safetensors.torch import load_file, save_file
from safetensors.torch import save_model as save_safetensors_model

from gpt2course.checkpoints import (
    CheckpointError,
    from_hf,
    read_model,
    to_hf,
    write_model,
)
from gpt2course.generation import quantize_weights

MODEL, IDS = random_model(), random_ids(TINY, 2, 20)


def masks() -> dict[str, torch.Tensor]:
    """The constants of older files."""
    mask = torch.ones(32, 32).tril().view(1, 1, 32, 32)
    layers = range(TINY.n_layer)
    return {f"h.{i}.attn.bias": mask for i in layers} | {
        f"h.{i}.attn.masked_bias": torch.tensor(-1e4) for i in layers
    }


@pytest.mark.parametrize("prefix", ["transformer.", ""])
@pytest.mark.parametrize("with_masks", [True, False])
@pytest.mark.parametrize("with_head", [True, False])
def test_every_form_is_read(prefix, with_masks, with_head):
    state = {
        name.removeprefix("transformer."): tensor
        for name, tensor in to_hf(MODEL).items()
    }
    state |= masks() if with_masks else {}
    state = {prefix + name: tensor for name, tensor in state.items()}
    if with_head:
        state["lm_head.weight"] = MODEL.wte.weight
    result = from_hf(state, TINY)
    for name, tensor in MODEL.state_dict().items():
        assert torch.equal(result[name], tensor), name
    assert len(result) == len(MODEL.state_dict())


def test_what_transformers_saves_is_read(tmp_path):
    theirs, _ = twins(TINY)
    theirs.save_pretrained(tmp_path)
    ours = read_model(tmp_path)
    assert not ours.training
    with torch.no_grad():
        torch.testing.assert_close(ours(IDS), theirs(IDS).logits, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("dtype", "atol"), [(torch.float32, 1e-5), (torch.float16, 0.05)]
)
def test_what_we_save_is_read_by_both(tmp_path, dtype, atol):
    from transformers import AutoModelForCausalLM

    write_model(MODEL, tmp_path / "new" / "folder", dtype, resid_pdrop=0.3)
    folder = tmp_path / "new" / "folder"
    assert {
        tensor.dtype for tensor in load_file(folder / "model.safetensors").values()
    } == {dtype}
    assert (folder / "model.safetensors").stat().st_mode & 0o777 == 0o644
    ours, theirs = read_model(folder), AutoModelForCausalLM.from_pretrained(folder)
    assert (
        ours.h[0].mlp.c_fc.weight.t().is_contiguous()
    )  # in the order of the file, which is faster for one token
    assert (
        {p.dtype for p in ours.parameters()}
        == {p.dtype for p in theirs.parameters()}
        == {torch.float32}
    )
    assert ours.config.resid_pdrop == theirs.config.resid_pdrop == 0.3
    with torch.no_grad():
        torch.testing.assert_close(ours(IDS), theirs(IDS).logits, atol=1e-5, rtol=0)
        torch.testing.assert_close(ours(IDS), MODEL(IDS), atol=atol, rtol=0)
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json", "generation_config.json", "model.safetensors",
    ]  # fmt: skip


def test_a_saved_model_is_not_tied_to_the_file(tmp_path):
    write_model(MODEL, tmp_path)
    before = read_model(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert torch.equal(before(IDS), MODEL(IDS))


def with_tensor(name: str, tensor: torch.Tensor | None):
    """A damage: replace a tensor of the file, or take it out."""

    def damage(folder):
        state = load_file(folder / "model.safetensors")
        state.pop(name, None)
        save_file(
            state | ({} if tensor is None else {name: tensor}),
            folder / "model.safetensors",
        )

    return damage


def with_config(**entries):
    """A damage: change entries of config.json."""

    def damage(folder):
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))

    return damage


def cut(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-50])


LN = "transformer.h.1.ln_1.weight"


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (with_tensor(LN, torch.full((24,), torch.nan)), f"{LN}' holds NaN or infinity"),
        (with_tensor(LN, torch.full((24,), torch.inf)), f"{LN}' holds NaN or infinity"),
        (with_tensor(LN, None), "lacks 1 of 40 tensors, first 'h.1.ln_1.weight'"),
        (
            with_tensor(LN, torch.ones(25)),
            rf"{LN}' has shape \(25,\) where config.json asks for \(24,\)",
        ),
        (
            with_tensor("transformer.h.0.attn.c_attn.weight", torch.ones(72, 24)),
            "c_attn.weight' has shape",
        ),
        (
            with_tensor("model.layers.0.weight", torch.ones(1)),
            "holds 'model.layers.0.weight', which GPT-2 does not have",
        ),
        (with_config(n_layer=2), "which GPT-2 does not have"),
        (with_config(n_layer=4), "lacks 12 of 52 tensors, first 'h.3.ln_1.weight'"),
        (with_config(n_embd=30, n_head=5), "config.json asks for"),
        (
            with_config(model_type="llama"),
            "model_type is 'llama'; this course reads 'gpt2' checkpoints only",
        ),
        (with_config(n_head=5), "n_embd 24 cannot be split into 5 heads"),
        (cut, "model.safetensors is damaged or cut short"),
        (
            lambda f: (f / "model.safetensors").write_bytes(b""),
            "model.safetensors is damaged or cut short",
        ),
        (
            lambda f: (f / "model.safetensors").unlink(),
            "model.safetensors does not exist; save the model with safetensors",
        ),
        (
            lambda f: (f / "config.json").unlink(),
            "config.json does not exist; a checkpoint folder holds config.json",
        ),
        (lambda f: (f / "config.json").write_text("{"), "config.json: "),
        (lambda f: (f / "config.json").write_text("[]"), "config.json: "),
        (lambda f: (f / "config.json").write_bytes(b"\xff\xfe{"), "config.json: "),
    ],
)
def test_damage_is_named(tmp_path, damage, says):
    write_model(MODEL, tmp_path)
    damage(tmp_path)
    with pytest.raises(CheckpointError, match=says) as raised:
        read_model(tmp_path)
    assert str(tmp_path) in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_a_failed_write_leaves_the_old_model(tmp_path, monkeypatch):
    write_model(MODEL, tmp_path)

    def full_disk(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gpt2course.checkpoints.convert.save_file", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_model(random_model(std=0.5), tmp_path)
    assert torch.equal(read_model(tmp_path)(IDS), MODEL(IDS))


def test_what_safetensors_save_model_writes_is_read(tmp_path):
    # it keeps one name of a tensor that has two, and the other in the metadata
    theirs, _ = twins(TINY)
    theirs.config.save_pretrained(tmp_path)
    save_safetensors_model(theirs, str(tmp_path / "model.safetensors"))
    names = load_file(tmp_path / "model.safetensors")
    assert "lm_head.weight" in names
    assert "transformer.wte.weight" not in names
    with torch.no_grad():
        logits = read_model(tmp_path)(IDS)
        torch.testing.assert_close(logits, theirs(IDS).logits, atol=1e-5, rtol=0)
    # within the prefix of a wrapper, too
    inside = {f"model.{name}": tensor for name, tensor in names.items()}
    save_file(inside, tmp_path / "model.safetensors")
    with torch.no_grad():
        assert torch.equal(read_model(tmp_path)(IDS), logits)
    # and a vocabulary of another size is named as such
    config = json.loads((tmp_path / "config.json").read_text())
    config["vocab_size"] += 8
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"'transformer\.wte\.weight' has shape"):
        read_model(tmp_path)


def test_a_head_of_its_own_is_refused():
    state = to_hf(MODEL)
    state["lm_head.weight"] = state["transformer.wte.weight"].clone()
    from_hf(state, MODEL.config)  # the usual copy
    state["lm_head.weight"][3, 1] += 1
    with pytest.raises(
        CheckpointError, match=r"lm_head\.weight differs from wte.weight"
    ):
        from_hf(state, MODEL.config)


def test_one_tensor_under_two_names_is_refused():
    state = to_hf(MODEL)
    state["wte.weight"] = torch.zeros_like(state["transformer.wte.weight"])
    with pytest.raises(CheckpointError, match=r"'wte\.weight' occurs twice"):
        from_hf(state, MODEL.config)


def test_a_quantized_model_is_not_saved(tmp_path):
    with pytest.raises(ValueError, match="save the model from which a packed"):
        write_model(quantize_weights(MODEL), tmp_path)
    assert not (tmp_path / "model.safetensors").exists()
