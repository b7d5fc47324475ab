"""The record of the real GPT-2, tried on the mini; the article's values must differ."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest
from chapter import CHAPTERS

from gpt2course.checkpoints import load_checkpoint, load_tokenizer

SCRIPT = Path(__file__).parents[2] / "benchmarks/real_gpt2.py"


@pytest.fixture(scope="module")
def script():
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("benchmark_real_gpt2", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.TOP, module.NEW_TOKENS = 3, 3
    return module


def test_a_row_holds_what_the_pages_show(script):
    model, tokenizer = load_checkpoint("mini"), load_tokenizer("mini")
    row = script.row("This movie was", model, tokenizer)
    probabilities = [p for _, p in row["top"]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert len(probabilities) == 3
    by_settings = {s["settings"]: s["text"] for s in row["samples"]}
    assert set(by_settings) == set(script.SETTINGS)
    assert by_settings["greedy"].startswith(row["top"][0][0])
    assert len(row["samples"]) == 1 + 2 * len(script.SEEDS)


def test_another_model_is_not_the_article_s(script, capsys, tmp_path):
    output = tmp_path / "real.json"
    assert script.main(["--checkpoint", "mini", "--output", str(output)]) == 1
    assert "input_ids: the article has [15496, 11, 314," in capsys.readouterr().err
    assert not output.exists()


def test_numbers_agree_up_to_the_tolerance(script):
    article = json.loads(script.ARTICLE.read_text(encoding="utf-8"))
    assert len(article["gpt2-xl"]) == 6
    assert script.agree([[6.6288]], [[6.6295]])
    assert not script.agree([[6.6288]], [[6.65]])
    assert not script.agree([1, 2], [1])
    assert script.agree(" problem. I'm", " problem.\n\nI'm")
    assert not script.agree(" problem. I'm", " problem. I am")


def test_the_article_s_ids_are_those_of_the_real_vocabulary(script):
    article = json.loads(script.ARTICLE.read_text(encoding="utf-8"))["any size"]
    assert load_tokenizer("gpt2").encode(article["prompt"]) == article["input_ids"]


def test_pages_show_every_prompt_and_ask_for_no_other(script):
    asked = re.compile(r"^real_(\w+)\(\"(.+?)\"(?:, \"(.+?)\")?\)", flags=re.M)
    shown = [
        found
        for path in CHAPTERS
        for found in asked.findall(path.read_text(encoding="utf-8"))
    ]
    assert {prompt for _, prompt, _ in shown} == set(script.PROMPTS)
    for kind, _, settings in shown:
        assert settings in script.SETTINGS or kind == "next_tokens"
