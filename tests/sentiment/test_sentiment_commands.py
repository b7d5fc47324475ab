"""The commands finetune-sentiment and classify."""

from __future__ import annotations

import csv
import io
import json
import shlex
import shutil
from dataclasses import asdict

import pytest
from sentiment_samples import labelled_texts

from gpt2course.cli import main
from gpt2course.sentiment import CLASSIFIER, SentimentConfig


@pytest.fixture(scope="module")
def made_by_command(small_checkpoint, tmp_path_factory):
    """A folder that finetune-sentiment made from a table, with its command."""
    folder = tmp_path_factory.mktemp("command")
    with open(folder / "reviews.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *labelled_texts(120)])
    output = folder / "classifier"
    command = [
        *("finetune-sentiment", "--output", str(output), "--data", f"{folder}/"),
        *("--checkpoint", small_checkpoint, "--max-length", "64"),
        *("--num-train-epochs", "8", "--per-device-train-batch-size", "8"),
        *("--learning-rate", "3e-3", "--json"),
    ]
    return command, output


def test_finetune_and_classify(made_by_command, capsys):
    command, output = made_by_command
    assert main(command) == 0
    results = json.loads(capsys.readouterr().out)
    assert results["test"]["reviews"] == 12
    assert results["test"]["accuracy"] > 0.9
    card = (output / "README.md").read_text()
    for fact in (
        "96 for training, 12\nfor validation, 12 for testing",
        "--num-train-epochs 8.0 --max-length 64 --per-device-train-batch-size 8",
        f"**{results['test']['accuracy']:.2%}**",
    ):
        assert fact in card
    texts = ["it was good", "dull"]
    assert main(["classify", *texts, "--model", str(output), "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)["answers"]
    assert [answer["text"] for answer in answers] == texts
    assert [answer["label"] for answer in answers] == ["positive", "negative"]
    assert all(0.5 <= answer["probability"] <= 1 for answer in answers)


def test_a_finished_run_is_not_repeated(made_by_command, capsys):
    command, output = made_by_command
    before = (output / "model.safetensors").read_bytes()
    assert main(command) == 0
    assert "holds the finished run" in capsys.readouterr().err
    assert (output / "model.safetensors").read_bytes() == before


def test_classify_reads_lines(made_by_command, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("it was good\n\nawful\n"))
    assert main(["classify", "--model", str(made_by_command[1])]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["positive", "negative"]


def test_classify_uses_the_label_names_of_the_model(made_by_command, capsys, tmp_path):
    folder = tmp_path / "swapped"
    shutil.copytree(made_by_command[1], folder)
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {"0": "blame", "1": "praise"}
    (folder / "config.json").write_text(json.dumps(config))
    assert main(["classify", "it was good", "--model", str(folder)]) == 0
    assert capsys.readouterr().out.startswith("praise")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["classify", "", "--model", "."], "config.json does not exist"),
        (["finetune-sentiment", "--data", "{}/none/"], "reviews.csv does not exist"),
        (["finetune-sentiment", "--data", "{}/"], "['review', 'stars']"),
        (["finetune-sentiment", "--short-sentences", "-1"], "short_sentences is -1"),
        (["finetune-sentiment", "--max-train-samples", "1"], "max_train_samples is 1"),
        (["finetune-sentiment", "--num-train-epochs", "0"], "num_train_epochs is 0"),
        (
            ["finetune-sentiment", "--target-replication", "2"],
            "target_replication is 2",
        ),
        (["finetune-sentiment", "--max-length", "1"], "max_length is 1"),
    ],
)
def test_bad_input_exits_with_two(tmp_path, capsys, arguments, message):
    (tmp_path / "reviews.csv").write_text("review,stars\ngood,5\n")
    arguments = [argument.replace("{}", str(tmp_path)) for argument in arguments]
    if arguments[0] == "finetune-sentiment":
        arguments += ["--output", str(tmp_path / "output")]
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_nothing_to_classify(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert main(["classify"]) == 2
    assert "there is no text; try: gpt2course classify" in capsys.readouterr().err


def test_the_shipped_classifier_on_the_articles_sentence(capsys):
    assert main(["classify", "I hate this movie!", "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)["answers"]
    assert answer["label"] == "negative"


@pytest.mark.parametrize("which", ["first", "second"])
def test_the_shipped_card_gives_the_commands_of_its_runs(which):
    """Every setting of a run is in its command of the card, or is the default."""
    card = (CLASSIFIER / "README.md").read_text(encoding="utf-8")
    commands = [
        shlex.split(line)
        for line in card.splitlines()
        if line.startswith("    gpt2course finetune-sentiment")
    ]
    command = commands[["first", "second"].index(which)]
    assert len(commands) == 2
    run = json.loads((CLASSIFIER / f"{which}-run.json").read_text())
    given = dict(zip(command[2::2], command[3::2], strict=True))
    assert given["--output"] == which
    for name, default in asdict(SentimentConfig()).items():
        option = f"--{name.replace('_', '-')}"
        value = run.get(name, default)
        if option in given:
            assert type(value)(given[option]) == value, name
        elif name != "checkpoint":
            assert value == default, name
    unknown = given.keys() - {f"--{name.replace('_', '-')}" for name in run}
    assert unknown == {"--output"}
