"""gpt2course pretrain: a checkpoint from the reviews, by one command."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest
from cli_tools import REVIEWS, refused
from conftest import run_python

from gpt2course import data
from gpt2course.checkpoints import MINI, load_tokenizer
from gpt2course.cli import main

SMALL = [
    *("--model.vocab-size", "270", "--model.n-positions", "16"),
    *("--model.n-embd", "24", "--model.n-layer", "2", "--model.n-head", "2"),
    *("--num-processes", "1", "--tokens-per-step", "64", "--warmup-steps", "0.1"),
]


@pytest.fixture
def few_reviews(monkeypatch):
    monkeypatch.setattr(data, "embedded_reviews", lambda: REVIEWS)


def check_command(card: str, folder: Path, output: Path) -> None:
    """The command of a card makes its model once more, bit for bit."""
    (line,) = [line for line in card.splitlines() if "gpt2course pretrain" in line]
    again = shlex.split(line.strip(" `"))[1:]
    again[again.index("FOLDER")] = str(output)
    assert main(again) == 0
    weights = [path / "model.safetensors" for path in (folder, output)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_run(capsys, tmp_path, few_reviews):
    folder = tmp_path / "run"
    command = [
        *("pretrain", "--output", str(folder), *SMALL),
        *("--max-steps", "6", "--seed", "3"),
    ]
    assert main([*command, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["steps"], answer["tokens"]) == (6, 6 * 64)
    assert answer["folder"] == str(folder)
    names = {path.name for path in folder.iterdir()}
    assert {"README.md", "config.json", "model.safetensors"} <= names
    assert json.loads((folder / "config.json").read_text())["eos_token_id"] == 269
    assert main(["generate", "film", "--checkpoint", str(folder)]) == 0

    card = (folder / "README.md").read_text(encoding="utf-8")
    check_command(card, folder, tmp_path / "again")

    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert main([*command, "--model.vocab-size", "265"]) == 2
    assert "belongs to a run with another" in capsys.readouterr().err
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_more_pretraining(capsys, tmp_path, few_reviews):
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(["pretrain", "--output", str(first), *SMALL, "--max-steps", "6"]) == 0
    more = [
        *("pretrain", "--checkpoint", str(first), "--num-processes", "1"),
        *("--tokens-per-step", "64", "--warmup-steps", "0.1", "--seed", "2"),
        *("--model.n-positions", "16"),
    ]
    assert main([*more, "--output", str(second), "--max-steps", "4"]) == 0
    assert main(["generate", "film", "--checkpoint", str(second)]) == 0
    before, after = (load_tokenizer(str(folder)) for folder in (first, second))
    assert before.get_vocab() == after.get_vocab()
    log = [json.loads(line) for line in (second / "log.jsonl").open()]
    before = [json.loads(line) for line in (first / "log.jsonl").open()]
    # it goes on where the first run ended, and not at random weights
    assert log[0]["loss"] < before[0]["loss"]

    card = (second / "README.md").read_text(encoding="utf-8")
    assert f"| first weights | those of `{first}` |" in card
    check_command(card, second, tmp_path / "again")

    # the same settings from other weights are another run
    more[more.index(str(first))] = str(second)
    assert main([*more, "--output", str(second), "--max-steps", "4"]) == 2
    assert "belongs to a run with another checkpoint" in capsys.readouterr().err

    # a shape that is asked for is another one, even if it is the default
    third = ["--output", str(tmp_path / "third"), "--model.n-layer", "6"]
    err = refused(capsys, *more, *third, "--model.n-embd", "192")
    assert "model.n_embd is 192, and that of the checkpoint 24; model.n_layer is" in err
    assert "6, and that of the checkpoint 2. A checkpoint keeps its shape" in err
    # in a file that --print-config wrote, defaults say nothing
    with pytest.raises(SystemExit):
        main([*more, *third[:2], "--max-steps", "4", "--print-config"])
    config = tmp_path / "run.yaml"
    config.write_text(capsys.readouterr().out)
    assert main(["pretrain", "--config", str(config)]) == 0
    capsys.readouterr()
    config.write_text("model:\n  n_layer: 6\n")
    err = refused(capsys, *more, *third[:2], "--config", str(config))
    assert "model.n_layer is 6, and that of the checkpoint 2. A" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["--model.n-embd", "24"],
            "model.n_embd is 24, and that of the checkpoint 192",
        ),
        (["--checkpoint", "mimi"], "did you mean 'mini'"),
        (["--tokens-per-step", "100"], "it must be a multiple of num_processes"),
    ],
)
def test_bad_starts(capsys, tmp_path, few_reviews, arguments, says):
    command = ["pretrain", "--output", str(tmp_path / "run"), "--checkpoint", "mini"]
    assert says in refused(capsys, *command, *arguments)


def test_another_end_of_text(capsys, tmp_path, few_reviews):
    folder = tmp_path / "mini"
    shutil.copytree(MINI, folder)
    path = folder / "tokenizer_config.json"
    path.write_text(path.read_text().replace("<|endoftext|>", "the"))
    path = folder / "config.json"
    config = json.loads(path.read_text())
    the = load_tokenizer("mini").get_vocab()["the"]
    path.write_text(json.dumps(config | {"eos_token_id": the}))
    command = ["pretrain", "--output", str(tmp_path / "run")]
    err = refused(capsys, *command, "--checkpoint", str(folder))
    assert f"ends a text with token {the}, and <|endoftext|>, which closes each" in err
    assert "is 4095 of its tokenizer" in err


def test_a_tokenizer_without_an_end_of_text(capsys, tmp_path, few_reviews):
    folder = tmp_path / "mini"
    shutil.copytree(MINI, folder)
    path = folder / "tokenizer.json"
    path.write_text(path.read_text().replace("<|endoftext|>", "<|end|>"))
    settings = folder / "tokenizer_config.json"
    settings.write_text(settings.read_text().replace("<|endoftext|>", "<|end|>"))
    output = tmp_path / "run"
    err = refused(
        capsys, "pretrain", "--output", str(output), "--checkpoint", str(folder)
    )
    assert "<|endoftext|>, which closes each review, is no token of its" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--max-steps", "0"], "max_steps is 0"),
        (["--max-steps", "-5"], "max_steps is -5"),
        (["--model.n-head", "5"], "n_embd 24 cannot be split into 5 heads"),
        (["--model.embd-pdrop", "1"], "embd_pdrop is 1.0"),
        (["--model.eos-token-id", "5"], "model.eos_token_id is 5; the new vocabulary"),
        (["--num-processes", "0"], "num_processes is 0"),
        (["--tokens-per-step", "100"], "tokens_per_step is 100; it must be a multiple"),
        (["--model.vocab-size", "100"], "vocab_size is 100; 256 bytes and <|endoftext"),
        (["--model.vocab-size", "9000"], "the texts give"),
        (["--tokens-per-step", "16000"], "tokens are fewer than one step of 16000"),
    ],
)
def test_bad_runs(capsys, tmp_path, few_reviews, arguments, says):
    command = ["pretrain", "--output", str(tmp_path / "run"), *SMALL]
    assert main([*command, "--max-steps", "20", *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert says in lines[-1]
    # what stands before is progress
    assert [line for line in lines if line.startswith("gpt2course")] == lines[-1:]
    assert len(lines) <= 3


@pytest.mark.parametrize("where", ["file/run", "/proc/nowhere/run"])
def test_an_output_that_cannot_be_written(capsys, tmp_path, where):
    (tmp_path / "file").write_text("")
    err = refused(capsys, "pretrain", "--output", str(tmp_path / where), *SMALL)
    assert "Not a directory" in err or "No such file or directory" in err
    assert str(Path(where).parent) in err


FULL_DISK = """
import resource, sys
sys.path[:0] = sys.argv[1].split(":")
from cli_tools import REVIEWS, main
from gpt2course import data
data.embedded_reviews = lambda: REVIEWS
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
sys.exit(main(sys.argv[3:]))
"""


# not even for the log; for the log but not for the weights
@pytest.mark.parametrize("room", [100, 40_000])
def test_a_full_disk(tmp_path, room):
    pytest.importorskip("resource", reason="limits are those of Unix")
    command = ["pretrain", "--output", str(tmp_path / "run"), *SMALL]
    tests = str(Path(__file__).parents[1])
    done = run_python("-c", FULL_DISK, tests, str(room), *command, "--max-steps", "12")
    assert done.returncode == 2, done.stderr
    lines = done.stderr.strip().splitlines()
    assert "Traceback" not in done.stderr
    assert [line for line in lines if line.startswith("gpt2course: ")] == lines[-1:]
    assert not list((tmp_path / "run").glob("*.pt*"))
