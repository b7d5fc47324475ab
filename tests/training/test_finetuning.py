"""The schedule, the groups, one step, and whole runs: killed, interrupted, starved of disk, spoiled by NaN."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import random_model, twins
from hypothesis import given
from hypothesis import strategies as st

from gpt2course.checkpoints import read_model
from gpt2course.config import GPT2Config
from gpt2course.data import pack_sequences
from gpt2course.loss import cross_entropy, shift
from gpt2course.model import GPT2
from gpt2course.training import (
    Log,
    LossNotFinite,
    TrainConfig,
    finetune,
    gradient_checkpointing,
    held_out_loss,
    learning_rate_at,
    next_token_nats,
    parameter_groups,
    rows_of_step,
    save_tokenizer,
    train_step,
    train_tokenizer,
)
from gpt2course.training import finetuning as training

RUN = {"peak": 0.5, "warmup_steps": 10, "total_steps": 110, "final": 0.05}


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0.05), (4, 0.25), (9, 0.5), (10, 0.5), (109, 0.05), (500, 0.05)],
)
def test_fixed_points(step, rate):
    assert learning_rate_at(step, **RUN) == pytest.approx(rate)


def test_half_way_down_is_the_middle():
    assert learning_rate_at(
        50, peak=1.0, warmup_steps=0, total_steps=101
    ) == pytest.approx(0.5)


@given(warmup=st.integers(0, 50), rest=st.integers(1, 50))
def test_up_then_down(warmup, rest):
    rates = [
        learning_rate_at(s, peak=1.0, warmup_steps=warmup, total_steps=warmup + rest)
        for s in range(warmup + rest)
    ]
    assert rates[:warmup] == sorted(rates[:warmup])
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
    assert all(0 <= rate <= 1 for rate in rates)


@pytest.mark.parametrize(
    ("warmup_steps", "total_steps"), [(10, 10), (5000, 100), (-1, 10), (0, 0)]
)
def test_impossible_warm_up(warmup_steps, total_steps):
    with pytest.raises(
        ValueError, match=f"warm-up of {warmup_steps} steps in a run of {total_steps}"
    ):
        learning_rate_at(
            0, peak=1.0, warmup_steps=warmup_steps, total_steps=total_steps
        )


def test_every_parameter_is_in_one_group():
    model = random_model()
    decayed, free = parameter_groups(model, 0.1)
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.1, 0.0)
    ids = [id(p) for group in (decayed, free) for p in group["params"]]
    assert sorted(ids) == sorted(id(p) for p in model.parameters())
    names = {id(p): name for name, p in model.named_parameters()}
    assert all(
        "ln_" in names[id(p)] or names[id(p)].endswith("bias") for p in free["params"]
    )
    assert not any(
        "ln_" in names[id(p)] or names[id(p)].endswith("bias")
        for p in decayed["params"]
    )


# ---- one step --------------------------------------------------------------------------------------------------------

SHAPE = GPT2Config(vocab_size=61, n_positions=32, n_embd=24, n_layer=2, n_head=2)
QUIET = replace(SHAPE, embd_pdrop=0, attn_pdrop=0, resid_pdrop=0)


def documents(n: int, seed: int) -> list[list[int]]:
    """Texts with something to learn: each counts upwards from a random number, then ends."""
    generator = torch.Generator().manual_seed(seed)
    starts = torch.randint(0, 40, (n,), generator=generator).tolist()
    lengths = torch.randint(2, 16, (n,), generator=generator).tolist()
    return [
        [*range(start, start + length), 60]
        for start, length in zip(starts, lengths, strict=True)
    ]


TRAIN, VALIDATION = (
    pack_sequences(documents(60, 1), 32),
    pack_sequences(documents(20, 2), 32),
)


def fresh(config: GPT2Config = QUIET) -> GPT2:
    torch.manual_seed(0)
    return GPT2(config)


def sgd(model) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=1.0)


def same_weights(one, other, atol: float) -> bool:
    return all(
        torch.allclose(a, b, atol=atol)
        for a, b in zip(one.parameters(), other.parameters(), strict=True)
    )


def test_every_token_of_a_batch_weighs_the_same():
    pieces = [TRAIN[:1], TRAIN[len(TRAIN) - 3 :]]
    assert pieces[0].learned != pieces[1].learned
    whole, parts, means = fresh(), fresh(), fresh()
    both = pack_sequences(
        [
            ids
            for i, ids in enumerate(documents(60, 1))
            if any((p.document_ids == i).any() for p in pieces)
        ],
        32,
    )
    one = train_step(whole, sgd(whole), [both], clip=1e9)
    two = train_step(parts, sgd(parts), pieces, clip=1e9)
    assert one.loss == pytest.approx(two.loss, abs=1e-5)
    assert (one.tokens, one.gradient_norm) == (
        two.tokens,
        pytest.approx(two.gradient_norm, rel=1e-4),
    )
    assert same_weights(whole, parts, 1e-5)

    optimizer = sgd(means)  # what is often done instead
    for piece in pieces:
        (next_token_nats(means, piece) / piece.learned / 2).backward()
    optimizer.step()
    assert not same_weights(whole, means, 1e-4)


def test_the_loss_is_that_of_the_documents_alone():
    model = random_model(QUIET)
    nats = sum(
        cross_entropy(*shift(model(ids), ids), reduction="sum").item()
        for ids in (torch.tensor([ids]) for ids in documents(20, 2))
    )
    assert held_out_loss(model, VALIDATION, rows_at_once=3) == pytest.approx(
        nats / VALIDATION.learned, abs=1e-4
    )
    leaking = next_token_nats(model, VALIDATION, use_document_mask=False).item()
    assert abs(leaking - nats) > 1


def test_clipping_and_the_norm_before_it():
    model = fresh()
    before = [p.detach().clone() for p in model.parameters()]
    done = train_step(model, sgd(model), [TRAIN], clip=0.01)
    moved = (
        sum(
            ((p - b) ** 2).sum()
            for p, b in zip(model.parameters(), before, strict=True)
        )
        .sqrt()
        .item()
    )
    assert moved == pytest.approx(0.01, rel=1e-2)
    assert done.gradient_norm > 0.01


@pytest.mark.parametrize("body", ["ours", "hugging face"])
def test_checkpointing_changes_memory_and_nothing_else(body):
    theirs, ours = twins(SHAPE, std=0.02)
    model = (ours if body == "ours" else theirs).train()
    gradients, calls = [], []
    block = (model if body == "ours" else model.transformer).h[0]
    block.ln_1.register_forward_hook(lambda *_: calls.append(1))
    for context in (None, gradient_checkpointing(model)):
        torch.manual_seed(3)  # dropout is on, and has to be the same on the way back
        model.zero_grad()
        if context is None:
            next_token_nats(model, TRAIN).backward()
        else:
            with context:
                next_token_nats(model, TRAIN).backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    assert len(calls) == 1 + 2  # computed a second time
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(*gradients, strict=True))
    next_token_nats(model, TRAIN).backward()
    assert len(calls) == 4  # and no longer


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_leaves_weights_and_loss_in_float32(precision):
    model = fresh()
    reference = next_token_nats(model, TRAIN).item()
    half = next_token_nats(model, TRAIN, precision=precision)
    assert half.dtype == torch.float32
    assert 0 < abs(half.item() / reference - 1) < 0.01
    scaler = torch.amp.GradScaler("cpu", enabled=precision == "fp16")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = [
        train_step(
            model, optimizer, [TRAIN[:2]], precision=precision, scaler=scaler
        ).loss
        for _ in range(8)
    ]
    assert losses[-1] < losses[0] - 0.5
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_fp16_skips_a_step_that_overflows_and_gives_up_when_all_do():
    model = fresh()
    before = [p.detach().clone() for p in model.parameters()]
    scaler = torch.amp.GradScaler("cpu", init_scale=1e38)
    done = train_step(
        model,
        torch.optim.AdamW(model.parameters()),
        [TRAIN[:2]],
        precision="fp16",
        scaler=scaler,
    )
    assert done.loss < 10  # the loss is fine, its scaled gradient was not
    assert scaler.get_scale() == pytest.approx(5e37)
    assert all(
        torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True)
    )
    scaler = torch.amp.GradScaler("cpu", init_scale=0.5)
    with pytest.raises(LossNotFinite):
        train_step(
            model,
            torch.optim.AdamW(model.parameters()),
            [TRAIN[:2]],
            precision="fp16",
            scaler=scaler,
        )


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_step_into_nan_is_not_taken(where):
    model = fresh()
    before = [p.detach().clone() for p in model.parameters()]
    if where == "loss":
        model.ln_f.register_forward_hook(lambda _, __, out: out * torch.nan)
    else:
        model.wpe.weight.register_hook(lambda gradient: gradient * torch.inf)
    with pytest.raises(
        LossNotFinite,
        match="the loss is nan"
        if where == "loss"
        else "norm of its gradient (inf|nan)",
    ):
        train_step(model, torch.optim.AdamW(model.parameters()), [TRAIN])
    assert all(
        torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True)
    )


@given(
    n_rows=st.integers(1, 20), per_step=st.integers(1, 8), seed=st.integers(0, 2**30)
)
def test_every_row_is_read_once_an_epoch(n_rows, per_step, seed):
    read = torch.cat(
        [rows_of_step(step, n_rows, per_step, seed) for step in range(2 * n_rows)]
    ).tolist()
    epochs = [read[i : i + n_rows] for i in range(0, len(read) - n_rows + 1, n_rows)]
    assert all(sorted(epoch) == list(range(n_rows)) for epoch in epochs)


def test_epochs_differ_and_seeds_too():
    first, second = rows_of_step(0, 50, 50, seed=1), rows_of_step(1, 50, 50, seed=1)
    assert not torch.equal(first, second)
    assert not torch.equal(first, rows_of_step(0, 50, 50, seed=9))


# ---- the settings ----------------------------------------------------------------------------------------------------


def test_the_schedule_is_laid_over_the_real_steps():
    config = TrainConfig(rows_per_step=8, epochs=3, lr=0.5, warmup=0.1, final_lr=0.1)
    total = config.total_steps(len(range(100)))
    assert total == 38  # 300 rows in steps of 8
    rates = [config.rate_at(step, total) for step in range(total)]
    assert max(rates) == rates[3] == 0.5
    assert rates[-1] == pytest.approx(0.05)
    assert replace(config, steps=7).total_steps(100) == 7
    assert replace(config, steps=1, warmup=0.9).rate_at(0, 1) == 0.5


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"rows_per_step": 0}, "rows_per_step is 0; it must be at least 1"),
        ({"processes": 0}, "processes is 0; it must be at least 1"),
        (
            {"accumulate": 3},
            r"rows_per_step 16 must be a multiple of processes times accumulate, 1 \* 3",
        ),
        ({"epochs": 0}, "epochs is 0; it must be above 0"),
        ({"steps": 0}, "steps is 0; it must be at least 1"),
        ({"lr": -1.0}, "lr is -1.0; it must be a number above 0"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"clip": 0}, "clip is 0; it must be a number above 0"),
        ({"warmup": 1.0}, "warmup 1.0 and final_lr 0.1; each is a part of a whole"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1"),
        (
            {"patience": -1},
            "patience is -1; it must be at least 0, and 0 means: never stop early",
        ),
        (
            {"validation_rows": -5},
            "validation_rows is -5; it must be at least 0, and 0 means: judge on all rows",
        ),
        (
            {"precision": "fp8"},
            "precision is 'fp8'; it must be one of fp32, bf16, fp16",
        ),
        ({"device": "tpu"}, "device is 'tpu'; it must be auto, cpu or cuda"),
    ],
)
def test_settings_that_cannot_be_meant(change, says):
    with pytest.raises(ValueError, match=says):
        TrainConfig(**change)


# ---- whole runs ------------------------------------------------------------------------------------------------------

CONFIG = TrainConfig(
    rows_per_step=4,
    accumulate=2,
    steps=20,
    lr=1e-2,
    validate_every=6,
    save_every=5,
    log_every=1,
    device="cpu",
)


def log(folder: Path) -> list[dict]:
    """Rows of the log, without what depends on the clock."""
    return [
        {k: v for k, v in row.items() if k not in ("seconds", "tokens_per_second")}
        for row in Log(folder / "log.jsonl").rows()
    ]


def losses(folder: Path) -> list[float]:
    return [row["loss"] for row in log(folder) if "loss" in row]


def run(folder: Path, config: TrainConfig = CONFIG, model=None, **options):
    return finetune(model or fresh(SHAPE), TRAIN, VALIDATION, config, folder, **options)


def assert_same_end(one: Path, other: Path) -> None:
    """The same log, and bit for bit the same weights and optimizer."""
    assert log(one) == log(other)
    assert (one / "model.safetensors").read_bytes() == (
        other / "model.safetensors"
    ).read_bytes()
    a, b = (torch.load(folder / "state.pt") for folder in (one, other))
    assert a["step"] == b["step"]
    assert all(torch.equal(a["model"][name], b["model"][name]) for name in a["model"])
    for key, state in a["optimizer"]["state"].items():
        assert all(
            torch.equal(value, b["optimizer"]["state"][key][name])
            for name, value in state.items()
        )


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """An uninterrupted run, with dropout."""
    folder = tmp_path_factory.mktemp("finished")
    run(folder)
    return folder


def test_it_learns_and_keeps_the_best(finished, tmp_path):
    model = fresh(SHAPE)
    before = [p.detach().clone() for p in model.parameters()]
    done = run(tmp_path, model=model)
    assert (done.steps, done.stopped_early, done.folder) == (20, False, tmp_path)
    assert done.first_loss == pytest.approx(4.11, abs=0.1)  # log(61): it knows nothing
    assert done.best_loss < done.first_loss - 0.5
    checks = [row for row in log(tmp_path) if "validation_loss" in row]
    assert [row["step"] for row in checks] == [0, 6, 12, 18, 20]
    assert done.best_loss == min(row["validation_loss"] for row in checks)
    assert held_out_loss(read_model(tmp_path), VALIDATION) == pytest.approx(
        done.best_loss, abs=1e-5
    )
    assert all(
        torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True)
    )  # left as it was
    assert len(losses(tmp_path)) == 20
    assert_same_end(tmp_path, finished)


def kill(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_at(moment: str, folder: Path) -> None:
    """Run in a copy of this process, which dies at some moment."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
        return
    try:
        step = {"step 8": 8, "first step": 1}.get(moment)
        calls = []

        def replace_or_die(old, new, real=os.replace):
            calls.append(str(new))
            if (
                moment == "writing the state"
                and sum(path.endswith("state.pt") for path in calls) == 4
            ):
                kill()
            if (
                moment == "before the first loss"
                and calls.count(str(folder / "model.safetensors")) == 1
            ):
                kill()
            real(old, new)
            if (
                moment == "new best, old state"
                and calls.count(str(folder / "model.safetensors")) == 3
            ):
                kill()

        os.replace = replace_or_die
        run(
            folder,
            watch=lambda row: kill() if "loss" in row and row["step"] == step else None,
        )
    finally:
        os._exit(1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize(
    "moment",
    [
        "first step",
        "step 8",
        "writing the state",
        "before the first loss",
        "new best, old state",
    ],
)
def test_a_killed_run_ends_bitwise_like_one_that_was_not(finished, tmp_path, moment):
    killed_at(moment, tmp_path)
    assert (tmp_path / "state.pt").exists()
    if moment != "before the first loss":
        read_model(tmp_path)  # what is there is whole, at every moment
    run(tmp_path)
    assert_same_end(tmp_path, finished)


def test_two_processes_have_the_losses_of_one(tmp_path):
    config = replace(CONFIG, steps=12)
    for processes in (1, 2):
        run(
            tmp_path / str(processes),
            replace(config, processes=processes, accumulate=2 // processes),
            model=fresh(),
        )
    one, two = log(tmp_path / "1"), log(tmp_path / "2")
    assert len(one) == len(two) == 12 + 3
    for a, b in zip(one, two, strict=True):
        for name in ("loss", "validation_loss", "tokens"):
            assert a.get(name) == pytest.approx(b.get(name), abs=1e-5)


def test_ctrl_c_saves_and_goes_on(finished, tmp_path):
    def press(row):
        if row["step"] == 7 and "loss" in row:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, watch=press)
    assert torch.load(tmp_path / "state.pt")["step"] == 7
    run(tmp_path)
    assert_same_end(tmp_path, finished)


@pytest.mark.parametrize("which", [1, 4])
def test_a_full_disk(finished, tmp_path, monkeypatch, which):
    calls = []

    def fail(_):
        calls.append(1)
        if len(calls) == which:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    says = r"cannot write to .* \(No space left on device\); what was saved last is whole: make room, then start again"
    with pytest.raises(OSError, match=says + f".* from step {0 if which == 1 else 5}$"):
        run(tmp_path)
    assert not list(tmp_path.glob("*.partial"))
    run(tmp_path)
    assert_same_end(tmp_path, finished)


def test_nan_ends_the_run_and_keeps_the_best(finished, tmp_path, monkeypatch):
    real, steps = training.train_step, []

    def break_down(model, *arguments, **options):
        steps.append(1)
        if len(steps) == 14:
            with torch.no_grad():
                model.ln_f.weight[0] = torch.nan
        return real(model, *arguments, **options)

    monkeypatch.setattr(training, "train_step", break_down)
    with pytest.raises(LossNotFinite) as raised:
        run(tmp_path)
    assert str(raised.value).startswith(
        "the loss is nan and the norm of its gradient nan at step 14; "
    )
    assert "keeps the best weights, those of step 12 (held-out loss" in str(
        raised.value
    )
    assert "and the state of step 10. Try a lower learning rate than 1.0e-02" in str(
        raised.value
    )
    best = min(
        row["validation_loss"] for row in log(tmp_path) if "validation_loss" in row
    )
    assert held_out_loss(read_model(tmp_path), VALIDATION) == pytest.approx(
        best, abs=1e-5
    )
    run(tmp_path)  # whatever it was, it does not come again
    assert_same_end(tmp_path, finished)


def test_it_stops_early_and_the_folder_keeps_the_best(tmp_path):
    config = replace(CONFIG, steps=200, validate_every=2, patience=3, lr=0.3)
    done = run(tmp_path, config)
    assert done.stopped_early
    assert done.steps == done.best_step + 3 * 2 < 200
    assert held_out_loss(read_model(tmp_path), VALIDATION) == pytest.approx(
        done.best_loss, abs=1e-5
    )
    before = log(tmp_path)
    assert run(tmp_path, config) == done  # nothing is left to do
    assert log(tmp_path) == before


def test_it_judges_on_some_rows_from_all_over(tmp_path):
    some = TrainConfig(validation_rows=3).judged(VALIDATION)
    rows = [0, len(VALIDATION) // 3, 2 * len(VALIDATION) // 3]
    assert len(VALIDATION) > 4
    assert torch.equal(some.input_ids, VALIDATION[torch.tensor(rows)].input_ids)
    for n_rows in (0, len(VALIDATION), 1000):
        assert torch.equal(
            TrainConfig(validation_rows=n_rows).judged(VALIDATION).input_ids,
            VALIDATION.input_ids,
        )
    done = run(tmp_path, replace(CONFIG, steps=6, validation_rows=3))
    assert held_out_loss(read_model(tmp_path), some) == pytest.approx(
        done.best_loss, abs=1e-5
    )


def test_another_run_or_checkpoint_in_the_folder(finished, tmp_path):
    before = {path.name: path.read_bytes() for path in finished.iterdir()}
    with pytest.raises(
        ValueError,
        match="belongs to a run with another lr, steps; use that, or an empty folder",
    ):
        run(finished, replace(CONFIG, lr=1e-3, steps=30))
    with pytest.raises(ValueError, match="belongs to a run with another checkpoint"):
        run(finished, model=random_model(SHAPE))
    with pytest.raises(ValueError, match="belongs to a run with another data"):
        finetune(fresh(SHAPE), TRAIN[:9], VALIDATION, CONFIG, finished)
    assert before == {path.name: path.read_bytes() for path in finished.iterdir()}
    (tmp_path / "model.safetensors").write_bytes(b"somebody's")
    with pytest.raises(
        ValueError,
        match="holds a checkpoint that is not from such a run; choose an empty folder",
    ):
        run(tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == b"somebody's"


@pytest.mark.parametrize(
    ("train", "config", "says"),
    [
        (
            pack_sequences(documents(9, 1), 40),
            CONFIG,
            "train has rows of 40 tokens, more than the model's 32 positions",
        ),
        (TRAIN[:0], CONFIG, "train has nothing to learn from"),
        (
            TRAIN,
            replace(CONFIG, device="cuda"),
            "device is cuda, and torch finds no GPU here",
        ),
    ],
    ids=["long", "empty", "no gpu"],
)
def test_runs_that_cannot_begin(tmp_path, train, config, says):
    if config.device == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ValueError, match=says):
        finetune(fresh(SHAPE), train, VALIDATION, config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_hugging_face_s_model_trains_alike(tmp_path):
    theirs, ours = twins(QUIET, std=0.02)
    config = replace(CONFIG, steps=6, checkpointing=True)
    for name, model in (("theirs", theirs), ("ours", ours)):
        run(tmp_path / name, config, model=model)
    assert losses(tmp_path / "theirs") == pytest.approx(
        losses(tmp_path / "ours"), abs=1e-4
    )
    assert same_weights(
        read_model(tmp_path / "theirs"), read_model(tmp_path / "ours"), 1e-3
    )


def test_the_result_is_an_ordinary_checkpoint_that_writes(tmp_path, capsys):
    from transformers import AutoTokenizer, pipeline

    texts = [f"the film number {i} was good and long" for i in range(30)]
    save_tokenizer(train_tokenizer(texts, 270), tmp_path / "tokenizer", 32)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "tokenizer")
    packed = pack_sequences(
        [[*tokenizer.encode(text), tokenizer.eos_token_id] for text in texts], 32
    )
    rows, folder = [], tmp_path / "run"
    model = fresh(replace(SHAPE, vocab_size=270, eos_token_id=269))
    options = {
        "tokenizer": tokenizer,
        "sample_prompt": "the film",
        "watch": rows.append,
        "progress": True,
    }
    finetune(model, packed, packed, replace(CONFIG, steps=12), folder, **options)
    assert rows == Log(folder / "log.jsonl").rows()
    samples = [row["sample"] for row in rows if "sample" in row]
    assert len(samples) == 3
    assert all(sample.startswith("the film") for sample in samples)
    bar = capsys.readouterr().err
    assert all(part in bar for part in ("12/12", "loss=", "lr=", "tokens/s=", "step/s"))

    write = pipeline("text-generation", model=str(folder))
    text = write("the film", max_new_tokens=4, do_sample=False)[0]["generated_text"]
    assert text.startswith("the film")
    assert (
        json.loads((folder / "config.json").read_text())["eos_token_id"]
        == write.tokenizer.eos_token_id
        == 269
    )
