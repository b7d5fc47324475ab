"""What a run saves: how far it is, and by what it is known again. run.py writes it into
state.pt."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from gpt2course.training.config import FinetuneConfig, PretrainConfig


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
    """

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    first_loss: float = math.inf
    best_loss: float = math.inf
    best_step: int = 0
    evaluations_without_best: int = 0
    last_evaluation: dict[str, float] = field(default_factory=dict)


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


def read_state(
    path: Path, settings: dict, device: torch.device | str = "cpu"
) -> dict | None:
    """What `Run.save` wrote, if it belongs to a run with these settings; None if there
    is nothing.

    Args:
        path: of the state, a dict whose entry "settings" tells which run it belongs to.
        settings: of the run that is to be resumed.
        device: where its tensors go.

    Raises:
        ValueError: the state is damaged, or belongs to a run with other settings, which
            are named.
    """
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        found = state["settings"] if isinstance(state, dict) else None
        if not isinstance(found, dict):
            raise TypeError("no settings")
    except Exception as error:  # torch raises half a dozen kinds
        raise ValueError(
            f"{path} is damaged, or is not the state of such a run "
            f"({type(error).__name__}); remove it to start from the beginning, or "
            "choose an empty folder"
        ) from None
    check_same_run(path, found, settings)
    return state


def check_same_run(path: Path, found: dict, settings: dict) -> None:
    """Refuse to resume a run with other settings than its own.

    Args:
        path: what belongs to the run, for the message.
        found: the settings of the run, as it has stored them.
        settings: of the run that is to be resumed.

    Raises:
        ValueError: a setting differs; the message names all that do.
    """
    other = sorted(key for key in settings if settings[key] != found.get(key))
    if other:
        raise ValueError(
            f"{path} belongs to a run with another {', '.join(other)}; use that, or an "
            "empty folder"
        )
