"""What a run saves: how far it is, and by what it is known again. run.py writes it into
state.pt."""

from __future__ import annotations

import hashlib
import math
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from gpt2course.training.config import FinetuneConfig, PretrainConfig
from gpt2course.training.folder import damaged

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


def digest(*tensors: Tensor) -> str:
    """Sixteen characters that change when any of the tensors does."""
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(tensor.detach().cpu().contiguous().numpy().data)
    return found.hexdigest()[:16]


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
    if weights.keys() != trained_weights(model).keys():
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
