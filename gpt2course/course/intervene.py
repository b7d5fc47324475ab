"""Changing what a model computes, to see what a part of it is for.

A part is silenced or replaced by hooks inside a `with`; afterwards the model is as it
was. interpret.py only looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from gpt2course.course.interpret import check_index, check_one_text, residual_stream
from gpt2course.loss import cross_entropy, shift
from gpt2course.model import GPT2


@contextmanager
def ablated(model: GPT2, heads: Iterable[tuple[int, int]]) -> Iterator[GPT2]:
    """The model without some of its heads: their output is zero before c_proj.

    Args:
        model: any GPT2; its weights are not touched.
        heads: (layer, head) pairs, from 0.

    Yields:
        the same model. The heads are back at the end of the `with`, also after an
        exception.

    Raises:
        ValueError: a layer or a head that the model does not have.

    Source: Michel et al. 2019, "Are Sixteen Heads Really Better than One?".
    """
    D = model.config.head_size
    by_layer: dict[int, set[int]] = {}
    for layer, head in heads:
        check_index("layer", layer, model.config.n_layer)
        check_index("head", head, model.config.n_head)
        by_layer.setdefault(layer, set()).add(head)

    def silence(silent: set[int]) -> Callable[[torch.nn.Module, tuple], Tensor]:
        def hook(module: torch.nn.Module, inputs: tuple) -> Tensor:
            y = inputs[0].clone()  # (B, T, C), heads side by side
            for head in silent:
                y[..., head * D : (head + 1) * D] = 0
            return y

        return hook

    hooks = [
        model.h[layer].attn.c_proj.register_forward_pre_hook(silence(silent))
        for layer, silent in by_layer.items()
    ]
    try:
        yield model
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def ablation_costs(model: GPT2, input_ids: Tensor) -> Tensor:
    """How much the loss rises without each head, one at a time.

    Args:
        model: in eval mode.
        input_ids: (1, T) int64, at least two tokens.

    Returns:
        (L, H) float32, on the CPU, in nats per token; below 0 where the text is
        predicted better without the head.

    Raises:
        ValueError: as `check_one_text`, the model's `check_input` and `shift`.

    Source: Michel et al. 2019.
    """
    check_one_text(model, input_ids)

    def loss() -> float:
        return cross_entropy(*shift(model(input_ids), input_ids)).item()

    whole = loss()
    costs = torch.empty(model.config.n_layer, model.config.n_head)
    for layer in range(model.config.n_layer):
        for head in range(model.config.n_head):
            with ablated(model, [(layer, head)]):
                costs[layer, head] = loss() - whole
    return costs


@contextmanager
def patched(
    model: GPT2, stream: Tensor, layer: int, positions: Iterable[int]
) -> Iterator[GPT2]:
    """The model with the stream of another run, after one block, at some positions.

    Args:
        model: reads, inside the `with`, one text as long as the other one.
        stream: (L + 1, T, C), `residual_stream` of the other text.
        layer: the block whose output is replaced, from 0.
        positions: which tokens of it, from 0.

    Yields:
        the same model. It computes as before at the end of the `with`, also after an
        exception.

    Raises:
        ValueError: a layer or a position that there is not, a stream of another
            shape; inside the `with`, a text of another length.

    Source: Meng et al. 2022, "Locating and Editing Factual Associations in GPT";
    Wang et al. 2022, "Interpretability in the Wild".
    """
    config = model.config
    check_index("layer", layer, config.n_layer)
    if stream.dim() != 3 or stream.shape[::2] != (config.n_layer + 1, config.n_embd):
        raise ValueError(
            f"stream has shape {tuple(stream.shape)}; it must be "
            f"({config.n_layer + 1}, T, {config.n_embd})"
        )
    T = stream.size(1)
    positions = list(positions)
    for position in positions:
        check_index("position", position, T)

    def replace(module: torch.nn.Module, inputs: tuple, output: Tensor) -> Tensor:
        if output.shape[:2] != (1, T):
            raise ValueError(
                f"the text is {tuple(output.shape[:2])}; it must be (1, {T}), as long "
                "as the one patched in"
            )
        output = output.clone()
        output[0, positions] = stream[layer + 1, positions]
        return output

    hook = model.h[layer].register_forward_hook(replace)
    try:
        yield model
    finally:
        hook.remove()


@torch.no_grad()
def patching_effects(
    model: GPT2, clean: Tensor, corrupted: Tensor, answer: int, wrong: int
) -> Tensor:
    """Where the clean run's stream brings the clean answer back.

    The corrupted text is read once for each layer and position, with the stream of
    the clean run at that one place. What counts is the logit of `answer` less that of
    `wrong`, after the last token.

    Args:
        model: in eval mode.
        clean: (1, T) int64, the text that leads to `answer`.
        corrupted: (1, T) int64, the text that leads to `wrong`.
        answer: token id.
        wrong: token id.

    Returns:
        (L, T) float32, on the CPU: 0 where nothing changes against the corrupted run,
        1 where the difference of the clean run is back. Other numbers are possible.

    Raises:
        ValueError: texts of different lengths, a token outside the vocabulary, two
            runs with the same difference, so that nothing can be brought back, and as
            `residual_stream`.

    Source: Meng et al. 2022; Wang et al. 2022.
    """
    check_one_text(model, clean)
    check_one_text(model, corrupted)
    if clean.shape != corrupted.shape:
        raise ValueError(
            f"clean has {clean.size(-1)} tokens and corrupted {corrupted.size(-1)}; "
            "they must have the same number"
        )
    check_index("answer", answer, model.config.vocab_size)
    check_index("wrong", wrong, model.config.vocab_size)

    def difference(input_ids: Tensor) -> float:
        last = model(input_ids)[0, -1]
        return (last[answer] - last[wrong]).item()

    low, high = difference(corrupted), difference(clean)
    if low == high:
        raise ValueError(
            f"the logits of {answer} and {wrong} differ by {low:.4g} in both runs; "
            "nothing to bring back, choose other texts or tokens"
        )
    stream = residual_stream(model, clean)
    effects = torch.empty(model.config.n_layer, clean.size(1))
    for layer in range(model.config.n_layer):
        for position in range(clean.size(1)):
            with patched(model, stream, layer, [position]):
                effects[layer, position] = (difference(corrupted) - low) / (high - low)
    return effects
