"""Ask the sites that every page links to: `make links` runs it after linkcheck.

Sphinx's linkcheck reads what is written in the chapters. The links under a title and at
the foot are added later, so they are taken from the built pages here.
"""

from __future__ import annotations

import re
import sys
import time
import urllib.error
import urllib.request
from html import unescape
from http import HTTPStatus
from pathlib import Path

from tools.publication import COLAB, base_url
from tools.stale import BUILD, say

ADDED = r'<p class="course-(?:links|foot)">(.*?)</p>'
TRIES, SECONDS = 3, 20
# some servers refuse a program that does not say what it is
AGENT = {"User-Agent": "Mozilla/5.0 (compatible; links of a course)"}


def added_links(page: str) -> set[str]:
    """The addresses of other sites under the title and at the foot of a page."""
    return {
        unescape(address)
        for part in re.findall(ADDED, page, flags=re.S)
        for address in re.findall(r'href="(https?://[^"]+)"', part)
    }


def asked_for(page: str) -> set[str]:
    """What is to be asked for a page: its links, and the files that Colab would open.

    Colab answers for a notebook that is not there, too; GitHub does not.
    """
    links = added_links(page)
    return links | {
        link.replace(COLAB, "https://github.com/") for link in links if COLAB in link
    }


def problem(address: str, *, pause: float = 5) -> str | None:
    """Why an address does not answer; None if it does.

    Args:
        address: http or https.
        pause: seconds before another try, for a server that is busy or not reached.
    """
    for attempt in range(TRIES):
        time.sleep(pause * attempt)
        request = urllib.request.Request(address, headers=AGENT)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS):
                return None
        except urllib.error.HTTPError as error:
            found = f"{error.code} {error.reason}"
            if error.code < 500 and error.code != HTTPStatus.TOO_MANY_REQUESTS:
                return found
        except OSError as error:
            found = str(error)
    return found


def main(site: Path = BUILD / "html") -> int:
    """Ask for everything once, and say what does not answer."""
    where, wanted = base_url(), {}
    pages = sorted(site.glob("book/*.html"))
    if not pages:
        say(f"{site}/book holds no page; run make book first")
        return 1
    published = 0
    for path in pages:
        name = path.relative_to(site).as_posix()
        if where and problem(where + name) == "404 Not Found":
            say(f"{name} is not published yet: its links are not asked for")
            continue
        published += 1
        for address in asked_for(path.read_text(encoding="utf-8")):
            wanted.setdefault(address, name)
    if not published:
        say(f"no page is published under {where}; is that address right?")
        return 1
    broken = {address: why for address in sorted(wanted) if (why := problem(address))}
    for address, why in broken.items():
        say(f"{wanted[address]}: {address} ({why})")
    say(f"links that every page has: {len(wanted)}, broken: {len(broken)}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
