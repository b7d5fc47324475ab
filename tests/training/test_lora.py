"""LoRA: what is trained, what is merged, and runs that are killed and resumed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import random_ids, random_model, twins
from counting import QUIET, SHAPE, VALIDATION
from test_finetuning import CONFIG, assert_same_end, die_at_step, log, run

from gpt2course.checkpoints import read_model
from gpt2course.training import FinetuneConfig, add_lora, held_out_loss, merge_lora

LORA = replace(CONFIG, lora=4, learning_rate=3e-2, max_steps=12)
PARAMETERS = 2 * 4 * (24 + 3 * 24)  # two layers; A: (24, 4) and B: (4, 72)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """An uninterrupted run, with dropout, from weights that matter."""
    folder = tmp_path_factory.mktemp("lora")
    model = random_model(SHAPE)
    return folder, model, run(folder, LORA, model=model)


def test_only_c_attn_of_the_written_model_has_changed(finished):
    from transformers import AutoModelForCausalLM

    folder, before, done = finished
    assert done.trained_parameters == PARAMETERS
    assert done.best_loss < done.first_loss - 0.1
    written = read_model(folder)
    changed = {
        name
        for name, weight in written.state_dict().items()
        if not torch.equal(weight, before.state_dict()[name])
    }
    assert changed == {f"h.{layer}.attn.c_attn.weight" for layer in range(2)}
    for layer in range(2):
        added = written.h[layer].attn.c_attn.weight - before.h[layer].attn.c_attn.weight
        assert torch.linalg.matrix_rank(added, rtol=1e-3) == 4
    assert held_out_loss(written, VALIDATION) == pytest.approx(done.best_loss, abs=1e-5)
    ids = random_ids(SHAPE, 1, 9)
    theirs = AutoModelForCausalLM.from_pretrained(folder).eval()
    assert torch.allclose(theirs(ids).logits, written(ids), atol=1e-4)


def test_the_state_holds_what_is_trained_and_no_more(finished):
    folder, _, _ = finished
    state = torch.load(folder / "state.pt")
    assert sum(weight.numel() for weight in state["model"].values()) == PARAMETERS
    moments = state["optimizers"]["optimizer"]["state"].values()
    assert sum(m["exp_avg"].numel() for m in moments) == PARAMETERS


def killed_and_resumed(folder: Path, config: FinetuneConfig, model) -> None:
    """A run that is killed at step 8, in a copy of this process, and then ends."""
    child = os.fork()
    if not child:
        try:
            run(folder, config, model=model, watch=die_at_step(8))
        finally:
            os._exit(1)
    os.waitpid(child, 0)
    assert log(folder)[-1]["step"] == 8
    run(folder, config, model=model)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_killed_run_ends_bitwise_like_one_that_was_not(finished, tmp_path):
    folder, model, _ = finished
    killed_and_resumed(tmp_path, LORA, model)
    assert_same_end(tmp_path, folder)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_the_recipe_for_a_t4_learns_and_resumes_bitwise(tmp_path):
    recipe = replace(LORA, mixed_precision="fp16", gradient_checkpointing=True)
    whole, killed, model = tmp_path / "whole", tmp_path / "killed", random_model(SHAPE)
    done = run(whole, recipe, model=model)
    assert done.trained_parameters == PARAMETERS
    assert done.best_loss < done.first_loss - 0.1
    killed_and_resumed(killed, recipe, model)
    assert_same_end(killed, whole)
    scalers = [
        torch.load(folder / "state.pt")["optimizers"]["scaler"]
        for folder in (whole, killed)
    ]
    assert scalers[0]["scale"] >= 1
    assert scalers[0] == scalers[1]


def test_hugging_face_s_model_is_merged_alike():
    theirs, ours = twins(QUIET)
    ids = random_ids(QUIET, 2, 9)
    with torch.no_grad():
        before = ours(ids)
        for model in (theirs, ours):
            add_lora(model, 3, seed=5)
            for name, weight in model.named_parameters():
                if "lora_B" in name:
                    weight.copy_(torch.arange(weight.numel()).view_as(weight) / 500)
        assert not torch.allclose(ours(ids), before, atol=0.1)
        for model in (theirs, ours):
            assert torch.allclose(merge_lora(model)(ids), ours(ids), atol=1e-4)


def test_the_seed_decides_the_matrices_and_disturbs_nothing():
    matrices = []
    for seed in (1, 1, 2):
        model = random_model(SHAPE)
        torch.manual_seed(0)
        expected = torch.rand(1)
        torch.manual_seed(0)
        add_lora(model, 2, seed)
        assert torch.equal(torch.rand(1), expected)
        matrices.append(model.h[0].attn.c_attn.lora_A["default"].weight)
    assert torch.equal(matrices[0], matrices[1])
    assert not torch.equal(matrices[0], matrices[2])


def test_another_rank_is_another_run(finished):
    folder, model, _ = finished
    before = (folder / "run.json").read_bytes()
    for other in (8, None):
        with pytest.raises(ValueError, match="a run with another lora; use that"):
            run(folder, replace(LORA, lora=other), model=model)
    assert (folder / "run.json").read_bytes() == before


def test_a_rank_above_the_width(tmp_path):
    with pytest.raises(ValueError, match=r"lora is 25; .*n_embd, 24.* use at most"):
        run(tmp_path / "run", replace(LORA, lora=25))
    assert not (tmp_path / "run").exists()


def test_matrices_that_were_trained_are_not_replaced():
    model = random_model()
    add_lora(model, 2, seed=0)
    with pytest.raises(ValueError, match="has LoRA matrices already"):
        add_lora(model, 2, seed=1)
