"""ReviewTrainer: its loss, its batches, its log, and that it stops when it diverges."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sentiment_samples import training_arguments
from transformers import GPT2LMHeadModel

from gpt2course.sentiment import (
    ACCURACY_METRIC,
    ReviewTrainer,
    classification_loss,
    compute_metrics,
    layer_groups,
    new_classifier,
    pad_right,
    review_dataset,
)
from gpt2course.training import LossNotFinite


def test_the_loss_at_the_last_token_is_that_of_transformers(small_classifier):
    model, labels = small_classifier, torch.tensor([1, 0])
    input_ids = pad_right([[5, 6, 7], [8]], model.config.pad_token_id)
    with torch.no_grad():
        outputs = model(input_ids=input_ids, labels=labels, output_hidden_states=True)
        logits = model.score(outputs.hidden_states[-1])
        ours = classification_loss(logits, torch.tensor([3, 1]), labels)
    torch.testing.assert_close(ours, outputs.loss)


def test_target_replication_by_hand():
    logits = torch.tensor(
        [[[0.0, 0.0], [0.0, 2.0], [0.0, 9.0]], [[1.0, 0.0], [5.0, 5.0], [7.0, 7.0]]]
    )
    lengths, labels = torch.tensor([2, 1]), torch.tensor([1, 0])

    def nats(true: float, other: float) -> float:
        return float(np.log1p(np.exp(other - true)))

    # positions 1 and 2 of 2 have the weights 1/2 and 1
    first = (0.5 * nats(0, 0) + 1.0 * nats(2, 0)) / 1.5
    replicated = (first + nats(1, 0)) / 2
    last = (nats(2, 0) + nats(1, 0)) / 2
    for fraction in (0.0, 0.5, 1.0):
        loss = classification_loss(logits, lengths, labels, fraction).item()
        expected = (1 - fraction) * last + fraction * replicated
        assert loss == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", ["target_replication", "token_dropout"])
def test_a_fraction_above_one_is_refused(
    small_classifier, few_reviews, small_tokenizer, tmp_path, name
):
    rows = review_dataset(few_reviews["test"], small_tokenizer)
    with pytest.raises(ValueError, match=f"{name} is 2;"):
        ReviewTrainer(
            *(small_classifier, training_arguments(tmp_path), rows, rows), **{name: 2}
        )


def test_a_model_that_names_no_padding_is_refused(
    small_classifier, few_reviews, small_tokenizer, tmp_path
):
    rows = review_dataset(few_reviews["test"], small_tokenizer)
    small_classifier.config.pad_token_id = None
    with pytest.raises(ValueError, match=r"no pad_token_id.* set model\.config"):
        ReviewTrainer(small_classifier, training_arguments(tmp_path), rows, rows)


def test_token_dropout_drops_whole_tokens_and_only_in_training(
    small_classifier, few_reviews, small_tokenizer, tmp_path
):
    rows = review_dataset(few_reviews["test"], small_tokenizer)
    trainer = ReviewTrainer(
        *(small_classifier, training_arguments(tmp_path), rows, rows),
        token_dropout=0.25,
    )
    batch = trainer.data_collator([rows[i] for i in range(len(rows))])
    embeddings = small_classifier.transformer.wte(batch["input_ids"]).detach()
    seen = []
    small_classifier.transformer.drop.register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0].detach())
    )
    positions = small_classifier.transformer.wpe.weight[: embeddings.size(1)].detach()
    for training in (True, False):
        small_classifier.train(training)
        trainer.compute_loss(small_classifier, batch)
    dropped, whole = (hidden - positions for hidden in seen)
    torch.testing.assert_close(whole, embeddings)
    kept = dropped.abs().amax(-1) > 1e-6  # (B, T)
    assert 0.2 < 1 - kept.float().mean() < 0.3
    torch.testing.assert_close(dropped[kept], embeddings[kept] / 0.75)


def test_the_language_models_loss_counts_each_review_once_and_no_padding(
    small_classifier, few_reviews, small_tokenizer, tmp_path
):
    reviews = review_dataset(few_reviews["test"], small_tokenizer)
    trainer = ReviewTrainer(
        *(small_classifier, training_arguments(tmp_path), reviews, reviews),
        lm_coef=0.5,
    )
    rows = [reviews[i] for i in range(4)]
    for i, row in enumerate(rows):  # the first has one token, nothing to predict
        row["input_ids"] = row["input_ids"][: 1 + 9 * i]
    for module in small_classifier.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    head = GPT2LMHeadModel(small_classifier.config).eval()
    head.transformer.load_state_dict(small_classifier.transformer.state_dict())
    assert head.lm_head.weight is head.transformer.wte.weight
    with torch.no_grad():
        nats = [
            head(input_ids=ids, labels=ids).loss.item()
            for ids in (torch.tensor([row["input_ids"]]) for row in rows[1:])
        ]
    batch = trainer.data_collator(rows)
    small_classifier.train()
    beside = trainer.compute_loss(small_classifier, batch).item()
    trainer.lm_coef = 0.0
    alone = trainer.compute_loss(small_classifier, batch).item()
    assert beside - alone == pytest.approx(0.5 * sum(nats) / len(rows), rel=1e-5)


def test_reviews_of_one_token_teach_the_label_alone(
    small_classifier, few_reviews, small_tokenizer, tmp_path
):
    reviews = review_dataset(few_reviews["test"], small_tokenizer)
    trainer = ReviewTrainer(
        *(small_classifier, training_arguments(tmp_path), reviews, reviews),
        lm_coef=0.5,
    )
    small_classifier.train()
    batch = trainer.data_collator([{"input_ids": [7], "labels": 1}])
    loss = trainer.compute_loss(small_classifier, batch)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(small_classifier.score.weight.grad).all()


@pytest.mark.parametrize(
    "options", [{}, {"target_replication": 0.5}, {"lm_coef": 0.5}], ids=str
)
def test_accumulated_batches_are_one_large_batch(
    small_checkpoint, few_reviews, small_tokenizer, tmp_path, options
):
    """Otherwise Trainer multiplies loss and gradient by the number of batches."""
    rows = review_dataset(few_reviews["train"], small_tokenizer).select(range(32))
    logged = []
    for size, batches in ((32, 1), (8, 4)):
        model = new_classifier(small_checkpoint)
        for module in model.modules():  # dropout would draw other numbers
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        arguments = training_arguments(
            tmp_path,
            per_device_train_batch_size=size,
            gradient_accumulation_steps=batches,
            max_steps=1,
            max_grad_norm=1e9,
            train_sampling_strategy="sequential",
        )
        trainer = ReviewTrainer(model, arguments, rows, rows, **options)
        trainer.train()
        logged.append(trainer.state.log_history[0])
    assert logged[0]["loss"] == pytest.approx(logged[1]["loss"], rel=1e-4)
    assert logged[0]["grad_norm"] == pytest.approx(logged[1]["grad_norm"], rel=1e-3)


def test_batches_hold_similar_lengths_and_change_with_the_epoch(
    small_classifier, few_reviews, small_tokenizer, tmp_path
):
    rows = review_dataset(few_reviews["train"], small_tokenizer)
    arguments = training_arguments(
        tmp_path, train_sampling_strategy="group_by_length", num_train_epochs=2
    )
    trainer = ReviewTrainer(small_classifier, arguments, rows, rows)
    seen = []
    collate = trainer.data_collator
    trainer.data_collator = lambda batch: seen.append(batch) or collate(batch)
    trainer.train()
    assert len(seen) == 24  # 96 reviews in batches of 8, twice
    spreads = [np.ptp([row["length"] for row in batch]) for batch in seen]
    assert np.mean(spreads) < 0.5 * np.ptp(rows["length"])
    first, second = seen[:12], seen[12:]
    assert sorted(row["length"] for batch in first for row in batch) == sorted(
        rows["length"]
    )
    assert first != second


def test_a_loss_that_is_not_finite_stops_the_run(
    small_classifier, few_reviews, small_tokenizer, tmp_path
):
    rows = review_dataset(few_reviews["train"], small_tokenizer)
    with torch.no_grad():
        small_classifier.score.weight.fill_(float("nan"))
    arguments = training_arguments(tmp_path, max_steps=2)
    trainer = ReviewTrainer(small_classifier, arguments, rows, rows)
    with pytest.raises(LossNotFinite, match=r"loss is nan at step 1; .*below 0\.001"):
        trainer.train()


def test_it_can_be_evaluated_before_it_is_trained(
    small_classifier, few_reviews, small_tokenizer, tmp_path, package_log
):
    rows = review_dataset(few_reviews["train"], small_tokenizer)
    trainer = ReviewTrainer(small_classifier, training_arguments(tmp_path), rows, rows)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(np.log(2), abs=0.2)
    assert package_log.messages[-1].startswith("step 0  eval_loss")


def test_lower_layers_learn_more_slowly(small_classifier):
    groups = layer_groups(small_classifier, 1.0, 0.5, weight_decay=0.1)
    found = {
        id(parameter): (group["lr"], group["weight_decay"])
        for group in groups
        for parameter in group["params"]
    }
    assert len(found) == len(list(small_classifier.parameters()))
    for name, expected in {
        "score.weight": (1.0, 0.1),
        "transformer.ln_f.bias": (1.0, 0.0),
        "transformer.h.1.mlp.c_fc.weight": (0.5, 0.1),
        "transformer.h.0.ln_1.weight": (0.25, 0.0),
        "transformer.wte.weight": (0.125, 0.1),
    }.items():
        assert found[id(small_classifier.get_parameter(name))] == expected


def test_the_metric_file_needs_no_network():
    import evaluate

    metric = evaluate.load(str(ACCURACY_METRIC))
    found = metric.compute(predictions=[1, 0, 1, 1], references=[1, 1, 1, 0])
    assert found == {"accuracy": 0.5}
    logits = np.array([[0.1, 0.9], [0.8, 0.2], [0.0, 1.0], [0.4, 0.6]])
    prediction = SimpleNamespace(predictions=logits, label_ids=np.array([1, 1, 1, 0]))
    assert compute_metrics(prediction) == found
