"""Where the course is published: repository, pages, notebooks, package.

All of it derives from the repository that publishes; what is not known is None, never
a guess. A workflow sets GITHUB_REPOSITORY and GITHUB_SHA; one that has put a release on
the package index says so by PUBLISHED_RELEASE, its version.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from gpt2course import __version__

ROOT = Path(__file__).resolve().parent.parent
# where the publishing workflow puts notebooks/, from which Colab reads
NOTEBOOK_BRANCH = "gh-pages"
COLAB = "https://colab.research.google.com/github/"  # and a path as on GitHub


def repository() -> str | None:
    """owner/name on GitHub, from GITHUB_REPOSITORY or a git remote; None if unknown."""
    if os.environ.get("GITHUB_REPOSITORY"):
        return os.environ["GITHUB_REPOSITORY"]
    remotes = git("remote", "-v")
    found = re.search(r"github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?\s", remotes)
    return found and found[1]


def commit() -> str | None:
    """The commit that is published: GITHUB_SHA, or HEAD if a remote branch has it."""
    if os.environ.get("GITHUB_SHA"):
        return os.environ["GITHUB_SHA"]
    return git("rev-parse", "HEAD") if git("branch", "-r", "--contains") else None


def git(*arguments: str) -> str:
    """What git says about this copy; nothing where there is none."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True
        )
    except OSError:  # no git here
        return ""
    return "" if done.returncode else done.stdout.strip()


def requirement() -> str | None:
    """What pip installs to get the package at the version of these pages.

    The release, once it is on the package index; else the repository's commit.

    Raises:
        ValueError: PUBLISHED_RELEASE is another version than that of the package.
    """
    if release := os.environ.get("PUBLISHED_RELEASE"):
        if release != __version__:
            raise ValueError(
                f"PUBLISHED_RELEASE is {release}, and the package has the version "
                f"{__version__}; change one of them"
            )
        return f"gpt2course=={release}"
    owner_and_name, sha = repository(), commit()
    if not (owner_and_name and sha):
        return None
    return f"gpt2course @ https://github.com/{owner_and_name}/archive/{sha}.zip"


def colab(notebook: str) -> str | None:
    """The address that opens a notebook of the site in Colab; None if unknown."""
    owner_and_name = repository()
    if not owner_and_name:
        return None
    there = f"{owner_and_name}/blob/{NOTEBOOK_BRANCH}/notebooks/{notebook}"
    return f"{COLAB}{there}"


def source_address(path: str, line: int) -> str | None:
    """Where a line of a file is shown, at the commit that is published.

    None if the repository or the commit is unknown.
    """
    owner_and_name, sha = repository(), commit()
    if not (owner_and_name and sha):
        return None
    return f"https://github.com/{owner_and_name}/blob/{sha}/{path}#L{line}"


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
