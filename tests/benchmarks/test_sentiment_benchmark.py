"""Benchmark of sentiment: a process measures, both recipes compute the same loss."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import sentiment
import torch
from conftest import TINY

LENGTHS = [3, 30, 7, 12, 25, 5, 18, 9] * 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint without dropout, and 32 reviews with their labels."""
    import transformers

    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    config = replace(TINY, embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0).to_dict()
    last = TINY.vocab_size - 1
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**config))
    model.save_pretrained(folder)
    rows = [torch.randint(last, (length,)).tolist() for length in LENGTHS]
    (folder / "reviews.json").write_text(
        json.dumps({"rows": rows, "labels": [0, 1] * (len(rows) // 2)})
    )
    return folder


def test_a_process_measures(folder):
    found = {
        name: sentiment.run(name, "tiny", "cpu", folder, 32, 8, 0)
        for name in sentiment.CONTESTANTS
    }
    assert all(
        one["reviews_per_second"] > 0 and len(one["losses"]) == 8
        for one in found.values()
    )
    assert found["article"]["token_fraction"] == pytest.approx(
        sum(LENGTHS) / (32 * TINY.n_positions)
    )
    assert found["article"]["token_fraction"] < found["course"]["token_fraction"] <= 1


def test_both_recipes_compute_the_same(folder):
    from datasets import Dataset

    read = json.loads((folder / "reviews.json").read_text())
    dataset = Dataset.from_dict(
        {"input_ids": read["rows"][:16], "labels": read["labels"][:16]}
    )
    settings = {
        "output_dir": str(folder / "out"),
        "per_device_train_batch_size": 16,
        "report_to": "none",
        "use_cpu": True,
        "seed": 0,
    }
    trainers = [
        make(dataset, settings, folder)
        for make in (sentiment.course, sentiment.article)
    ]
    models = [trainer.model.train() for trainer in trainers]
    models[1].load_state_dict(models[0].state_dict())
    losses = [
        trainer.compute_loss(model, next(iter(trainer.get_train_dataloader())))
        for trainer, model in zip(trainers, models, strict=True)
    ]
    torch.testing.assert_close(losses[0], losses[1], atol=1e-6, rtol=1e-5)
    for loss in losses:
        loss.backward()
    for (name, ours), theirs in zip(
        models[0].named_parameters(), models[1].parameters(), strict=True
    ):
        torch.testing.assert_close(
            ours.grad,
            theirs.grad,
            atol=1e-5,
            rtol=1e-4,
            msg=lambda m, n=name: f"{n}: {m}",
        )


def test_more_positions_keep_those_that_are_known():
    import transformers

    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**TINY.to_dict()))
    known = model.transformer.wpe.weight.detach().clone()
    sentiment.more_positions(model, 48)
    assert model.config.n_positions == 48
    assert torch.equal(model.transformer.wpe.weight[:32], known)
    assert model(torch.zeros(1, 48, dtype=torch.long)).logits.shape == (
        1,
        48,
        TINY.vocab_size,
    )


def test_a_machine_without_the_device_is_told(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["sentiment.py", "--device", "cuda"])
    with pytest.raises(SystemExit, match="no CUDA device here; leave out --device"):
        sentiment.main()
