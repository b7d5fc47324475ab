"""Download from the Hugging Face hub: pinned revisions, a time limit, plain errors.

load.py asks here for checkpoints, data/ for data sets.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlsplit

from huggingface_hub import (
    close_session,
    constants,
    get_session,
    get_token,
    snapshot_download,
)
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from huggingface_hub.utils import hf_raise_for_status

#: the commit of each checkpoint on the hub that is downloaded
REVISIONS = {
    "gpt2": "607a30d783dfa663caf39e06633721c8d4cfcd7e",
    "gpt2-medium": "6dcaa7a952f72f9298047fd5137cd6e4f05f41da",
    "gpt2-large": "32b71b12589c2f8d625668d2335a01cac3249519",
    "gpt2-xl": "15ea56dee5df4983c59b2538573817e1667135e2",
}
#: the files that are downloaded
MODEL_FILES = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
)
CONNECT_SECONDS = 1.5  #: how long the hub may take to pick up
ANSWER_SECONDS = 30  #: how long it may take to answer


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
    endpoint = (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")
    remedy = (
        "without a network, GPT2COURSE_CHECKPOINT=mini and "
        "GPT2COURSE_DATA=embedded work"
    )
    if constants.HF_HUB_OFFLINE:
        raise HubError(
            f"{repo_id} is not on this machine, and HF_HUB_OFFLINE forbids asking "
            f"{_without_secrets(endpoint)}; {remedy}"
        )
    before = constants.HF_HUB_DOWNLOAD_TIMEOUT
    constants.HF_HUB_DOWNLOAD_TIMEOUT = ANSWER_SECONDS
    try:
        # one question first: the download has no time limit of its own here, and
        # repeats an error for half a minute
        url = f"{endpoint}/api/{repo_type}s/{repo_id}/revision/{quote(revision, '')}"
        question = _Question(url)
        if reason := question.connection_problem():
            raise HubError(f"cannot download {repo_id}: {reason}; {remedy}")
        question.answer()
        folder = Path(
            snapshot_download(**asked, endpoint=endpoint, etag_timeout=ANSWER_SECONDS)
        )
    except HubError:
        raise
    # connection lost, time out, sizes that do not match: many libraries, one meaning
    except Exception as error:
        for answer in (error, error.__cause__):
            if isinstance(answer, HfHubHTTPError):
                raise HubError(
                    f"{_without_secrets(endpoint)} answered "
                    f"{answer.response.status_code} for {repo_id} "
                    f"at revision {revision[:7]}; {remedy}"
                ) from None
        said = _without_secrets(str(error).strip() or type(error).__name__)
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
    """Why a server cannot be reached, as the hub's own client finds.

    The client decides about proxies (HTTPS_PROXY, ALL_PROXY, NO_PROXY and their like),
    certificates and addresses.

    Args:
        url: of the server.

    Returns:
        the reason, or None if it, or the proxy, picks up within CONNECT_SECONDS.

    Source: huggingface_hub.get_session.
    """
    return _Question(url).connection_problem()


class _Question:
    """One request by the hub's client, with a limit for getting through.

    It runs beside us, as looking a name up has no time limit of its own.
    """

    def __init__(self, url: str) -> None:
        self.url, self._result = url, None
        self._through, self._over = threading.Event(), threading.Event()
        try:
            # without one that was made before the environment named a proxy
            close_session()
            ask = partial(
                get_session().get,
                url,
                headers=_authorization(),
                timeout=(CONNECT_SECONDS, *[ANSWER_SECONDS] * 3),
                extensions={"trace": self._trace},
            )
        except Exception as error:  # an address of a proxy that is none
            self._end(error)
        else:
            threading.Thread(target=self._run, args=(ask,), daemon=True).start()

    def _run(self, ask: Callable) -> None:
        try:
            self._end(ask())
        except Exception as error:  # the client has many
            self._end(error)

    def _end(self, result: object) -> None:
        self._result = result
        self._over.set()
        self._through.set()

    def _trace(self, event: str, _: dict) -> None:
        if event.endswith("connect_tcp.complete") or "send_request" in event:
            self._through.set()

    def connection_problem(self) -> str | None:
        """Why nobody picked up, or None."""
        host = urlsplit(self.url).hostname
        if not self._through.wait(CONNECT_SECONDS):
            return f"{host} did not answer within {CONNECT_SECONDS} s"
        if not isinstance(self._result, Exception) or self._reached():
            return None
        said = str(self._result).strip() or type(self._result).__name__
        said = re.sub(r"^\[Errno -?\d+\] ", "", _without_secrets(said)).splitlines()[0]
        return f"no connection to {host} ({said})"

    def _reached(self) -> bool:
        """Whether an error came after somebody had picked up."""
        return type(self._result).__name__ in (
            *("ReadTimeout", "WriteTimeout", "ReadError", "WriteError"),
            *("RemoteProtocolError", "TooManyRedirects"),
        )

    def answer(self) -> None:
        """Wait for the answer. Raises what the client raised, or an HTTP error."""
        if not self._over.wait(4 * ANSWER_SECONDS):
            raise TimeoutError("timed out")
        if isinstance(self._result, Exception):
            raise self._result
        hf_raise_for_status(self._result)


def _authorization() -> dict[str, str]:
    """The access token, if there is one. build_hf_headers would ask the network."""
    token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
    return {"authorization": f"Bearer {token}"} if token else {}


def _without_secrets(text: str) -> str:
    """A message without the access token and without the password of a proxy."""
    token = get_token()
    if token:
        text = text.replace(token, "***")
    text = re.sub(r"(?i)\bbearer\s+[^\s'\"]+", "Bearer ***", text)
    text = re.sub(r"\bhf_\w+", "***", text)
    return re.sub(r"//[^/@\s]*@", "//***@", text)
