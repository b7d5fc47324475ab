"""Download from the Hugging Face hub: pinned revisions, a time limit, plain errors.

load.py asks here for checkpoints, data/ for data sets.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

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
    """The hub could not give what was asked for; the message says what works."""


def hub_folder(
    repo_id: str,
    revision: str,
    files: tuple[str, ...],
    *,
    needed: str,
    repo_type: str = "model",
) -> Path:
    """Files of one revision of a hub repository, downloaded unless the cache has them.

    Args:
        repo_id, revision, repo_type: which repository, at which commit, "model" or
            "dataset".
        files: names or patterns of what to fetch; nothing else is.
        needed: the file without which the rest is of no use.

    Returns:
        the folder in the hub's cache.

    Raises:
        HubError: no connection within two seconds, no such repository, an error from
            the hub, a broken download.

    Source: huggingface_hub.snapshot_download.
    """
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
    remedy = (
        "without a network, GPT2COURSE_CHECKPOINT=mini and "
        "GPT2COURSE_DATA=embedded work"
    )
    if constants.HF_HUB_OFFLINE:
        raise HubError(
            f"{repo_id} is not on this machine, and HF_HUB_OFFLINE forbids asking "
            f"{endpoint}; {remedy}"
        )
    reason = connection_problem(endpoint)
    if reason:
        raise HubError(f"cannot download {repo_id}: {reason}; {remedy}")
    before = constants.HF_HUB_DOWNLOAD_TIMEOUT
    constants.HF_HUB_DOWNLOAD_TIMEOUT = ANSWER_SECONDS
    try:
        # one question first: the download has no time limit of its own here, and
        # repeats an error for half a minute
        HfApi(endpoint=endpoint).repo_info(
            repo_id, revision=revision, repo_type=repo_type, timeout=ANSWER_SECONDS
        )
        folder = Path(
            snapshot_download(**asked, endpoint=endpoint, etag_timeout=ANSWER_SECONDS)
        )
    # connection lost, time out, sizes that do not match: many libraries, one meaning
    except Exception as error:
        for answer in (error, error.__cause__):
            if isinstance(answer, HfHubHTTPError):
                raise HubError(
                    f"{endpoint} answered {answer.response.status_code} for {repo_id} "
                    f"at revision {revision[:7]}; {remedy}"
                ) from None
        said = str(error).strip() or type(error).__name__
        raise HubError(
            f"the download of {repo_id} broke off ({said.splitlines()[0]}); try again, "
            f"files that arrived whole are kept; {remedy}"
        ) from None
    finally:
        constants.HF_HUB_DOWNLOAD_TIMEOUT = before
    if not (folder / needed).exists():
        raise HubError(
            f"{repo_id} at revision {revision[:7]} has no {needed}; {remedy}"
        )
    return folder


def connection_problem(url: str) -> str | None:
    """Why a server cannot be reached. Respects proxy settings.

    Args:
        url: of the server.

    Returns:
        the reason, or None if it picks up within CONNECT_SECONDS.
    """
    target = urlsplit(url)
    proxy = urllib.request.getproxies().get(target.scheme)
    through = target
    if proxy and not urllib.request.proxy_bypass(target.hostname or ""):
        through = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    port = through.port or (443 if through.scheme == "https" else 80)
    outcome: list[str | None] = []

    def dial() -> None:
        try:
            address = (through.hostname, port)
            socket.create_connection(address, timeout=CONNECT_SECONDS).close()
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
    if outcome:
        return outcome[0]
    seconds = time.monotonic() - started
    return f"{through.hostname} did not answer within {seconds:.1f} s"
