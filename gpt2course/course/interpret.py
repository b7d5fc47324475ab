"""Looking inside a model while it computes. plots.py draws what is found.

model.py holds the model itself; hooks leave it as it is. intervene.py changes what a
model computes and measures the effect.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gpt2course.model import GPT2, causal_mask


def check_index(name: str, index: int, limit: int) -> None:
    """Refuse a layer, head, position, token or neuron that the model does not have.

    Args:
        name: what is counted, for the message.
        index: from 0.
        limit: how many there are.

    Raises:
        ValueError: no whole number from 0 to limit - 1.
    """
    if isinstance(index, bool) or not hasattr(index, "__index__"):
        raise ValueError(f"{name} is {index!r}; it must be a whole number from 0")
    if not 0 <= index < limit:
        raise ValueError(f"{name} is {index}; it must be from 0 to {limit - 1}")


def check_one_text(model: GPT2, input_ids: Tensor) -> None:
    """Refuse a model that still drops out, and more than one text.

    Args:
        model: to be read.
        input_ids: to be (1, T); the model itself checks the rest.

    Raises:
        ValueError: a model in training mode, input_ids that are not (1, T).
    """
    if model.training:
        raise ValueError("the model is in training mode; call model.eval() first")
    if isinstance(input_ids, Tensor) and input_ids.shape[:1] != (1,):
        raise ValueError(
            f"input_ids has shape {tuple(input_ids.shape)}; it must be (1, T), one text"
        )


@torch.no_grad()
def attention_weights(model: GPT2, input_ids: Tensor) -> list[Tensor]:
    """Attention weights: how much each token looks at each other one.

    The fused kernel does not give its weights away. A hook on c_attn catches queries
    and keys, and the weights are computed from them once more.

    Args:
        model: in eval mode.
        input_ids: (1, T) int64.

    Returns:
        a tensor (H, T, T) for each layer; rows sum to 1.

    Chapter: attention.
    """
    check_one_text(model, input_ids)
    config = model.config
    result = []

    def catch(module: torch.nn.Module, inputs: tuple, qkv: Tensor) -> None:
        T = qkv.size(1)
        q, k, _ = qkv[0].view(T, 3, config.n_head, config.head_size).permute(1, 2, 0, 3)
        scores = q @ k.transpose(-2, -1) / config.head_size**0.5
        future = ~causal_mask(T, device=qkv.device)
        result.append(scores.masked_fill(future, float("-inf")).softmax(dim=-1))

    hooks = [block.attn.c_attn.register_forward_hook(catch) for block in model.h]
    try:
        model.hidden(input_ids)
    finally:
        for hook in hooks:
            hook.remove()
    return result


@torch.no_grad()
def residual_stream(model: GPT2, input_ids: Tensor) -> Tensor:
    """The residual stream as the first block reads it and as each block leaves it.

    Args:
        model: in eval mode.
        input_ids: (1, T) int64.

    Returns:
        (L + 1, T, C), in the model's dtype: row 0 the embeddings, row l + 1 the
        output of block l, all before ln_f.

    Raises:
        ValueError: as `check_one_text`, and as the model's `check_input`.
    """
    check_one_text(model, input_ids)
    rows = []

    def catch_input(module: torch.nn.Module, inputs: tuple) -> None:
        rows.append(inputs[0][0])

    def catch(module: torch.nn.Module, inputs: tuple, output: Tensor) -> None:
        rows.append(output[0])

    hooks = [model.h[0].register_forward_pre_hook(catch_input)]
    hooks += [block.register_forward_hook(catch) for block in model.h]
    try:
        model.hidden(input_ids)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack(rows)


@torch.no_grad()
def logit_lens(model: GPT2, input_ids: Tensor) -> Tensor:
    """What the model would predict if it stopped after each block.

    Every row of the stream goes through ln_f once, then through the head.

    Args:
        model: in eval mode.
        input_ids: (1, T) int64.

    Returns:
        (L + 1, T, V) logits, in the model's dtype: row 0 of the embeddings, the last
        row the model's own.

    Raises:
        ValueError: as `residual_stream`.

    Source: nostalgebraist 2020, "interpreting GPT: the logit lens".
    """
    return model.head(model.ln_f(residual_stream(model, input_ids)))


@torch.no_grad()
def block_contributions(model: GPT2, input_ids: Tensor, token: int) -> Tensor:
    """How much each block adds to the logit of one token.

    The last layer norm divides by the spread of the whole stream. With that divisor
    kept, ln_f is linear, and the logit is a sum over the parts of the stream.

    Args:
        model: in eval mode.
        input_ids: (1, T) int64.
        token: the id whose logit is split.

    Returns:
        (L + 2, T), in the model's dtype: the embeddings, the L blocks, the bias of
        ln_f. Each column sums to the logit of the token at that position, but for
        rounding.

    Raises:
        ValueError: a token outside the vocabulary, and as `residual_stream`.

    Source: Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits".
    """
    check_index("token", token, model.config.vocab_size)
    stream = residual_stream(model, input_ids)  # (L + 1, T, C)
    parts = torch.cat([stream[:1], stream.diff(dim=0)])
    variance = stream[-1].var(dim=-1, correction=0)  # (T,)
    spread = (variance + model.ln_f.eps).sqrt()
    centred = parts - parts.mean(dim=-1, keepdim=True)
    direction = model.wte.weight[token]  # (C,)
    scores = centred @ (model.ln_f.weight * direction) / spread  # (L + 1, T)
    bias = (model.ln_f.bias @ direction).expand(1, scores.size(1))
    return torch.cat([scores, bias])


def repeated_tokens(vocab_size: int, length: int, seed: int = 0) -> Tensor:
    """Random tokens, twice in a row: only their order can be continued.

    Args:
        vocab_size: ids are drawn from 0 to vocab_size - 1, none twice.
        length: how many tokens are drawn.
        seed: of the draw.

    Returns:
        (1, 2 * length) int64, on the CPU.

    Raises:
        ValueError: a length below 2, or above vocab_size.

    Source: Olsson et al. 2022, "In-context Learning and Induction Heads".
    """
    if not 2 <= length <= vocab_size:
        raise ValueError(f"length is {length}; it must be from 2 to {vocab_size}")
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randperm(vocab_size, generator=generator)[:length]
    return ids.repeat(2)[None]


def previous_token_scores(weights: list[Tensor]) -> Tensor:
    """The mean weight that each head gives to the token before.

    Args:
        weights: L tensors (H, T, T), from `attention_weights`.

    Returns:
        (L, H), in their dtype, from 0 to 1. The first token, which has none before
        it, does not count.

    Raises:
        ValueError: fewer than 2 tokens.

    Source: Olsson et al. 2022.
    """
    return _on_diagonal(weights, offset=1)


def first_token_scores(weights: list[Tensor]) -> Tensor:
    """The mean weight that each head gives to the first token.

    Args:
        weights: L tensors (H, T, T), from `attention_weights`.

    Returns:
        (L, H), in their dtype, from 0 to 1. The first token, which can look at
        nothing else, does not count.

    Raises:
        ValueError: fewer than 2 tokens.

    Source: Xiao et al. 2023, "Efficient Streaming Language Models with Attention
    Sinks".
    """
    stacked = torch.stack(weights)
    _check_tokens(stacked, 2)
    return stacked[:, :, 1:, 0].mean(dim=-1)


def induction_scores(weights: list[Tensor], length: int) -> Tensor:
    """The mean weight on the token that followed the same token's first occurrence.

    Args:
        weights: L tensors (H, 2 * length, 2 * length), from `attention_weights` on
            `repeated_tokens`.
        length: of the part that is repeated, in tokens.

    Returns:
        (L, H), in their dtype, from 0 to 1, over the tokens of the second half.

    Raises:
        ValueError: a length below 2, weights of another number of tokens.

    Source: Olsson et al. 2022.
    """
    T = weights[0].size(-1)
    if length < 2 or 2 * length != T:
        raise ValueError(
            f"length is {length} and the weights are of {T} tokens; it must be at "
            "least 2 and half of them"
        )
    return _on_diagonal(weights, offset=length - 1, skip=1)


def _check_tokens(stacked: Tensor, least: int) -> None:
    """Refuse fewer tokens than `least`: the mean over none is NaN."""
    if stacked.size(-1) < least:
        raise ValueError(
            f"the weights are of {stacked.size(-1)} token(s); it must be at least "
            f"{least}"
        )


def _on_diagonal(weights: list[Tensor], offset: int, skip: int = 0) -> Tensor:
    """Mean weight on the key `offset` before the query, but for the first `skip`."""
    stacked = torch.stack(weights)  # (L, H, T, T)
    _check_tokens(stacked, offset + skip + 1)
    return stacked.diagonal(-offset, dim1=-2, dim2=-1)[..., skip:].mean(dim=-1)


@torch.no_grad()
def neurons_on(
    model: GPT2, input_ids: Tensor, positions: list[int], count: int = 10
) -> list[tuple[int, int, float]]:
    """The neurons of the MLPs that fire on one word and least elsewhere in the text.

    Args:
        model: in eval mode.
        input_ids: (1, T) int64.
        positions: where the word's tokens stand, from 0; not the whole text.
        count: how many neurons at most.

    Returns:
        (layer, neuron, margin) with the widest margin first. The margin is the
        smallest activation (after GELU) on the word less the largest elsewhere, and
        above 0; a list of fewer, or of none, where fewer neurons single out the word.

    Raises:
        ValueError: no position, all of them, one outside the text, a count below 1,
            and as `residual_stream`.

    Source: Geva et al. 2021, "Transformer Feed-Forward Layers Are Key-Value Memories".
    """
    check_one_text(model, input_ids)
    if count < 1:
        raise ValueError(f"count is {count}; it must be at least 1")
    T = input_ids.size(-1)
    for position in positions:
        check_index("position", position, T)
    on = torch.zeros(T, dtype=torch.bool, device=model.device)
    on[positions] = True
    if not positions or on.all():
        raise ValueError(
            f"{int(on.sum())} of {T} positions given; it must be from 1 to {T - 1}"
        )
    margins = []

    def catch(module: torch.nn.Module, inputs: tuple, output: Tensor) -> None:
        fired = F.gelu(output[0], approximate="tanh")  # (T, 4 * C)
        margins.append(fired[on].amin(dim=0) - fired[~on].amax(dim=0))

    hooks = [block.mlp.c_fc.register_forward_hook(catch) for block in model.h]
    try:
        model.hidden(input_ids)
    finally:
        for hook in hooks:
            hook.remove()
    found = torch.stack(margins)  # (L, 4 * C)
    best, places = found.flatten().sort(descending=True, stable=True)
    rows = zip(best[:count].tolist(), places[:count].tolist(), strict=True)
    width = found.size(1)
    return [(i // width, i % width, margin) for margin, i in rows if margin > 0]
