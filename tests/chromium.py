"""The browser in which pages are looked at: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import cannot_run

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
CHROMIUM_FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *(
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ),
]


@pytest.fixture(scope="module")
def browser():
    """A browser for the tests of a file."""
    if not Path(CHROMIUM).exists():
        cannot_run(
            f"no Chromium at {CHROMIUM}: the pages were not looked at in a browser;"
            " name one in CHROMIUM"
        )
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=CHROMIUM_FLAGS
        )
        yield browser
        browser.close()
