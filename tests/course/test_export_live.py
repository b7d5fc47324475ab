"""The file that the live model in the page loads."""

from __future__ import annotations

import json

import pytest
import torch
from cli_tools import refused
from conftest import TINY, random_model
from safetensors.torch import load

from gpt2course.checkpoints import load_tokenizer, write_model
from gpt2course.cli import main
from gpt2course.config import GPT2Config
from gpt2course.course import as_read, export_live, file_content, live, merges_of
from gpt2course.model import GPT2


def test_rows_are_rounded_to_half_a_step_and_no_further():
    weight = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    weight[2] = 0
    whole, scale = live.quantize_rows(weight)
    assert whole.dtype == torch.int8
    assert whole.abs().amax(1).tolist() == [127, 127, 0, 127, 127]
    error = (whole * scale[:, None] - weight).abs()
    assert (error <= scale[:, None] / 2 + 1e-7).all()


@pytest.mark.parametrize("dtype", ["int8", "float16"])
def test_the_file_holds_what_is_computed_with(dtype):
    model = random_model()
    tensors = load(file_content(model, [], dtype))
    for name, weight in as_read(model, dtype).state_dict().items():
        read = tensors[name].float()
        if f"{name}.scale" in tensors:
            read = read * tensors[f"{name}.scale"][:, None]
        assert torch.equal(read, weight), name


def test_a_larger_mini_still_fits():
    config = GPT2Config(
        vocab_size=4096, n_positions=1024, n_embd=256, n_layer=8, n_head=8
    )
    merges = merges_of(load_tokenizer("mini"))
    assert len(file_content(GPT2(config), merges, "int8")) < live.MOST_BYTES


def test_merges_of_another_vocabulary_are_refused():
    class Shuffled:
        """A tokenizer whose ids are not in the order of its merges."""

        backend_tokenizer = load_tokenizer("mini").backend_tokenizer

        def get_vocab(self) -> dict[str, int]:
            vocabulary = load_tokenizer("mini").get_vocab()
            return {token: (i + 1) % 4096 for token, i in vocabulary.items()}

    with pytest.raises(ValueError, match="not 256 bytes, 3839 merges"):
        merges_of(Shuffled())


def test_a_file_above_the_limit_says_its_size(monkeypatch):
    monkeypatch.setattr(live, "REVIEWS", 1)
    monkeypatch.setattr(live, "MOST_BYTES", 1_000_000)
    with pytest.raises(ValueError, match=r"1 MB at most \(int8: 3\.7 MB"):
        export_live("mini", "int8")


def test_sixteen_bits_when_eight_are_not_close_enough(monkeypatch):
    monkeypatch.setattr(live, "REVIEWS", 1)
    monkeypatch.setattr(live, "MOST_KL", 0.0)
    assert export_live("mini").dtype == "float16"
    monkeypatch.setattr(live, "MOST_KL", 1.0)
    monkeypatch.setattr(live, "LEAST_AGREEMENT", 0.0)
    assert export_live("mini").dtype == "int8"


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(live, "REVIEWS", 1)
    path = tmp_path / "site/live.safetensors"
    assert main(["export-live", "--output", str(path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["bytes"] == path.stat().st_size
    assert 0 < answer["kl"] < 0.01
    assert answer["top1_agreement"] > 0.9
    with pytest.raises(ValueError, match="dtype is 'int4'"):
        export_live("mini", "int4")
    # its own file is replaced, no other
    before = load(path.read_bytes())
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\0")
    assert main(["export-live", "--output", str(path)]) == 0
    after = load(path.read_bytes())
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_a_file_of_another_kind_is_not_replaced(tmp_path, capsys):
    write_model(random_model(), tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for path in before:
        err = refused(
            capsys, "export-live", "--checkpoint", "mini", "--output", str(path)
        )
        assert f"{path} exists and is no file of the live model" in err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    err = refused(capsys, "export-live", "--output", str(tmp_path))
    assert f"{tmp_path} is a folder, not a file" in err


def test_leaving_out_nothing_changes_nothing():
    model = random_model()
    ids = list(range(TINY.n_positions // 2))
    with torch.no_grad():
        whole = model(torch.tensor([ids]))[0]
    assert torch.equal(live.logits_without(model, ids), whole)
    assert not torch.allclose(live.logits_without(model, ids, mask=True), whole)


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ({"head": (0, TINY.n_head)}, f"head is {TINY.n_head}; it must be from 0"),
        ({"head": (0, -1)}, "head is -1"),
        ({"head": (TINY.n_layer, 0)}, f"head's block is {TINY.n_layer}"),
        ({"block": -1}, "block is -1"),
    ],
)
def test_a_part_that_is_not_there_is_not_left_out(part, says):
    with pytest.raises(ValueError, match=says):
        live.logits_without(random_model(), [1, 2], **part)
