"""Options: from the config dataclasses, from a config file, and bad ones refused."""

from __future__ import annotations

import importlib
import itertools
import json
import re
import shlex
from dataclasses import asdict, fields, replace

import pytest
import yaml
from cli_tools import refused
from conftest import run_python

from gpt2course.cli import COMMANDS, main
from gpt2course.cli.options import (
    Parser,
    command_line,
    different_options,
    parse,
)
from gpt2course.settings import GPT2COURSE_VARIABLES
from gpt2course.training import FinetuneConfig, PretrainConfig


def command(name: str):
    return importlib.import_module(f"gpt2course.cli.{name.replace('-', '_')}")


def settings(name: str, *arguments: str):
    """The config dataclass that a command makes of its arguments."""
    return parse(name, command(name), ["--output", "x", *arguments])["settings"]


@pytest.fixture
def config_file(tmp_path):
    """Write a config file; give its path."""

    def write(content: str | bytes) -> str:
        path = tmp_path / "run.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


# ---- help ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    parser = Parser(name, command(name))
    for action in parser._actions:
        assert action.help, f"{name}: {action.option_strings} has no help"
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])
    assert left.value.code == 0
    out = capsys.readouterr().out
    assert f"example:\n  gpt2course {name}" in out
    assert "--config FILE" in out
    assert "--print-config " in out
    for variable in GPT2COURSE_VARIABLES:
        assert variable in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("name", "config"),
    [("pretrain", PretrainConfig), ("finetune-jokes", FinetuneConfig)],
)
def test_fields_become_options_with_their_defaults(name, config, capsys):
    with pytest.raises(SystemExit):
        main([name, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    defaults = asdict(config())
    nested = defaults.pop("model", {})
    defaults |= {f"model.{key}": value for key, value in nested.items()}
    for field, value in defaults.items():
        option = f"--{field.replace('_', '-')}"
        if value is None:  # what it means is said in the option's own words
            assert f" {option} " in text
            continue
        found = re.search(rf" {option},? .*?\(default: (.*?)\)", text)
        shown = value
        if isinstance(value, bool):
            shown = "yes" if value else "no"
        assert found, option
        assert found[1] == str(shown), found[0]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_names_the_commands(arguments, capsys):
    assert main(arguments) == 0
    out = capsys.readouterr().out
    for name in COMMANDS:
        assert name in out
    assert "COMMAND --help" in out


HELP = """
import contextlib, sys, time
from gpt2course.cli import main
with contextlib.suppress(SystemExit):
    main(sys.argv[1:])
print("torch" in sys.modules, time.process_time())
"""


@pytest.mark.parametrize("arguments", [["--help"], ["finetune-jokes", "--help"]])
def test_help_is_fast(arguments):
    """Without torch, which takes seconds; measured in seconds of the processor."""
    done = run_python("-c", HELP, *arguments, PYTHONDONTWRITEBYTECODE="")
    torch_is_loaded, seconds = done.stdout.split()[-2:]
    assert torch_is_loaded == "False", done.stderr
    assert float(seconds) < 0.5


# ---- values --------------------------------------------------------------------------


def test_options_without_arguments_are_the_defaults():
    assert settings("pretrain") == PretrainConfig()
    assert settings("finetune-jokes") == FinetuneConfig()


def test_every_option_reaches_its_field():
    got = settings(
        "finetune-jokes",
        *("--learning-rate", "1e-4", "--max-steps=7", "--mixed-precision", "bf16"),
        *("--no-document-mask", "--gradient-checkpointing", "--device", "cpu"),
    )
    assert got == FinetuneConfig(
        learning_rate=1e-4,
        max_steps=7,
        mixed_precision="bf16",
        document_mask=False,
        gradient_checkpointing=True,
        device="cpu",
    )


def test_a_nested_option_changes_nothing_else():
    got = settings("pretrain", "--model.n-layer", "2")
    assert got.model == replace(PretrainConfig().model, n_layer=2)
    assert got == PretrainConfig(model=got.model)


def test_the_last_of_two_equal_options_wins():
    assert settings("pretrain", "--seed", "1", "--seed", "2").seed == 2


# ---- config file ---------------------------------------------------------------------


def test_config_file(config_file):
    path = config_file(
        "\ufeffmax_steps: 400\nlearning_rate: 1e-4\nwarmup_steps: .5\n"
        "model: {n_layer: 2}\n"
    )
    got = settings("pretrain", "--config", path)
    assert got == PretrainConfig(
        max_steps=400,
        learning_rate=1e-4,
        warmup_steps=0.5,
        model=replace(PretrainConfig().model, n_layer=2),
    )


def test_a_word_in_a_config_file_stays_a_word(config_file):
    """In YAML 1.1 `no` is False; here it is the value of mixed_precision."""
    path = config_file("mixed_precision: no\ndocument_mask: false\n")
    got = settings("finetune-jokes", "--config", path)
    assert (got.mixed_precision, got.document_mask) == ("no", False)


def test_an_option_overrides_the_config_file_wherever_it_stands(config_file):
    path = config_file("seed: 1\nmax_steps: 400\n")
    for arguments in (
        ["--config", path, "--seed", "2"],
        ["--seed", "2", "--config", path],
        ["--seed=2", f"--config={path}"],
    ):
        assert settings("pretrain", *arguments) == PretrainConfig(seed=2, max_steps=400)


def test_the_config_file_overrides_the_environment(config_file, monkeypatch, capsys):
    monkeypatch.setenv("GPT2COURSE_CHECKPOINT", "gpt2-xl")
    path = config_file("checkpoint: minni\n")
    assert "unknown checkpoint 'minni'" in refused(capsys, "doctor", "--config", path)


def test_what_print_config_prints_can_be_read_back(config_file, capsys):
    changed = ["--model.n-layer", "2", "--learning-rate", "1e-7", "--device", "cuda"]
    with pytest.raises(SystemExit) as left:
        main(["pretrain", "--output", "x", *changed, "--print-config"])
    assert left.value.code == 0
    printed = capsys.readouterr().out
    assert list(yaml.safe_load(printed)["model"]) == [
        field.name for field in fields(PretrainConfig().model)
    ]
    path = config_file(printed)
    assert settings("pretrain", "--config", path) == settings("pretrain", *changed)
    values = parse("pretrain", command("pretrain"), ["--config", path])
    assert str(values["output"]) == "x"


@pytest.mark.parametrize("name", ["classify", "generate", "evaluate"])
def test_texts_of_a_config_file(name, config_file, capsys):
    with pytest.raises(SystemExit):
        main([name, "a film", "- and more", "--print-config"])
    path = config_file(capsys.readouterr().out)
    for given, texts in (
        ([], ["a film", "- and more"]),
        (["another"], ["another"]),
        (["-"], ["-"]),
    ):
        for arguments in ([*given, "--config", path], [f"--config={path}", *given]):
            assert parse(name, command(name), arguments)["texts"] == texts
    err = refused(capsys, name, "--config", config_file("texts: a film\n"))
    assert "texts must be a list of texts" in err


def test_print_config_runs_nothing(tmp_path, capsys):
    output = tmp_path / "run"
    with pytest.raises(SystemExit):
        main(["pretrain", "--output", str(output), "--print-config"])
    assert not output.exists()


def test_lists_and_flags_in_a_config_file(config_file):
    path = config_file(json.dumps({"stop": ["a", "no"], "json": True, "top_k": None}))
    got = parse("generate", command("generate"), ["--config", path, "text"])
    assert (got["stop"], got["json"], got["top_k"]) == (["a", "no"], True, None)


LETTERS = "abcdefghijklmnopqrstuvwxyz"
# in YAML, 9 ** 26 times x; jsonargparse reads texts as YAML where a number is meant
LEVELS = [
    f"{this}: &{this} [{', '.join([f'*{before}'] * 9)}]"
    for before, this in itertools.pairwise(LETTERS)
]
BOMB_IN_A_TEXT = f"{{a: &a [x], {', '.join(LEVELS)}}}"
BILLION_LAUGHS = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("max_stps: 4\n", "an unknown max_stps; did you mean 'max_steps'?"),
        ("max-steps: 4\n", "warmup_steps is 100 and the run has 4 steps"),
        ("max-steps: 4\nmax_steps: 5\n", "line 2: 'max_steps' is set twice"),
        ("model: {n_layr: 4}\n", "unknown model.n_layr; did you mean 'model.n_layer'?"),
        ("zebra: 4\n", "an unknown zebra; see gpt2course pretrain --help"),
        ("max_steps: four\n", "max_steps is 'four'; it must be a whole number"),
        ("max_steps: 4.5\n", "max_steps is '4.5'; it must be a whole number"),
        ("max_steps: [4]\n", "max_steps is '[4]'; it must be a whole number"),
        ("max_steps: null\n", "max_steps is null; it must be a whole number"),
        ("max_steps: true\n", "max_steps is 'True'; it must be a whole number"),
        ("learning_rate: fast\n", "learning_rate is 'fast'; it must be a number"),
        ("json: maybe\n", "json is 'maybe'; it must be true or false"),
        ("device: tpu\n", "device is 'tpu'; it must be one of cpu, cuda"),
        ("max_steps: 0\n", "max_steps is 0; it must be at least 1"),
        ("model: 3\n", "model is 3; it must be a mapping"),
        ("model: {class_path: os.system}\n", "os.system"),
        ("- a\n- b\n", "is not a mapping; write a line such as 'seed: 1'"),
        ("text", "is not a mapping"),
        ("config: other.yaml\n", "names another one; pass one only"),
        ("1: 2\n", "Key must be a string, got: 1"),
        ("? [a]\n: b\n", "unhashable key"),
        ("__class__: os.system\n", "__class__"),
        ("!!set {a}\n", "is not a mapping"),
        ("", "is not a mapping"),
        ("seed: 1\nseed: 2\n", "line 2: 'seed' is set twice"),
        ("a: [\n", "line 2: expected the node content"),
        ("a: !!python/object/apply:os.getcwd []\n", "could not determine a constr"),
        (f"seed: '{BOMB_IN_A_TEXT}'\n", "it must be a whole number"),
        ("output: [1, 2]\n", "output must be a path"),
        ("output: ''\n", "output must be a path"),
        (BILLION_LAUGHS, "line 2: aliases (*a) are refused"),
        ("a: " + "[" * 5000, "it is nested too deeply"),
        (b"a: \xff\n", "is not UTF-8 (byte 3)"),
        ("# \n" * 400_000, "has more than 1,000,000 bytes"),
    ],
    ids=lambda value: str(value)[:30] if len(value) < 1000 else "long",
)
def test_bad_config_files(config_file, capsys, tmp_path, content, says):
    output = tmp_path / "run"
    arguments = ["--config", config_file(content), "--output", str(output)]
    assert says in refused(capsys, "pretrain", *arguments)
    assert not output.exists()


@pytest.mark.parametrize(
    ("paths", "says"),
    [
        (["nowhere.yaml"], "the config file nowhere.yaml: No such file or directory"),
        (["."], "the config file .: Is a directory"),
        (["a.yaml", "b.yaml"], "there are 2 config files, a.yaml and b.yaml; pass one"),
        ([""], "the config file : "),
    ],
)
def test_config_files_that_cannot_be_read(capsys, paths, says):
    arguments = [part for path in paths for part in ("--config", path)]
    assert says in refused(capsys, "pretrain", "--output", "x", *arguments)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--max-stps", "3"], "unknown option '--max-stps'; did you mean '--max-ste"),
        (["--max_steps", "3"], "unknown option '--max_steps'; did you mean '--max-st"),
        (["--max-steps", "three"], "max_steps is 'three'; it must be a whole number"),
        (["--max-steps", "2.5"], "max_steps is '2.5'; it must be a whole number"),
        (["--max-steps"], "argument --max-steps: expected one argument"),
        (["--model", "x.yaml"], "unknown option '--model'; did you mean '--model."),
        (["more"], "'more' belongs to no option"),
        ([""], "'' belongs to no option"),
        (["="], "'=' belongs to no option"),
        (["--model.", "--", "-x"], "unknown option '--model.'; did you mean '--mod"),
        (["--config"], "argument --config: expected one argument"),
        (["--device", "abacus"], "device is 'abacus'; it must be one of cpu, cuda"),
        (["--seed", "&a [*a]"], "seed is '&a [*a]'; it must be a whole number"),
    ],
)
def test_bad_options(capsys, tmp_path, arguments, says):
    output = tmp_path / "run"
    err = refused(capsys, "pretrain", "--output", str(output), *arguments)
    assert says in err
    assert err.endswith("; see gpt2course pretrain --help\n")
    assert not output.exists()


@pytest.mark.parametrize("option", ["--seed=--", "--print-config=--", "--config=--"])
def test_two_dashes_are_no_value(capsys, option):
    said = "the config file --: No such" if option == "--config=--" else "-- stands for"
    assert said in refused(capsys, "pretrain", "--output", "x", option)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--output", ""], "output must be a path"),
        (["--output="], "output must be a path"),
        (
            ["--output", "x", "--checkpoint", ""],
            "unknown checkpoint ''; known are mini",
        ),
    ],
)
def test_an_empty_value_is_not_the_default(
    capsys, tmp_path, monkeypatch, arguments, says
):
    monkeypatch.chdir(tmp_path)
    assert says in refused(capsys, "pretrain", *arguments)
    assert not any(tmp_path.iterdir())


def test_missing_options_are_named(capsys):
    assert "missing: --output; see gpt2" in refused(capsys, "finetune-jokes")


def test_unknown_commands(capsys):
    assert "did you mean 'pretrain'?" in refused(capsys, "pretrian")
    assert "unknown command '--quiet'" in refused(capsys, "--quiet")


# ---- a command in words --------------------------------------------------------------


def test_a_printed_command_can_be_typed():
    line = command_line(
        "generate", "it's", checkpoint="./my jokes", top_p=0.9, json=True, some=False
    )
    assert shlex.split(line) == [
        *("gpt2course", "generate", "it's", "--checkpoint", "./my jokes"),
        *("--top-p", "0.9", "--json", "--no-some"),
    ]


def test_a_command_for_a_card_gives_the_same_settings():
    wanted = replace(
        PretrainConfig(),
        max_steps=9,
        warmup_steps=0.25,
        learning_rate=1e-7,
        model=replace(PretrainConfig().model, n_layer=3),
    )
    line = command_line("pretrain", **different_options(wanted, PretrainConfig()))
    assert settings("pretrain", *shlex.split(line)[2:]) == wanted
