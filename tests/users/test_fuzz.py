"""A short run of the fuzz. fuzz.py says what it does; a longer one is
`python tests/fuzz.py --minutes 60`."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from conftest import run_python

FUZZ = Path(__file__).parents[1] / "fuzz.py"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks")
def test_nothing_is_found_in_sixty_cases():
    done = run_python(str(FUZZ), "--cases", "60", "--seed", "7", "--real-every", "0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^60 cases, 0 of them .*; 0 found$", done.stdout, re.M)
    kinds = re.findall(r"^([a-z ]+?) +\d+ +\d+ +\d+ +0$", done.stdout, re.M)
    assert len(kinds) > 8
    assert "examples" in kinds  # evaluate
