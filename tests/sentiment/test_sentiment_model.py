"""The classifier: a new one, padding, prediction, what is written and loaded."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from conftest import run_python
from sentiment_samples import labelled_texts

import gpt2course.sentiment.model
from gpt2course.checkpoints import CheckpointError
from gpt2course.sentiment import (
    CLASSIFIER,
    CLASSIFIER_SHA256,
    LengthBuckets,
    evaluate_classifier,
    load_classifier,
    max_length_of,
    new_classifier,
    pad_right,
    predict,
    tokenise_reviews,
)

TEXTS = ["Film 3: it was good", "Film 4: dull"]


def test_a_new_classifier(small_checkpoint):
    from transformers import AutoModelForCausalLM

    model = new_classifier(small_checkpoint)
    assert model.config.id2label == {0: "negative", 1: "positive"}
    assert model.config.pad_token_id == model.config.eos_token_id == 279
    assert model.config.activation_function == "gelu_pytorch_tanh"
    assert not model.training
    body = AutoModelForCausalLM.from_pretrained(small_checkpoint).transformer.eval()
    assert torch.equal(model.transformer.wte.weight, body.wte.weight)
    ids = torch.arange(40)[None]
    with torch.no_grad():
        theirs = body(ids)[0]
        torch.testing.assert_close(model.transformer(ids)[0], theirs, atol=1e-5, rtol=0)


def test_the_seed_decides_what_is_random(small_checkpoint):
    score = new_classifier(small_checkpoint).score.weight
    assert torch.equal(score, new_classifier(small_checkpoint).score.weight)
    assert not torch.equal(score, new_classifier(small_checkpoint, seed=1).score.weight)
    random = new_classifier(small_checkpoint, random=True)
    pretrained = new_classifier(small_checkpoint).transformer.wte.weight
    assert not torch.equal(random.transformer.wte.weight, pretrained)


def test_padding_on_the_right_needs_no_mask(small_classifier):
    rows = [[5, 6, 7], [8], [9, 10, 11, 12, 13]]
    input_ids = pad_right(rows, small_classifier.config.pad_token_id)
    assert input_ids.tolist()[1] == [8, 279, 279, 279, 279]
    mask = (input_ids != 279).long()
    with torch.no_grad():
        batch = small_classifier(input_ids=input_ids).logits
        masked = small_classifier(input_ids=input_ids, attention_mask=mask).logits
        alone = [small_classifier(torch.tensor([row])).logits[0] for row in rows]
    torch.testing.assert_close(batch, masked, atol=1e-5, rtol=0)
    torch.testing.assert_close(batch, torch.stack(alone), atol=1e-5, rtol=0)


def test_predictions_do_not_depend_on_the_batch(finished_run):
    model, tokenizer = load_classifier(finished_run.folder)
    rows = tokenise_reviews([text for text, _ in labelled_texts(23)], tokenizer)
    one = predict(model, rows, batch_size=1)
    for size in (2, 7, 64):
        torch.testing.assert_close(predict(model, rows, size), one, atol=1e-5, rtol=0)


@pytest.mark.parametrize("training", [True, False])
def test_predicting_leaves_the_mode_as_it_was(small_classifier, training):
    small_classifier.train(training)
    predict(small_classifier, [[5, 6]])
    assert small_classifier.training is training


def test_weights_that_are_not_finite_give_no_prediction(small_classifier):
    with torch.no_grad():
        small_classifier.score.weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match="not finite"):
        predict(small_classifier, [[5, 6]])


def test_it_loads_with_transformers(finished_run):
    from transformers import AutoModelForSequenceClassification, pipeline

    model, tokenizer = load_classifier(finished_run.folder)
    theirs = AutoModelForSequenceClassification.from_pretrained(finished_run.folder)
    assert theirs.dtype == torch.float32
    assert theirs.config.id2label == {0: "negative", 1: "positive"}
    ours = predict(model, tokenise_reviews(TEXTS, tokenizer))
    assert ours.argmax(-1).tolist() == [1, 0]
    classify = pipeline("text-classification", model=str(finished_run.folder))
    answers = classify(TEXTS, batch_size=2)
    assert [answer["label"] for answer in answers] == ["positive", "negative"]
    assert answers[0]["score"] == pytest.approx(ours[0, 1].item(), abs=1e-5)


def test_it_knows_how_many_tokens_it_was_trained_with(finished_run, few_reviews):
    model, tokenizer = load_classifier(finished_run.folder)
    assert max_length_of(model, tokenizer) == 32
    results = evaluate_classifier(model, tokenizer, few_reviews["test"])
    assert results == finished_run.results["test"]
    tokenizer.model_max_length = 10**30  # what transformers writes if nobody says
    assert max_length_of(model, tokenizer) == 64


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([], "no reviews"),
        ([0, 2], r"the labels \[2\]"),
        ([1, "pos"], "the labels .'pos'"),
    ],
)
def test_reviews_that_cannot_be_evaluated(finished_run, labels, says):
    model, tokenizer = load_classifier(finished_run.folder)
    reviews = {"text": ["a review"] * len(labels), "label": labels}
    with pytest.raises(ValueError, match=f"there are {says}.*needs reviews with the"):
        evaluate_classifier(model, tokenizer, reviews)


@pytest.mark.parametrize(
    "damage",
    ["no model", "no tokenizer", "half a model", "a language model", "no folder"],
)
def test_a_damaged_classifier_is_refused(
    finished_run, small_checkpoint, tmp_path, damage
):
    folder = tmp_path / "copy"
    is_language_model = damage == "a language model"
    shutil.copytree(
        small_checkpoint if is_language_model else finished_run.folder, folder
    )
    if damage == "no folder":
        shutil.rmtree(folder)
    elif damage == "no model":
        (folder / "model.safetensors").unlink()
    elif damage == "no tokenizer":
        (folder / "tokenizer.json").unlink()
    elif damage == "half a model":
        content = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(content[: len(content) // 2])
    messages = r"does not exist|is damaged|not a classifier of two labels"
    with pytest.raises(CheckpointError, match=messages):
        load_classifier(folder)


def changed_config(source, folder, **changes):
    """A copy of a classifier with other entries in config.json; None removes one."""
    shutil.copytree(source, folder)
    path = folder / "config.json"
    config = json.loads(path.read_text()) | changes
    kept = {name: value for name, value in config.items() if value is not None}
    path.write_text(json.dumps(kept))
    return folder


def test_label_names_of_another_classifier_are_honoured(finished_run, tmp_path):
    swapped = changed_config(
        finished_run.folder,
        tmp_path / "swapped",
        id2label={"0": "positive", "1": "negative"},
    )
    assert load_classifier(swapped)[0].config.id2label[0] == "positive"
    default = changed_config(
        finished_run.folder, tmp_path / "default", id2label=None, label2id=None
    )
    assert load_classifier(default)[0].config.id2label[0] == "LABEL_0"
    three = changed_config(
        finished_run.folder, tmp_path / "three", id2label=dict(enumerate("abc"))
    )
    with pytest.raises(CheckpointError, match="with 3 labels"):
        load_classifier(three)


def test_a_classifier_without_a_pad_token_gets_one(finished_run, tmp_path):
    folder = changed_config(finished_run.folder, tmp_path / "no-pad", pad_token_id=None)
    model, tokenizer = load_classifier(folder)
    expected, _ = load_classifier(finished_run.folder)
    rows = tokenise_reviews(TEXTS, tokenizer)
    torch.testing.assert_close(predict(model, rows), predict(expected, rows))


def test_a_classifier_is_known_by_its_weights(finished_run, small_checkpoint, tmp_path):
    folder = changed_config(
        finished_run.folder, tmp_path / "nameless", architectures=None
    )
    model, tokenizer = load_classifier(folder)
    expected, _ = load_classifier(finished_run.folder)
    rows = tokenise_reviews(TEXTS, tokenizer)
    torch.testing.assert_close(predict(model, rows), predict(expected, rows))
    folder = changed_config(small_checkpoint, tmp_path / "none", architectures=None)
    with pytest.raises(CheckpointError, match=r"holds no score.weight .* not a class"):
        load_classifier(folder)


@pytest.mark.parametrize("value", [["n", "p"], "n", 2])
@pytest.mark.parametrize("name", ["id2label", "label2id"])
def test_labels_that_are_no_object_are_named(finished_run, tmp_path, name, value):
    folder = changed_config(finished_run.folder, tmp_path / "list", **{name: value})
    says = rf"config.json: {name} is .*; it must be an object, such as \{{\"\w+\": "
    with pytest.raises(CheckpointError, match=says):
        load_classifier(folder)


# ---- the classifier that ships ---------------------------------------------------


def test_the_shipped_classifier_is_as_published_and_small():
    digests = json.loads(CLASSIFIER_SHA256.read_text())
    found = {path.name for path in CLASSIFIER.iterdir()}
    assert found == {*digests, "README.md"}
    runs = {
        f"{run}-{file}"
        for run in ("first", "second")
        for file in ("run.json", "log.jsonl")
    }
    model_files = {"config.json", "model.safetensors", "tokenizer.json"}
    assert found >= {"results.json", *runs, *model_files}
    assert (CLASSIFIER / "model.safetensors").stat().st_size <= 16e6
    model, tokenizer = load_classifier()
    assert max_length_of(model, tokenizer) == 512
    assert model.config.pad_token_id == tokenizer.eos_token_id


def test_the_answer_comes_without_a_notice():
    done = run_python("-m", "gpt2course", "classify", "I loved it")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("positive ")


def test_an_altered_classifier_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "classifier"
    shutil.copytree(CLASSIFIER, folder)
    (folder / "config.json").write_text("{}")
    monkeypatch.setattr(gpt2course.sentiment.model, "CLASSIFIER", folder)
    with pytest.raises(CheckpointError, match=r"config.json is not the file"):
        load_classifier()


def test_a_batch_size_below_one_is_refused(small_classifier):
    with pytest.raises(ValueError, match=r"batch_size is -1; .* at least 1"):
        predict(small_classifier, [[5, 6]], batch_size=-1)
    with pytest.raises(ValueError, match=r"batch_size is 0; .* at least 1"):
        LengthBuckets([1, 2, 3], 0)
