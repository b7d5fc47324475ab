"""gpt2course finetune-jokes: from the command to the model, stopped and resumed."""

from __future__ import annotations

import csv
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from gpt2course import training
from gpt2course.checkpoints import load_checkpoint
from gpt2course.cli import main


@pytest.fixture
def jokes(tmp_path, folder):
    """The command that trains a small checkpoint on a few jokes, without its output."""
    data = tmp_path / "data"
    data.mkdir()
    told = [(i, f"film {i} is good") for i in range(120)]
    odd = [(120, ""), (121, told[0][1]), (122, "damn it"), (123,)]
    with open(data / "jokes.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("ID", "Joke"), *told, *odd])
    return [
        *("finetune-jokes", "--data", f"{data}/", "--checkpoint", str(folder)),
        *("--row-length", "32", "--device", "cpu", "--learning-rate", "0.01"),
        *("--per-device-train-batch-size", "4", "--eval-steps", "10"),
        *("--save-steps", "5"),
    ]


def test_a_run(capsys, tmp_path, jokes):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    output = str(tmp_path / "run")
    options = ["--max-steps", "20", "--drop-crude", "--json"]
    assert main([*jokes, "--output", output, *options]) == 0
    out, err = capsys.readouterr()
    answer = json.loads(out)
    assert (answer["folder"], answer["steps"]) == (output, 20)
    assert answer["stopped_early"] is False
    assert answer["best_loss"] < answer["first_loss"] - 0.5
    assert answer["kept"] == 120
    assert answer["dropped"]["crude word"] == 1
    assert sum(answer["dropped"].values()) == 4
    assert "120 jokes kept, 4 rows dropped" in err

    model = AutoModelForCausalLM.from_pretrained(output)
    tokenizer = AutoTokenizer.from_pretrained(output)
    ids = torch.tensor([tokenizer.encode("JOKE: film")])
    assert torch.allclose(model(ids).logits, load_checkpoint(output)(ids), atol=1e-5)


@pytest.mark.parametrize("name", ["my jokes", "gpt2", "-x", "run#2"])
def test_the_printed_command_works(capsys, tmp_path, monkeypatch, jokes, name):
    """Whatever the folder is called, and even if a downloaded model is called so."""
    monkeypatch.chdir(tmp_path)
    assert main([*jokes, f"--output={name}", "--max-steps", "2"]) == 0
    out, err = capsys.readouterr()
    first, hint = out.splitlines()
    assert first.startswith(f"{name}: held-out loss ")
    assert "2/2" in err  # the bar
    command = shlex.split(hint.removeprefix("Try: "))
    assert command[:3] == ["gpt2course", "generate", "JOKE:"]
    assert main([*command[1:], "--max-new-tokens", "3"]) == 0
    assert capsys.readouterr().out.startswith("JOKE:")


def test_lora_is_told_and_its_card_reproduces_it(capsys, tmp_path, monkeypatch, jokes):
    command = [*jokes, "--max-steps", "3", "--lora", "2"]
    assert main([*command, "--output", str(tmp_path / "run"), "--json"]) == 0
    out, err = capsys.readouterr()
    n = json.loads(out)["trained_parameters"]
    assert f"LoRA of rank 2: {n:,} parameters are trained" in err
    card = (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    assert f"LoRA of rank 2 on c_attn, merged into the weights: {n:,} param" in card
    (line,) = [line for line in card.splitlines() if "finetune-jokes --" in line]
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(line)[1:]) == 0
    models = [tmp_path / name / "model.safetensors" for name in ("run", "FOLDER")]
    assert models[0].read_bytes() == models[1].read_bytes()
    assert main([*command[:-1], "3", "--output", str(tmp_path / "run")]) == 2
    assert "belongs to a run with another lora" in capsys.readouterr().err


def test_another_run_in_the_folder_is_refused(capsys, tmp_path, jokes):
    command = [*jokes, "--output", str(tmp_path / "run"), "--seed", "3"]
    assert main([*command, "--max-steps", "2"]) == 0
    capsys.readouterr()
    assert main([*command, "--max-steps", "2", "--seed", "4"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "seed" in err.splitlines()[-1]


def test_only_the_first_process_prints(capsys, tmp_path, jokes, monkeypatch):
    monkeypatch.setattr(training, "is_main_process", lambda: False)
    output = ["--output", str(tmp_path / "run")]
    assert main([*jokes, *output, "--max-steps", "2", "--json"]) == 0
    assert capsys.readouterr().out == ""


def test_every_option_reaches_the_run(tmp_path, jokes, monkeypatch):
    seen = []

    def note(config, folder, **options):
        seen.append((config, folder, options))
        raise ValueError("that is all")

    monkeypatch.setattr(training, "finetune_on_jokes", note)
    assert main([*jokes, "--output", "~/x", "--seed", "5", "--drop-crude"]) == 2
    ((config, folder, options),) = seen
    assert config == training.FinetuneConfig(
        per_device_train_batch_size=4,
        learning_rate=0.01,
        eval_steps=10,
        save_steps=5,
        device="cpu",
        seed=5,
    )
    assert folder == Path.home() / "x"
    assert options.pop("command").endswith(" --drop-crude --row-length 32")
    assert options == {
        "checkpoint": jokes[4],
        "data": jokes[2],
        "drop_crude": True,
        "row_length": 32,
        "progress": True,
    }


def stopped_on_the_way(command: list[str], output: Path, how: int) -> subprocess.Popen:
    """Run the command in a process; send it a signal once it has done some steps."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gpt2course", *command, "--output", str(output)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    log, deadline = output / "log.jsonl", time.monotonic() + 120
    while not (log.exists() and '{"step": 15' in log.read_text(encoding="utf-8")):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(how)
    return process


@pytest.mark.skipif(sys.platform == "win32", reason="these signals are those of Unix")
@pytest.mark.parametrize(("how", "code"), [("SIGKILL", -9), ("SIGINT", 130)])
def test_stopped_and_resumed(capsys, tmp_path, jokes, how, code):
    """Killed or interrupted, then resumed, it ends with bitwise the weights of an
    uninterrupted run."""
    command = [*jokes, "--max-steps", "100", "--eval-steps", "50"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    process = stopped_on_the_way(command, broken, getattr(signal, how))
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    assert "Traceback" not in err
    if how == "SIGINT":
        last = err.strip().splitlines()[-1]
        assert last.startswith("gpt2course: stopped after step ")
        assert f"{broken} keeps the run: start it again" in last
    for output in (broken, whole):
        assert main([*command, "--output", str(output)]) == 0
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert (whole / name).read_bytes() == (broken / name).read_bytes(), name


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data", "{}/none/"], "none/jokes.csv does not exist"),
        (["--data", "{}/other/"], "has the columns ['a', 'b']; it needs ID and Joke"),
        (["--data", "embeded"], "unknown data source 'embeded'; did you mean 'embedd"),
        (["--checkpoint", "minni"], "did you mean 'mini'?"),
        (["--max-steps", "0"], "max_steps is 0; it must be at least 1"),
        (["--num-train-epochs", "0"], "num_train_epochs is 0.0; it must be"),
        (["--learning-rate", "0"], "learning_rate is 0.0; it must be a number above 0"),
        (["--mixed-precision", "fp8"], "mixed_precision is 'fp8'; it must be one of"),
        (["--lora", "0"], "lora is 0; it is a rank and must be at least 1"),
        (["--lora", "-8"], "lora is -8; it is a rank and must be at least 1"),
        (["--lora", "all"], "lora is 'all'; it must be a whole number"),
        (["--lora", "2.5"], "lora is '2.5'; it must be a whole number"),
        (["--lora", "300"], "lora is 300; a rank above the model's n_embd, "),
        (["--row-length", "1"], "row_length is 1; a row needs at least 2 tokens"),
        (["--row-length", "4"], "no document fits into a row of 4 tokens"),
        (["--row-length", "64"], "more than the model's 32 positions"),
        (["--output", "{}/file/run"], "Not a directory"),
    ],
)
def test_bad_runs(capsys, tmp_path, jokes, arguments, says):
    (tmp_path / "file").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "jokes.csv").write_text("a,b\n1,2\n")
    arguments = [argument.replace("{}", str(tmp_path)) for argument in arguments]
    assert main([*jokes, "--output", str(tmp_path / "run"), *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert says in lines[-1]
    # what stands before is progress
    assert [line for line in lines if line.startswith("gpt2course")] == lines[-1:]
    assert not (tmp_path / "run" / "model.safetensors").exists()
