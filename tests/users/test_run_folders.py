"""What lies in and around a run's folder: other tokenizers and configurations, spoiled
states and logs, pipes, ctrl-C, runs that diverge. By the commands."""

from __future__ import annotations

import json
import math
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from conftest import random_model
from fuzz_material import COMMANDS, SHAPE, command
from hypothesis import given
from hypothesis import strategies as st
from references import ROOT
from safetensors.torch import load_file

from gpt2course.checkpoints import load_tokenizer
from gpt2course.cli import main
from gpt2course.config import GPT2Config
from gpt2course.sentiment import ReviewTrainer, finetuning
from gpt2course.training import digest_of_start

pytestmark = pytest.mark.usefixtures("material")
TUNES = ("finetune-jokes", "finetune-sentiment")


@pytest.fixture(scope="module")
def finished(material):
    """The folder of a finished run of each kind."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = material / f"finished-{name}"
            assert main(command(name, material, made[name])) == 0
        return made[name]

    return get


@pytest.fixture
def run(capsys):
    """Run a command; its exit code, output and last message."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, (err.splitlines() or [""])[-1]

    return run


def interrupted(folder: Path) -> None:
    """As if the run had been killed before its end."""
    for file in ("results.json", "README.md"):
        (folder / file).unlink()
    settings = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    del settings["sha256"], settings["results_sha256"]
    (folder / "run.json").write_text(json.dumps(settings), encoding="utf-8")


def weights_of(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


# ---- what a run starts from ---------------------------------------------------------


def permuted(folder: Path) -> None:
    """The same tokens and merges, with other ids."""
    path = folder / "tokenizer.json"
    table = json.loads(path.read_text(encoding="utf-8"))
    vocabulary = table["model"]["vocab"]
    ids = [token for token in vocabulary.values() if token < 260]
    random.Random(0).shuffle(ids)
    fresh = iter(ids)
    table["model"]["vocab"] = {
        token: next(fresh) if number < 260 else number
        for token, number in vocabulary.items()
    }
    path.write_text(json.dumps(table), encoding="utf-8")


def other_end(folder: Path) -> None:
    """The same ids, and another token ends a text."""
    path = folder / "tokenizer_config.json"
    entries = json.loads(path.read_text(encoding="utf-8"))
    entries["eos_token"] = load_tokenizer(str(folder)).convert_ids_to_tokens(5)
    path.write_text(json.dumps(entries), encoding="utf-8")


def config_entry(name: str, value: object):
    def change(folder: Path) -> None:
        path = folder / "config.json"
        entries = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**entries, name: value}), encoding="utf-8")

    return change


@pytest.mark.parametrize("name", TUNES)
@pytest.mark.parametrize("state", ["finished", "interrupted"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (permuted, "another data, tokenizer;"),
        (other_end, "tokenizer"),
        (config_entry("n_head", 1), "another checkpoint;"),
        (config_entry("layer_norm_epsilon", 0.1), "another checkpoint;"),
        (config_entry("resid_pdrop", 0.3), "another checkpoint;"),
    ],
)  # fmt: skip
def test_the_same_weights_with_another_meaning_are_another_run(
    material, finished, run, tmp_path, name, state, change, said
):
    other, output = tmp_path / "c", tmp_path / "run"
    shutil.copytree(material / "checkpoint", other)
    shutil.copytree(finished(name), output)
    if state == "interrupted":
        interrupted(output)
    change(other)
    files = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    arguments = command(name, material, output)
    arguments[arguments.index("--checkpoint") + 1] = str(other)
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert "belongs to a run with another" in err
    assert said in err
    assert {path: path.read_bytes() for path in files} == files


@pytest.mark.parametrize("name", TUNES)
def test_entries_that_change_nothing_are_the_same_run(
    material, finished, run, tmp_path, name
):
    other, output = tmp_path / "c", tmp_path / "run"
    shutil.copytree(material / "checkpoint", other)
    shutil.copytree(finished(name), output)
    for entry, value in (
        *(("_name_or_path", "/elsewhere"), ("transformers_version", "9.9")),
        *(("initializer_range", 0.5), ("use_cache", False), ("eos_token_id", 50256)),
    ):
        config_entry(entry, value)(other)
    arguments = command(name, material, output)
    arguments[arguments.index("--checkpoint") + 1] = str(other)
    assert run(*arguments)[0] == 0
    assert weights_of(output) == weights_of(finished(name))


@given(
    name=st.sampled_from(
        ["n_head", "layer_norm_epsilon", "attn_pdrop", "eos_token_id", "n_layer"]
    )
)
def test_a_digest_tells_configurations_apart(name):
    model = random_model(SHAPE)
    weights = dict(model.state_dict())
    changed = {"n_head": 1, "eos_token_id": 3, "n_layer": 3}.get(name, 0.25)
    other = GPT2Config(**{**vars(SHAPE), name: changed})
    same = GPT2Config(**{**vars(SHAPE), "initializer_range": 0.5})
    shuffled = dict(reversed(weights.items()))
    assert digest_of_start(SHAPE, weights) == digest_of_start(same, shuffled)
    assert digest_of_start(SHAPE, weights) != digest_of_start(other, weights)
    first = next(iter(weights))
    changed = {**weights, first: weights[first] + 1e-3}
    assert digest_of_start(SHAPE, weights) != digest_of_start(SHAPE, changed)


def test_evaluations_of_another_configuration_do_not_mix(material, run, tmp_path):
    other = tmp_path / "c"
    shutil.copytree(material / "checkpoint", other)
    (tmp_path / "last-word.jsonl").write_text(
        "".join(json.dumps({"text": f"film {i} is good"}) + "\n" for i in range(4))
    )
    arguments = ["evaluate", "last-word", "--data", f"{tmp_path}/", "--json"]
    arguments += ["--output", tmp_path / "o", "--checkpoint", other]
    assert run(*arguments, "--limit", "2")[0] == 0
    config_entry("n_head", 1)(other)
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert "belongs to a run with another model" in err


@pytest.mark.parametrize("name", COMMANDS)
def test_a_run_of_an_earlier_version_is_one_line(
    material, finished, run, tmp_path, name
):
    output = tmp_path / "run"
    shutil.copytree(finished(name), output)
    path = output / "run.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    del settings["format"]
    path.write_text(json.dumps(settings), encoding="utf-8")
    code, out, err = run(*command(name, material, output))
    assert (code, out) == (2, "")
    assert "another version of gpt2course" in err
    assert "choose an empty folder" in err


@pytest.mark.parametrize("name", COMMANDS)
def test_somebody_s_tokenizer_stays_as_it_is(material, run, tmp_path, name):
    path = tmp_path / "o" / "tokenizer.json"
    path.parent.mkdir()
    path.write_text("mine")
    code, out, err = run(*command(name, material, path.parent))
    assert (code, out) == (2, "")
    assert "holds tokenizer.json and no run.json" in err
    assert path.read_text() == "mine"


# ---- spoiled files ------------------------------------------------------------------


def spoil_state(path: Path, change) -> None:
    state = torch.load(path, weights_only=True)
    change(state)
    torch.save(state, path)


STATES = {
    "step -5": lambda state: state["progress"].update(step=-5),
    "step two": lambda state: state["progress"].update(step="two"),
    "step None": lambda state: state["progress"].update(step=None),
    "best nan": lambda state: state["progress"].update(best_loss=float("nan")),
    "no step": lambda state: state["progress"].pop("step"),
    "progress 1": lambda state: state.update(progress=1),
    "model a list": lambda state: state.update(model=[1]),
    "a tensor is text": lambda state: state["model"].update(
        {next(iter(state["model"])): "x"}
    ),
    "optimizers a list": lambda state: state.update(optimizers=[1]),
    "an optimizer is None": lambda state: state["optimizers"].update(
        dict.fromkeys(state["optimizers"])
    ),
}


@pytest.mark.parametrize("name", ["pretrain", "finetune-jokes"])
@pytest.mark.parametrize("change", STATES)
def test_a_state_that_no_run_has_is_one_line(
    material, finished, run, tmp_path, name, change
):
    output = tmp_path / "run"
    shutil.copytree(finished(name), output)
    interrupted(output)
    spoil_state(output / "state.pt", STATES[change])
    code, out, err = run(*command(name, material, output))
    assert (code, out) == (2, "")
    assert f"{output / 'state.pt'} is damaged (" in err
    assert "remove it to start from the beginning" in err


@pytest.mark.parametrize("name", ["pretrain", "finetune-jokes"])
@pytest.mark.parametrize("line", ['{"step": null}', "[1]", '"x"', '{"step": [1]}'])
def test_a_log_that_is_none_is_one_line_and_its_remedy_helps(
    material, finished, run, tmp_path, name, line
):
    output = tmp_path / "run"
    shutil.copytree(finished(name), output)
    interrupted(output)
    path = output / "log.jsonl"
    path.write_text(f"{line}\n{path.read_text()}")
    code, out, err = run(*command(name, material, output))
    assert (code, out) == (2, "")
    assert f"{path} is damaged (line 1 is no row of a log); remove it" in err
    path.unlink()
    assert run(*command(name, material, output))[0] == 0
    assert weights_of(output) == weights_of(finished(name))


@pytest.mark.parametrize("name", COMMANDS)
def test_results_without_their_digest_are_one_line(
    material, finished, run, tmp_path, name
):
    output = tmp_path / "run"
    shutil.copytree(finished(name), output)
    path = output / "run.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    del settings["results_sha256"]
    path.write_text(json.dumps(settings), encoding="utf-8")
    (output / "results.json").write_text("{}")
    code, out, err = run(*command(name, material, output))
    assert (code, out) == (2, "")
    assert "results.json is damaged (it is not what the run wrote); remove it" in err
    (output / "results.json").unlink()
    assert run(*command(name, material, output))[0] == 0


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_finished_run_survives_line_ends_and_marks(
    material, finished, run, tmp_path, name, encoding
):
    """Without its state, as people keep it."""
    output = tmp_path / "run"
    shutil.copytree(finished(name), output)
    for path in [*output.glob("checkpoint-*"), *output.glob("state.pt")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in output.iterdir():
        if path.suffix in (".json", ".jsonl", ".md"):
            text = path.read_text(encoding="utf-8").replace("\n", "\r\n")
            path.write_bytes(text.encode(encoding))
    code, out, err = run(*command(name, material, output))
    assert code == 0, err
    expected = json.loads((finished(name) / "results.json").read_text())
    assert expected.items() <= json.loads(out).items()


def test_a_checkpoint_of_a_run_survives_line_ends_and_litter(
    material, finished, run, tmp_path
):
    name = "finetune-sentiment"
    output = tmp_path / "run"
    shutil.copytree(finished(name), output)
    interrupted(output)
    for checkpoint in output.glob("checkpoint-*"):
        for path in checkpoint.glob("*.json"):
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        for litter in (".DS_Store", "Thumbs.db", "desktop.ini", "._config.json"):
            (checkpoint / litter).write_bytes(b"\0litter")
        seal = checkpoint / "sha256.json"
        seal.write_bytes(b"\xef\xbb\xbf" + seal.read_bytes())
    code, _, err = run(*command(name, material, output))
    assert code == 0, err
    assert weights_of(output) == weights_of(finished(name))


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_text("null"),
        lambda path: path.write_text("{}"),
        lambda path: path.write_text(path.read_text().replace("0.", "1.")),
        lambda path: path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes()),
        lambda path: path.unlink(),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_a_checkpoint_with_other_values_is_damaged(
    material, finished, run, tmp_path, change
):
    output = tmp_path / "run"
    shutil.copytree(finished("finetune-sentiment"), output)
    interrupted(output)
    path = max(output.glob("checkpoint-*")) / "trainer_state.json"
    change(path)
    code, out, err = run(*command("finetune-sentiment", material, output))
    assert (code, out) == (2, "")
    assert f"{path} is damaged" in err
    assert f"remove {path.parent} to resume from what was saved before it" in err


def test_an_empty_seal_vouches_for_nothing(material, finished, run, tmp_path):
    output = tmp_path / "run"
    shutil.copytree(finished("finetune-sentiment"), output)
    interrupted(output)
    (max(output.glob("checkpoint-*")) / "sha256.json").write_text("{}")
    code, _, err = run(*command("finetune-sentiment", material, output))
    assert (code, "config.json is damaged" in err) == (2, True)


# ---- what is no file ----------------------------------------------------------------

pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")


@contextmanager
def pipe(path: Path) -> Iterator[None]:
    """A pipe in the place of a file. Who waits for it gets its end after a while, so
    that a reader that does wait fails instead of hanging."""
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    release = ["sh", "-c", f"sleep 20; exec 3<>{shlex.quote(str(path))}"]
    process = subprocess.Popen(release)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@pipes
@pytest.mark.parametrize(
    "file", ["model.safetensors", "config.json", "tokenizer.json", "vocab.json"]
)
def test_a_pipe_in_a_checkpoint_is_refused(material, run, tmp_path, file):
    folder = tmp_path / "c"
    shutil.copytree(material / "checkpoint", folder)
    with pipe(folder / file):
        code, _, err = run("generate", "a film", "--checkpoint", folder)
    assert code == 2
    assert f"{folder / file} is a named pipe, not a file" in err


@pipes
@pytest.mark.parametrize("place", ["examples", "rows"])
def test_a_pipe_among_examples_and_rows_is_refused(material, run, tmp_path, place):
    for name in ("examples", "rows"):
        (tmp_path / name).mkdir()
    path = tmp_path / "examples" / "last-word.jsonl"
    path.write_text('{"text": "the film is good"}\n')
    arguments = ["evaluate", "last-word", "--checkpoint", material / "checkpoint"]
    arguments += ["--data", tmp_path / "examples", "--output", tmp_path / "rows"]
    with pipe(tmp_path / place / "last-word.jsonl"):
        code, _, err = run(*arguments)
    assert code == 2
    assert f"{tmp_path / place / 'last-word.jsonl'} is a named pipe, not a file" in err


def test_examples_of_gigabytes_are_refused(material, run, tmp_path):
    with open(tmp_path / "cloze.jsonl", "wb") as file:
        file.truncate(2**28 + 1)  # of nothing on the disk
    arguments = ["evaluate", "cloze", "--checkpoint", material / "checkpoint"]
    code, _, err = run(*arguments, "--data", tmp_path)
    assert code == 2
    assert "cloze.jsonl has 268,435,457 bytes; at most 268,435,456 are read" in err


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("file", ["README.md", "tokenizer.json", "log.jsonl"])
def test_a_folder_where_a_file_belongs_is_no_lack_of_room(
    material, finished, run, tmp_path, name, file
):
    output = tmp_path / "run"
    shutil.copytree(finished(name), output)
    (output / file).unlink()
    (output / file).mkdir()
    code, out, err = run(*command(name, material, output))
    assert (code, out) == (2, "")
    assert f"{output / file} is a folder, not a file; remove or rename it" in err
    (output / file).rmdir()
    assert run(*command(name, material, output))[0] == 0


# ---- ends ---------------------------------------------------------------------------


@pytest.mark.parametrize("epochs", ["1e300", "1e308", "1e9"])
@pytest.mark.parametrize("name", TUNES)
def test_a_run_that_cannot_end_is_refused(material, run, tmp_path, name, epochs):
    arguments = command(name, material, tmp_path / "o")
    if "--max-steps" in arguments:
        at = arguments.index("--max-steps")
        del arguments[at : at + 2]
    code, out, err = run(*arguments, "--num-train-epochs", epochs)
    assert (code, out) == (2, "")
    assert f"num_train_epochs is {float(epochs)}" in err
    assert "a run may have 100,000,000 steps" in err
    assert not (tmp_path / "o" / "run.json").exists()


WORDS = ("dull", "warm", "slow", "funny", "loud", "moving")


@pytest.mark.parametrize("checkpoint", ["mini", "small"])
def test_a_run_whose_loss_is_not_finite_leaves_no_model(
    material, run, tmp_path, checkpoint
):
    """Sixty reviews and a learning rate of 10: the weights are finite, and the loss on
    held-out reviews is not. The mini's run is the one that was reported; on another
    processor its last digits, and so its end, may be others."""
    rows = "".join(
        f'"Film {i} was {WORDS[i % 6]}, and I say so as viewer {7 * i}.",{i % 2}\n'
        for i in range(60)
    )
    (tmp_path / "reviews.csv").write_text(f"text,label\n{rows}")
    output = tmp_path / "o"
    arguments = ["finetune-sentiment", "--data", f"{tmp_path}/", "--output", output]
    arguments += ["--num-train-epochs", "6", "--per-device-train-batch-size", "8"]
    if checkpoint == "mini":
        arguments += ["--checkpoint", "mini", "--learning-rate", "10", "--json"]
    else:
        arguments += ["--checkpoint", material / "checkpoint", "--max-length", "16"]
        arguments += ["--learning-rate", "1000", "--json"]
    for _ in range(2):  # the same command does not resume from it
        code, out, err = run(*arguments)
        if checkpoint == "mini" and code == 0:
            assert math.isfinite(json.loads(out)["validation"]["loss"])
            assert math.isfinite(json.loads(out)["test"]["loss"])
            return
        assert (code, out) == (2, "")
        assert "is inf: the training diverged; start again in" in err or "is nan" in err
        assert re.search(
            r"empty folder with a (lower learning_rate|.* below 10(00)?\b)", err
        )
        names = {path.name for path in output.iterdir()}
        assert not names & {"model.safetensors", "results.json", "README.md"}
    code, out, err = run("classify", "I loved it", "--model", output, "--json")
    assert (code, out) == (2, "")


def test_a_weight_too_large_for_16_bits_is_not_published(
    material, run, tmp_path, monkeypatch
):
    """It would be stored as infinity; the last step of a run may bring it there."""
    train = ReviewTrainer.train

    def grown(trainer, **options):
        train(trainer, **options)
        with torch.no_grad():
            trainer.model.score.weight[0, 0] = 7e4

    monkeypatch.setattr(ReviewTrainer, "train", grown)
    code, out, err = run(*command("finetune-sentiment", material, tmp_path / "o"))
    assert (code, out) == (2, "")
    assert "score.weight of the finished model is not finite in 16 bits" in err
    assert "in an empty folder with a lower learning_rate" in err
    assert not (tmp_path / "o" / "model.safetensors").exists()


def test_ctrl_c_while_a_classifier_is_evaluated_keeps_the_run(
    material, finished, run, tmp_path, monkeypatch
):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    arguments = command("finetune-sentiment", material, tmp_path / "o")
    with monkeypatch.context() as patch:
        patch.setattr(finetuning, "evaluate_classifier", interrupt)
        code, out, err = run(*arguments)
    assert (code, out) == (130, "")
    assert f"stopped after step 4 of 4; {tmp_path / 'o'} keeps the run" in err
    assert not (tmp_path / "o" / "model.safetensors").exists()
    assert not list((tmp_path / "o").glob(".partial*"))
    assert run(*arguments)[0] == 0
    assert weights_of(tmp_path / "o") == weights_of(finished("finetune-sentiment"))


def _as_run(arguments: list[str]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "gpt2course", *arguments],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",  # as here: two threads add up in another order
        },
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process")
def test_ctrl_c_saves_a_classifier_s_run_and_says_how_to_go_on(material, run, tmp_path):
    """Saved far between, so the checkpoint is that of ctrl-C; the end is the same."""
    long = ["--num-train-epochs", "30", "--save-steps", "5000"]
    arguments = command("finetune-sentiment", material, tmp_path / "o") + long
    process = _as_run(arguments)
    seen = ""
    while "step 10 of 120" not in seen:
        line = process.stderr.readline()
        assert line, seen
        seen += line
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    (checkpoint,) = (tmp_path / "o").glob("checkpoint-*")
    step = checkpoint.name.removeprefix("checkpoint-")
    assert f"stopped after step {step} of 120; {tmp_path / 'o'} keeps the run" in err
    assert "start it again with the same settings to resume from there" in err
    assert not (tmp_path / "o" / "model.safetensors").exists()
    assert run(*arguments)[0] == 0
    whole = command("finetune-sentiment", material, tmp_path / "whole") + long
    assert run(*whole)[0] == 0
    one, other = (
        load_file(tmp_path / name / "model.safetensors") for name in ("o", "whole")
    )
    assert all(torch.equal(one[name], other[name]) for name in other)
