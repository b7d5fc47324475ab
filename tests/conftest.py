"""What the tests share.

The default settings, small models whose every weight counts, a way to run the command.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from hypothesis import settings

from gpt2course.checkpoints import from_hf
from gpt2course.config import GPT2Config
from gpt2course.model import GPT2

# the same examples every time, and as long as a busy machine needs for them
settings.register_profile("course", deadline=None, derandomize=True)
settings.load_profile("course")
# fixtures of the rooms sentiment and cli, the package as a wheel, what the fuzz spoils,
# the browser
pytest_plugins = [
    *("sentiment_samples", "cli_tools", "wheel", "fuzz_material", "chromium"),
]
# read before any test: default_settings hides it from them
REQUIRE_ALL = os.environ.get("GPT2COURSE_REQUIRE_ALL") == "1"
torch.set_num_threads(1)  # the models are tiny: a second thread would only wait
TINY = GPT2Config(vocab_size=61, n_positions=32, n_embd=24, n_layer=3, n_head=4)
FOLLOWS_THE_SHELL = (
    "test_chapters",
    "test_site",
)  # these run on the checkpoint that somebody asked for


@pytest.fixture(autouse=True)
def default_settings(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package is tested on its defaults, whatever the shell says, and offline."""
    if request.path.stem not in FOLLOWS_THE_SHELL:
        for name in [name for name in os.environ if name.startswith("GPT2COURSE_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def cannot_run(message: str) -> None:
    """Skip a test whose tool is missing; fail it where nothing may be left out."""
    (pytest.fail if REQUIRE_ALL else pytest.skip)(message)


def perturb(module: torch.nn.Module, std: float, seed: int = 0) -> None:
    """Move every parameter.

    Biases of 0 and norms of 1 would hide a bias left out or two norms swapped.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(std * torch.randn(parameter.shape, generator=generator))


def twins(config: GPT2Config, std: float = 0.2, attn_implementation: str = "sdpa"):
    """One set of perturbed weights in two bodies: Hugging Face's model, and ours.

    Both in eval mode.
    """
    import transformers

    torch.manual_seed(0)
    hf_config = transformers.GPT2Config(
        **config.to_dict(), attn_implementation=attn_implementation
    )
    theirs = transformers.GPT2LMHeadModel(hf_config).eval()
    perturb(theirs, std)
    ours = GPT2(config).eval()
    ours.load_state_dict(from_hf(theirs.state_dict(), config))
    return theirs, ours


def random_model(config: GPT2Config = TINY, std: float = 0.2) -> GPT2:
    """Ours alone, perturbed, in eval mode; the same at every call."""
    torch.manual_seed(0)
    model = GPT2(config).eval()
    perturb(model, std)
    return model


def random_ids(config: GPT2Config, B: int, T: int, seed: int = 0) -> torch.Tensor:
    """(B, T) token ids."""
    return torch.randint(
        config.vocab_size, (B, T), generator=torch.Generator().manual_seed(seed)
    )


def run_python(
    *arguments: str, timeout: float = 600, **environment: str
) -> subprocess.CompletedProcess:
    """Python in a process of its own.

    A value of "" removes a variable of the environment.
    """
    merged = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),  # it sees what we see
        **environment,
    }
    merged = {name: value for name, value in merged.items() if value != ""}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command,
        env=merged,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
