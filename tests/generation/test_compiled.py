"""The compiled step.

The tokens of the readable loop, and a plain word where it cannot work.
"""

from __future__ import annotations

import shutil

import pytest
import torch
from conftest import TINY, random_ids, random_model

from gpt2course.generation import CompiledWriter, compiled, generate, sampler

MODEL = random_model()


@pytest.fixture(scope="module")
def writer():
    return CompiledWriter(
        MODEL, backend="eager"
    )  # the same traced step, left as Python


@pytest.mark.parametrize("length", [1, 2, 9, 31])
def test_it_writes_what_the_readable_loop_writes(writer, length):
    prompt = random_ids(TINY, 1, length, seed=length)[0].tolist()
    for options in ({}, {"stop_ids": ()}):
        assert list(writer.stream(prompt, 40, **options)) == generate(
            MODEL, prompt, 40, **options
        )
    drawn = [
        f(torch.Generator().manual_seed(3))
        for f in (
            lambda g: list(
                writer.stream(
                    prompt,
                    20,
                    strategy=sampler(top_k=9, repetition_penalty=1.3),
                    generator=g,
                )
            ),
            lambda g: generate(
                MODEL,
                prompt,
                20,
                strategy=sampler(top_k=9, repetition_penalty=1.3),
                generator=g,
            ),
        )
    ]
    assert drawn[0] == drawn[1]


def test_it_is_compiled_once_whatever_the_length():
    compiled_graphs = []

    def backend(graph, inputs):
        compiled_graphs.append(graph)
        return graph.forward

    writer = CompiledWriter(MODEL, backend=backend)
    for length, new in ((1, 3), (2, 9), (7, 4), (20, 40)):
        assert list(writer.stream([5] * length, new, stop_ids=())) == generate(
            MODEL, [5] * length, new, stop_ids=()
        )
    assert len(compiled_graphs) == 1


def test_a_graph_without_side_effects_of_python():
    """aot_eager also splits the step into plain operations, as a compiler needs it."""
    writer = CompiledWriter(MODEL, 12, backend="aot_eager")
    assert list(writer.stream([1, 2, 3], 40, stop_ids=())) == generate(
        MODEL, [1, 2, 3], 9, stop_ids=()
    )


def test_bad_input(writer):
    for prompt, new, says in (
        ([], 5, "the prompt is empty"),
        ([1] * 32, 5, "the prompt has 32 tokens and this writer room for 32"),
        ([1], 0, "max_new_tokens is 0"),
        ([61], 5, "input_ids holds 61,"),
    ):
        with pytest.raises(ValueError, match=says):
            list(writer.stream(prompt, new))
    assert list(writer.stream([1, 2], 5)) == generate(
        MODEL, [1, 2], 5
    )  # none of them left a trace


@pytest.mark.parametrize("max_length", [1, 33])
def test_impossible_lengths(max_length):
    with pytest.raises(
        ValueError,
        match=f"max_length is {max_length}; this model can be compiled for 2 to 32",
    ):
        CompiledWriter(MODEL, max_length, backend="eager")


def test_hooks_that_came_later_are_not_left_out():
    model = random_model()
    writer = CompiledWriter(model, backend="eager")
    hook = model.h[0].attn.register_forward_hook(lambda *_: None)
    with pytest.raises(ValueError, match="a module has hooks"):
        next(writer.stream([1, 2]))
    hook.remove()
    next(writer.stream([1, 2]))


def test_a_model_that_is_not_plain():
    with pytest.raises(
        ValueError, match=r"in train mode, or a module has hooks.*call model\.eval\(\)"
    ):
        CompiledWriter(random_model().train(), backend="eager")


def test_a_machine_that_cannot_compile(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(
        ValueError,
        match=r"needs a C\+\+ compiler, and there is none; write with stream_tokens",
    ):
        CompiledWriter(MODEL)
    monkeypatch.setattr(compiled.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="needs Triton, which is not installed"):
        compiled.check_compiler("cuda")
    with pytest.raises(
        ValueError,
        match="the model is on 'mps'; a step is compiled for 'cuda' or 'cpu'",
    ):
        compiled.check_compiler("mps")


def test_broken_weights_keep_the_text_so_far():
    model = random_model()
    with torch.no_grad():
        model.wpe.weight[6] = torch.nan
    stream, text = (
        CompiledWriter(model, backend="eager").stream([1, 2, 3], 20, stop_ids=()),
        [],
    )
    with pytest.raises(ValueError, match="the logits at position 7 are not finite"):
        text.extend(stream)
    assert text == generate(random_model(), [1, 2, 3], 4, stop_ids=())[:4]


def test_one_text_at_a_time(writer):
    first = writer.stream([1, 2, 3], 8, stop_ids=())
    next(first)
    next(writer.stream([9, 8, 7], 8, stop_ids=()))
    with pytest.raises(ValueError, match="another text was begun with this writer"):
        next(first)
