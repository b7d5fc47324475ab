"""The folder of a run: one place decides for all three kinds of runs."""

from __future__ import annotations

import json
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt2course.training import LossNotFinite, RunFolder
from gpt2course.training.folder import OWN_FILES

NAMED_PIPES = pytest.mark.skipif(
    not hasattr(os, "mkfifo"), reason="this system has no named pipes"
)
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


def test_results_without_their_digest_are_refused(finished):
    """Nobody could say whether they are what the run wrote."""
    run = json.loads((finished / "run.json").read_text())
    del run["results_sha256"]
    (finished / "run.json").write_text(json.dumps(run))
    for text in ("{}", json.dumps(RESULTS)):
        (finished / "results.json").write_text(text)
        with pytest.raises(ValueError, match=r"results\.json is damaged .*; remove it"):
            folder(finished).open()
    (finished / "results.json").unlink()
    assert folder(finished).open() is None  # the remedy helps


@pytest.mark.parametrize("entries", [{}, {"format": 1}, {"format": "2"}, {"a": 1}])
def test_a_run_of_another_version_is_refused_in_one_line(finished, entries):
    run = json.loads((finished / "run.json").read_text())
    del run["format"]
    (finished / "run.json").write_text(json.dumps(run | entries))
    before = content(finished)
    with pytest.raises(ValueError, match=r"another version of .*empty folder"):
        folder(finished).open()
    assert content(finished) == before


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@given(end=st.sampled_from(["\n", "\r\n"]), indent=st.sampled_from([None, 1, "\t"]))
def test_line_ends_and_marks_of_json_change_nothing(
    tmp_path_factory, encoding, end, indent
):
    path = tmp_path_factory.mktemp("run")
    folder(path).open()
    config = {"n_embd": 24, "eos_token_id": [1, 2], "name": "né"}
    (path / "config.json").write_text(json.dumps(config))
    (path / "model.safetensors").write_bytes(b"\r\n\n")
    folder(path).finish(RESULTS)
    for name in ("config.json", "run.json", "results.json"):
        values = json.loads((path / name).read_text())
        text = json.dumps(values, indent=indent, ensure_ascii=False)
        (path / name).write_bytes(text.replace("\n", end).encode(encoding))
    assert folder(path).open() == RESULTS
    (path / "model.safetensors").write_bytes(b"\n\n")  # weights count by their bytes
    with pytest.raises(ValueError, match="the model was changed"):
        folder(path).open()
    (path / "model.safetensors").write_bytes(b"\r\n\n")
    (path / "config.json").write_text(json.dumps({**config, "n_embd": 25}))
    with pytest.raises(ValueError, match="the model was changed"):
        folder(path).open()


@pytest.mark.parametrize("name", [*OWN_FILES, "run.json"])
@pytest.mark.parametrize(
    "kind", ["folder", pytest.param("pipe", marks=NAMED_PIPES), "link to a folder"]
)
def test_what_is_no_file_is_named_at_once(finished, name, kind):
    """A pipe would be waited for for ever; a folder is no lack of room."""
    (finished / name).unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(finished / name)
    elif kind == "folder":
        (finished / name).mkdir()
    else:
        (finished / name).symlink_to(finished)
    said = "a named pipe" if kind == "pipe" else "a folder"
    with pytest.raises(ValueError, match=rf"{re.escape(name)}\W.*is {said}, not a"):
        folder(finished).open()


def test_a_run_that_diverged_is_not_resumed(tmp_path):
    run = folder(tmp_path)
    run.open()
    run.fail("the loss is nan; take a lower learning_rate")
    (tmp_path / "state.pt").write_text("a state")
    with pytest.raises(LossNotFinite, match="the loss is nan; take a lower"):
        folder(tmp_path).open()
    with pytest.raises(ValueError, match="with another seed"):
        folder(tmp_path, seed=2).open()


@pytest.mark.parametrize(
    "name",
    [
        *("model.safetensors", "README.md", "state.pt", "checkpoint-5", "dangling"),
        *("tokenizer.json", "tokenizer_config.json", "generation_config.json"),
        *("vocab.json", "merges.txt", "special_tokens_map.json", "last.ckpt"),
        *("pytorch_model.bin", "model-00001-of-00002.safetensors", "optimizer.pt"),
        *("model.safetensors.index.json", "adapter_config.json", "x.gguf", "a.pth"),
    ],
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


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_results_that_are_not_finite_are_never_written(tmp_path, value):
    folder(tmp_path).open()
    with pytest.raises(
        LossNotFinite, match=r"test loss .* is -?(nan|inf): .* lower learning_rate"
    ):
        folder(tmp_path).finish({"steps": 1, "test": {"loss": value}})
    assert "sha256" not in json.loads((tmp_path / "run.json").read_text())
    assert not (tmp_path / "results.json").exists()
