"""What people's files, shells and machines did to the commands, one test for each.

Every test has the input of a report that somebody once filed against a project of this
kind, and the right result. The kinds behind them have tests of their own beside this
file; fuzz.py tries others of the same kinds.
"""

from __future__ import annotations

import csv
import io
import json
import shlex
import shutil
import sys
from pathlib import Path

import pytest
import torch
from conftest import random_model
from fuzz_material import SHAPE, command
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from gpt2course.checkpoints import (
    MINI,
    connection_problem,
    load_checkpoint,
    load_tokenizer,
    reconcile,
    verify,
    write_model,
)
from gpt2course.cli import main
from gpt2course.config import GPT2Config
from gpt2course.data import load_jokes, read_reviews_csv
from gpt2course.generation import stream_text
from gpt2course.training import save_tokenizer

PROMPT = "the film was"


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a command; its exit code, output and messages."""

    def run(*arguments: str, stdin: bytes = b"", encoding: str = "utf-8"):
        capsys.readouterr()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        out = io.TextIOWrapper(io.BytesIO(), encoding, newline="\n")
        monkeypatch.setattr(sys, "stdout", out)
        code = main(list(map(str, arguments)))
        out.flush()
        shown = out.buffer.getvalue().decode(encoding)
        return code, shown, capsys.readouterr().err

    return run


@pytest.fixture
def checkpoint(material, tmp_path):
    """A copy to change; `checkpoint.config(...)` sets entries."""
    folder = tmp_path / "c"
    shutil.copytree(material / "checkpoint", folder)
    return folder


def entries(path: Path, **changes: object) -> None:
    """Set entries of a JSON file; None removes one."""
    content = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    kept = {key: value for key, value in content.items() if value is not None}
    path.write_text(json.dumps(kept), encoding="utf-8")


def generate(run, folder, *options, n=6):
    """What `generate` answers, as JSON."""
    arguments = ["generate", PROMPT, "--json", "--checkpoint", folder]
    code, out, err = run(*arguments, "--max-new-tokens", n, *options)
    assert code == 0, err
    return json.loads(out)


# ---- checkpoints --------------------------------------------------------------------


def test_a_token_that_was_added_is_written(run, checkpoint):
    """The vocabulary grew by one token, and it is the most probable one."""
    tokenizer = load_tokenizer(str(checkpoint))
    tokenizer.add_tokens(["🎬"])
    tokenizer.save_pretrained(checkpoint)
    state = load_file(checkpoint / "model.safetensors")
    name = "transformer.wte.weight"
    state["transformer.ln_f.weight"] = torch.zeros(24)
    state["transformer.ln_f.bias"] = torch.ones(24)
    state[name] = torch.cat([state[name], torch.full((1, 24), 5.0)])
    save_file(state, checkpoint / "model.safetensors")
    entries(checkpoint / "config.json", vocab_size=271)
    assert generate(run, checkpoint, n=3)["text"] == "🎬🎬🎬"
    code, out, _ = run(
        *("generate", PROMPT, "--checkpoint", checkpoint, "--max-new-tokens", "2")
    )
    assert (code, out) == (0, PROMPT + "🎬🎬\n")  # piece by piece, too


def test_ids_that_the_tokenizer_does_not_have_decode_to_nothing(run, checkpoint):
    state = load_file(checkpoint / "model.safetensors")
    name = "transformer.wte.weight"
    state[name] = torch.cat([state[name], torch.randn(58, 24)])
    save_file(state, checkpoint / "model.safetensors")
    entries(checkpoint / "config.json", vocab_size=328)
    answer = generate(run, checkpoint, "--temperature", "2", "--seed", "3", n=20)
    known = [token for token in answer["new_ids"] if token < 270]
    assert len(known) < len(answer["new_ids"])  # some were drawn
    decoded = load_tokenizer(str(checkpoint)).decode(known, skip_special_tokens=True)
    assert answer["text"] == decoded


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_config_with_a_byte_order_mark(run, material, checkpoint, encoding):
    path = checkpoint / "config.json"
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    expected = generate(run, material / "checkpoint")["new_ids"]
    assert generate(run, checkpoint)["new_ids"] == expected


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module."])
@pytest.mark.parametrize("files", [1, 3])
def test_prefixes_of_wrappers_and_several_files(
    run, material, checkpoint, prefix, files
):
    state = load_file(checkpoint / "model.safetensors")
    (checkpoint / "model.safetensors").unlink()
    names = {}
    for number, name in enumerate(state):
        names[prefix + name] = f"model-{number % files:05}.safetensors"
    for file in set(names.values()):
        part = {n: state[n.removeprefix(prefix)] for n in names if names[n] == file}
        save_file(part, checkpoint / file)
    index = json.dumps({"weight_map": names})
    (checkpoint / "model.safetensors.index.json").write_text(index)
    expected = generate(run, material / "checkpoint")["new_ids"]
    assert generate(run, checkpoint)["new_ids"] == expected


@pytest.mark.parametrize("eos", [50256, [269, 3], [3], 0, -5, None])
def test_the_tokenizer_says_what_ends_a_text(checkpoint, eos):
    entries(checkpoint / "config.json", eos_token_id=eos)
    found = reconcile(checkpoint)
    assert found.config.eos_token_id == found.tokenizer.eos_token_id == 269
    assert found.pad_token_id == 269


def test_an_end_of_text_at_another_place_is_kept_through_a_training(
    run, material, checkpoint, tmp_path
):
    """The tokenizer ends with id 5; after a fine-tuning config.json says so too."""
    tokenizer = load_tokenizer(str(checkpoint))
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(5)
    tokenizer.save_pretrained(checkpoint)
    arguments = command("finetune-jokes", material, tmp_path / "o")
    arguments[arguments.index("--checkpoint") + 1] = str(checkpoint)
    code, _, err = run(*arguments)
    assert code == 0, err
    for name in ("config.json", "generation_config.json"):
        assert json.loads((tmp_path / "o" / name).read_text())["eos_token_id"] == 5
    assert load_checkpoint(f"{tmp_path}/o").config.eos_token_id == 5


def test_an_end_of_text_that_comes_first(run, material, tmp_path):
    """GPT-2's place for it is the last of 300 ids, here an ordinary token."""
    folder = tmp_path / "eosfirst"
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [f"the film number {i} was good, and I ate all of it" for i in range(40)]
    tokenizer.train_from_iterator(texts, trainer)
    save_tokenizer(tokenizer, folder, 32)
    write_model(random_model(GPT2Config(**{**vars(SHAPE), "vocab_size": 300})), folder)
    entries(folder / "config.json", eos_token_id=50256, bos_token_id=50256)
    assert tokenizer.token_to_id("<|endoftext|>") == 0
    assert load_checkpoint(str(folder)).config.eos_token_id == 0
    assert load_tokenizer(str(folder)).eos_token_id == 0
    for best, new_ids in ((299, [299] * 6), (0, [0])):  # 299 ends nothing
        state = load_file(folder / "model.safetensors")
        state["transformer.ln_f.weight"] = torch.zeros(24)
        state["transformer.ln_f.bias"] = torch.ones(24)
        state["transformer.wte.weight"][:] = 0
        state["transformer.wte.weight"][best] = 5
        save_file(state, folder / "model.safetensors")
        assert generate(run, folder)["new_ids"] == new_ids
    arguments = command("finetune-jokes", material, tmp_path / "o")
    arguments[arguments.index("--checkpoint") + 1] = str(folder)
    code, _, err = run(*arguments)
    assert code == 0, err
    for name in ("config.json", "generation_config.json"):
        assert json.loads((tmp_path / "o" / name).read_text())["eos_token_id"] == 0


def test_no_end_of_text_at_all_is_one_line(run, material, checkpoint, tmp_path):
    path = checkpoint / "tokenizer_config.json"
    path.write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    entries(checkpoint / "config.json", eos_token_id=50256)
    arguments = command("finetune-jokes", material, tmp_path / "o")
    arguments[arguments.index("--checkpoint") + 1] = str(checkpoint)
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert "set eos_token in tokenizer_config.json" in err


@pytest.mark.parametrize("eos", [50256, [269, 300]])
def test_a_classifier_is_trained_whatever_the_config_says_of_eos(
    run, material, checkpoint, tmp_path, eos
):
    entries(checkpoint / "config.json", eos_token_id=eos)
    arguments = command("finetune-sentiment", material, tmp_path / "o")
    arguments[arguments.index("--checkpoint") + 1] = str(checkpoint)
    code, _, err = run(*arguments)
    assert code == 0, err
    config = json.loads((tmp_path / "o" / "config.json").read_text())
    assert config["pad_token_id"] == 269


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        ({"id2label": {"0": "up", "1": "down"}, "label2id": {"up": 0, "down": 1}},
         {"up", "down"}),
        ({"id2label": None, "label2id": None}, {"LABEL_0", "LABEL_1"}),
        ({"pad_token_id": None}, {"LABEL_0", "LABEL_1"}),
    ],
)  # fmt: skip
def test_another_classifier_answers_with_its_own_labels(
    run, material, tmp_path, changes, labels
):
    folder = tmp_path / "k"
    shutil.copytree(material / "classifier", folder)
    texts = ["the film was good", "bad bad bad", "it was a review", "x"]
    before = json.loads(run("classify", *texts, "--json", "--model", folder)[1])
    entries(folder / "config.json", **changes)
    code, out, err = run("classify", *texts, "--json", "--model", folder)
    assert code == 0, err
    after = json.loads(out)["answers"]
    assert {answer["label"] for answer in after} <= labels
    for one, other in zip(before["answers"], after, strict=True):
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-4)
        if "up" in labels:
            assert other["label"] == {"LABEL_0": "up", "LABEL_1": "down"}[one["label"]]


@pytest.mark.parametrize(
    "entry",
    [
        {"return_dict": False}, {"output_hidden_states": 3}, {"use_cache": "x"},
        {"torch_dtype": "x"}, {"num_beams": []},
    ],
)  # fmt: skip
def test_entries_that_mean_nothing_here_change_nothing(run, material, tmp_path, entry):
    folder = tmp_path / "k"
    shutil.copytree(material / "classifier", folder)
    before = run("classify", "good", "bad", "--json", "--model", folder)
    entries(folder / "config.json", **entry)
    assert run("classify", "good", "bad", "--json", "--model", folder) == before


@pytest.mark.parametrize("length", ["x", [], -3, 0, True, None, 1e30, 10**30])
def test_a_length_that_is_none_is_that_of_the_model(checkpoint, length):
    entries(checkpoint / "tokenizer_config.json", model_max_length=length)
    assert load_tokenizer(str(checkpoint)).model_max_length == 32


# ---- tables -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("label,text\n1,A warm, funny film\n0,Dull\n", "row 1 .line 2.*3 fields for 2"),
        ("text,label\nFun, 1\nBad,0\n", "row 1 .line 2.: the label is ' 1', allowed"),
        ("text,label\nFun,1\nBad,0.0\n", "row 2 .line 3.: the label is '0.0'"),
        (
            'text,label\n"Open,1\nBad,0\nSaid ""x"",1\n',
            "row 1 .line 2.: open quotation",
        ),
    ],
)
def test_reviews_that_are_none(tmp_path, text, says):
    (tmp_path / "reviews.csv").write_text(text)
    with pytest.raises(ValueError, match=says):
        read_reviews_csv(tmp_path / "reviews.csv")


def test_a_review_longer_than_the_csv_module_s_limit(tmp_path):
    (tmp_path / "reviews.csv").write_text(f'text,label\n"{"ab " * 99_000}",1\nBad,0\n')
    found = read_reviews_csv(tmp_path / "reviews.csv")
    assert [(len(text), label) for text, label in found] == [(297_000, 1), (3, 0)]


@pytest.mark.parametrize(
    ("last", "kept", "dropped"),
    [
        (["की", "कि"], 16, {}),  # vowel signs alone make the difference
        (["My fears:\n1, clowns\n2, lists"], 15, {}),
        (["ha " * 45_000], 14, {"longer than 500 characters": [15]}),
    ],
)
def test_jokes_of_all_kinds(tmp_path, last, kept, dropped):
    jokes = [f"Pupil {i} laughed at number {i + 3}." for i in range(14)] + last
    with open(tmp_path / "jokes.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("ID", "Joke"), *enumerate(jokes)])
    report = load_jokes(f"{tmp_path}/").report
    assert (report.kept, report.dropped) == (kept, dropped)


def test_eight_reviews_are_too_few(run, material, tmp_path):
    rows = "".join(f"Film {i} is it,{i % 2}\n" for i in range(8))
    (tmp_path / "reviews.csv").write_text(f"text,label\n{rows}")
    arguments = command("finetune-sentiment", material, tmp_path / "o")
    arguments[arguments.index("--data") + 1] = f"{tmp_path}/"
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert "it takes at least 10 of each label" in err


# ---- runs ---------------------------------------------------------------------------


def test_a_run_that_diverges_is_no_success(run, material, tmp_path):
    """No exit code 0, no accuracy, no NaN in JSON; classify refuses such weights."""
    output = tmp_path / "o"
    arguments = command("finetune-sentiment", material, output)
    code, out, err = run(*arguments, "--learning-rate", "1e30")
    assert (code, out) == (2, "")
    assert "learning_rate below 1e+30" in err.splitlines()[-1]
    assert not (output / "results.json").exists()
    folder = tmp_path / "k"
    shutil.copytree(material / "classifier", folder)
    state = load_file(folder / "model.safetensors")
    state["score.weight"][:] = torch.nan
    save_file(state, folder / "model.safetensors")
    code, out, err = run("classify", "good", "--json", "--model", folder)
    assert (code, out) == (2, "")
    assert "not finite" in err


def test_two_processes_train_in_a_folder_with_a_hash(
    run, material, tmp_path, monkeypatch
):
    """The processes meet at a file, so its name may have any character."""
    monkeypatch.chdir(tmp_path)
    arguments = command("finetune-jokes", material, "run#2")
    arguments += ["--max-steps", "1", "--max-eval-samples", "4", "--device", "cpu"]
    arguments += ["--per-device-train-batch-size", "2", "--num-processes", "2"]
    code, out, err = run(*arguments)
    assert code == 0, err
    assert json.loads(out)["steps"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run#2"]
    assert load_checkpoint(f"{tmp_path / 'run#2'}").config.n_embd == SHAPE.n_embd


@pytest.mark.parametrize("name", ["my jokes", "my-jokes", "run#2", "~odd", "~root"])
def test_the_printed_command_works_as_printed(
    run, material, tmp_path, monkeypatch, name
):
    """A folder without a slash, with a space, with other characters."""
    monkeypatch.chdir(tmp_path)
    arguments = command("finetune-jokes", material, f"./{name}")
    arguments.remove("--json")
    code, out, err = run(*arguments)
    assert code == 0, err
    printed = shlex.split(out.splitlines()[-1].removeprefix("Try: "))
    assert printed[0] == "gpt2course"
    code, out, err = run(*printed[1:], "--max-new-tokens", "3")
    assert (code, out[:5]) == (0, "JOKE:"), err


def test_a_bare_name_of_a_folder_is_a_checkpoint(run, material, tmp_path, monkeypatch):
    shutil.copytree(material / "checkpoint", tmp_path / "my-jokes")
    monkeypatch.chdir(tmp_path)
    expected = generate(run, material / "checkpoint")["new_ids"]
    assert generate(run, "my-jokes")["new_ids"] == expected
    monkeypatch.setenv("GPT2COURSE_CHECKPOINT", "my-jokes")
    code, out, _ = run("generate", PROMPT, "--json", "--max-new-tokens", "6")
    assert (code, json.loads(out)["new_ids"]) == (0, expected)


def test_a_tilde_is_the_home_folder(run, material, tmp_path, monkeypatch):
    shutil.copytree(material / "checkpoint", tmp_path / "model")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("GPT2COURSE_CHECKPOINT", "~/model")
    code, _, err = run("generate", PROMPT, "--max-new-tokens", "3")
    assert code == 0, err


def test_an_empty_state_is_one_line(run, material, tmp_path):
    output = tmp_path / "o"
    arguments = command("finetune-jokes", material, output)
    assert run(*arguments)[0] == 0
    (output / "results.json").unlink()
    (output / "state.pt").write_bytes(b"")
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert f"{output / 'state.pt'} is damaged" in err
    assert "remove it" in err
    assert "weights_only" not in err


def test_a_log_with_every_line_separator(tmp_path):
    from gpt2course.training import Log

    log = Log(tmp_path / "log.jsonl")
    rows = [
        {"step": i, "sample": f"one{c}two"} for i, c in enumerate("\u2028\x85\x0c\r")
    ]
    for row in rows:
        log.append(row)
    assert log.rows() == rows


# ---- text in and out ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("stdin", "texts"),
    [
        (
            "A joy\u2028to the end\nDull\u0085slow\nFine\x0cfilm\n".encode(),
            ["A joy\u2028to the end", "Dull\u0085slow", "Fine\x0cfilm"],
        ),
        (b"\xef\xbb\xbfI loved it\r\nI hated it\r\n", ["I loved it", "I hated it"]),
    ],
)
def test_lines_of_the_standard_input(run, material, stdin, texts):
    model = ["--model", material / "classifier", "--json"]
    code, out, err = run("classify", *model, stdin=stdin)
    assert code == 0, err
    answers = json.loads(out)["answers"]
    assert [answer["text"] for answer in answers] == texts
    assert answers == json.loads(run("classify", *texts, *model)[1])["answers"]


def test_texts_of_a_config_file_are_answered(run, material, tmp_path):
    (tmp_path / "c.yaml").write_text("texts: [a film]\n")
    config = ["--config", tmp_path / "c.yaml", "--json"]
    model = ["--model", material / "classifier"]
    code, out, err = run("classify", *config, *model, stdin=b"another\n")
    assert code == 0, err
    assert [answer["text"] for answer in json.loads(out)["answers"]] == ["a film"]
    model = ["--checkpoint", material / "checkpoint", "--max-new-tokens", "2"]
    code, out, err = run("generate", *config, *model)
    assert (code, json.loads(out)["prompt"]) == (0, "a film"), err


def test_bytes_that_are_no_text_are_no_prompt(run, material):
    model = ["--checkpoint", material / "checkpoint", "--max-new-tokens", "2"]
    code, out, err = run("generate", *model, stdin="the film".encode("utf-16-le"))
    assert (code, out) == (2, "")
    assert "the standard input has NUL characters" in err
    code, out, err = run("generate", "a", *model, "--stop", "caf\udce9")
    assert (code, out) == (2, "")
    assert "'caf\\udce9' of --stop is not UTF-8" in err
    code, out, err = run(
        "generate", *model, "--json", stdin="the film".encode("utf-32")
    )
    assert (code, json.loads(out)["prompt"]) == (0, "the film"), err


def test_an_argument_that_is_not_utf_8(run, material):
    prompt = "The caf\udce9 was"  # as Python hands bytes over
    options = ["--checkpoint", material / "checkpoint", "--max-new-tokens", "2"]
    code, out, err = run("generate", prompt, *options, "--json")
    assert (code, json.loads(out)["prompt"]) == (0, "The caf\ufffd was")
    assert "is not UTF-8" in err


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "cp437"])
def test_a_terminal_that_cannot_show_a_character(run, material, encoding):
    text = "I loved it 😀☕"
    model = ["--model", material / "classifier"]
    code, out, err = run("classify", text, *model, encoding=encoding)
    assert (code, "I loved it \\U0001f600\\u2615" in out) == (0, True), err
    options = ["--checkpoint", material / "checkpoint", "--max-new-tokens", "3"]
    code, out, err = run("generate", text, *options, encoding=encoding)
    assert (code, "I loved it \\U0001f600\\u2615" in out) == (0, True), err


def test_a_text_that_begins_with_a_dash(run, material):
    code, out, err = run("classify", "-1/10")
    assert (code, out) == (2, "")
    assert "before a text that starts with a dash, put --" in err
    model = ["--model", material / "classifier"]
    assert run("classify", *model, "--", "-1/10")[0] == 0


@pytest.mark.parametrize("stop", ["was", "expecting", "film", "e"])
def test_a_stop_text_is_no_list_of_letters(stop):
    """It ends before the text itself, and not at each of its letters."""
    model, tokenizer = load_checkpoint("mini"), load_tokenizer("mini")

    def written(**options):
        pieces = stream_text(model, tokenizer, "This movie was", 40, **options)
        return "".join(pieces)

    expected = written().split(stop)[0]
    assert written(stop=stop) == written(stop=[stop]) == expected


def test_a_line_feed_can_be_written_in_stop(run):
    # which seed leads to a line feed depends on the weights
    for seed in range(30):
        options = ["--temperature", "0.9", "--seed", str(seed), "--json"]
        whole = json.loads(run("generate", "This film is", *options)[1])["text"]
        if "\n" in whole:
            break
    assert "\n" in whole
    code, out, _ = run("generate", "This film is", *options, "--stop", r"\n")
    assert (code, json.loads(out)["text"]) == (0, whole.split("\n")[0])


def test_a_tiny_temperature_is_refused_by_its_name(run):
    code, out, err = run("generate", "The film", "--temperature", "1e-38")
    assert (code, out) == (2, "")
    assert "temperature is 1e-38" in err


def test_words_without_quotation_marks_are_named(run):
    code, out, err = run("generate", "This", "movie", "was")
    assert (code, out) == (2, "")
    assert "the prompt has 3 parts; put it in quotation marks" in err
    assert "gpt2course generate 'This movie was'" in err


# ---- machines -----------------------------------------------------------------------


def test_a_clone_with_other_line_ends(tmp_path):
    folder = tmp_path / "mini"
    folder.mkdir()
    for path in MINI.iterdir():
        text = path.suffix != ".safetensors"
        content = path.read_bytes()
        content = content.replace(b"\n", b"\r\n") if text else content
        (folder / path.name).write_bytes(content)
    verify(folder, json.loads((MINI.parent / "mini.sha256.json").read_text()))


@pytest.mark.parametrize("name", ["ALL_PROXY", "all_proxy"])
def test_the_hub_s_client_decides_about_the_proxy(monkeypatch, name):
    """The proxy is dialled: nobody is there, and the message says so."""
    for variable in ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.lower(), raising=False)
    monkeypatch.setenv(name, "http://user:hidden@127.0.0.1:9")
    found = connection_problem("https://hub.example")
    assert "refused" in found
    assert "hidden" not in found


def test_float64_is_a_right_answer():
    from gpt2course.course.exercises import check

    assert check(
        "sampling-temperature", lambda p, t: (p.double().log() / t).softmax(-1)
    )
