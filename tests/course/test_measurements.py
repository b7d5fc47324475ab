"""Committed measurements: each says how it was made, and can be read from anywhere."""

from __future__ import annotations

import pytest
import torch

from gpt2course.course import measurements

NAMES = sorted(path.stem for path in measurements.FOLDER.glob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_each_says_how_it_was_made(name):
    found = measurements.read(name)
    assert found["command"].startswith("python benchmarks/") or found[
        "command"
    ].startswith("gpt2course ")
    assert {"processor", "cores", "threads", "python", "versions"} <= set(
        found["machine"]
    )
    assert found["machine"]["versions"]["torch"]
    assert found["rows"]


def test_a_name_that_is_not_there(tmp_path, monkeypatch, capsys):
    for path in (tmp_path / "toy.json", None):
        measurements.write({"rows": [1]}, path)
    assert capsys.readouterr().out == (tmp_path / "toy.json").read_text()
    monkeypatch.setattr(measurements, "FOLDER", tmp_path)
    assert measurements.read("toy") == {"rows": [1]}
    with pytest.raises(
        ValueError, match="there is no measurement 'tou'; there are: toy"
    ):
        measurements.read("tou")
    with pytest.raises(ValueError, match=r"there is no measurement .\.\./mini/config."):
        measurements.read("../mini/config")


def test_the_machine_names_its_versions():
    found = measurements.machine("transformers", "no-such-package")
    assert found["versions"]["torch"] == torch.__version__
    assert found["versions"]["no-such-package"] == "not installed"
    assert found["threads"] == torch.get_num_threads()
