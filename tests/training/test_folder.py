"""The folder of a run: one place decides for all three kinds of runs."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt2course.training import RunFolder

SETTINGS = {"run": "test", "seed": 1, "max_steps": 5, "weights": "w", "data": "d"}
RESULTS = {"loss": 1.5}


def folder(path, fixed_length="it has a schedule", **changes) -> RunFolder:
    return RunFolder(
        path,
        {**SETTINGS, **changes},
        may_change=("save_steps",),
        fixed_length=fixed_length,
    )


@pytest.fixture
def finished(tmp_path):
    """A finished run whose state is still there."""
    path = tmp_path / "run"
    assert folder(path).open() is None
    for name in ("state.pt", "model.safetensors", "config.json", "log.jsonl"):
        (path / name).write_text(name)
    folder(path).finish(RESULTS)
    return path


def content(path) -> dict:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def test_a_finished_run_gives_its_results_and_touches_nothing(finished):
    (finished / "state.pt").unlink()  # it may go, as it is large
    before = content(finished)
    assert folder(finished).open() == RESULTS
    assert folder(finished, save_steps=7).open() == RESULTS
    assert content(finished) == before


@given(
    key=st.sampled_from(sorted(SETTINGS)),
    value=st.none() | st.integers(6, 9) | st.text(max_size=5),
)
def test_another_setting_is_refused_by_its_name(tmp_path_factory, key, value):
    path = tmp_path_factory.mktemp("run")
    folder(path).open()
    before = content(path)
    shown = {"run": "test", "weights": "checkpoint"}.get(key, key)
    if value == SETTINGS[key]:
        return
    with pytest.raises(ValueError, match=f"belongs to a run .*{shown}"):
        folder(path, **{key: value}).open()
    assert content(path) == before


def test_a_setting_that_is_new_or_gone_differs(finished):
    with pytest.raises(ValueError, match="with another dropout"):
        folder(finished, dropout=0.1).open()
    run = finished / "run.json"
    run.write_text(json.dumps({**json.loads(run.read_text()), "old": 1}))
    with pytest.raises(ValueError, match="with another old"):
        folder(finished).open()


def test_a_longer_run_continues_where_the_schedule_allows_it(finished):
    with pytest.raises(ValueError, match=r"another max_steps; .*\(it has a schedule\)"):
        folder(finished, max_steps=9).open()
    assert folder(finished, "", max_steps=9).open() is None
    entries = json.loads((finished / "run.json").read_text())
    assert entries["max_steps"] == 9
    assert "sha256" not in entries  # it is not finished any more
    with pytest.raises(ValueError, match="another max_steps, seed"):
        folder(finished, "", max_steps=12, seed=2).open()


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "results.json"])
def test_what_was_changed_after_the_run_is_made_again_or_refused(finished, name):
    (finished / name).unlink()
    assert folder(finished).open() is None  # state.pt makes it again
    (finished / name).write_text(name)
    folder(finished).finish(RESULTS)
    assert folder(finished).open() == RESULTS
    (finished / name).unlink()
    (finished / "state.pt").unlink()
    with pytest.raises(ValueError, match="no saved state is left to make it from"):
        folder(finished).open()


@pytest.mark.parametrize("changed", [{"loss": 1.4}, {}, {"loss": 1.5, "more": 1}])
def test_results_that_were_changed_are_refused(finished, changed):
    path = finished / "results.json"
    path.write_bytes(b'{"loss":\r\n1.5}')  # other spaces, the same values
    assert folder(finished).open() == RESULTS
    path.write_text(json.dumps(changed))
    with pytest.raises(ValueError, match=r"results\.json is damaged .*; remove it"):
        folder(finished).open()
    path.unlink()
    assert folder(finished).open() is None  # state.pt makes it again


def test_results_of_an_earlier_version_are_read(finished):
    run = json.loads((finished / "run.json").read_text())
    del run["results_sha256"]
    (finished / "run.json").write_text(json.dumps(run))
    assert folder(finished).open() == RESULTS


@pytest.mark.parametrize(
    "name", ["model.safetensors", "README.md", "state.pt", "checkpoint-5", "dangling"]
)
def test_a_folder_of_somebody_else_is_left_as_it_is(tmp_path, name):
    if name == "dangling":
        (tmp_path / "config.json").symlink_to("nowhere")
    elif name == "checkpoint-5":
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_text("mine")
    with pytest.raises(
        ValueError, match=r"and no run\.json, .* choose an empty folder"
    ):
        folder(tmp_path).open()
    assert not (tmp_path / "run.json").exists()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", "nul", "[" * 100_000, '{"a": 1', "\udcff"]
)
def test_a_damaged_run_json_is_one_line(finished, text):
    (finished / "run.json").write_text(text, errors="surrogateescape")
    with pytest.raises(
        ValueError, match=r"run\.json is damaged .*empty folder"
    ) as error:
        folder(finished).open()
    assert len(str(error.value)) < 500
    (finished / "run.json").unlink()
    (finished / "run.json").mkdir()
    with pytest.raises(ValueError, match=r"run\.json is damaged"):
        folder(finished).open()


def test_results_that_are_nan_are_never_written(tmp_path):
    folder(tmp_path).open()
    with pytest.raises(ValueError, match="not JSON compliant"):
        folder(tmp_path).finish({"loss": float("nan")})
    assert "sha256" not in json.loads((tmp_path / "run.json").read_text())
