"""Pretraining on a toy corpus: it learns, and a run that was killed ends exactly like one that was not."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import run_python
from hypothesis import given
from hypothesis import strategies as st

from gpt2course.config import GPT2Config
from gpt2course.training import (
    END_OF_TEXT,
    PretrainConfig,
    pretrain,
    pretraining,
    save_tokenizer,
    to_stderr,
    tokenise,
    train_tokenizer,
)

WORDS = [
    "the",
    "film",
    "was",
    "good",
    "bad",
    "long",
    "and",
    "but",
    "not",
    "very",
    "I",
    "liked",
    "it",
    "a",
    "story",
]
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
    model=SHAPE, total_steps=24, tokens_per_step=64, warmup_steps=3, processes=1,
    log_every=1, save_every=5, validate_every=9,
)  # fmt: skip
TWO = replace(ONE, processes=2)
DROPOUT = replace(
    ONE, model=replace(SHAPE, embd_pdrop=0.1, attn_pdrop=0.1, resid_pdrop=0.1)
)
RUNS = {"one": ONE, "two": TWO, "dropout": DROPOUT}


def log(folder: Path) -> list[dict]:
    """Rows of the log, without what depends on the clock."""
    rows = [
        json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()
    ]
    return [
        {k: v for k, v in row.items() if k not in ("seconds", "tokens_per_second")}
        for row in rows
    ]


def losses(folder: Path) -> list[float]:
    return [row["loss"] for row in log(folder) if "loss" in row]


def assert_same_end(one: Path, other: Path) -> None:
    """The same log, and bit for bit the same weights and optimizers."""
    assert log(one) == log(other)
    assert (one / "model.safetensors").read_bytes() == (
        other / "model.safetensors"
    ).read_bytes()
    a, b = (torch.load(folder / "state.pt") for folder in (one, other))
    assert all(torch.equal(a["model"][name], b["model"][name]) for name in a["model"])
    for optimizer in ("muon", "adamw"):
        for key, state in a[optimizer]["state"].items():
            for name, value in state.items():
                assert torch.equal(value, b[optimizer]["state"][key][name]), (
                    f"{optimizer} {key} {name}"
                )


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


def test_it_learns(finished):
    rows = log(finished("one"))
    train = losses(finished("one"))
    assert len(train) == 24
    assert train[0] == pytest.approx(5.63, abs=0.1)  # log(280): it knows nothing
    assert sum(train[-4:]) / 4 < train[0] - 1
    checks = [row for row in rows if "bits_per_character" in row]
    assert [row["step"] for row in checks] == [9, 18, 24]
    assert checks[-1]["bits_per_character"] < checks[0]["bits_per_character"]
    assert [row["whole"] for row in checks] == [False, False, True]
    assert {
        row["row_length"] for row in rows if row.get("step", 99) <= 16 and "loss" in row
    } == {8}
    assert rows[-2]["row_length"] == 16


def test_the_order_of_texts_changes_with_the_seed(finished, tmp_path):
    pretrain(CORPUS, replace(ONE, seed=2), tmp_path)
    assert losses(tmp_path) != losses(finished("one"))


def test_two_processes_equal_one(finished):
    one, two = losses(finished("one")), losses(finished("two"))
    assert two[:6] == pytest.approx(one[:6], abs=2e-4)
    assert two[-1] == pytest.approx(one[-1], abs=0.2)


def fall_over(line: str) -> None:
    """Progress that ends in kill -9 of everybody, two steps after a save."""
    to_stderr(line)
    if line.startswith("step 12/"):
        if multiprocessing.parent_process() is not None:
            os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("name", ["dropout", "two"])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(finished, tmp_path, name):
    start = (
        "import sys; from pathlib import Path; from test_pretraining import *; "
        "pretrain(CORPUS, RUNS[sys.argv[1]], Path(sys.argv[2]), fall_over)"
    )
    done = run_python("-c", start, name, str(tmp_path))
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert log(tmp_path)[-1]["step"] == 12
    assert torch.load(tmp_path / "state.pt")["step"] == 10
    assert not (tmp_path / "model.safetensors").exists()
    with open(tmp_path / "log.jsonl", "a") as file:
        file.write('{"step": 13, "lo')  # what a full disk would have left
    pretrain(CORPUS, RUNS[name], tmp_path)
    assert_same_end(tmp_path, finished(name))


def test_a_finished_run_has_nothing_left_to_do(finished):
    before = log(finished("one"))
    pretrain(CORPUS, ONE, finished("one"))
    assert log(finished("one")) == before


def test_nan_ends_the_run_and_keeps_the_last_state(finished, tmp_path, monkeypatch):
    real, calls = pretraining.cross_entropy, []

    def break_down(*arguments):
        calls.append(1)
        return real(*arguments) * (torch.nan if len(calls) == 13 else 1)

    monkeypatch.setattr(pretraining, "cross_entropy", break_down)
    with pytest.raises(
        RuntimeError,
        match="the loss is nan at step 12; the state of the last save is kept",
    ):
        pretrain(CORPUS, ONE, tmp_path)
    assert torch.load(tmp_path / "state.pt")["step"] == 10
    pretrain(CORPUS, ONE, tmp_path)
    assert_same_end(tmp_path, finished("one"))


def test_an_error_in_one_of_two_processes_is_one_line(tmp_path):
    with pytest.raises(RuntimeError, match=r"^the loss is (nan|inf) at step") as raised:
        pretrain(CORPUS, replace(TWO, adamw_lr=1e30, clip=1e30), tmp_path)
    assert len(str(raised.value).splitlines()) == 1


def test_a_folder_of_another_run_is_refused(finished):
    before = {path.name: path.read_bytes() for path in finished("one").iterdir()}
    with pytest.raises(
        ValueError,
        match="belongs to a run with another adamw_lr, model; use that, or an empty folder",
    ):
        pretrain(
            CORPUS,
            replace(ONE, adamw_lr=1e-3, model=replace(SHAPE, n_embd=32)),
            finished("one"),
        )
    assert before == {
        path.name: path.read_bytes() for path in finished("one").iterdir()
    }


def test_the_result_is_an_ordinary_checkpoint(finished):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = finished("one")
    save_tokenizer(TOKENIZER, folder, 16)
    tokenizer, model = (
        AutoTokenizer.from_pretrained(folder),
        AutoModelForCausalLM.from_pretrained(folder),
    )
    assert tokenizer.encode(TEXTS[0]) == TOKENIZER.encode(TEXTS[0]).ids
    assert tokenizer.eos_token_id == model.config.eos_token_id == 279
    assert (tokenizer.pad_token, tokenizer.model_max_length) == (None, 16)
    assert (model.config.resid_pdrop, model.dtype) == (0.1, torch.float32)
    with torch.no_grad():
        ids = torch.tensor(
            [tokenizer.encode(END_OF_TEXT + TEXTS[61], verbose=False)[:16]]
        )
        assert model(ids, labels=ids).loss < 5  # of 5.63, on a text it has not read


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"total_steps": 0}, "total_steps is 0; it must exceed the warm-up of 3 steps"),
        ({"processes": 0}, "must be a multiple of processes times n_positions"),
        (
            {"tokens_per_step": 72},
            r"tokens_per_step 72 must be a multiple of processes times n_positions, 1 \* 16",
        ),
        ({"short_until": 1.5}, "short_until is 1.5"),
        (
            {"model": replace(SHAPE, n_positions=15), "tokens_per_step": 60},
            "n_positions 15",
        ),
    ],
)
def test_impossible_runs(change, says):
    with pytest.raises(ValueError, match=says):
        replace(ONE, **change)


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


def test_the_corpus_holds_the_training_texts_only():
    closed = "".join(text + END_OF_TEXT for text in TEXTS[:60])
    assert TOKENIZER.decode(CORPUS.tokens.tolist(), skip_special_tokens=False) == closed
    assert [TOKENIZER.decode(ids) for ids in CORPUS.validation] == TEXTS[60:]
    assert CORPUS.validation_characters == [len(text) for text in TEXTS[60:]]


def test_tokenizer_ids():
    assert TOKENIZER.id_to_token(0) == "!"
    assert TOKENIZER.token_to_id(END_OF_TEXT) == TOKENIZER.get_vocab_size() - 1 == 279
    assert TOKENIZER.encode(END_OF_TEXT).ids == [279]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_the_tokenizer(text):
    assert (
        TOKENIZER.decode(TOKENIZER.encode(text).ids, skip_special_tokens=False) == text
    )


@pytest.mark.parametrize(
    ("vocab_size", "says"),
    [
        (256, "vocab_size is 256; .* need at least 257"),
        (9999, "the texts give [0-9]+ tokens, not 9999"),
    ],
)
def test_impossible_vocabularies(vocab_size, says):
    with pytest.raises(ValueError, match=says):
        train_tokenizer(TEXTS, vocab_size)
