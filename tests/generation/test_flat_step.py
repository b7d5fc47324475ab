"""The flat step.

The vectors of the model itself, and the model itself where it is not plain.
"""

from __future__ import annotations

import pytest
import torch
from conftest import TINY, random_ids, random_model

from gpt2course.cache import KVCache
from gpt2course.generation import generate, is_plain, one_token


@pytest.mark.parametrize("batch", [1, 3])
def test_a_step_equals_the_model(batch):
    model, ids = random_model(), random_ids(TINY, batch, 20)
    ours, theirs = KVCache(TINY, batch), KVCache(TINY, batch)
    with torch.no_grad():
        for cache in (ours, theirs):
            model.hidden(ids[:, :5], cache=cache)
        step = one_token(model)
        for t in range(5, 20):
            expected = model.hidden(ids[:, t : t + 1], cache=theirs)
            torch.testing.assert_close(
                step(ids[:, t : t + 1], cache=ours), expected, atol=1e-5, rtol=0
            )
    assert ours.length == theirs.length == 20
    torch.testing.assert_close(ours._store, theirs._store, atol=1e-5, rtol=0)


def test_positions_and_masks_are_respected():
    model, ids = random_model(), random_ids(TINY, 2, 9)
    mask = torch.ones(2, 1, 1, 9, dtype=torch.bool)
    mask[1, ..., :4] = False
    caches = KVCache(TINY, 2), KVCache(TINY, 2)
    options = {"position_ids": torch.tensor([[8], [4]]), "mask": mask}
    with torch.no_grad():
        for cache in caches:
            model.hidden(ids[:, :8], cache=cache)
        expected = model.hidden(ids[:, 8:], **options, cache=caches[0])
        got = one_token(model)(ids[:, 8:], **options, cache=caches[1])
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


class Louder(torch.nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


def exchange(model):
    model.h[1].mlp.c_fc = Louder(TINY.n_embd, 4 * TINY.n_embd)


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.train(),
        lambda model: model.h[0].attn.register_forward_hook(lambda *_: None),
        lambda model: model.ln_f.register_forward_pre_hook(lambda *_: None),
        lambda model: setattr(model.h[2], "forward", lambda x, *_: x),
        exchange,
    ],
    ids=["train mode", "hook", "pre-hook", "forward replaced", "module exchanged"],
)
def test_a_changed_model_is_left_to_itself(change):
    model = random_model()
    assert is_plain(model)
    assert one_token(model) != model.hidden
    change(model)
    assert not is_plain(model)
    assert one_token(model) == model.hidden


@pytest.mark.parametrize("kept", [(0, 2), (1, 0, 2)])
def test_blocks_that_were_taken_out_or_exchanged(kept):
    model = random_model()
    assert len(model.h) == 3
    model.h = torch.nn.ModuleList(model.h[i] for i in kept)
    ids = [1, 2, 3]
    for _ in range(6):
        with torch.no_grad():
            ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
    assert generate(model, [1, 2, 3], 6, stop_ids=()) == ids[3:]


def test_one_block_in_train_mode_is_not_plain():
    model = random_model()
    model.h[0].train()
    assert not is_plain(model)
