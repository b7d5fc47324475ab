"""What a run saves: how far it is, and by what it is known again. run.py writes it into
state.pt."""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gpt2course.config import GPT2Config
from gpt2course.files import refuse_irregular
from gpt2course.training.config import FinetuneConfig, PretrainConfig
from gpt2course.training.folder import damaged

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

STATE_ENTRIES = {"model", "optimizers", "progress"}


@dataclass
class TrainState:
    """How far a run is. Together with weights and optimizers it is all that resuming
    needs, since the data and the random numbers of a step follow from its number.

    Args:
        step: optimizer steps done.
        tokens: tokens trained on.
        seconds: since the run began, without the time in which it did not run.
        first_loss: of the first evaluation, in nats per token.
        best_loss, best_step: of the best evaluation.
        evaluations_without_best: since then.
        last_evaluation: what the recipe's evaluate returned.
        best_digest: of the files of the best model.
    """

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    first_loss: float = math.inf
    best_loss: float = math.inf
    best_step: int = 0
    evaluations_without_best: int = 0
    last_evaluation: dict[str, float] = field(default_factory=dict)
    best_digest: str = ""

    @classmethod
    def from_dict(cls, entries: object) -> TrainState:
        """What a file says, checked.

        Raises:
            ValueError: an entry is missing, of another type, or impossible.
        """
        usual = asdict(cls())
        if not isinstance(entries, dict) or entries.keys() != usual.keys():
            raise ValueError("progress has other entries than that of a run")
        for name, value in entries.items():
            if type(value) is not type(usual[name]):
                raise ValueError(f"{name} is {str(value)[:40]!r}, as in no run")
            if isinstance(value, int | float) and not value >= 0:  # NaN is not, too
                # a loss may be infinite: before the first evaluation
                raise ValueError(f"{name} is {value}, as in no run")
        state = cls(**entries)
        if not math.isfinite(state.seconds):
            raise ValueError(f"seconds is {state.seconds}, as in no run")
        if state.best_step > state.step:
            raise ValueError(f"best_step is {state.best_step} at step {state.step}")
        evaluation = state.last_evaluation.values()
        if not all(type(v) in (int, float) and math.isfinite(v) for v in evaluation):
            raise ValueError("last_evaluation holds something else than numbers")
        return state


def digest(*parts: Tensor | str) -> str:
    """Sixteen characters that change when any of the tensors or texts does."""
    found = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            found.update(part.encode())
        else:
            found.update(part.detach().cpu().contiguous().numpy().data)
    return found.hexdigest()[:16]


def digest_of_start(config: object, weights: Mapping[str, Tensor]) -> str:
    """Sixteen characters for a model that training starts from, or that is evaluated.

    They stand for its weights, in float32, and for whatever of its configuration
    changes what is computed from them.

    Args:
        config: of a GPT-2 of ours or of transformers.
        weights: by name; their order does not count.
    """
    names = {entry.name for entry in fields(GPT2Config)} - {"initializer_range"}
    entries = {name: getattr(config, name) for name in sorted(names)}
    tensors = (weights[name].float() for name in sorted(weights))
    return digest(json.dumps([entries, sorted(weights)]), *tensors)


def digest_of_tokenizer(tokenizer: PreTrainedTokenizerBase | None) -> str:
    """Sixteen characters that change when a token gets another id, or another token
    ends a text."""
    if tokenizer is None:
        return ""
    vocabulary = sorted(tokenizer.get_vocab().items())
    return digest(json.dumps([vocabulary, tokenizer.eos_token_id]))


def settings_of(config: FinetuneConfig | PretrainConfig, *may_change: str) -> dict:
    """The fields of a configuration that have to be the same for a run to resume."""
    return {
        name: value
        for name, value in asdict(config).items()
        if name not in ("save_steps", "logging_steps", "device", *may_change)
    }


def trained_weights(model: torch.nn.Module) -> dict[str, Tensor]:
    """The weights that training changes, by name: all, but for frozen ones."""
    weights = model.state_dict(keep_vars=True)
    return {name: p.detach() for name, p in weights.items() if p.requires_grad}


def load_trained(model: torch.nn.Module, weights: dict[str, Tensor]) -> None:
    """Copy what `trained_weights` returned into a model.

    Raises:
        KeyError: a weight is missing, or is none of those that are trained.
    """
    if not isinstance(weights, dict) or weights.keys() != trained_weights(model).keys():
        raise KeyError("it holds the weights of another model")
    model.load_state_dict(weights, strict=False)


def read_state(path: Path, device: torch.device | str = "cpu") -> dict | None:
    """What `Run.save` wrote; None if there is nothing.

    torch does not look at the checksums that it writes, so they are compared here: a
    bit that a disk has turned would go into the weights otherwise.

    Args:
        path: of the state.
        device: where its tensors go.

    Raises:
        ValueError: the state is damaged.
    """
    if not (path.exists() or path.is_symlink()):
        return None
    try:
        refuse_irregular(path)
        with zipfile.ZipFile(path) as file:
            if broken := file.testzip():
                raise ValueError(f"the checksum of {broken} is wrong")
        state = torch.load(path, map_location=device, weights_only=True)
        if not isinstance(state, dict) or not state.keys() >= STATE_ENTRIES:
            raise TypeError("it is not the state of a run")
    except Exception as error:  # torch raises half a dozen kinds
        shown = "it is not the state of a run"
        if isinstance(error, ValueError | OSError | zipfile.BadZipFile):
            shown = str(error)
        raise damaged(path, shown) from None
    return state
