"""Weights and folders: from Hugging Face's form to ours and back.

load.py finds the folder; model.py is what the weights are for.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from gpt2course.checkpoints.reading import (
    CheckpointError,
    plain_names,
    read_state,
    weight_files,
)
from gpt2course.checkpoints.reconciliation import (
    check_shapes,
    check_sizes,
    read_entries,
)
from gpt2course.config import GPT2Config
from gpt2course.files import replacing, write_text
from gpt2course.model import GPT2

#: names of weights that Hugging Face keeps as Conv1D, which stores (in, out);
#: nn.Linear stores (out, in)
TRANSPOSED = re.compile(r"(attn\.c_attn|attn\.c_proj|mlp\.c_fc|mlp\.c_proj)\.weight$")
#: names of constants in older files: the causal mask, and a large negative number
CONSTANTS = re.compile(r"\.attn\.(bias|masked_bias)$")


def from_hf(state: dict[str, Tensor], config: GPT2Config) -> dict[str, Tensor]:
    """Turn a Hugging Face GPT-2 state dict into one for `GPT2.load_state_dict`.

    Reads all the forms in circulation: with and without the "transformer." prefix; with
    the one matrix as wte, as lm_head.weight (safetensors' save_model keeps one name of
    a tensor that has two) or as both; with the masks that old files carry; and with the
    prefixes of wrappers such as torch.compile.

    Args:
        state: name -> tensor, as in model.safetensors.
        config: the shape that the tensors should have.

    Returns:
        our names -> float32 tensors, copies.

    Raises:
        CheckpointError: a tensor is missing, unknown, there twice, of the wrong shape,
            or holds NaN or infinity; an lm_head.weight that is not wte.

    Source: transformers.GPT2LMHeadModel. Chapter: architecture.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    check_sizes(shapes, config, "config.json")
    with torch.device("meta"):
        expected = GPT2(config).state_dict()
    result: dict[str, Tensor] = {}
    head = None
    plain = plain_names(state)
    for name, tensor in state.items():
        key = plain[name].removeprefix("transformer.")
        if key == "lm_head.weight":
            head = tensor
            continue
        if CONSTANTS.search(f".{key}"):
            continue
        if key not in expected:
            raise CheckpointError(
                f"the checkpoint holds {name!r}, which GPT-2 does not have; "
                f"{_explained(key)}"
            )
        if key in result:
            raise CheckpointError(
                f"{key!r} occurs twice, with and without the prefix 'transformer.'; "
                "leave one of them out"
            )
        # a copy, as a view would change, or crash, when the file does
        tensor = tensor.detach().to(torch.float32, copy=True).contiguous()
        if TRANSPOSED.search(key) and tensor.dim() == 2:
            # stays (in, out) in memory, the faster order for one token at a time
            tensor = tensor.t()
        if tensor.shape != expected[key].shape:
            raise CheckpointError(
                f"{name!r} has shape {tuple(tensor.shape)} where config.json asks for "
                f"{tuple(expected[key].shape)}"
            )
        if not torch.isfinite(tensor).all():
            raise CheckpointError(
                f"{name!r} holds NaN or infinity; the training that made it broke "
                "down: use an earlier one"
            )
        result[key] = tensor
    missing = [key for key in expected if key not in result]
    if missing:
        raise CheckpointError(
            f"the checkpoint lacks {len(missing)} of {len(expected)} tensors, first "
            f"{missing[0]!r}"
        )
    if head is not None and not torch.equal(head.float(), result["wte.weight"]):
        raise CheckpointError(
            "lm_head.weight differs from wte.weight; in GPT-2 both are one matrix, and "
            "a model with a head of its own is not read"
        )
    return result


def _explained(key: str) -> str:
    """What a tensor that GPT-2 does not have says about a checkpoint."""
    if key == "score.weight":
        return (
            "it belongs to a classifier: use gpt2course classify --model, or a "
            "checkpoint of a language model"
        )
    if ".lora_" in key or ".base_layer." in key:
        return (
            "it belongs to LoRA matrices that are not merged: save what PEFT's "
            "merge_and_unload returns"
        )
    return "is it another architecture?"


def to_hf(model: GPT2, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """The state dict that transformers' GPT2LMHeadModel loads.

    Args:
        model: ours.
        dtype: of the tensors.

    Returns:
        name -> tensor on the CPU, without lm_head.weight, which is wte again.

    Raises:
        ValueError: a model whose layers were exchanged, packed or quantized.

    Source: transformers.GPT2LMHeadModel. Chapter: architecture.
    """
    with torch.device("meta"):
        expected = GPT2(model.config).state_dict()
    state = model.state_dict()
    if state.keys() != expected.keys():
        odd = sorted(state.keys() ^ expected.keys())
        raise ValueError(
            f"{len(odd)} tensors are not those of a GPT-2 of this shape, first "
            f"{odd[0]!r}; save the model from which a packed or quantized one was made"
        )
    result = {}
    for key, tensor in state.items():
        if TRANSPOSED.search(key):
            tensor = tensor.t()
        result[f"transformer.{key}"] = tensor.detach().to("cpu", dtype).contiguous()
    return result


def read_config(folder: Path) -> GPT2Config:
    """The shape in config.json of a folder in Hugging Face format.

    Raises:
        CheckpointError: no such folder or file, not JSON, or not a GPT-2.
    """
    try:
        return GPT2Config.from_dict(read_entries(Path(folder)))
    except (TypeError, AttributeError) as error:
        raise CheckpointError(f"{Path(folder) / 'config.json'}: {error}") from None
    except CheckpointError:
        raise
    except ValueError as error:
        raise CheckpointError(f"{Path(folder) / 'config.json'}: {error}") from None


def read_model(folder: str | os.PathLike, config: GPT2Config | None = None) -> GPT2:
    """A model from a folder in Hugging Face format: float32, eval mode.

    The weights may be in one file or in several that an index names.

    Args:
        folder: where the files are.
        config: what to use instead of config.json, such as that of `reconcile`.

    Raises:
        CheckpointError: as `read_config` and `from_hf`; or model.safetensors is
            missing, cut short or damaged.
    """
    folder = Path(folder)
    config = config or read_config(folder)
    check_shapes(folder, config)
    try:
        weights = from_hf(read_state(folder), config)
    except CheckpointError as error:
        if str(folder) in str(error):
            raise
        files = weight_files(folder)
        place = files[0] if len(files) == 1 else folder
        raise CheckpointError(f"{place}: {error}") from None
    with torch.device("meta"):
        model = GPT2(config)
    model.load_state_dict(weights, assign=True)
    return model.eval()


def write_model(
    model: GPT2,
    folder: str | os.PathLike,
    dtype: torch.dtype = torch.float32,
    **config: object,
) -> None:
    """Save a model in Hugging Face format.

    The files are config.json, generation_config.json and model.safetensors.

    Args:
        model: ours.
        folder: made if it is not there; files in it with those names are replaced.
        dtype: how the weights are stored. Readers get float32 in any case.
        config: entries that replace those of config.json, such as resid_pdrop for
            fine-tuning.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.safetensors"
    eos = model.config.eos_token_id
    ids = {"bos_token_id": eos, "eos_token_id": eos}
    entries = {**model.config.to_dict(), **config}
    write_text(folder / "config.json", json.dumps(entries, indent=2) + "\n")
    write_text(folder / "generation_config.json", json.dumps(ids, indent=2) + "\n")
    with replacing(path) as partial:
        try:
            save_file(to_hf(model, dtype), partial, metadata={"format": "pt"})
        except SafetensorError as error:
            raise OSError(f"cannot write {path}: {error}") from error
        partial.chmod(0o644)  # safetensors makes it readable by its owner only
