"""Pretraining on a toy corpus: it learns, and a killed run ends like any other."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from conftest import run_python

from gpt2course import data
from gpt2course.config import GPT2Config
from gpt2course.data import epoch_seed, shuffled_stream
from gpt2course.training import (
    END_OF_TEXT,
    Log,
    PretrainConfig,
    hardware,
    precision,
    pretrain,
    pretrain_from_reviews,
    pretraining,
    save_tokenizer,
    tokenise,
    train_tokenizer,
)

WORDS = "the film was good bad long and but not very I liked it a story".split()  # noqa: SIM905
TEXTS = [" ".join(random.Random(i).choices(WORDS, k=12)) for i in range(80)]
TOKENIZER = train_tokenizer(TEXTS, 280)
CORPUS = tokenise(TOKENIZER, TEXTS[:60], TEXTS[60:])
SHAPE = GPT2Config(
    vocab_size=280,
    n_positions=16,
    n_embd=24,
    n_layer=2,
    n_head=2,
    embd_pdrop=0,
    attn_pdrop=0,
    resid_pdrop=0,
)
ONE = PretrainConfig(
    model=SHAPE,
    max_steps=24,
    tokens_per_step=64,
    warmup_steps=3,
    num_processes=1,
    logging_steps=1,
    save_steps=5,
    eval_steps=9,
)
TWO = replace(ONE, num_processes=2)
DROPPING = replace(SHAPE, embd_pdrop=0.1, attn_pdrop=0.1, resid_pdrop=0.1)
RUNS = {"one": ONE, "two": TWO, "dropout": replace(ONE, model=DROPPING)}


def log(folder: Path) -> list[dict]:
    """Rows of the log, without what depends on the clock."""
    clock = ("seconds", "tokens_per_second")
    rows = Log(folder / "log.jsonl").rows()
    return [{k: v for k, v in row.items() if k not in clock} for row in rows]


def losses(folder: Path) -> list[float]:
    return [row["loss"] for row in log(folder) if "loss" in row]


def saved_step(folder: Path) -> int:
    return torch.load(folder / "state.pt")["progress"]["step"]


def assert_same_end(one: Path, other: Path) -> None:
    """The same log, and bit for bit the same weights and optimizers."""
    assert log(one) == log(other)
    weights = [(folder / "model.safetensors").read_bytes() for folder in (one, other)]
    assert weights[0] == weights[1]
    a, b = (torch.load(folder / "state.pt") for folder in (one, other))
    assert all(torch.equal(a["model"][name], b["model"][name]) for name in a["model"])
    for optimizer in ("muon", "adamw"):
        moments, others = (s["optimizers"][optimizer]["state"] for s in (a, b))
        for key, state in moments.items():
            for name, value in state.items():
                same = torch.equal(value, others[key][name])
                assert same, f"{optimizer} {key} {name}"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Folder of an uninterrupted run, made when first asked for."""
    folders: dict[str, Path] = {}

    def run(name: str) -> Path:
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp(name)
            pretrain(CORPUS, RUNS[name], folders[name])
        return folders[name]

    return run


def test_it_learns(tmp_path):
    done = pretrain(CORPUS, ONE, tmp_path)
    rows, train = log(tmp_path), losses(tmp_path)
    assert len(train) == 24
    assert train[0] == pytest.approx(5.63, abs=0.1)  # log(280): it knows nothing
    assert sum(train[-4:]) / 4 < train[0] - 1
    checks = [row for row in rows if "bits_per_character" in row]
    assert [row["step"] for row in checks] == [9, 18, 24]
    assert checks[-1]["bits_per_character"] < checks[0]["bits_per_character"]
    assert checks[0]["eval_tokens"] < checks[-1]["eval_tokens"]  # at the end all texts
    steps = [row for row in rows if "loss" in row]
    assert [row["row_length"] for row in steps] == [8] * 17 + [16] * 7
    assert (done.folder, done.steps, done.tokens) == (tmp_path, 24, 24 * 64)
    for name in ("eval_loss", "eval_tokens", "bits_per_character"):
        assert asdict(done)[name] == pytest.approx(checks[-1][name], abs=1e-6)


def test_the_order_of_texts_changes_with_the_seed(finished, tmp_path):
    pretrain(CORPUS, replace(ONE, seed=2), tmp_path)
    assert losses(tmp_path) != losses(finished("one"))


def test_no_epoch_of_a_seed_is_one_of_another():
    recipes = [pretraining.Pretraining(CORPUS, replace(ONE, seed=s)) for s in (1, 2)]
    per_epoch = recipes[0].steps_per_epoch
    starts = [
        tuple(recipe.rows(epoch * per_epoch).flatten().tolist())
        for recipe in recipes
        for epoch in range(4)
    ]
    assert len(set(starts)) == 8
    first = shuffled_stream(CORPUS.tokens, CORPUS.lengths, 1)
    assert epoch_seed(1, 0) == 1
    assert starts[0][:9] == tuple(first[:9].tolist())  # as it has always been


def test_two_processes_equal_one(finished):
    one, two = losses(finished("one")), losses(finished("two"))
    assert two[:6] == pytest.approx(one[:6], abs=2e-4)
    assert two[-1] == pytest.approx(one[-1], abs=0.2)


def fall_over(row: dict) -> None:
    """Kill -9 everybody, two steps after a save."""
    if row["step"] == 12 and "loss" in row:
        if multiprocessing.parent_process() is not None:
            os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("name", ["dropout", "two"])
def test_a_killed_run_resumes_as_if_nothing_had_happened(finished, tmp_path, name):
    start = (
        "import sys; from pathlib import Path; from test_pretraining import *; "
        "pretrain(CORPUS, RUNS[sys.argv[1]], Path(sys.argv[2]), watch=fall_over)"
    )
    done = run_python("-c", start, name, str(tmp_path))
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert log(tmp_path)[-1]["step"] == 12
    assert saved_step(tmp_path) == 10
    assert not (tmp_path / "model.safetensors").exists()
    with open(tmp_path / "log.jsonl", "a") as file:
        file.write('{"step": 13, "lo')  # what a full disk would have left
    pretrain(CORPUS, RUNS[name], tmp_path)
    assert_same_end(tmp_path, finished(name))


def test_a_finished_run_has_nothing_left_to_do(finished):
    before = log(finished("one"))
    done = pretrain(CORPUS, ONE, finished("one"))
    assert log(finished("one")) == before
    assert (done.steps, done.tokens) == (24, 24 * 64)
    assert done.eval_loss == pytest.approx(before[-1]["eval_loss"], abs=1e-6)


def test_ctrl_c_saves_and_resumes(finished, tmp_path):
    def press(row):
        if row["step"] == 7 and "loss" in row:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="stopped after step 7 of 24"):
        pretrain(CORPUS, ONE, tmp_path, watch=press)
    pretrain(CORPUS, ONE, tmp_path)
    assert_same_end(tmp_path, finished("one"))


def test_nan_ends_the_run_and_keeps_the_last_state(finished, tmp_path, monkeypatch):
    real, calls = pretraining.cross_entropy, []

    def break_down(*arguments):
        calls.append(1)
        return real(*arguments) * (torch.nan if len(calls) == 13 else 1)

    monkeypatch.setattr(pretraining, "cross_entropy", break_down)
    says = "the loss is nan .* at step 13; .* keeps the state of step 10"
    with pytest.raises(RuntimeError, match=says):
        pretrain(CORPUS, ONE, tmp_path)
    assert saved_step(tmp_path) == 10
    pretrain(CORPUS, ONE, tmp_path)
    assert_same_end(tmp_path, finished("one"))


def test_an_error_in_one_of_two_processes_is_one_line(tmp_path):
    wild = replace(TWO, learning_rate=1e30, max_grad_norm=1e30)
    with pytest.raises(RuntimeError, match=r"^the loss is (nan|inf) ") as raised:
        pretrain(CORPUS, wild, tmp_path)
    assert len(str(raised.value).splitlines()) == 1


def test_a_folder_of_another_run_is_refused(finished):
    folder = finished("one")

    def content():
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    before = content()
    other = replace(ONE, learning_rate=1e-3, model=replace(SHAPE, n_embd=32))
    with pytest.raises(ValueError, match="another learning_rate, model; use that"):
        pretrain(CORPUS, other, folder)
    other = tokenise(TOKENIZER, TEXTS[1:61], TEXTS[60:])
    with pytest.raises(
        ValueError, match="belongs to a run with another data; use that"
    ):
        pretrain(other, ONE, folder)
    assert content() == before


def test_the_result_is_an_ordinary_checkpoint(finished):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = finished("one")
    save_tokenizer(TOKENIZER, folder, 16)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert tokenizer.encode(TEXTS[0]) == TOKENIZER.encode(TEXTS[0]).ids
    assert tokenizer.eos_token_id == model.config.eos_token_id == 279
    assert (tokenizer.pad_token, tokenizer.model_max_length) == (None, 16)
    assert (model.config.resid_pdrop, model.dtype) == (0.1, torch.float32)
    ids = tokenizer.encode(END_OF_TEXT + TEXTS[61], verbose=False)[:16]
    with torch.no_grad():
        loss = model(torch.tensor([ids]), labels=torch.tensor([ids])).loss
    assert loss < 5  # of 5.63, on a text it has not read


def test_from_reviews_to_a_checkpoint_with_its_card(tmp_path, monkeypatch):
    reviews = {"train": TEXTS[:60], "validation": TEXTS[60:70], "test": TEXTS[70:]}
    rows = {name: [(text, 1) for text in texts] for name, texts in reviews.items()}
    monkeypatch.setattr(data, "embedded_reviews", lambda: rows)
    command = "gpt2course pretrain --output FOLDER --max-steps 24"
    done = pretrain_from_reviews(ONE, tmp_path, command=command)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert f"    {command}\n" in card
    assert f"**{done.bits_per_character:.3f} bits per character**" in card
    assert card.count("\n| 0.00 | ") == 3  # evaluations
    assert "\n40. " in card
    assert "24 of 64 tokens" in card
    assert pretrain_from_reviews(ONE, tmp_path, command=command) == done
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == card


def test_only_training_reviews_are_read_in_training(tmp_path, monkeypatch):
    """What reaches the tokenizer and the stream is the real train split, no more."""
    read = {}
    small = tokenise(TOKENIZER, TEXTS[:60], TEXTS[60:])

    def note(name, answer):
        return lambda *given, **_: read.update({name: given}) or answer

    monkeypatch.setattr(pretraining, "train_tokenizer", note("tokenizer", TOKENIZER))
    monkeypatch.setattr(pretraining, "tokenise", note("corpus", small))
    pretrain_from_reviews(ONE, tmp_path)
    splits = {
        name: {data.normalised(text) for text, _ in rows}
        for name, rows in data.embedded_reviews().items()
    }
    for texts in (read["tokenizer"][0], read["corpus"][1]):
        assert len(texts) == 20_000
        assert {data.normalised(text) for text in texts} == splits["train"]
    assert {data.normalised(text) for text in read["corpus"][2]} == splits["validation"]
    assert not splits["train"] & (splits["validation"] | splits["test"])


def test_too_little_to_read(tmp_path):
    with pytest.raises(ValueError, match="tokens are fewer than one step of 64"):
        pretrain(tokenise(TOKENIZER, TEXTS[:1], TEXTS[60:]), ONE, tmp_path / "run")
    with pytest.raises(ValueError, match="1 validation texts for 2 processes"):
        pretrain(tokenise(TOKENIZER, TEXTS[:60], TEXTS[60:61]), TWO, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_no_gpu_here(tmp_path):
    with pytest.raises(ValueError, match="torch finds no GPU here"):
        pretrain(CORPUS, replace(ONE, device="cuda"), tmp_path)


def test_other_validation_texts_are_another_run(tmp_path):
    config = replace(ONE, max_steps=4)
    pretrain(CORPUS, config, tmp_path)
    assert pretrain(CORPUS, config, tmp_path).steps == 4
    other = replace(CORPUS, validation_characters=[9] * len(CORPUS.validation))
    with pytest.raises(ValueError, match="belongs to a run with another"):
        pretrain(other, config, tmp_path)


def test_the_corpus_holds_the_training_texts_only():
    closed = "".join(text + END_OF_TEXT for text in TEXTS[:60])
    stream = CORPUS.tokens.tolist()
    assert TOKENIZER.decode(stream, skip_special_tokens=False) == closed
    assert [TOKENIZER.decode(ids) for ids in CORPUS.validation] == TEXTS[60:]
    assert CORPUS.validation_characters == [len(text) for text in TEXTS[60:]]


def test_a_card_says_in_what_precision_it_was_trained():
    assert precision(hardware("cpu", 2)) == "float32"
    assert precision("NVIDIA L4, 1 process, x86_64, torch 2.13.0").endswith("bfloat16")
