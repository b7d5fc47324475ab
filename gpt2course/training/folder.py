"""The folder of a run: whose it is, what in it is damaged, whether the run is finished.

Pretraining, fine-tuning and the training of a classifier ask here, so all three refuse
and resume alike. Their files:

    run.json           settings, digests of the data and of the first weights; once the
                       run is finished also the digests of the model and of the results
    state.pt           what resuming needs; Trainer's checkpoint-N for a classifier
    log.jsonl          losses, learning rate, evaluations
    config.json, model.safetensors, tokenizer.json
                       the model
    results.json       how good it is
    README.md          the model's card, with the command that reproduces it
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Iterator
from pathlib import Path

from gpt2course.files import (
    digest_of_file,
    parse_json,
    read_bounded,
    refuse_irregular,
    refuse_reserved_name,
    sha256,
    write_text,
)
from gpt2course.training.step import LossNotFinite

RUN, RESULTS, SHA256 = "run.json", "results.json", "sha256"
RESULTS_SHA256 = "results_sha256"
MODEL_FILES = ("config.json", "generation_config.json", "model.safetensors")
#: what a run writes
OWN_FILES = (
    *(*MODEL_FILES, RESULTS, "state.pt", "log.jsonl", "README.md"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
)
#: what makes a folder without run.json somebody else's: files that a run would replace,
#: and those of other programs, which would mix with them
FOREIGN = (
    *OWN_FILES,
    *("tokenizer*", "vocab.json", "merges.txt", "added_tokens.json", "chat_template*"),
    *("*.safetensors*", "*.bin", "*.bin.index.json", "*.pt", "*.pth", "*.ckpt"),
    *("*.gguf", "*.h5", "*.msgpack", "*.onnx", "adapter_config.json"),
    *("trainer_state.json", "checkpoint-*"),
)
FORMAT = 2  # of run.json and of what its digests are made from
DIVERGED = "diverged"  # its entry of a run whose loss is not finite
LENGTH = ("max_steps", "num_train_epochs")
MAX_BYTES = 2**20  # of run.json and results.json

logger = logging.getLogger(__name__)


class RunFolder:
    """What lies in the folder of a run, and what the run may do with it.

    Args:
        path: of the folder.
        settings: what has to be the same for the run in it to be this one. "run" says
            of which kind it is, "data" and "weights" are digests.
        may_change: names of settings that are written down and not compared.
        fixed_length: why a longer run cannot continue a shorter one, or "" if it can.
    """

    def __init__(
        self,
        path: Path,
        settings: dict[str, object],
        *,
        may_change: tuple[str, ...] = (),
        fixed_length: str = "",
    ) -> None:
        self.path, self.may_change = path, may_change
        self.settings = json.loads(json.dumps(settings))  # as run.json returns them
        self.fixed_length = fixed_length

    def open(self, *, write: bool = True) -> dict | None:
        """Take the folder for this run, or refuse it.

        Args:
            write: whether this process writes run.json: one of several does.

        Returns:
            the results if the run is finished and its model whole, else None. Then a
            saved state, if there is one, is this run's.

        Raises:
            ValueError: the folder belongs to another run or to somebody else, run.json
                is damaged, results.json is not what the run wrote, or a folder or a
                pipe has the name of a file of the run.
            LossNotFinite: the run in it has diverged.
        """
        refuse_reserved_name(self.path)
        stored = read_json_object(self.path / RUN)
        if stored is None:
            self._refuse_foreign()
            stored = self._all_settings
        self._compare(stored)
        for name in OWN_FILES:
            if (self.path / name).exists():
                refuse_irregular(self.path / name)
        if DIVERGED in stored:
            raise LossNotFinite(str(stored[DIVERGED])[:500])
        results = self._finished(stored)
        if results is not None and not self._differing(stored):
            logger.info(f"{self.path} holds the finished run; nothing is left to do")
            return results
        if write:
            self.path.mkdir(parents=True, exist_ok=True)
            self._write(self._all_settings)
        return None

    def finish(self, results: dict[str, object]) -> None:
        """Write the results, and then that the run is finished.

        Args:
            results: what `open` returns from now on.

        Raises:
            LossNotFinite: a result is NaN or infinite; nothing is written.
        """
        check_finite(results)
        text = json.dumps(results, indent=2, allow_nan=False) + "\n"
        write_text(self.path / RESULTS, text)
        digests = {
            SHA256: digest_of_model(self.path),
            RESULTS_SHA256: _digest_of_results(results),
        }
        self._write({**self._all_settings, **digests})

    def fail(self, reason: str) -> None:
        """Write that the run has diverged, so that nobody resumes from its state.

        Args:
            reason: what `open` says from now on.
        """
        self._write({**self._all_settings, DIVERGED: reason})

    @property
    def _all_settings(self) -> dict:
        return {"format": FORMAT, **self.settings}

    def _write(self, entries: dict) -> None:
        write_text(self.path / RUN, json.dumps(entries, indent=2) + "\n")

    def _refuse_foreign(self) -> None:
        found = {name for name in OWN_FILES if _is_there(self.path / name)}
        found |= {path.name for name in FOREIGN for path in self.path.glob(name)}
        if found:
            raise ValueError(
                f"{self.path} holds {', '.join(sorted(found)[:3])} and no {RUN}, so it "
                "is not the folder of such a run; choose an empty folder"
            )

    def _differing(self, stored: dict) -> list[str]:
        names = self.settings.keys() | stored.keys()
        names -= {"format", SHA256, RESULTS_SHA256, DIVERGED, *self.may_change}
        return sorted(n for n in names if self.settings.get(n) != stored.get(n))

    def _compare(self, stored: dict) -> None:
        if stored.get("format") != FORMAT:
            raise ValueError(
                f"{self.path / RUN} is that of another version of gpt2course, with "
                "which this one cannot resume; choose an empty folder"
            )
        other = self._differing(stored)
        if "run" in other:
            raise ValueError(
                f"{self.path} belongs to a run of {str(stored.get('run'))[:40]}; "
                "choose an empty folder"
            )
        if other and (self.fixed_length or set(other) - set(LENGTH)):
            longer = self.fixed_length if set(other) & set(LENGTH) else ""
            raise _another_run(self.path, other, longer)

    def _finished(self, stored: dict) -> dict | None:
        """The results, if the model is still the one that the run wrote."""
        if SHA256 not in stored:
            return None
        results = read_json_object(self.path / RESULTS)
        if results is not None:
            found = _digest_of_results(results)
            if stored.get(RESULTS_SHA256) != found:
                raise damaged(self.path / RESULTS, "it is not what the run wrote")
            if stored[SHA256] == digest_of_model(self.path):
                return results
        logger.info(
            f"{self.path}: the model or {RESULTS} is not as the run left it; making it "
            "again from the saved state"
        )
        states = ("state.pt", "checkpoint-*/trainer_state.json")
        if not any(any(self.path.glob(state)) for state in states):
            raise ValueError(
                f"{self.path}: the model was changed or removed after the run, and no "
                "saved state is left to make it from; choose an empty folder"
            )
        return None


def diverged(what: str) -> LossNotFinite:
    """The error for a model that is of no use.

    Args:
        what: is not finite.
    """
    return LossNotFinite(
        f"{what}: the training diverged; start again in an empty folder with a lower "
        "learning_rate"
    )


def check_finite(results: dict[str, object]) -> None:
    """Refuse results that no whole model has.

    Raises:
        LossNotFinite: one of them is NaN or infinite; it is named.
    """
    for name, value in _numbers(results):
        if not math.isfinite(value):
            raise diverged(f"{name} of the finished model is {value}")


def check_same_run(path: Path, found: dict, settings: dict) -> None:
    """Refuse to continue what other settings have made.

    Args:
        path: what belongs to the run, for the message.
        found: the settings of the run, as it has stored them.
        settings: of the run that is to be resumed.

    Raises:
        ValueError: a setting differs; the message names all that do.
    """
    other = sorted(name for name in settings if settings[name] != found.get(name))
    if other:
        raise _another_run(path, other)


def _another_run(path: Path, other: list[str], why: str = "") -> ValueError:
    names = ["checkpoint" if name == "weights" else name for name in other]
    return ValueError(
        f"{path} belongs to a run with another {', '.join(names)}; use that, or an "
        f"empty folder{f' ({why})' if why else ''}"
    )


def read_json_object(path: Path) -> dict | None:
    """A JSON file of a run; None if there is none.

    Raises:
        ValueError: it is damaged.
    """
    if not _is_there(path):
        return None
    try:
        value = parse_json(read_bounded(path, MAX_BYTES))
        if not isinstance(value, dict):
            raise TypeError(f"it holds no object but a {type(value).__name__}")
    except (ValueError, TypeError, OSError, RecursionError) as error:
        raise damaged(path, error) from None
    return value


def damaged(path: Path, error: Exception | str) -> ValueError:
    """The error for a file of a run that cannot be read.

    Args:
        path: of the file.
        error: why.
    """
    said = str(error).strip() or type(error).__name__
    remedy = "choose an empty folder to start from the beginning"
    if path.name == "state.pt":
        remedy = "remove it to start from the beginning, or choose an empty folder"
    elif path.parent.name.startswith("checkpoint-"):
        remedy = f"remove {path.parent} to resume from what was saved before it"
    elif path.name == RESULTS:
        remedy = "remove it, and the same command makes it again"
    elif path.name == "log.jsonl":
        remedy = (
            f"remove it, and {RESULTS} if it is there: the same command resumes "
            "from the saved state"
        )
    said = said.splitlines()[0].removeprefix(f"{path} ")[:120]
    return ValueError(f"{path} is damaged ({said}); {remedy}")


def digest_of_model(folder: Path) -> str:
    """One sha256 of the model's files; one that is missing changes it, too."""
    found = hashlib.sha256()
    for name in MODEL_FILES:
        try:
            digest = digest_of_file(folder / name)
        except (OSError, ValueError):
            continue
        found.update(f"{name} {digest}\n".encode())
    return found.hexdigest()


def _digest_of_results(results: dict) -> str:
    """One sha256 of the values; spaces and line ends do not count."""
    return sha256(json.dumps(results, sort_keys=True).encode())


def _numbers(value: object, name: str = "") -> Iterator[tuple[str, float]]:
    """All numbers of some results, with their names."""
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from _numbers(entry, f"{name} {key}".strip())
    elif isinstance(value, int | float):
        yield name, value


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.exists()
