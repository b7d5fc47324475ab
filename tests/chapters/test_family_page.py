"""The five classes of the page on the model family: shapes, what is random, padding."""

from __future__ import annotations

import pytest
import torch
from conftest import perturb

from gpt2course.checkpoints import checkpoint_folder

B, T, PAD = 2, 6, 60
SHAPES = {
    "GPT2Model": {"last_hidden_state": (B, T, 24)},
    "GPT2LMHeadModel": {"logits": (B, T, 61)},
    "GPT2ForSequenceClassification": {"logits": (B, 3)},
    "GPT2ForQuestionAnswering": {"start_logits": (B, T), "end_logits": (B, T)},
    "GPT2ForTokenClassification": {"logits": (B, T, 3)},
}
RANDOM = {
    "GPT2Model": set(),
    "GPT2LMHeadModel": set(),
    "GPT2ForSequenceClassification": {"score.weight"},
    "GPT2ForQuestionAnswering": {"qa_outputs.weight", "qa_outputs.bias"},
    "GPT2ForTokenClassification": {"classifier.weight", "classifier.bias"},
}


def small(name: str, **settings):
    """One of the five, three labels, every weight moved, in eval mode."""
    import transformers

    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=61, n_positions=32, n_embd=24, n_layer=3, n_head=4, num_labels=3,
        bos_token_id=PAD, eos_token_id=PAD, **settings,
    )  # fmt: skip
    model = getattr(transformers, name)(config).eval()
    perturb(model, 0.2)
    return model


@pytest.mark.parametrize("name", SHAPES)
@torch.no_grad()
def test_each_class_gives_its_shape(name):
    out = small(name, pad_token_id=PAD)(torch.randint(PAD, (B, T)))
    found = {
        key: tuple(value.shape) for key, value in out.items() if torch.is_tensor(value)
    }
    assert found == SHAPES[name]


@pytest.mark.parametrize("name", RANDOM)
def test_only_body_and_language_model_come_from_the_checkpoint(name):
    import transformers

    model, report = getattr(transformers, name).from_pretrained(
        checkpoint_folder("mini"), output_loading_info=True
    )
    assert set(report["missing_keys"]) == RANDOM[name]
    assert {
        key
        for key in model.state_dict()
        if key.split(".")[0] in ("score", "qa_outputs", "classifier")
    } == RANDOM[name]


@torch.no_grad()
def test_padding_moves_no_scores_on_the_right_and_needs_positions_on_the_left():
    model = small("GPT2ForSequenceClassification", pad_token_id=PAD)
    rows = [[5, 6], [7, 8, 9, 10, 11], [12]]
    alone = torch.cat([model(torch.tensor([row])).logits for row in rows])
    for longest in (5, 20):
        right = torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])
        torch.testing.assert_close(model(right).logits, alone, atol=1e-5, rtol=1e-5)
    left = torch.tensor([[PAD] * (5 - len(row)) + row for row in rows])
    mask = (left != PAD).long()
    assert (model(left, attention_mask=mask).logits - alone)[[0, 2]].abs().min() > 1e-3
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    mended = model(left, attention_mask=mask, position_ids=positions).logits
    torch.testing.assert_close(mended, alone, atol=1e-5, rtol=1e-5)
    model.config.pad_token_id = None
    with pytest.raises(ValueError, match="batch sizes > 1"):
        model(left)


@torch.no_grad()
def test_a_new_token_needs_a_new_row():
    model = small("GPT2ForSequenceClassification")
    with pytest.raises(IndexError):
        model(torch.tensor([[1, 61]]))
    model.resize_token_embeddings(62)
    assert model(torch.tensor([[1, 61]])).logits.isfinite().all()
