"""The three kinds of runs, by their commands: cards, lengths, damage, interruptions."""

from __future__ import annotations

import json
import re
import shlex
import shutil

import pytest
from fuzz_material import COMMANDS, command

from gpt2course.cli import main

pytestmark = pytest.mark.usefixtures("material")


@pytest.fixture(scope="module")
def finished(material):
    """The folder of a finished run of each kind."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = material / name
            assert main(command(name, material, made[name])) == 0
        return made[name]

    return get


def again(capsys, arguments) -> tuple[int, str, str]:
    capsys.readouterr()
    return main(arguments), *capsys.readouterr()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_card_reproduces_its_model(material, finished, capsys, monkeypatch, name):
    """Pasted as it stands there, in another folder."""
    card = (finished(name) / "README.md").read_text(encoding="utf-8")
    (line,) = [line for line in card.splitlines() if f"gpt2course {name}" in line]
    elsewhere = material / f"elsewhere-{name}"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    program, *arguments = shlex.split(line)
    assert program == "gpt2course"
    assert main(arguments) == 0
    for file in ("model.safetensors", "config.json", "tokenizer.json"):
        made = (elsewhere / "FOLDER" / file).read_bytes()
        assert made == (finished(name) / file).read_bytes(), file
    assert (elsewhere / "FOLDER" / "README.md").exists()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_has_the_same_files_whatever_the_run(finished, name):
    names = {path.name for path in finished(name).iterdir()}
    common = {"run.json", "results.json", "log.jsonl", "README.md", "config.json"}
    assert common | {"model.safetensors", "tokenizer.json"} <= names
    run = json.loads((finished(name) / "run.json").read_text(encoding="utf-8"))
    assert {"run", "seed", "data", "sha256"} <= run.keys()


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("gone", ["model.safetensors", "state"])
def test_a_finished_run_is_not_trained_again(
    material, finished, capsys, tmp_path, name, gone
):
    """Without its state; and without its model, which is made again."""
    output = tmp_path / "run"
    shutil.copytree(finished(name), output)
    states = [*output.glob("checkpoint-*"), *output.glob("state.pt")]
    for path in [output / gone] if gone != "state" else states:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    code, _, err = again(capsys, command(name, material, output))
    assert code == 0, err
    assert ("holds the finished run" in err) == (gone == "state")
    assert ("making it again" in err) == (gone != "state")
    for file in ("model.safetensors", "config.json", "results.json"):
        assert (output / file).read_bytes() == (finished(name) / file).read_bytes()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_digit_of_the_results_that_was_changed_is_one_line(
    material, finished, capsys, tmp_path, name
):
    """And what the line says helps: the file is made again, as it was."""
    output = tmp_path / "run"
    shutil.copytree(finished(name), output)
    path = output / "results.json"
    before = path.read_text(encoding="utf-8")
    digit = re.search(r"(?<=: )[0-8]", before).start()
    changed = before[:digit] + "9" + before[digit + 1 :]
    path.write_text(changed, encoding="utf-8")
    code, out, err = again(capsys, command(name, material, output))
    assert (code, out) == (2, "")
    assert f"{path} is damaged (it is not what the run wrote); remove it" in err
    path.unlink()
    code, _, err = again(capsys, command(name, material, output))
    assert code == 0, err
    assert path.read_text(encoding="utf-8") == before


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("target", ["tokenizer.json", "nowhere"])
def test_a_tokenizer_that_is_a_link_is_replaced_and_not_followed(
    material, finished, capsys, tmp_path, name, target
):
    output = tmp_path / "run"
    shutil.copytree(finished(name), output)
    path = output / "tokenizer.json"
    before = path.read_bytes()
    path.unlink()
    path.symlink_to(target)
    code, _, err = again(capsys, command(name, material, output))
    assert code == 0, err
    assert not path.is_symlink()
    assert path.read_bytes() == before
    names = {file.name for file in output.iterdir()}
    assert names == {file.name for file in finished(name).iterdir()}


@pytest.mark.parametrize("name", COMMANDS)
def test_other_settings_data_and_kinds_are_refused(
    material, finished, capsys, tmp_path, name
):
    output = tmp_path / "run"
    shutil.copytree(finished(name), output)
    arguments = command(name, material, output)
    code, _, err = again(capsys, [*arguments, "--seed", "7"])
    assert (code, "with another seed; use that" in err) == (2, True)
    longer = "--num-train-epochs" if name == "finetune-sentiment" else "--max-steps"
    code, _, err = again(capsys, [*arguments, longer, "9"])
    assert (code, "(a longer run differs from its first steps on" in err) == (2, True)
    if name != "pretrain":
        other = tmp_path / "data"
        shutil.copytree(material / "data", other)
        for table in other.glob("*.csv"):
            text = table.read_text(encoding="utf-8")
            table.write_text(text.replace("ilm 3", "ilm three"), encoding="utf-8")
        code, _, err = again(capsys, [*arguments, "--data", f"{other}/"])
        assert (code, "with another data; use that" in err) == (2, True)
    for kind in COMMANDS:
        if kind != name:
            code, _, err = again(capsys, command(kind, material, output))
            assert (code, "belongs to a run of " in err) == (2, True)
    for file in ("model.safetensors", "run.json", "README.md"):
        assert (output / file).read_bytes() == (finished(name) / file).read_bytes()


@pytest.mark.parametrize("name", ["pretrain", "finetune-jokes"])
def test_a_longer_run_ends_as_if_it_had_been_long_from_the_start(
    material, capsys, tmp_path, name
):
    constant = ["--min-lr-rate", "1", "--warmup-steps", "2", "--max-steps"]
    if name == "pretrain":
        constant = ["--short-rows-until", "0", *constant]
    for folder, lengths in (("whole", ["6"]), ("parts", ["4", "6"])):
        for steps in lengths:
            arguments = command(name, material, tmp_path / folder)
            code, _, err = again(capsys, [*arguments, *constant, steps])
            assert code == 0, err
    whole, parts = (tmp_path / part for part in ("whole", "parts"))
    name_of_model = "model.safetensors"
    assert (whole / name_of_model).read_bytes() == (parts / name_of_model).read_bytes()
    code, _, err = again(capsys, [*arguments, *constant, "3"])
    assert (code, "has done 6 steps already" in err) == (2, True)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_bit_that_turns_in_the_state_is_refused(
    material, finished, capsys, tmp_path, name
):
    output = tmp_path / "run"
    shutil.copytree(finished(name), output)
    (output / "results.json").unlink()  # as if it had not come to its end
    path = output / "state.pt"
    if name == "finetune-sentiment":
        path = max(output.glob("checkpoint-*")) / "optimizer.pt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    code, out, err = again(capsys, command(name, material, output))
    assert (code, out) == (2, "")
    assert f"{path} is damaged" in err.splitlines()[-1]
    assert "remove" in err.splitlines()[-1]
