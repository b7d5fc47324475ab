"""The configurations for accelerate, and the program that runs under them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml
from references import ROOT

from gpt2course.checkpoints import read_config, read_model
from gpt2course.course import measurements
from gpt2course.training import parameter_count

sys.path.insert(0, str(ROOT / "benchmarks"))
import sharding


@pytest.mark.slow
def test_the_program_runs_sharded_in_two_processes(tmp_path: Path) -> None:
    found = sharding.run("fsdp.yaml", tmp_path / "out", steps=2, changes={})
    bytes_of_all = 4 * parameter_count(read_config(sharding.checkpoint_folder()))
    assert found["weights"] == found["gradients"] == bytes_of_all / 2
    assert found["optimizer"] == bytes_of_all
    committed = measurements.read("sharding")["rows"][1]
    assert found["losses"] == pytest.approx(committed["losses"][:2], abs=1e-3)
    trained, before = read_model(tmp_path / "out"), sharding.checkpoint_folder()
    assert not trained.wte.weight.equal(read_model(before).wte.weight)


def test_what_is_committed_bears_the_page_out() -> None:
    ddp, fsdp, other = measurements.read("sharding")["rows"]
    assert ddp["losses"] == pytest.approx(fsdp["losses"], abs=1e-4)
    for part in ("weights", "gradients", "optimizer"):
        assert ddp[part] == 2 * fsdp[part]
    assert other["losses"][0] == pytest.approx(fsdp["losses"][0], abs=1e-4)
    differences = [
        abs(a - b) for a, b in zip(other["losses"], fsdp["losses"], strict=True)
    ]
    assert differences[1] > 1e-3  # the page shows three digits
    assert max(differences) > 0.01


def test_a_change_that_fits_nowhere_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no 'fsdp: yes'"):
        sharding.run("ddp.yaml", tmp_path / "out", 1, {"fsdp: yes": "fsdp: no"})


@pytest.mark.parametrize("name", ["ddp", "fsdp"])
def test_accelerate_knows_every_key(name: str) -> None:
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.commands.launch import launch_command_parser

    path = sharding.PROGRAMS / f"{name}.yaml"
    assert load_config_from_file(str(path)).num_processes == sharding.PROCESSES
    known = vars(launch_command_parser().parse_args(["program.py"]))
    assert set(yaml.safe_load(path.read_text()).get("fsdp_config", {})) <= set(known)
