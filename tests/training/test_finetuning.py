"""Whole fine-tunings: killed, interrupted, starved of disk, spoiled by NaN."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import random_model, run_python, twins
from counting import (
    QUIET,
    SHAPE,
    TRAIN,
    VALIDATION,
    documents,
    fresh,
    same_weights,
)

from gpt2course.checkpoints import read_model
from gpt2course.data import pack_sequences
from gpt2course.training import (
    FinetuneConfig,
    FinetuneResult,
    Log,
    LossNotFinite,
    Run,
    eval_rows,
    finetune,
    finetuning,
    held_out_loss,
    save_tokenizer,
    train_tokenizer,
)

CONFIG = FinetuneConfig(
    per_device_train_batch_size=2,
    gradient_accumulation_steps=2,
    max_steps=20,
    learning_rate=1e-2,
    eval_steps=6,
    save_steps=5,
    logging_steps=1,
    device="cpu",
)


def log(folder: Path) -> list[dict]:
    """Rows of the log, without what depends on the clock."""
    clock = ("seconds", "tokens_per_second")
    rows = Log(folder / "log.jsonl").rows()
    return [{k: v for k, v in row.items() if k not in clock} for row in rows]


def losses(folder: Path) -> list[float]:
    return [row["loss"] for row in log(folder) if "loss" in row]


def eval_losses(folder: Path) -> list[float]:
    return [row["eval_loss"] for row in log(folder) if "eval_loss" in row]


def saved_step(folder: Path) -> int:
    return torch.load(folder / "state.pt")["progress"]["step"]


def run(folder: Path, config: FinetuneConfig = CONFIG, model=None, **options):
    model = model or fresh(SHAPE)
    return finetune(model, TRAIN, VALIDATION, config, folder, **options)


def assert_same_end(one: Path, other: Path) -> None:
    """The same log, and bit for bit the same weights and optimizer."""
    assert log(one) == log(other)
    weights = [(folder / "model.safetensors").read_bytes() for folder in (one, other)]
    assert weights[0] == weights[1]
    a, b = (torch.load(folder / "state.pt") for folder in (one, other))
    for state in (a, b):
        state["progress"].pop("seconds")
    assert a["progress"] == b["progress"]
    assert all(torch.equal(a["model"][name], b["model"][name]) for name in a["model"])
    moments, others = (s["optimizers"]["optimizer"]["state"] for s in (a, b))
    for key, state in moments.items():
        for name, value in state.items():
            assert torch.equal(value, others[key][name])


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
    checks = [row for row in log(tmp_path) if "eval_loss" in row]
    assert [row["step"] for row in checks] == [0, 6, 12, 18, 20]
    assert done.best_loss == pytest.approx(min(eval_losses(tmp_path)), abs=1e-6)
    assert held_out_loss(read_model(tmp_path), VALIDATION) == pytest.approx(
        done.best_loss, abs=1e-5
    )
    after = list(model.parameters())  # left as it was
    assert all(torch.equal(p, b) for p, b in zip(after, before, strict=True))
    assert len(losses(tmp_path)) == 20
    assert_same_end(tmp_path, finished)


def test_a_row_of_the_log_has_trainer_s_keys(finished):
    rows = Log(finished / "log.jsonl").rows()
    keys = {"step", "tokens", "seconds", "loss", "learning_rate", "grad_norm"}
    keys |= {"tokens_per_second"}
    assert all(set(row) == keys for row in rows if "loss" in row)
    keys = {"step", "tokens", "seconds", "eval_loss", "best"}
    assert all(set(row) == keys for row in rows if "eval_loss" in row)


# ---- killed -------------------------------------------------------------------------


def kill(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_step(step: int):
    """A watch that dies when this step is logged."""
    return lambda row: kill() if "loss" in row and row["step"] == step else None


def die_writing_state(step: int) -> None:
    """From now on, die when half of the state of this step is on the disk."""
    real = torch.save

    def save(state, file):
        if state["progress"]["step"] == step:
            file.write(b"half of a state")
            file.flush()
            kill()
        real(state, file)

    torch.save = save


def die_around_best(when: str, step: int) -> None:
    """From now on, die before or after the model of this step is written."""
    real = Run.evaluate

    def evaluate(self):
        write = self.recipe.write_best

        def write_or_die(folder):
            if self.state.step == step and when == "before":
                kill()
            write(folder)
            if self.state.step == step and when == "after":
                kill()

        self.recipe.write_best = write_or_die
        real(self)
        self.recipe.write_best = write

    Run.evaluate = evaluate


MOMENTS = {
    "first step": lambda: die_at_step(1),
    "step 8": lambda: die_at_step(8),
    "writing the state": lambda: die_writing_state(10),
    "before the first loss": lambda: die_around_best("before", 0),
    "new best, old state": lambda: die_around_best("after", 12),
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_ends_bitwise_like_one_that_was_not(finished, tmp_path, moment):
    child = os.fork()
    if not child:  # a copy of this process, which dies on the way
        try:
            run(tmp_path, watch=MOMENTS[moment]())
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    steps = {"step 8": 5, "writing the state": 5, "new best, old state": 10}
    assert saved_step(tmp_path) == steps.get(moment, 0)
    if moment != "before the first loss":
        read_model(tmp_path)  # what is there is whole, at every moment
    run(tmp_path)
    assert_same_end(tmp_path, finished)


def test_ctrl_c_saves_and_resumes(finished, tmp_path):
    def press(row):
        if row["step"] == 7 and "loss" in row:
            signal.raise_signal(signal.SIGINT)

    says = "stopped after step 7 of 20; .* keeps the run: start it again"
    with pytest.raises(KeyboardInterrupt, match=says):
        run(tmp_path, watch=press)
    assert saved_step(tmp_path) == 7
    run(tmp_path)
    assert_same_end(tmp_path, finished)


# ---- several processes --------------------------------------------------------------


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_two_processes_have_the_losses_of_one(tmp_path, device):
    if device == "auto" and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    config = replace(CONFIG, max_steps=12, device=device)
    for processes in (1, 2):
        accumulation = 2 // processes
        done = run(
            tmp_path / f"#{processes}",
            replace(
                config,
                num_processes=processes,
                gradient_accumulation_steps=accumulation,
            ),
            model=fresh(),
        )
        assert isinstance(done, FinetuneResult)
        assert done.best_loss == pytest.approx(min(eval_losses(done.folder)), abs=1e-6)
    one, two = log(tmp_path / "#1"), log(tmp_path / "#2")
    assert len(one) == len(two) == 12 + 3
    for a, b in zip(one, two, strict=True):
        for name in ("loss", "eval_loss", "tokens", "grad_norm"):
            assert a.get(name) == pytest.approx(b.get(name), abs=1e-4)
        for name in ("loss", "eval_loss", "tokens"):
            assert a.get(name) == pytest.approx(b.get(name), abs=1e-5)


def press_ctrl_c_in_the_parent(row: dict) -> None:
    """At step 7; from there on slowly, so that the run is still there to stop."""
    if row["step"] == 7 and "loss" in row:
        os.kill(os.getppid(), signal.SIGINT)
    if row["step"] >= 7:
        time.sleep(0.3)


def test_ctrl_c_with_two_processes(tmp_path):
    two = replace(CONFIG, num_processes=2, gradient_accumulation_steps=1)
    with pytest.raises(KeyboardInterrupt, match=r"stopped after step \d+ of 20"):
        run(tmp_path / "broken", two, watch=press_ctrl_c_in_the_parent)
    assert 7 <= saved_step(tmp_path / "broken") < 20
    run(tmp_path / "broken", two)
    run(tmp_path / "whole", two)
    assert_same_end(tmp_path / "broken", tmp_path / "whole")


def test_under_torchrun(finished, tmp_path):
    """One process of torchrun ends like a run without it; two have its results, too."""
    program = (
        "import sys; from pathlib import Path; from dataclasses import replace\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_finetuning import CONFIG, run\n"
        "n = int(sys.argv[2])\n"
        "split = {'num_processes': n, 'gradient_accumulation_steps': 2 // n}\n"
        "config = replace(CONFIG, **split)\n"
        "print('best', run(Path(sys.argv[1]), config).best_step)\n"
    )
    (tmp_path / "program.py").write_text(program)
    for n in (1, 2):
        done = run_python(
            *(
                "-m",
                "torch.distributed.run",
                "--standalone",
                "--nproc-per-node",
                str(n),
            ),
            *(str(tmp_path / "program.py"), str(tmp_path / str(n)), str(n)),
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("best 20") == n
    assert_same_end(tmp_path / "1", finished)


# ---- disks, NaN, early stop ---------------------------------------------------------


@pytest.mark.parametrize(("step", "kept"), [(0, 0), (10, 5)])
def test_a_full_disk(finished, tmp_path, monkeypatch, step, kept):
    real = torch.save

    def fail(state, file):
        if state["progress"]["step"] == step:
            raise OSError(28, "No space left on device")
        real(state, file)

    monkeypatch.setattr(torch, "save", fail)
    says = rf"\(No space left on device\); .* resumes from step {kept}$"
    with pytest.raises(OSError, match=says):
        run(tmp_path)
    assert not list(tmp_path.glob("*.partial"))
    monkeypatch.undo()
    run(tmp_path)
    assert_same_end(tmp_path, finished)


def test_nan_ends_the_run_and_keeps_the_best(finished, tmp_path, monkeypatch):
    real, steps = finetuning.train_step, []

    def break_down(model, *arguments, **options):
        steps.append(1)
        if len(steps) == 14:
            with torch.no_grad():
                model.ln_f.weight[0] = torch.nan
        return real(model, *arguments, **options)

    monkeypatch.setattr(finetuning, "train_step", break_down)
    with pytest.raises(LossNotFinite) as raised:
        run(tmp_path)
    for part in (
        "the loss is nan and the norm of its gradient nan at step 14; ",
        "keeps the state of step 10 and the best weights, those of step 12",
        "a lower learning_rate than 1.0e-02",
    ):
        assert part in str(raised.value)
    assert held_out_loss(read_model(tmp_path), VALIDATION) == pytest.approx(
        min(eval_losses(tmp_path)), abs=1e-5
    )
    run(tmp_path)  # whatever it was, it does not come again
    assert_same_end(tmp_path, finished)


def test_a_held_out_loss_that_is_nan_ends_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(finetuning, "held_out_loss", lambda *_, **__: float("nan"))
    with pytest.raises(LossNotFinite, match="the held-out loss is nan at step 0"):
        run(tmp_path)
    assert not (tmp_path / "model.safetensors").exists()


def test_it_stops_early_and_the_folder_keeps_the_best(tmp_path):
    config = replace(
        CONFIG,
        max_steps=200,
        eval_steps=2,
        early_stopping_patience=3,
        learning_rate=0.3,
    )
    done = run(tmp_path, config)
    assert done.stopped_early
    assert done.steps == done.best_step + 3 * 2 < 200
    assert held_out_loss(read_model(tmp_path), VALIDATION) == pytest.approx(
        done.best_loss, abs=1e-5
    )
    before = log(tmp_path)
    assert run(tmp_path, config) == done  # nothing is left to do
    assert log(tmp_path) == before


def test_it_evaluates_on_some_rows_from_all_over(tmp_path):
    some = eval_rows(VALIDATION, 3)
    rows = [0, len(VALIDATION) // 3, 2 * len(VALIDATION) // 3]
    assert len(VALIDATION) > 4
    assert torch.equal(some.input_ids, VALIDATION[torch.tensor(rows)].input_ids)
    for n_rows in (0, len(VALIDATION), 1000):
        everything = eval_rows(VALIDATION, n_rows)
        assert torch.equal(everything.input_ids, VALIDATION.input_ids)
    done = run(tmp_path, replace(CONFIG, max_steps=6, max_eval_samples=3))
    assert held_out_loss(read_model(tmp_path), some) == pytest.approx(
        done.best_loss, abs=1e-5
    )


# ---- what is refused ----------------------------------------------------------------


def test_another_run_or_checkpoint_in_the_folder(finished, tmp_path):
    def content():
        return {path.name: path.read_bytes() for path in finished.iterdir()}

    before = content()
    other = replace(CONFIG, learning_rate=1e-3, max_steps=30)
    with pytest.raises(ValueError, match="another learning_rate, max_steps; use that"):
        run(finished, other)
    with pytest.raises(ValueError, match="belongs to a run with another checkpoint"):
        run(finished, model=random_model(SHAPE))
    with pytest.raises(ValueError, match="belongs to a run with another data"):
        finetune(fresh(SHAPE), TRAIN[:9], VALIDATION, CONFIG, finished)
    assert content() == before
    (tmp_path / "model.safetensors").write_bytes(b"somebody's")
    with pytest.raises(ValueError, match=r"model\.safetensors and no run\.json"):
        run(tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == b"somebody's"


@pytest.mark.parametrize(
    ("train", "change", "says"),
    [
        (
            pack_sequences(documents(9, 1), 40),
            {},
            "40 tokens, more than .* 32 positions",
        ),
        (TRAIN[:0], {}, "train has nothing to learn from"),
        (TRAIN, {"device": "cuda"}, "device is cuda, and torch finds no GPU here"),
    ],
    ids=["long", "empty", "no gpu"],
)
def test_runs_that_cannot_begin(tmp_path, train, change, says):
    if change and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    config = replace(CONFIG, **change)
    with pytest.raises(ValueError, match=says):
        finetune(fresh(SHAPE), train, VALIDATION, config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


# ---- what comes out -----------------------------------------------------------------


def test_hugging_face_s_model_trains_alike(tmp_path):
    theirs, ours = twins(QUIET, std=0.02)
    config = replace(CONFIG, max_steps=6, gradient_checkpointing=True)
    for name, model in (("theirs", theirs), ("ours", ours)):
        run(tmp_path / name, config, model=model)
    assert losses(tmp_path / "theirs") == pytest.approx(
        losses(tmp_path / "ours"), abs=1e-4
    )
    one, other = (read_model(tmp_path / name) for name in ("theirs", "ours"))
    assert same_weights(one, other, 1e-3)


def test_the_result_is_an_ordinary_checkpoint_that_writes(tmp_path, capsys):
    from transformers import AutoTokenizer, pipeline

    texts = [f"the film number {i} was good and long" for i in range(30)]
    save_tokenizer(train_tokenizer(texts, 270), tmp_path / "tokenizer", 32)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "tokenizer")
    packed = pack_sequences(
        [[*tokenizer.encode(text), tokenizer.eos_token_id] for text in texts], 32
    )
    rows, folder = [], tmp_path / "run"
    finetune(
        fresh(replace(SHAPE, vocab_size=270, eos_token_id=269)),
        packed,
        packed,
        replace(CONFIG, max_steps=12),
        folder,
        tokenizer=tokenizer,
        sample_prompt="the film",
        watch=rows.append,
        progress=True,
    )
    assert rows == Log(folder / "log.jsonl").rows()
    samples = [row["sample"] for row in rows if "sample" in row]
    assert len(samples) == 3
    assert all(sample.startswith("the film") for sample in samples)
    bar = capsys.readouterr().err
    assert all(part in bar for part in ("12/12", "loss=", "lr=", "tokens/s="))

    write = pipeline("text-generation", model=str(folder))
    text = write("the film", max_new_tokens=4, do_sample=False)[0]["generated_text"]
    assert text.startswith("the film")
    config = json.loads((folder / "config.json").read_text())
    assert config["eos_token_id"] == write.tokenizer.eos_token_id == 269
