"""The command: good input gives answers, bad input gives exit code 2 and a line that says what to do."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import random_model, run_python
from safetensors.torch import load_file, save_file

from gpt2course import __version__, checkpoints, cli, data, training
from gpt2course.checkpoints import write_model
from gpt2course.cli import main
from gpt2course.config import GPT2Config
from gpt2course.generation import generate, sampler
from gpt2course.training import save_tokenizer, train_tokenizer

REVIEWS = {
    name: [
        (f"{name} review {i}:<br />the film was {'good' if i % 2 else 'bad'}", i % 2)
        for i in range(n)
    ]
    for name, n in (("train", 60), ("validation", 10), ("test", 10))
}
TOY = [
    "--vocab-size", "270", "--n-positions", "16", "--n-embd", "24", "--n-layer", "2", "--n-head", "2",
    "--processes", "1", "--tokens-per-step", "64",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """A small checkpoint with its tokenizer."""
    folder = tmp_path / "checkpoint"
    write_model(
        random_model(
            GPT2Config(vocab_size=270, n_positions=32, n_embd=24, n_layer=2, n_head=2)
        ),
        folder,
    )
    save_tokenizer(
        train_tokenizer([text for text, _ in REVIEWS["train"]], 270), folder, 32
    )
    return folder


def refused(capsys, *arguments: str) -> str:
    """What the command says on stderr when it refuses; checks the manners of a refusal."""
    try:
        code = main(arguments)
    except SystemExit as left:  # argparse
        code = left.code
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert 1 <= len(err.strip().splitlines()) <= 2, err
    assert "Traceback" not in err
    return err


def test_generate(capsys):
    assert main(["generate", "This movie was", "--max-new-tokens", "5"]) == 0
    assert capsys.readouterr().out.startswith("This movie was ")


def test_generate_json(capsys, folder):
    assert (
        main(
            [
                "generate",
                "the film",
                "--checkpoint",
                str(folder),
                "--max-new-tokens",
                "4",
                "--json",
            ]
        )
        == 0
    )
    answer = json.loads(capsys.readouterr().out)
    assert answer["prompt"] == "the film"
    assert 1 <= len(answer["new_ids"]) <= 4
    assert answer["stopped_by"] == ("eos" if answer["new_ids"][-1] == 269 else "length")
    tokenizer = checkpoints.load_tokenizer(str(folder))
    assert tokenizer.decode(answer["prompt_ids"]) == "the film"
    assert (
        tokenizer.decode(answer["new_ids"], skip_special_tokens=True) == answer["text"]
    )


PROMPT = ["generate", "This movie was", "--max-new-tokens", "12"]


def written(capsys, *options: str) -> str:
    assert main([*PROMPT, *options]) == 0
    return capsys.readouterr().out


def test_it_is_greedy_unless_asked(capsys):
    greedy = written(capsys)
    assert written(capsys, "--top-k", "1") == greedy
    assert written(capsys, "--repetition-penalty", "1") == greedy
    assert written(capsys, "--repetition-penalty", "5") != greedy


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 1.5}, {"top_k": 40}, {"top_p": 0.9}, {"min_p": 0.02}, {},
        {"temperature": 0.9, "top_k": 50, "top_p": 0.95, "min_p": 0.01, "repetition_penalty": 1.2},
    ],
)  # fmt: skip
def test_options_of_sampling_reach_the_sampler(capsys, options):
    model, tokenizer = (
        checkpoints.load_checkpoint("mini"),
        checkpoints.load_tokenizer("mini"),
    )
    generator = torch.Generator().manual_seed(7)
    ids = generate(
        model,
        tokenizer.encode("This movie was"),
        12,
        strategy=sampler(**options),
        generator=generator,
    )
    arguments = [
        word
        for name, value in options.items()
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    expected = "This movie was" + tokenizer.decode(ids, skip_special_tokens=True) + "\n"
    assert written(capsys, *arguments, "--seed", "7") == expected
    assert written(capsys, *arguments, "--seed", "7") == expected


def test_stop_strings_end_the_text(capsys):
    whole = written(capsys)
    assert written(capsys, "--stop", "never in this text") == whole
    new = whole.removeprefix("This movie was").rstrip("\n")
    stops = new[9:12], new[4:7]
    cut = min(new.index(stop) for stop in stops)
    assert (
        written(capsys, "--stop", stops[0], "--stop", stops[1])
        == "This movie was" + new[:cut] + "\n"
    )
    answer = json.loads(
        written(capsys, "--json", "--stop", stops[0], "--stop", stops[1])
    )
    assert (answer["text"], answer["stopped_by"]) == (new[:cut], "stop")


def test_text_appears_as_it_comes(monkeypatch):
    """Each piece is handed to the terminal at once, and a broken model does not take back what stands there."""
    shown = []

    class Terminal:
        def write(self, text):
            shown.append(text)

        def flush(self):
            shown.append("(now)")

    def pieces():
        yield " one"
        yield " two"
        raise ValueError("the logits at position 5 are not finite")

    monkeypatch.setattr(sys, "stdout", Terminal())
    with pytest.raises(ValueError, match="not finite"):
        cli._print_as_it_comes("zero", pieces())
    assert [text for text in shown if text] == [
        "zero",
        " one",
        "(now)",
        " two",
        "(now)",
        "\n",
        "(now)",
    ]


def test_doctor(capsys):
    assert main(["doctor", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["checkpoint"], facts["data"], facts["effort"]) == (
        "mini",
        "embedded",
        "page",
    )
    assert facts["reviews"] == {"train": 20_000, "validation": 2_500, "test": 2_500}
    assert facts["gpt2course"] == __version__
    assert facts["parameters"] > 1e6


def test_as_a_process():
    done = run_python("-m", "gpt2course", "generate", "", HF_HUB_OFFLINE="1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [done.stderr.strip()]
    assert done.stderr.startswith("gpt2course: the prompt is empty")
    done = run_python("-m", "gpt2course", "--version")
    assert (done.returncode, done.stdout) == (0, f"gpt2course {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["generate", ""], "the prompt is empty"),
        (["generate", "film " * 2000], "leaves no room to write; use at most"),
        (
            ["generate", "a", "--max-new-tokens", "0"],
            "max_new_tokens is 0; ask for at least 1",
        ),
        (
            ["generate", "a", "--max-new-tokens", "many"],
            "invalid int value: 'many'; see gpt2course generate --help",
        ),
        (["generate"], "the following arguments are required: prompt"),
        (
            ["generate", "a", "--temperature", "0"],
            "temperature is 0.0; it must be a number above 0",
        ),
        (["generate", "a", "--temperature", "nan"], "temperature is nan"),
        (
            ["generate", "a", "--temperature", "warm"],
            "argument --temperature: invalid float value: 'warm'",
        ),
        (
            ["generate", "a", "--top-k", "0"],
            "top_k is 0; it must be at least 1 (leave it out",
        ),
        (
            ["generate", "a", "--top-p", "1.5"],
            "top_p is 1.5; it must lie in (0, 1], and 1 keeps every token",
        ),
        (
            ["generate", "a", "--min-p", "0"],
            "min_p is 0.0; it must lie in (0, 1] (leave it out",
        ),
        (
            ["generate", "a", "--repetition-penalty", "-1"],
            "repetition_penalty is -1.0; it must be a number above 0",
        ),
        (["generate", "a", "--seed", "-1"], "seed is -1; it must lie between 0 and"),
        (["generate", "a", "--seed", str(2**63)], "it must lie between 0 and"),
        (
            ["generate", "a", "--stop", ""],
            "a stop string is ''",
        ),
        (
            ["generate", "a", "--checkpoint", "gpt2-medum"],
            "did you mean 'gpt2-medium'?",
        ),
        (
            ["generate", "a", "--checkpoint", "./nowhere"],
            "nowhere/config.json does not exist",
        ),
        (["doctor", "--checkpoint", "minni"], "did you mean 'mini'?"),
        (["pretend"], "invalid choice: 'pretend'"),
        ([], "required: command"),
        (["pretrain"], "required: --output"),
    ],
)
def test_bad_input(capsys, arguments, says):
    assert says in refused(capsys, *arguments)


def test_bad_variables(capsys, monkeypatch):
    monkeypatch.setenv("GPT2COURSE_EFFORT", "fast")
    assert "unknown effort 'fast'" in refused(capsys, "doctor")
    monkeypatch.setenv("GPT2COURSE_CHECKPOINT", "gpt2-medum")
    assert "did you mean 'gpt2-medium'?" in refused(capsys, "generate", "a")


def break_weights(folder):
    path = folder / "model.safetensors"
    state = load_file(path)
    state["transformer.wpe.weight"][3] = torch.nan
    save_file(state, path)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (break_weights, "'transformer.wpe.weight' holds NaN or infinity"),
        (
            lambda f: (f / "model.safetensors").unlink(),
            "model.safetensors does not exist",
        ),
        (
            lambda f: (f / "model.safetensors").write_bytes(
                (f / "model.safetensors").read_bytes()[:999]
            ),
            "cut short",
        ),
        (
            lambda f: (f / "config.json").write_text('{"model_type": "llama"}'),
            "model_type is 'llama'",
        ),
        (lambda f: (f / "tokenizer.json").unlink(), "has no tokenizer.json"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "the tokenizer in"),
        (shutil.rmtree, "config.json does not exist"),
    ],
    ids=[
        "nan",
        "missing",
        "cut short",
        "architecture",
        "no tokenizer",
        "bad tokenizer",
        "no folder",
    ],
)
def test_bad_checkpoints(capsys, folder, damage, says):
    damage(folder)
    assert says in refused(capsys, "generate", "the film", "--checkpoint", str(folder))


def test_an_altered_mini(capsys, tmp_path, monkeypatch):
    shutil.copytree(checkpoints.MINI, tmp_path / "mini")
    (tmp_path / "mini" / "tokenizer.json").write_text("{}")
    monkeypatch.setattr("gpt2course.checkpoints.load.MINI", tmp_path / "mini")
    assert "tokenizer.json is not the file that was published" in refused(
        capsys, "generate", "a"
    )


def test_the_hub_without_a_network(capsys, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", "/nonexistent")
    assert "GPT2COURSE_CHECKPOINT=mini" in refused(
        capsys, "generate", "a", "--checkpoint", "gpt2-xl"
    )


# ---- finetune-jokes ------------------------------------------------------------------------------------------------


@pytest.fixture
def jokes(tmp_path, folder):
    """The command that trains a small checkpoint on a few jokes, without its --output."""
    data = tmp_path / "data"
    data.mkdir()
    with open(data / "jokes.csv", "w", newline="", encoding="utf-8") as file:
        told = [(i, f"film {i} is good") for i in range(120)]
        csv.writer(file).writerows(
            [
                ("ID", "Joke"),
                *told,
                (120, ""),
                (121, told[0][1]),
                (122, "damn it"),
                (123,),
            ]
        )
    return [
        "finetune-jokes", "--data", f"{data}/", "--checkpoint", str(folder), "--row-length", "32", "--device", "cpu",
        "--per-device-train-batch-size", "4", "--learning-rate", "0.01", "--eval-steps", "10", "--save-steps", "5",
    ]  # fmt: skip


def test_finetune_jokes(capsys, tmp_path, jokes):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    output = str(tmp_path / "run")
    assert (
        main([*jokes, "--output", output, "--max-steps", "20", "--drop-crude", "--json"])
        == 0
    )
    out, err = capsys.readouterr()
    answer = json.loads(out)
    assert (answer["folder"], answer["steps"], answer["stopped_early"]) == (
        output,
        20,
        False,
    )
    assert answer["best_loss"] < answer["first_loss"] - 0.5
    dropped = {
        "empty": 1,
        "duplicate": 1,
        "crude word": 1,
        "wrong number of columns": 1,
    }
    assert (answer["kept"], answer["dropped"]) == (120, dropped)
    assert "120 jokes kept, 4 rows dropped" in err
    assert "1 × empty: row 121" in err
    log = map(
        json.loads,
        (tmp_path / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines(),
    )
    samples = [row["sample"] for row in log if "sample" in row]
    assert len(samples) == 3
    assert all(sample.startswith("JOKE:") for sample in samples)

    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(output),
        AutoTokenizer.from_pretrained(output),
    )
    ids = torch.tensor([tokenizer.encode("JOKE: film")])
    assert tokenizer.decode(ids[0]) == "JOKE: film"
    ours = checkpoints.load_checkpoint(output)
    assert torch.allclose(model(ids).logits, ours(ids), atol=1e-5)
    assert (
        main(["generate", "JOKE:", "--checkpoint", output, "--max-new-tokens", "3"])
        == 0
    )


def test_finetune_jokes_for_people(capsys, tmp_path, jokes):
    assert (
        main(
            [
                *jokes,
                "--output",
                str(tmp_path / "run"),
                "--max-steps",
                "4",
                "--early-stopping-patience",
                "3",
            ]
        )
        == 0
    )
    out, err = capsys.readouterr()
    first, hint = out.splitlines()
    assert first.startswith(f"{tmp_path}/run: held-out loss ")
    assert hint.startswith('Try: gpt2course generate "JOKE:" --checkpoint ')
    assert "jokes kept" in err
    assert "4/4" in err  # the bar
    assert (
        main(
            [
                *jokes,
                "--output",
                str(tmp_path / "run"),
                "--max-steps",
                "5",
                "--early-stopping-patience",
                "3",
            ]
        )
        == 2
    )
    assert "belongs to a run with another max_steps" in capsys.readouterr().err


def test_only_the_first_process_talks(capsys, tmp_path, jokes, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    assert (
        main([*jokes, "--output", str(tmp_path / "run"), "--max-steps", "2", "--json"]) == 0
    )
    out, err = capsys.readouterr()
    assert out == ""
    assert "jokes kept" not in err


def test_every_option_reaches_the_run(tmp_path, jokes, monkeypatch):
    seen = []

    def note(config, folder, *, row_length, **_):
        seen.append((row_length or 32, config))
        raise ValueError("that is all")

    monkeypatch.setattr(training, "finetune_on_jokes", note)
    command = [part for part in jokes if part not in ("--row-length", "32")]
    assert main([*command, "--output", str(tmp_path)]) == 2
    options = [
        "--gradient-accumulation-steps", "2", "--num-train-epochs", "2.5", "--mixed-precision", "bf16", "--gradient-checkpointing", "--num-processes", "2",
        "--max-eval-samples", "7", "--early-stopping-patience", "9", "--seed", "5", "--row-length", "30",
    ]  # fmt: skip
    assert main([*command, "--output", str(tmp_path), *options]) == 2
    common = {
        "per_device_train_batch_size": 4,
        "learning_rate": 0.01,
        "eval_steps": 10,
        "save_steps": 5,
        "device": "cpu",
    }
    given = {
        "gradient_accumulation_steps": 2, "num_train_epochs": 2.5, "mixed_precision": "bf16",
        "gradient_checkpointing": True, "num_processes": 2,
        "max_eval_samples": 7, "early_stopping_patience": 9, "seed": 5,
    }  # fmt: skip
    assert seen[0][1] == training.FinetuneConfig(**common)
    assert seen[1][1] == training.FinetuneConfig(**common, **given)
    assert [width <= 32 for width, _ in seen] == [
        True,
        True,
    ]  # no more than the positions of the model


def stopped_on_the_way(command: list[str], output: Path, how: int) -> subprocess.Popen:
    """Run the command in a process, and send it a signal once it has done some steps."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gpt2course", *command, "--output", str(output)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    log, deadline = output / "log.jsonl", time.monotonic() + 120
    while not (log.exists() and '{"step": 15' in log.read_text(encoding="utf-8")):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(how)
    return process


@pytest.mark.skipif(sys.platform == "win32", reason="these signals are those of Unix")
@pytest.mark.parametrize(("how", "code"), [("SIGKILL", -9), ("SIGINT", 130)])
def test_finetune_jokes_stopped_and_started_again(capsys, tmp_path, jokes, how, code):
    """Killed or interrupted on the way, it goes on, and ends with bitwise the weights of an uninterrupted run."""
    command = [*jokes, "--max-steps", "100", "--eval-steps", "50"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    process = stopped_on_the_way(command, broken, getattr(signal, how))
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    assert "Traceback" not in err
    if how == "SIGINT":
        assert err.strip().splitlines()[-1] .startswith("gpt2course: stopped after step ")
    assert 0 < torch.load(broken / "state.pt")["progress"]["step"] < 100
    for output in (broken, whole):
        assert main([*command, "--output", str(output)]) == 0
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert (whole / name).read_bytes() == (broken / name).read_bytes(), name
    one, other = (torch.load(output / "state.pt") for output in (whole, broken))
    assert all(
        torch.equal(one["model"][name], other["model"][name]) for name in one["model"]
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["--data", "{}/none/"],
            "none/jokes.csv does not exist; a data folder holds jokes.csv",
        ),
        (["--data", "{}/other/"], "has the columns ['a', 'b']; it needs ID and Joke"),
        (["--data", "embeded"], "embeded/jokes.csv does not exist"),
        (["--checkpoint", "minni"], "did you mean 'mini'?"),
        (["--max-steps", "0"], "max_steps is 0; it must be at least 1"),
        (["--max-steps", "ten"], "argument --max-steps: invalid int value: 'ten'"),
        (["--num-train-epochs", "0"], "num_train_epochs is 0.0; it must be a number above 0"),
        (["--learning-rate", "0"], "learning_rate is 0.0; it must be a number above 0"),
        (["--per-device-train-batch-size", "0"], "per_device_train_batch_size is 0; it must be at least 1"),
        (["--mixed-precision", "fp8"], "argument --mixed-precision: invalid choice: 'fp8'"),
        (["--device", "abacus"], "argument --device: invalid choice: 'abacus'"),
        (["--early-stopping-patience", "-1"], "early_stopping_patience is -1; it must be at least 0"),
        (["--max-eval-samples", "-1"], "max_eval_samples is -1; it must be at least 0"),
        (["--row-length", "1"], "row_length is 1; a row needs at least 2 tokens"),
        (["--row-length", "4"], "no document fits into a row of 4 tokens"),
        (["--row-length", "64"], "more than the model's 32 positions"),
        (["--output", "{}/file/run"], "Not a directory"),
    ],
)
def test_bad_joke_runs(capsys, tmp_path, jokes, arguments, says):
    (tmp_path / "file").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "jokes.csv").write_text("a,b\n1,2\n")
    arguments = [argument.replace("{}", str(tmp_path)) for argument in arguments]
    try:
        code = main([*jokes, "--output", str(tmp_path / "run"), *arguments])
    except SystemExit as left:
        code = left.code
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert says in err.splitlines()[-1]
    assert [
        line for line in err.splitlines() if line.startswith("gpt2course")
    ] == err.splitlines()[-1:]
    assert not (tmp_path / "run" / "model.safetensors").exists()


# ---- pretrain --------------------------------------------------------------------------------------------------------


@pytest.fixture
def toy_reviews(monkeypatch):
    monkeypatch.setattr(data, "embedded_reviews", lambda: REVIEWS)


def test_pretrain_makes_a_checkpoint(capsys, tmp_path, toy_reviews):
    folder = tmp_path / "run"
    assert (
        main(
            [
                "pretrain",
                "--output",
                str(folder),
                *TOY,
                "--steps",
                "6",
                "--seed",
                "3",
                "--json",
            ]
        )
        == 0
    )
    answer = json.loads(capsys.readouterr().out)
    assert (answer["steps"], answer["tokens"], answer["folder"]) == (
        6,
        6 * 64,
        str(folder),
    )
    assert {
        "README.md",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "log.jsonl",
    } <= {path.name for path in folder.iterdir()}
    assert "--steps 6" in (folder / "README.md").read_text()
    assert (
        main(
            [
                "generate",
                "the film",
                "--checkpoint",
                str(folder),
                "--max-new-tokens",
                "3",
            ]
        )
        == 0
    )

    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    other = [
        "pretrain",
        "--output",
        str(folder),
        *TOY,
        "--steps",
        "6",
        "--seed",
        "3",
        "--vocab-size",
        "265",
    ]
    assert main(other) == 2
    assert "belongs to a run with another data, model" in capsys.readouterr().err
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--steps", "0"], "max_steps is 0"),
        (["--steps", "-5"], "max_steps is -5"),
        (["--steps", "abc"], "argument --steps: invalid int value: 'abc'"),
        (["--steps", "1.5"], "argument --steps: invalid int value: '1.5'"),
        (["--device", "abacus"], "argument --device: invalid choice: 'abacus'"),
        (["--n-head", "5"], "n_embd 24 cannot be split into 5 heads"),
        (["--dropout", "1"], "embd_pdrop is 1.0"),
        (["--processes", "0"], "num_processes is 0; it must be at least 1"),
        (["--tokens-per-step", "100"], "tokens_per_step is 100; it must be a multiple"),
        (
            ["--vocab-size", "100"],
            "vocab_size is 100; 256 bytes and <|endoftext|> need at least 257",
        ),
        (["--vocab-size", "9000"], "the texts give"),
        (["--tokens-per-step", "16000"], "tokens are fewer than one step of 16000"),
    ],
)
def test_bad_runs(capsys, tmp_path, toy_reviews, arguments, says):
    steps = [] if "--steps" in arguments else ["--steps", "3"]
    try:
        code = main(
            ["pretrain", "--output", str(tmp_path / "run"), *TOY, *steps, *arguments]
        )
    except SystemExit as left:
        code = left.code
    lines = capsys.readouterr().err.splitlines()
    assert code == 2
    assert says in lines[-1]
    assert [line for line in lines if line.startswith("gpt2course")] == lines[
        -1:
    ]  # what stands before is progress
    assert len(lines) <= 3


@pytest.mark.parametrize("where", ["file/run", "/proc/nowhere/run"])
def test_an_output_that_cannot_be_written(capsys, tmp_path, where):
    (tmp_path / "file").write_text("")
    err = refused(capsys, "pretrain", "--output", str(tmp_path / where), *TOY)
    assert "Not a directory" in err or "No such file or directory" in err
    assert str(Path(where).parent) in err


FULL_DISK = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from test_cli import REVIEWS, data, main
data.embedded_reviews = lambda: REVIEWS
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
sys.exit(main(sys.argv[3:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits are those of Unix")
@pytest.mark.parametrize(
    "room", [100, 40_000]
)  # not even for the log; for the log but not for the weights
def test_a_full_disk(tmp_path, room):
    command = ["pretrain", "--output", str(tmp_path / "run"), *TOY, "--steps", "3"]
    done = run_python("-c", FULL_DISK, str(Path(__file__).parent), str(room), *command)
    assert done.returncode == 2, done.stderr
    lines = done.stderr.strip().splitlines()
    assert "Traceback" not in done.stderr
    assert [line for line in lines if line.startswith("gpt2course: ")] == lines[-1:], (
        lines
    )
    assert not list((tmp_path / "run").glob("*.pt*"))
