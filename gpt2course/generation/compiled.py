"""Writing with one compiled step: for a GPU, which waits for Python otherwise.

    writer = CompiledWriter(model)
    for token in writer.stream(input_ids, 200): ...

A compiled step must always look the same. So the cache has its full length from the
start, a mask hides what is not written yet, and the position is a tensor. On a GPU
torch.compile also records the step as a CUDA graph: then a token costs one launch
instead of hundreds. The first token waits until everything is compiled. loop.py holds
the same loop without a compiler.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from gpt2course.arguments import token_ids
from gpt2course.cache import KVCache
from gpt2course.generation.flat_step import one_token
from gpt2course.generation.loop import check_finite, check_prompts
from gpt2course.generation.packed import is_plain
from gpt2course.generation.sampling import Greedy, Sample
from gpt2course.model import GPT2


class StaticCache:
    """Keys and values of fixed shape.

    One token is written at `position`, all positions are returned.

    Args:
        model: gives shape, dtype and device.
        max_length: positions, in tokens.
    """

    def __init__(self, model: GPT2, max_length: int) -> None:
        config, weight = model.config, model.wte.weight
        shape = (1, config.n_head, max_length, config.head_size)
        self.position = torch.zeros(1, dtype=torch.long, device=weight.device)
        self.layers = [
            tuple(
                torch.zeros(shape, dtype=weight.dtype, device=weight.device)
                for _ in range(2)
            )
            for _ in range(config.n_layer)
        ]
        for keys, values in self.layers:  # a CUDA graph writes to where they are
            torch._dynamo.mark_static_address(keys)
            torch._dynamo.mark_static_address(values)

    def update(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store one token's key and value.  [1, H, 1, D] -> [1, H, max_length, D]"""
        keys, values = self.layers[layer]
        keys.index_copy_(2, self.position, k)
        values.index_copy_(2, self.position, v)
        return keys, values

    def advance(self, n_tokens: int) -> None:
        """Nothing: whoever calls the step sets the position."""


class CompiledWriter:
    """Writes what `stream_tokens` writes, one text at a time, with a compiled step.

    Args:
        model: in eval mode, on the CPU or a CUDA device. It is compiled for the weights
            that it has now.
        max_length: room for prompt and new text, in tokens; n_positions by default.
            Every step looks at all of it.
        backend: for torch.compile.

    Raises:
        ValueError: a model that is not plain (see `is_plain`), a max_length
            outside 2..n_positions, or nothing on this machine to compile with.

    Source: the static cache of gpt-fast (PyTorch, 2023). Chapter: the KV cache.
    """

    def __init__(
        self,
        model: GPT2,
        max_length: int | None = None,
        *,
        backend: str | Callable = "inductor",
    ) -> None:
        positions = model.config.n_positions
        self.model = model
        self.max_length = positions if max_length is None else max_length
        if not 2 <= self.max_length <= positions:
            raise ValueError(
                f"max_length is {self.max_length}; this model can be compiled for 2 to "
                f"{positions} tokens"
            )
        self._check_plain()
        if backend == "inductor":
            check_compiler(model.device.type)
        self.cache = StaticCache(model, self.max_length)
        self._text = 0  # the number of the text that the cache holds
        # always at the same address, as a CUDA graph needs it
        self._token = torch.zeros(1, 1, dtype=torch.long, device=model.device)
        uses_cuda_graph = backend == "inductor" and model.device.type == "cuda"
        self._step = torch.compile(
            self._one_step(),
            backend=backend,
            mode="reduce-overhead" if uses_cuda_graph else None,
            fullgraph=True,
            dynamic=False,
        )

    def _check_plain(self) -> None:
        if not is_plain(self.model):
            raise ValueError(
                "the model is in train mode, or a module has hooks or was exchanged, "
                "which a compiled step would leave out; call model.eval() on an "
                "unchanged model, or write with stream_tokens"
            )

    def _one_step(self) -> Callable[[Tensor], Tensor]:
        model = self.model
        cache = self.cache
        hidden = one_token(model)
        positions = torch.arange(self.max_length, device=model.device)

        def step(token: Tensor) -> Tensor:  # [1, 1] -> [1, V]
            position = cache.position
            mask = (positions <= position)[None, None, None]
            x = hidden(token, position_ids=position[None], mask=mask, cache=cache)
            return model.head(x[:, 0])

        return step

    @torch.inference_mode()
    def stream(
        self,
        input_ids: Sequence[int],
        max_new_tokens: int = 40,
        *,
        strategy: Greedy | Sample = Greedy(),  # noqa: B008 (frozen)
        stop_ids: Sequence[int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Iterator[int]:
        """The next token, again and again.

        Args, Yields and Raises: as in `stream_tokens`. One text at a time: a stream
        that goes on after another has begun raises a ValueError, and so does a model
        that got hooks since.
        """
        self._check_plain()
        prompt = token_ids("input_ids", input_ids)
        if len(prompt) >= self.max_length:
            raise ValueError(
                f"the prompt has {len(prompt)} tokens and this writer room for "
                f"{self.max_length}; make one with a larger max_length"
            )
        check_prompts([prompt], max_new_tokens, self.max_length)
        if stop_ids is None:
            stop_ids = (self.model.config.eos_token_id,)
        stop_ids = token_ids("stop_ids", stop_ids)
        self._text += 1
        text = self._text
        length = min(len(prompt) + max_new_tokens, self.max_length)
        ids = torch.tensor(
            [prompt + [0] * (length - len(prompt))], device=self.model.device
        )
        self._read(ids[:, : len(prompt)])
        for t in range(len(prompt), length):
            if text != self._text:
                raise ValueError(
                    "another text was begun with this writer, whose cache holds one; "
                    "finish a stream before the next, or make a second writer"
                )
            self.cache.position.fill_(t - 1)
            torch.compiler.cudagraph_mark_step_begin()
            logits = self._step(self._token.copy_(ids[:, t - 1 : t]))
            check_finite(logits, t)
            ids[:, t] = strategy(logits, ids[:, :t], generator)
            token = int(ids[0, t])
            yield token
            if token in stop_ids:
                return

    def _read(self, ids: Tensor) -> None:
        """Put the prompt into the cache, all but its last token.

        Its shape varies, so the model itself reads it.
        """
        T = ids.size(1)
        weight = self.model.wte.weight
        cache = KVCache(self.model.config, 1, T, weight.dtype, weight.device)
        self.model.hidden(ids, cache=cache)  # all of them, so that every id is checked
        for ours, read in zip(self.cache.layers, cache.layers, strict=True):
            for static, filled in zip(ours, read, strict=True):
                static[:, :, : T - 1] = filled[:, :, : T - 1]


def check_compiler(device: str) -> None:
    """Say at once, and plainly, what torch.compile would find out after a while.

    Args:
        device: "cpu" or "cuda".

    Raises:
        ValueError: no Triton for a GPU, no C++ compiler for the CPU, or another device.
    """
    if device == "cuda" and importlib.util.find_spec("triton") is None:
        raise ValueError(
            "compiling for a GPU needs Triton, which is not installed; write with "
            "stream_tokens"
        )
    compilers = (os.environ.get("CXX") or "g++", "clang++", "cl")
    if device == "cpu" and not any(map(shutil.which, compilers)):
        raise ValueError(
            "compiling for the CPU needs a C++ compiler, and there is none; write with "
            "stream_tokens"
        )
    if device not in ("cuda", "cpu"):
        raise ValueError(
            f"the model is on {device!r}; a step is compiled for 'cuda' or 'cpu': move "
            "the model there"
        )
