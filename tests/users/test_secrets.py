"""An access token in the environment never reaches a message, a log or a card."""

from __future__ import annotations

import pytest
from fuzz_material import command

from gpt2course.cli import main

SECRET = "hf_MarkerOfASecretToken"
COMMANDS = {
    "doctor": ["--checkpoint", "{c}/checkpoint", "--data", "{c}/data/"],
    "generate": ["a film", "--checkpoint", "{c}/checkpoint", "--max-new-tokens", "2"],
    "classify": ["a film", "--model", "{c}/classifier"],
    "evaluate": [
        *("perplexity", "--checkpoint", "{c}/checkpoint"),
        *("--data", "{out}", "--output", "{out}/e"),
    ],
    "pretrain": [],
    "finetune-jokes": [],
    "finetune-sentiment": [],
    "export-live": ["--output", "{out}/x", "--checkpoint", "{c}/checkpoint"],
    "assignments": ["--output", "{out}/a", "--chapters", "cache"],
}
WRONG = {"classify": ["--model", "gpt2"], "assignments": ["--chapters", "gpt3"]}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("right", [True, False])
def test_no_command_shows_it(material, tmp_path, monkeypatch, capfd, name, right):
    """Neither when all goes well nor when it fails, the hub that is asked included."""
    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.setenv(variable, SECRET)
    text = '{"text": "a film is good"}'
    (tmp_path / "perplexity.jsonl").write_text(text, encoding="utf-8")
    options = [option.format(c=material, out=tmp_path) for option in COMMANDS[name]]
    if name in ("pretrain", "finetune-jokes", "finetune-sentiment"):
        options = command(name, material, tmp_path / "run")[1:]
    if not right:
        options += WRONG.get(name, ["--checkpoint", "gpt2"])
    code = main([name, *options])
    out, err = capfd.readouterr()
    assert code == (0 if right else 2), err
    assert SECRET not in out + err
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
