"""The log that a kill cannot spoil, the state of one run, and the speed."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gpt2course.files import save_atomically
from gpt2course.training import Log, TrainState, read_state, seed_step
from gpt2course.training.run import Speed
from gpt2course.training.state import digest


class Foreign:
    """Something that may not be unpickled."""


@pytest.mark.parametrize(
    "content", ["empty", "half", "text", "foreign", "tensor", "bit"]
)
def test_a_damaged_state_is_one_line_that_names_the_file(tmp_path, content):
    path = tmp_path / "state.pt"
    entries = {"model": {"w": torch.zeros(1000)}, "optimizers": {}, "progress": {}}
    save_atomically(entries, path)
    assert read_state(path).keys() == entries.keys()
    if content == "foreign":
        torch.save({**entries, "progress": Foreign()}, path)
    elif content == "tensor":
        torch.save(torch.zeros(3), path)
    else:
        whole = path.read_bytes()
        half = whole[: len(whole) // 2]
        turned = whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:]
        spoiled = {"empty": b"", "half": half, "text": b"hello", "bit": turned}
        path.write_bytes(spoiled[content])
    with pytest.raises(
        ValueError, match=r"state\.pt is damaged .* remove it"
    ) as raised:
        read_state(path)
    assert "\n" not in str(raised.value)
    assert "weights_only" not in str(raised.value)


def test_the_log_forgets_what_came_after_a_save(tmp_path):
    log = Log(tmp_path / "log.jsonl")
    assert log.rows() == []
    log.forget_after(3)
    for step in (1, 2, 3):
        log.append({"step": step, "text": "é\u2028\x85\n"})
    with open(log.path, "a", encoding="utf-8") as file:
        file.write('{"step": 1, "lo')  # what a full disk leaves
    rows = [{"step": step, "text": "é\u2028\x85\n"} for step in (1, 2, 3)]
    assert log.rows() == rows
    log.forget_after(2)
    assert log.rows() == rows[:2]
    assert len(log.path.read_text(encoding="utf-8").splitlines()) == 2


@pytest.mark.parametrize("line", ["", '{"step": 1, "lo', "\0\0", "\ufffd", "[" * 9999])
def test_a_line_that_was_cut_short_is_left_out(tmp_path, line):
    log = Log(tmp_path / "log.jsonl")
    log.path.write_text(f'{{"step": 1}}\n{line}\n{{"step": 2}}\n', encoding="utf-8")
    assert log.rows() == [{"step": 1}, {"step": 2}]


NO_STEPS = st.none() | st.booleans() | st.text(max_size=3) | st.floats() | st.just([1])
NO_ROWS = (
    st.sampled_from(["[]", "{}", "3", "null", '"x"', "[1]", '{"step": -1}'])
    | NO_STEPS.map(lambda step: json.dumps({"step": step}))
    | st.sampled_from(["loss", "eval_loss", "seconds", "tokens"]).flatmap(
        lambda name: st.sampled_from([None, "1", [1], True, float("nan")]).map(
            lambda value: json.dumps({"step": 1, name: value})
        )
    )
)


@given(line=NO_ROWS)
def test_a_line_that_is_json_and_no_row_is_named(tmp_path_factory, line):
    log = Log(tmp_path_factory.mktemp("log") / "log.jsonl")
    before = f'{{"step": 1}}\n{line}\n'
    log.path.write_text(before, encoding="utf-8")
    said = r"log\.jsonl is damaged \(line 2 is no row of a log\); remove it"
    for read in (log.rows, lambda: log.forget_after(5)):
        with pytest.raises(ValueError, match=said):
            read()
    assert log.path.read_text(encoding="utf-8") == before


def test_a_log_with_windows_line_ends_is_read(tmp_path):
    log = Log(tmp_path / "log.jsonl")
    log.path.write_bytes(b'\xef\xbb\xbf{"step": 1}\r\n{"step": 2}\r\n')
    assert log.rows() == [{"step": 1}, {"step": 2}]
    log.forget_after(1)
    assert log.path.read_bytes() == b'{"step": 1}\n'


PROGRESS = asdict(TrainState(step=3, best_step=2, best_loss=1.5, first_loss=2.0))
ODD = (-5, "two", None, True, [1], {}, 1.5, math.nan, "", 10**30, -math.inf)


@pytest.mark.parametrize("name", PROGRESS)
@pytest.mark.parametrize("value", ODD)
def test_progress_that_no_run_has_is_refused(name, value):
    fits = type(value) is type(PROGRESS[name])
    if (fits and value in ("", "two", {}, 1.5)) or (name, value) in (
        *(("step", 10**30), ("tokens", 10**30)),
        ("evaluations_without_best", 10**30),
    ):
        assert TrainState.from_dict({**PROGRESS, name: value})
        return
    with pytest.raises(ValueError, match=name):
        TrainState.from_dict({**PROGRESS, name: value})


def test_progress_with_other_entries_is_refused():
    assert TrainState.from_dict(PROGRESS) == TrainState(**PROGRESS)
    for entries in (None, [1], {}, {**PROGRESS, "more": 1}):
        with pytest.raises(ValueError, match="other entries than that of a run"):
            TrainState.from_dict(entries)
    odd = {**PROGRESS, "last_evaluation": {"eval_loss": math.inf}}
    with pytest.raises(ValueError, match="last_evaluation"):
        TrainState.from_dict(odd)


def test_a_digest_changes_with_any_tensor():
    one = torch.arange(6)
    assert digest(one) == digest(one.clone())
    assert len({digest(one), digest(one + 1), digest(one, one), digest(one[:5])}) == 4


def test_random_numbers_belong_to_a_step_of_a_seed():
    def numbers(seed, step):
        seed_step(seed, step)
        return tuple(torch.rand(3).tolist())

    assert numbers(1, 5) == numbers(1, 5)
    assert len({numbers(seed, step) for seed in range(5) for step in range(50)}) == 250


def test_speed_counts_steps_alone():
    speed = Speed()
    with speed:
        time.sleep(0.1)
    speed.tokens += 100
    time.sleep(0.5)
    assert 100 < speed.measured() <= 1000
    assert speed.measured() == 0
