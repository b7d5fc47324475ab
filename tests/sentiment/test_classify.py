"""The classifier of reviews: what it reads, how it is trained, what it answers."""

from __future__ import annotations

import csv
import io
import itertools
import json
import shlex
import shutil
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import random_model, run_python

from gpt2course import checkpoints, cli
from gpt2course.checkpoints import CheckpointError, write_model
from gpt2course.cli import main
from gpt2course.config import GPT2Config
from gpt2course.sentiment import (
    ReviewConfig,
    build_trainer,
    classify,
    finetune_reviews,
    layer_groups,
    load_classifier,
    new_classifier,
    pad_right,
    predict,
    review_dataset,
    review_loss,
    tokenise_reviews,
)
from gpt2course.training import save_tokenizer, train_tokenizer

WORDS = {0: ["bad", "dull", "awful", "a bore"], 1: ["good", "fine", "great", "a joy"]}


def told(n: int) -> list[tuple[str, int]]:
    """n reviews of different lengths whose label can be learned."""
    return [
        (f"Film {i}:<br />" + "it was " * (i % 7) + WORDS[i % 2][i // 2 % 4], i % 2)
        for i in range(n)
    ]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    """A small pretrained network with its tokenizer."""
    folder = tmp_path_factory.mktemp("small")
    config = GPT2Config(vocab_size=280, n_positions=64, n_embd=24, n_layer=2, n_head=2)
    write_model(random_model(config, std=0.02), folder)
    save_tokenizer(train_tokenizer([text for text, _ in told(100)], 280), folder, 64)
    return str(folder)


@pytest.fixture(scope="module")
def tokenizer(checkpoint):
    return checkpoints.load_tokenizer(checkpoint)


@pytest.fixture
def model(checkpoint):
    return new_classifier(checkpoint)


@pytest.fixture(scope="module")
def reviews():
    """Splits of the size that a fast run needs."""
    from datasets import Dataset, DatasetDict

    def part(n: int) -> Dataset:
        return Dataset.from_dict(
            {
                "text": [text for text, _ in told(n)],
                "label": [label for _, label in told(n)],
            }
        )

    return DatasetDict({"train": part(96), "validation": part(24), "test": part(16)})


def arguments(folder, **changes):
    from transformers import TrainingArguments

    settings = {
        "output_dir": str(folder), "per_device_train_batch_size": 8, "learning_rate": 1e-3, "logging_steps": 1,
        "logging_nan_inf_filter": False, "report_to": "none", "disable_tqdm": True, "use_cpu": True,
        "dataloader_pin_memory": False, "save_strategy": "no",
    }  # fmt: skip
    return TrainingArguments(**settings | changes)


# what it reads


def test_a_long_review_keeps_its_beginning_and_its_end(tokenizer):
    text = "bad " * 40 + "good"
    whole = tokenizer.encode(text)
    said = []
    short, cut = tokenise_reviews(["fine", text], tokenizer, 9, said.append)
    assert short == tokenizer.encode("fine")
    assert cut == whole[:5] + whole[-4:]
    assert said == ["1 of 2 texts are longer than 9 tokens: their middle is left out"]


def test_nothing_is_said_when_nothing_is_cut(tokenizer):
    said = []
    assert tokenise_reviews(["a<br /><br />b"], tokenizer, 64, said.append) == [
        tokenizer.encode("a\n\nb")
    ]
    assert tokenise_reviews([], tokenizer, 64, said.append) == []
    assert said == []


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "😀🎬",
        "\x00\x07\x1b[31m",
        "<p>good</p><script>x()</script>",
        "bad " * 250_000,
    ],
)
def test_odd_texts_have_an_answer(model, tokenizer, text):
    rows = tokenise_reviews([text], tokenizer, 64, lambda _: None)
    assert 1 <= len(rows[0]) <= 64
    chances = predict(model, rows)
    assert chances.shape == (1, 2)
    assert torch.isfinite(chances).all()
    assert chances.sum().item() == pytest.approx(1)


@pytest.mark.parametrize("text", ["", "   \n", "<br /><br />", "<|endoftext|>"])
def test_an_empty_text_is_refused_by_number(tokenizer, text):
    with pytest.raises(
        ValueError, match="text 2 of 3 is empty; write at least one character"
    ):
        tokenise_reviews(["good", text, "bad"], tokenizer)


def test_the_end_of_text_inside_a_review_is_no_padding(model, tokenizer):
    spelled, plain = tokenise_reviews(["good<|endoftext|>", "good"], tokenizer)
    assert spelled == plain


def test_too_few_tokens_are_refused(tokenizer):
    with pytest.raises(ValueError, match="max_tokens is 1; a review needs at least 2"):
        tokenise_reviews(["good"], tokenizer, 1)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"review": ["a", "b"], "label": [0, 1]},
            r"columns \['review', 'label'\]; they need text and label",
        ),
        (
            {"text": ["a", "b", "c"], "label": [0, 1, 2]},
            r"labels \[2\]; they must be 0 \(negative\) or 1",
        ),
        ({"text": ["a", "b"], "label": ["pos", "neg"]}, r"labels \['neg', 'pos'\]"),
        (
            {"text": ["a", "b"], "label": [1, 1]},
            "all 2 reviews are positive; two classes are needed",
        ),
        ({"text": [], "label": []}, "all 0 reviews are no; two classes"),
        ({"text": ["a", " "], "label": [0, 1]}, "text 2 of 2 is empty"),
    ],
)
def test_bad_reviews_are_refused(tokenizer, columns, message):
    from datasets import Dataset

    with pytest.raises(ValueError, match=message):
        review_dataset(Dataset.from_dict(columns), tokenizer)


def test_the_data_set_for_trainer(reviews, tokenizer):
    rows = review_dataset(reviews["test"], tokenizer)
    assert rows.column_names == ["input_ids", "labels", "length"]
    assert rows["length"][:] == [len(row) for row in rows["input_ids"]]
    assert rows["labels"][:4] == [0, 1, 0, 1]


def test_buckets_hold_reviews_of_similar_length():
    lengths = torch.randint(
        10, 257, (1003,), generator=torch.Generator().manual_seed(0)
    ).tolist()
    order = classify.LengthBuckets(lengths, 8)
    first = list(order)
    assert sorted(first) == list(range(1003))
    assert len(order) == 1003
    batches = [
        [lengths[i] for i in first[start : start + 8]] for start in range(0, 1000, 8)
    ]
    assert sum(max(batch) * 8 for batch in batches) < 1.05 * sum(
        map(sum, batches)
    )  # hardly any padding
    assert (
        np.corrcoef(np.arange(125), [max(batch) for batch in batches])[0, 1] < 0.3
    )  # not from long to short
    assert list(order) == first
    order.set_epoch(1)
    assert list(order) != first
    assert list(classify.LengthBuckets(lengths, 8, seed=1)) != first


def test_sentences_of_reviews_keep_the_label():
    from datasets import Dataset

    texts = [
        "Bad. A bore, from the first of the many minutes on!<br />10/10",
        "Good film!\nWhy? ... Go and see it.",
    ]
    reviews = Dataset.from_dict({"text": texts, "label": [0, 1]})
    found = classify.review_sentences(reviews, 99)
    assert found.features == reviews.features
    pairs = set(zip(found["text"], found["label"], strict=True))
    assert pairs == {("Bad.", 0), ("Good film!", 1), ("Why?", 1), ("Go and see it.", 1)}
    two = [classify.review_sentences(reviews, 2, seed)["text"][:] for seed in range(4)]
    assert all(len(texts) == 2 for texts in two)
    assert len({tuple(texts) for texts in two}) > 1
    assert len(classify.review_sentences(reviews, 99, max_words=99)) == 5


# the loss


def test_the_padding_needs_no_mask(model):
    rows = [[5, 6, 7], [8], [9, 10, 11, 12, 13]]
    input_ids = pad_right(rows, model.config.pad_token_id)
    assert input_ids.tolist()[1] == [8, 279, 279, 279, 279]
    mask = (input_ids != 279).long()
    with torch.no_grad():
        batch = model(input_ids=input_ids).logits
        torch.testing.assert_close(
            batch,
            model(input_ids=input_ids, attention_mask=mask).logits,
            atol=1e-5,
            rtol=0,
        )
        for row, logits in zip(rows, batch, strict=True):
            torch.testing.assert_close(
                model(input_ids=torch.tensor([row])).logits[0],
                logits,
                atol=1e-5,
                rtol=0,
            )


def test_the_loss_at_the_last_token_is_transformers_own(model):
    input_ids, labels = (
        pad_right([[5, 6, 7], [8]], model.config.pad_token_id),
        torch.tensor([1, 0]),
    )
    with torch.no_grad():
        outputs = model(input_ids=input_ids, labels=labels, output_hidden_states=True)
        ours = review_loss(
            model.score(outputs.hidden_states[-1]), torch.tensor([3, 1]), labels
        )
    torch.testing.assert_close(ours, outputs.loss)


def test_the_loss_at_every_position():
    logits = torch.tensor(
        [[[0.0, 0.0], [0.0, 2.0], [0.0, 9.0]], [[1.0, 0.0], [5.0, 5.0], [7.0, 7.0]]]
    )
    lengths, labels = torch.tensor([2, 1]), torch.tensor([1, 0])

    def nats(right: float, wrong: float) -> float:
        return float(np.log1p(np.exp(wrong - right)))

    first = (
        0.5 * nats(0, 0) + 1.0 * nats(2, 0)
    ) / 1.5  # positions 1 and 2 of 2, weights 1/2 and 1
    every = (first + nats(1, 0)) / 2
    last = (nats(2, 0) + nats(1, 0)) / 2
    for share in (0.0, 0.5, 1.0):
        got = review_loss(logits, lengths, labels, share).item()
        assert got == pytest.approx((1 - share) * last + share * every, abs=1e-6)


def test_a_share_of_the_loss_is_a_share(model, reviews, tokenizer, tmp_path):
    rows = review_dataset(reviews["test"], tokenizer)
    with pytest.raises(ValueError, match="every_position is 2; it is a share"):
        build_trainer(model, arguments(tmp_path), rows, rows, every_position=2)


# Trainer


@pytest.mark.parametrize("every_position", [0.0, 0.5])
def test_accumulated_batches_are_one_large_batch(
    checkpoint, reviews, tokenizer, tmp_path, every_position
):
    """Trainer multiplies this model's loss and gradient by the accumulated batches, unless it is told not to."""
    rows = review_dataset(reviews["train"], tokenizer).select(range(32))
    seen = []
    for size, batches in ((32, 1), (8, 4)):
        model = new_classifier(checkpoint)
        for module in model.modules():  # dropout would draw other numbers
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        config = arguments(
            tmp_path, per_device_train_batch_size=size, gradient_accumulation_steps=batches, max_steps=1,
            max_grad_norm=1e9, train_sampling_strategy="sequential",
        )  # fmt: skip
        trainer = build_trainer(
            model, config, rows, rows, every_position=every_position, say=lambda _: None
        )
        trainer.train()
        seen.append(
            next(row for row in trainer.state.log_history if "grad_norm" in row)
        )
    assert seen[0]["loss"] == pytest.approx(seen[1]["loss"], rel=1e-4)
    assert seen[0]["grad_norm"] == pytest.approx(seen[1]["grad_norm"], rel=1e-3)


def test_a_loss_that_is_no_number_is_reported(model, reviews, tokenizer, tmp_path):
    rows = review_dataset(reviews["train"], tokenizer)
    with torch.no_grad():
        model.score.weight.fill_(float("nan"))
    said = []
    build_trainer(
        model, arguments(tmp_path, max_steps=2), rows, rows, say=said.append
    ).train()
    assert said[0].startswith("step 1 of 2  loss nan")


def test_it_can_be_judged_before_it_is_trained(model, reviews, tokenizer, tmp_path):
    rows, said = review_dataset(reviews["train"], tokenizer), []
    before = build_trainer(
        model, arguments(tmp_path), rows, rows, say=said.append
    ).evaluate()
    assert before["eval_loss"] == pytest.approx(np.log(2), abs=0.2)
    assert said[0].startswith("step 0  validation loss")


def test_lower_layers_learn_more_slowly(model):
    groups = layer_groups(model, 1.0, 0.5, weight_decay=0.1)
    rate = {
        id(p): (group["lr"], group["weight_decay"])
        for group in groups
        for p in group["params"]
    }
    assert len(rate) == len(list(model.parameters()))
    for name, expected in {
        "score.weight": (1.0, 0.1), "transformer.ln_f.bias": (1.0, 0.0), "transformer.h.1.mlp.c_fc.weight": (0.5, 0.1),
        "transformer.h.0.ln_1.weight": (0.25, 0.0), "transformer.wte.weight": (0.125, 0.1),
    }.items():  # fmt: skip
        assert rate[id(model.get_parameter(name))] == expected


def test_a_new_classifier(checkpoint):
    from transformers import AutoModelForCausalLM

    model, again, random = (
        new_classifier(checkpoint),
        new_classifier(checkpoint),
        new_classifier(checkpoint, random=True),
    )
    assert model.config.id2label == {0: "negative", 1: "positive"}
    assert model.config.pad_token_id == model.config.eos_token_id == 279
    body = AutoModelForCausalLM.from_pretrained(checkpoint).transformer
    assert torch.equal(model.transformer.wte.weight, body.wte.weight)
    assert model.config.activation_function == "gelu_pytorch_tanh"
    with torch.no_grad():
        ids = torch.arange(40)[None]
        torch.testing.assert_close(
            model.transformer(ids)[0], body.eval()(ids)[0], atol=1e-5, rtol=0
        )
    assert torch.equal(model.score.weight, again.score.weight)
    assert not torch.equal(
        model.score.weight, new_classifier(checkpoint, seed=1).score.weight
    )
    assert not torch.equal(random.transformer.wte.weight, body.wte.weight)
    assert not model.training


# a whole run


CONFIG = {
    "epochs": 20,
    "max_tokens": 32,
    "batch_size": 8,
    "learning_rate": 3e-3,
    "save_every": 20,
}


@pytest.fixture(scope="module")
def run(checkpoint, reviews, tmp_path_factory):
    """A finished run, and what it said."""
    folder, said = tmp_path_factory.mktemp("run"), []
    results = finetune_reviews(
        reviews, ReviewConfig(checkpoint, **CONFIG), folder, said.append
    )
    return SimpleNamespace(folder=folder, said=said, results=results)


def test_it_learns(run):
    assert run.results["test"]["accuracy"] == 1.0
    assert run.results["test"]["reviews"] == 16
    assert json.loads((run.folder / "results.json").read_text()) == run.results
    log = [
        json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()
    ]
    losses = [row["loss"] for row in log if "loss" in row]
    assert losses[-1] < 0.5 * losses[0]
    assert all(
        row["seconds"] >= before["seconds"] for before, row in itertools.pairwise(log)
    )
    assert sorted(path.name for path in run.folder.glob("checkpoint-*")) == [
        "checkpoint-220",
        "checkpoint-240",
    ]


def test_it_loads_with_transformers(run):
    from transformers import AutoModelForSequenceClassification, pipeline

    model, tokenizer = load_classifier(run.folder)
    theirs = AutoModelForSequenceClassification.from_pretrained(run.folder)
    assert theirs.dtype == torch.float32
    rows = tokenise_reviews(["Film 3: it was good", "Film 4: dull"], tokenizer)
    ours = predict(model, rows)
    assert ours.argmax(-1).tolist() == [1, 0]
    assert theirs.config.id2label == {0: "negative", 1: "positive"}
    answers = pipeline("text-classification", model=str(run.folder))(
        ["Film 3: it was good", "Film 4: dull"], batch_size=2
    )
    assert [answer["label"] for answer in answers] == ["positive", "negative"]
    assert answers[0]["score"] == pytest.approx(ours[0, 1].item(), abs=1e-5)


def test_answers_do_not_depend_on_the_batch(run):
    model, tokenizer = load_classifier(run.folder)
    rows = tokenise_reviews([text for text, _ in told(23)], tokenizer)
    one = predict(model, rows, batch_size=1)
    for size in (2, 7, 64):
        torch.testing.assert_close(predict(model, rows, size), one, atol=1e-5, rtol=0)


def test_stopped_and_resumed_it_ends_the_same(run, checkpoint, reviews, tmp_path):
    for name in ("run.json", "checkpoint-220"):
        source = run.folder / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    (tmp_path / "checkpoint-240").mkdir()  # stopped while it was being saved
    said = []
    results = finetune_reviews(
        reviews, ReviewConfig(checkpoint, **CONFIG), tmp_path, said.append
    )
    assert "going on from checkpoint-220" in said
    assert results == run.results
    first, second = (
        (f / "model.safetensors").read_bytes() for f in (run.folder, tmp_path)
    )
    assert first == second


def test_sentences_are_read_beside_some_of_the_reviews(checkpoint, reviews, tmp_path):
    config = ReviewConfig(
        checkpoint, **CONFIG | {"epochs": 1, "reviews": 16, "sentences": 24}
    )
    finetune_reviews(reviews, config, tmp_path, lambda _: None)
    state = json.loads((tmp_path / "checkpoint-5/trainer_state.json").read_text())
    assert state["max_steps"] == 5  # 40 texts in batches of 8
    classify.write_card(
        tmp_path, train_reviews=96, command="gpt2course finetune-reviews", hardware="x"
    )
    card = (tmp_path / "README.md").read_text()
    assert (
        "| read | 16 reviews, and up to 24 short sentences of the training reviews |"
        in card
    )
    settings = json.loads((tmp_path / "run.json").read_text())
    older = {
        key: value
        for key, value in settings.items()
        if key not in ("reviews", "sentences")
    }
    (tmp_path / "run.json").write_text(
        json.dumps(older)
    )  # of a run before there were such settings
    with pytest.raises(ValueError, match="a run with another reviews, sentences; use"):
        finetune_reviews(reviews, config, tmp_path)


def test_a_classifier_can_go_on_from_another(run, reviews, tmp_path):
    before, after = new_classifier(str(run.folder)), load_classifier(run.folder)[0]
    assert torch.equal(before.score.weight, after.score.weight)
    config = ReviewConfig(
        f"{run.folder}/", **CONFIG | {"epochs": 1, "learning_rate": 1e-5}
    )
    assert (
        finetune_reviews(reviews, config, tmp_path, lambda _: None)["test"]["accuracy"]
        == 1.0
    )


def test_more_tokens_than_positions_are_refused(checkpoint, reviews, tmp_path):
    with pytest.raises(
        ValueError, match="max_tokens is 65; this model has 64 positions"
    ):
        finetune_reviews(
            reviews, ReviewConfig(checkpoint, max_tokens=65), tmp_path / "none"
        )
    assert not (tmp_path / "none").exists()


def test_a_folder_of_another_run_is_refused(run, checkpoint, reviews):
    with pytest.raises(
        ValueError,
        match="a run with another learning_rate, seed; use that, or an empty folder",
    ):
        finetune_reviews(
            reviews,
            ReviewConfig(checkpoint, **CONFIG | {"seed": 5, "learning_rate": 1.0}),
            run.folder,
        )


@pytest.mark.parametrize(
    "name", ["epochs", "batch_size", "learning_rate", "layer_decay", "save_every"]
)
def test_settings_below_zero_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} is -1; it must be above 0"):
        ReviewConfig(**{name: -1})


@pytest.mark.parametrize(
    "damage",
    ["no model", "no tokenizer", "half a model", "a language model", "no folder"],
)
def test_a_damaged_classifier_is_refused(run, checkpoint, tmp_path, damage):
    folder = tmp_path / "copy"
    shutil.copytree(checkpoint if damage == "a language model" else run.folder, folder)
    if damage == "no folder":
        shutil.rmtree(folder)
    elif damage == "no model":
        (folder / "model.safetensors").unlink()
    elif damage == "no tokenizer":
        (folder / "tokenizer.json").unlink()
    elif damage == "half a model":
        content = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(
        CheckpointError,
        match=r"does not exist|cannot be read|not a classifier of two labels",
    ):
        load_classifier(folder)


# judging


@pytest.mark.parametrize(
    ("right", "n"), [(0, 5), (9, 10), (250, 500), (2250, 2500), (7, 7)]
)
def test_the_interval_is_wilsons(right, n):
    """Its ends are the shares from which the observed one is just 1.96 standard errors away."""
    low, high = classify.wilson(right, n)
    assert low + 1e-12 >= 0
    assert low - 1e-12 <= right / n <= high + 1e-12
    assert high <= 1 + 1e-12
    for end in (low, high):
        assert abs(right / n - end) == pytest.approx(
            1.96 * (end * (1 - end) / n) ** 0.5, abs=1e-7
        )


@pytest.mark.parametrize(("right", "n"), [(1, 0), (0, 0), (-1, 5), (6, 5)])
def test_no_interval_of_nothing(right, n):
    with pytest.raises(
        ValueError, match=f"{right} of {n} answers are right; it takes at least one"
    ):
        classify.wilson(right, n)


def test_the_paired_test():
    first = [True] * 5 + [False] + [True] * 90 + [False] * 9
    second = [False] * 5 + [True] + [True] * 90 + [False] * 9
    assert classify.mcnemar(first, second) == pytest.approx(2 * (1 + 6) / 2**6)
    assert classify.mcnemar(second, first) == classify.mcnemar(first, second)
    assert classify.mcnemar(first, first) == 1.0
    assert classify.mcnemar([True] * 20, [False] * 20) == pytest.approx(2 / 2**20)
    with pytest.raises(ValueError, match="1 answers and 2"):
        classify.mcnemar([True], [True, False])


def test_the_metric_file_needs_no_network():
    import evaluate

    metric = evaluate.load(str(classify.METRIC))
    assert metric.compute(predictions=[1, 0, 1, 1], references=[1, 1, 1, 0]) == {
        "accuracy": 0.5
    }
    logits = np.array([[0.1, 0.9], [0.8, 0.2], [0.0, 1.0], [0.4, 0.6]])
    ours = classify.metrics(
        SimpleNamespace(predictions=logits, label_ids=np.array([1, 1, 1, 0]))
    )
    assert ours == {"accuracy": 0.5}


# the commands


@pytest.fixture(scope="module")
def by_command(checkpoint, tmp_path_factory):
    """A folder that finetune-reviews made from a table."""
    folder = tmp_path_factory.mktemp("command")
    with open(folder / "reviews.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *told(120)])
    output = folder / "classifier"
    command = [
        "finetune-reviews", "--output", str(output), "--data", f"{folder}/", "--checkpoint", checkpoint,
        "--max-tokens", "64", "--epochs", "8", "--batch-size", "8", "--learning-rate", "3e-3", "--json",
    ]  # fmt: skip
    return command, output


def test_finetune_reviews_and_classify(by_command, capsys):
    command, output = by_command
    assert main(command) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["test"]["reviews"] == 12
    assert answer["test"]["accuracy"] > 0.9
    card = (output / "README.md").read_text()
    assert "96 to train, 12 for validation, 12 for the test" in card
    assert "--epochs 8.0 --max-tokens 64 --batch-size 8 --learning-rate 0.003" in card
    assert f"{answer['test']['accuracy']:.2%}" in card
    assert (
        main(["classify", "it was good", "dull", "--model", str(output), "--json"]) == 0
    )
    answers = json.loads(capsys.readouterr().out)["answers"]
    assert [(one["text"], one["label"]) for one in answers] == [
        ("it was good", "positive"),
        ("dull", "negative"),
    ]
    assert all(0.5 <= one["probability"] <= 1 for one in answers)


def test_a_finished_run_is_not_repeated(by_command, capsys):
    command, output = by_command
    before = (output / "model.safetensors").read_bytes()
    assert main(command) == 0
    assert "going on from checkpoint-96" in capsys.readouterr().err
    assert (output / "model.safetensors").read_bytes() == before


def test_classify_reads_lines(by_command, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("it was good\n\nawful\n"))
    assert main(["classify", "--model", str(by_command[1])]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "positive",
        "negative",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["classify", "", "--model", "."], "config.json does not exist"),
        (
            ["finetune-reviews", "--output", "{}/x", "--data", "{}/none/"],
            "none/reviews.csv does not exist",
        ),
        (
            ["finetune-reviews", "--output", "{}/x", "--data", "{}/"],
            "has the columns ['review', 'stars']",
        ),
        (
            ["finetune-reviews", "--output", "{}/x", "--sentences", "-1"],
            "sentences is -1; 0 leaves them out",
        ),
        (
            ["finetune-reviews", "--output", "{}/x", "--reviews", "1"],
            "reviews is 1; it takes one of each kind",
        ),
        (
            ["finetune-reviews", "--output", "{}/x", "--epochs", "0"],
            "epochs is 0.0; it must be above 0",
        ),
        (
            ["finetune-reviews", "--output", "{}/x", "--every-position", "2"],
            "every_position is 2.0; it is a share",
        ),
        (
            ["finetune-reviews", "--output", "{}/x", "--max-tokens", "1"],
            "max_tokens is 1; a review needs at least 2",
        ),
    ],
)
def test_bad_input_exits_with_two(tmp_path, capsys, arguments, message):
    (tmp_path / "reviews.csv").write_text("review,stars\ngood,5\n")
    assert main([argument.replace("{}", str(tmp_path)) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_nothing_to_classify(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert main(["classify"]) == 2
    assert (
        'there is no text; try: gpt2course classify "I hate this movie!"'
        in capsys.readouterr().err
    )


# ---- the classifier that ships -------------------------------------------------------------------------------------


def test_the_shipped_classifier_is_as_published_and_small():
    digests = json.loads(classify.CLASSIFIER_SHA256.read_text())
    found = {path.name for path in classify.CLASSIFIER.iterdir()}
    assert found == {*digests, "README.md"}
    assert {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "log.jsonl",
        "results.json",
        "run.json",
    } <= found
    assert {
        "first-run.json",
        "first-log.jsonl",
        "first-results.json",
        "first-answers.json",
    } <= found
    assert (classify.CLASSIFIER / "model.safetensors").stat().st_size <= 16e6
    model, tokenizer = load_classifier()
    assert model.config.max_tokens <= model.config.n_positions
    assert model.config.pad_token_id == tokenizer.eos_token_id


def test_an_altered_classifier_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "classifier"
    shutil.copytree(classify.CLASSIFIER, folder)
    (folder / "config.json").write_text("{}")
    monkeypatch.setattr(classify, "CLASSIFIER", folder)
    with pytest.raises(
        CheckpointError,
        match=r"config.json is not the file that was published.*git checkout -- .*classifier",
    ):
        load_classifier()


def test_the_card_names_options_that_exist_and_figures_that_were_measured():
    card = (classify.CLASSIFIER / "README.md").read_text(encoding="utf-8")
    commands = [
        line.strip()
        for line in card.splitlines()
        if line.startswith("    gpt2course finetune-reviews")
    ]
    for command, prefix in zip(commands, ("first-", ""), strict=True):
        options = cli._parser().parse_args(shlex.split(command)[1:])
        run, results = (
            json.loads((classify.CLASSIFIER / f"{prefix}{name}.json").read_text())
            for name in ("run", "results")
        )
        for name in run.keys() - {
            "checkpoint",
            "log_every",
            "save_every",
            "evaluate_every",
        }:
            given = getattr(options, name, None)
            assert run[name] == (
                getattr(ReviewConfig(), name) if given is None else given
            ), name
        for result in results.values():
            assert f"**{result['accuracy']:.2%}**" in card
            assert result["reviews"] == 2500
    assert results["test"]["accuracy"] > 0.85


def test_a_verdict_on_the_articles_sentence(capsys):
    assert main(["classify", "I hate this movie!", "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)["answers"]
    assert answer["label"] == "negative"


@pytest.mark.slow
def test_the_wheel_classifies(tmp_path):
    """What pip would install holds the classifier, and its command works far from the repository."""
    root = Path(classify.__file__).resolve().parents[2]
    made = run_python(
        *(
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "--disable-pip-version-check",
        ),
        *("--wheel-dir", str(tmp_path), str(root)),
    )
    assert made.returncode == 0, made.stderr
    (wheel,) = tmp_path.glob("gpt2course-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    code = f"""
import os, sys
os.chdir({str(tmp_path)!r})
sys.path.insert(0, {str(tmp_path / "installed")!r})
import gpt2course
from gpt2course.cli import main
assert gpt2course.__file__.startswith({str(tmp_path)!r}), gpt2course.__file__
sys.exit(main(["classify", "I hate this movie!"]))
"""
    done = run_python("-c", code, HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("negative ")
    assert done.stdout.endswith("I hate this movie!\n")
