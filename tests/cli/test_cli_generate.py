"""gpt2course generate: sampling, stop strings, and where the prompt comes from."""

from __future__ import annotations

import io
import json
import shutil
import sys

import pytest
import torch
import yaml
from cli_tools import refused
from safetensors.torch import load_file, save_file

from gpt2course.checkpoints import MINI, load_checkpoint, load_tokenizer
from gpt2course.cli import generate as command
from gpt2course.cli import main
from gpt2course.generation import generate, sampler

PROMPT = ["generate", "This movie was", "--max-new-tokens", "12"]


def written(capsys, *options: str) -> str:
    assert main([*PROMPT, *options]) == 0
    return capsys.readouterr().out


def test_json(capsys, folder):
    arguments = ["--checkpoint", str(folder), "--max-new-tokens", "4", "--json"]
    assert main(["generate", "the film", *arguments]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["prompt"] == "the film"
    assert 1 <= len(answer["new_ids"]) <= 4
    assert answer["stopped_by"] == ("eos" if answer["new_ids"][-1] == 269 else "length")
    tokenizer = load_tokenizer(str(folder))
    assert tokenizer.decode(answer["prompt_ids"]) == "the film"
    text = tokenizer.decode(answer["new_ids"], skip_special_tokens=True)
    assert text == answer["text"]


def test_it_is_greedy_unless_asked(capsys):
    greedy = written(capsys)
    assert greedy.startswith("This movie was ")
    assert written(capsys, "--top-k", "1") == greedy
    assert written(capsys, "--repetition-penalty", "1") == greedy
    assert written(capsys, "--repetition-penalty", "5") != greedy


def test_int8_weights(capsys, monkeypatch):
    import gpt2course.generation

    made = []
    quantize = gpt2course.generation.quantize_weights

    def note(model):
        made.append(quantize(model))
        return made[-1]

    monkeypatch.setattr(gpt2course.generation, "quantize_weights", note)
    exact = written(capsys, "--quantize", "no")
    assert not made
    text = written(capsys, "--quantize", "int8")
    assert text.startswith("This movie was ")
    ids = load_tokenizer().encode("This movie was")
    assert text == load_tokenizer().decode([*ids, *generate(made[0], ids, 12)]) + "\n"
    assert exact.startswith("This movie was ")


def test_an_unknown_quantization_is_refused(capsys):
    err = refused(capsys, *PROMPT, "--quantize", "int4")
    assert "quantize" in err
    assert "int8" in err


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 1.5},
        {"top_k": 40},
        {"top_p": 0.9},
        {"min_p": 0.02},
        {},
        {
            "temperature": 0.9,
            "top_k": 50,
            "top_p": 0.95,
            "min_p": 0.01,
            "repetition_penalty": 1.2,
        },
    ],
)
def test_options_of_sampling_reach_the_sampler(capsys, options):
    tokenizer = load_tokenizer("mini")
    ids = generate(
        load_checkpoint("mini"),
        tokenizer.encode("This movie was"),
        12,
        strategy=sampler(**options),
        generator=torch.Generator().manual_seed(7),
    )
    arguments = [
        f"--{name.replace('_', '-')}={value}" for name, value in options.items()
    ]
    expected = "This movie was" + tokenizer.decode(ids, skip_special_tokens=True) + "\n"
    assert written(capsys, *arguments, "--seed", "7") == expected
    assert written(capsys, *arguments, "--seed", "7") == expected


def test_stop_strings_end_the_text(capsys, tmp_path):
    whole = written(capsys)
    assert written(capsys, "--stop", "never in this text") == whole
    new = whole.removeprefix("This movie was").rstrip("\n")
    stops = new[9:12], new[4:7]
    cut = min(new.index(stop) for stop in stops)
    options = ["--stop", stops[0], "--stop", stops[1]]
    assert written(capsys, *options) == "This movie was" + new[:cut] + "\n"
    answer = json.loads(written(capsys, "--json", *options))
    assert (answer["text"], answer["stopped_by"]) == (new[:cut], "stop")
    # those of the command line override those of a config file
    config = tmp_path / "run.yaml"
    config.write_text(yaml.safe_dump({"stop": [new[1:3]]}))
    config_only = written(capsys, "--config", str(config))
    assert config_only == "This movie was" + new[: new.index(new[1:3])] + "\n"
    both = written(capsys, *options, "--config", str(config))
    assert both == "This movie was" + new[:cut] + "\n"


def test_escapes_in_stop_strings(capsys, monkeypatch):
    seen = []

    def note(pieces, stops):
        seen.extend(stops)
        return pieces

    import gpt2course.generation

    monkeypatch.setattr(gpt2course.generation, "until_stop", note)
    written(capsys, "--stop", r"\n", "--stop", r"a\tb", "--stop", r"\\n", "--stop", "n")
    assert seen == ["\n", "a\tb", "\\n", "n"]


def test_text_appears_as_it_comes(monkeypatch):
    """Each piece is handed to the terminal at once, and a broken model does not take
    back what stands there."""
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
        command.print_as_it_comes("zero", pieces())
    expected = ["zero", " one", "(now)", " two", "(now)", "\n", "(now)"]
    assert [text for text in shown if text] == expected


# ---- the prompt ----------------------------------------------------------------------


@pytest.mark.parametrize("dash", [[], ["-"]])
@pytest.mark.parametrize(
    ("content", "prompt"),
    [
        (b"This movie was\n", "This movie was"),
        (b"\xef\xbb\xbfThis movie was\r\n", "This movie was"),
        (b"one\r\ntwo\n\n", "one\ntwo\n"),
        ("a\u2028b".encode(), "a\u2028b"),
    ],
)
def test_the_prompt_from_standard_input(capsys, monkeypatch, dash, content, prompt):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert main(["generate", *dash, "--max-new-tokens", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["prompt"] == prompt


def test_a_prompt_that_starts_with_a_dash(capsys):
    err = refused(capsys, "generate", "-1/10")
    assert (
        "unknown option '-1/10'; before a text that starts with a dash, put --" in err
    )
    assert main(["generate", "--max-new-tokens", "1", "--", "-1/10"]) == 0
    assert capsys.readouterr().out.startswith("-1/10")


def test_a_prompt_without_quotation_marks(capsys):
    err = refused(capsys, "generate", "This", "movie", "was", "--max-new-tokens", "2")
    assert "the prompt has 3 parts; put it in quotation marks" in err
    assert err.endswith("gpt2course generate 'This movie was'\n")


def test_no_prompt(capsys, monkeypatch):
    monkeypatch.setattr(command, "is_terminal", lambda: True)
    err = refused(capsys, "generate")
    assert 'there is no prompt; try: gpt2course generate "This movie was"' in err
    monkeypatch.setattr(command, "is_terminal", lambda: False)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert "the prompt is empty" in refused(capsys, "generate")


# ---- bad input -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([""], "the prompt is empty"),
        (["film " * 2000], "leaves no room to write; use at most"),
        (
            ["a", "--max-new-tokens", "0"],
            "max_new_tokens is 0; it must be a whole number of at least 1",
        ),
        (["a", "--max-new-tokens", "many"], "max_new_tokens is 'many'; it must be a "),
        (["a", "--temperature", "0"], "temperature is 0.0; it must be a number above"),
        (["a", "--temperature", "1e-38"], "temperature is 1e-38; it must be a number"),
        (["a", "--temperature", "nan"], "temperature is 'nan'; it must be a num"),
        (["a", "--temperature", "warm"], "temperature is 'warm'; it must be a number"),
        (["a", "--top-k", "0"], "top_k is 0; it must be a whole number of"),
        (["a", "--top-p", "1.5"], "top_p is 1.5; it must lie in (0, 1], and 1 keeps"),
        (["a", "--min-p", "0"], "min_p is 0.0; it must lie in (0, 1] (leave it out"),
        (["a", "--repetition-penalty", "-1"], "repetition_penalty is -1.0; it must"),
        (["a", "--seed", "-1"], "seed is -1; it must lie between 0 and"),
        (["a", "--seed", str(2**63)], "it must lie between 0 and"),
        (["a", "--stop", ""], "a stop string is ''"),
        (["a", "--checkpoint", "gpt2-medum"], "did you mean 'gpt2-medium'?"),
        (["a", "--checkpoint", "./nowhere"], "nowhere/config.json does not exist"),
    ],
)
def test_bad_input(capsys, arguments, says):
    assert says in refused(capsys, "generate", *arguments)


def break_weights(folder):
    path = folder / "model.safetensors"
    state = load_file(path)
    state["transformer.wpe.weight"][3] = torch.nan
    save_file(state, path)


def cut_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:999])


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (break_weights, "'transformer.wpe.weight' holds NaN or infinity"),
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors does not ex"),
        (cut_weights, "cut short"),
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
    shutil.copytree(MINI, tmp_path / "mini")
    (tmp_path / "mini" / "tokenizer.json").write_text("{}")
    monkeypatch.setattr("gpt2course.checkpoints.load.MINI", tmp_path / "mini")
    says = "tokenizer.json is not the file that was published"
    assert says in refused(capsys, "generate", "a")


def test_the_hub_without_a_network(capsys, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", "/nonexistent")
    err = refused(capsys, "generate", "a", "--checkpoint", "gpt2-xl")
    assert "GPT2COURSE_CHECKPOINT=mini" in err


# ---- names of folders ----------------------------------------------------------------


def test_a_folder_by_its_bare_name(capsys, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert main(["generate", "film", "--checkpoint", folder.name]) == 0
    monkeypatch.setenv("GPT2COURSE_CHECKPOINT", folder.name)
    assert main(["generate", "film", "--max-new-tokens", "2"]) == 0


def test_a_tilde_is_the_home_folder(capsys, folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("USERPROFILE", str(folder.parent))
    monkeypatch.setenv("GPT2COURSE_CHECKPOINT", f"~/{folder.name}")
    assert main(["generate", "film", "--max-new-tokens", "2"]) == 0
