"""Where the site is published: the repository, and the address of the pages."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def repository() -> str | None:
    """owner/name on GitHub, from GITHUB_REPOSITORY or a git remote; None if unknown."""
    if os.environ.get("GITHUB_REPOSITORY"):
        return os.environ["GITHUB_REPOSITORY"]
    try:
        remotes = subprocess.run(
            ["git", "remote", "-v"], cwd=ROOT, capture_output=True, text=True
        ).stdout
    except OSError:  # no git here
        return None
    found = re.search(r"github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?\s", remotes)
    return found and found[1]


def base_url() -> str | None:
    """Where the site will be, with a slash at its end.

    From SITE_URL, else GitHub Pages of GITHUB_REPOSITORY; None if neither is set.
    """
    if os.environ.get("SITE_URL"):
        return os.environ["SITE_URL"].rstrip("/") + "/"
    owner, _, name = os.environ.get("GITHUB_REPOSITORY", "").partition("/")
    if not name:
        return None
    host = f"{owner.lower()}.github.io"
    return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"
