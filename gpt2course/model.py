"""GPT-2 from scratch: token ids in, a score (logit) for every possible next token out.

Names follow Hugging Face's GPT2LMHeadModel, so that weights map one to one.
Shapes use these letters: B batch, T new tokens, S keys (old and new tokens), C n_embd,
H heads, D head size, V vocabulary.

Read on in cache.py (what attention keeps of the tokens read so far), loss.py (how
surprised a model is by a text) and generation/ (from logits to text).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt2course.cache import KVCache
from gpt2course.config import GPT2Config


def causal_mask(
    T: int, S: int | None = None, device: torch.device | str | None = None
) -> Tensor:
    """Which keys each query may look at: itself and what came before.

    Args:
        T: number of queries, the last T of the S tokens.
        S: number of keys; T when nothing was read before.
        device: where the mask is made.

    Returns:
        (T, S) bool, True where looking is allowed.

    Source: Vaswani et al. 2017, section 3.2.3. Chapter: attention.
    """
    if S is None:
        S = T
    return torch.ones(T, S, dtype=torch.bool, device=device).tril(diagonal=S - T)


def reference_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """softmax(q @ k^T / sqrt(D)) @ v, written out: scores, mask, softmax, mix.

    The model calls `attention`, which computes the same in one fused kernel.

    Args:
        q: (B, H, T, D) queries.
        k, v: (B, H, S, D) keys and values.
        mask: bool, broadcastable to (B, H, T, S), True where looking is allowed.

    Returns:
        (B, H, T, D): for each query a weighted mean of the values.

    Source: Vaswani et al. 2017, equation 1. Chapter: attention.
    """
    scores = q @ k.mT / math.sqrt(q.size(-1))  # (B, H, T, S): query times key
    scores = scores.masked_fill(~mask, -math.inf)
    weights = scores.softmax(dim=-1)  # each row sums to 1
    return weights @ v


def attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, dropout: float = 0.0
) -> Tensor:
    """What `reference_attention` computes, by torch's fused kernel.

    Args:
        q: (B, H, T, D) queries.
        k, v: (B, H, S, D) keys and values.
        mask: bool, broadcastable to (B, H, T, S), True where looking is allowed;
            None is causal.
        dropout: probability of dropping an attention weight.

    Returns:
        (B, H, T, D). A query that may look at nothing gets 0, there NaN.

    Raises:
        ValueError: a mask of numbers, which the kernel would add to the scores.

    Source: torch.nn.functional.scaled_dot_product_attention. Chapter: attention.
    """
    if mask is not None and mask.dtype != torch.bool:
        raise ValueError(
            f"mask has dtype {mask.dtype}; it must be torch.bool, True where looking "
            "is allowed: pass mask.bool()"
        )
    T = q.size(2)
    S = k.size(2)
    is_causal = mask is None and T == S  # the kernel's flag is wrong when T != S
    if mask is None and T != S and T > 1:  # a single new token may look at all
        mask = causal_mask(T, S, q.device)
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=is_causal
    )


def check_input(
    input_ids: Tensor, position_ids: Tensor | None, past: int, config: GPT2Config
) -> None:
    """Refuse what the model cannot read, before the embedding tables are asked.

    On a GPU an index outside a table stops the whole process, without its name.

    Args:
        input_ids: (B, T) int64, the new tokens.
        position_ids: (B, T) int64, or None where they are counted.
        past: tokens read before.
        config: the model's shape.

    Raises:
        ValueError: input_ids that are no (B, T) tensor of whole numbers, an id outside
            the vocabulary, position_ids of another shape, a position outside
            n_positions, or more tokens than that.
    """
    if not isinstance(input_ids, Tensor):
        raise ValueError(
            f"input_ids is a {type(input_ids).__name__}; it must be a tensor (B, T), "
            "such as torch.tensor([tokenizer.encode(text)])"
        )
    if input_ids.dim() != 2 or input_ids.size(1) == 0:
        raise ValueError(
            f"input_ids has shape {tuple(input_ids.shape)}; it must be (B, T) "
            "with at least one token"
        )
    length = past + input_ids.size(1)
    if length > config.n_positions:
        raise ValueError(
            f"{length} tokens are more than this model's {config.n_positions} "
            "positions; shorten the text"
        )
    _check_range("input_ids", input_ids, config.vocab_size, "tokens")
    if position_ids is not None:
        if (
            not isinstance(position_ids, Tensor)
            or position_ids.shape != input_ids.shape
        ):
            given = getattr(position_ids, "shape", type(position_ids).__name__)
            raise ValueError(
                f"position_ids is {given}; it must be a tensor of the shape of "
                f"input_ids, {tuple(input_ids.shape)}"
            )
        _check_range("position_ids", position_ids, config.n_positions, "positions")


def _check_range(name: str, ids: Tensor, limit: int, unit: str) -> None:
    """Whole numbers from 0 to limit - 1; one transfer from a GPU."""
    if ids.dtype not in (torch.int64, torch.int32):
        raise ValueError(f"{name} has dtype {ids.dtype}; it must be torch.int64")
    if ids.numel() == 0:
        return
    lowest, highest = torch.stack(ids.aminmax()).tolist()
    if lowest < 0 or highest >= limit:
        raise ValueError(
            f"{name} holds {lowest if lowest < 0 else highest}, outside this model's "
            f"{limit} {unit} (0 to {limit - 1}); does the tokenizer belong to it?"
        )


class CausalSelfAttention(nn.Module):
    """Multi-head attention: every token gathers from those before it.

    [B, T, C] -> [B, T, C]
    """

    def __init__(self, config: GPT2Config, layer: int) -> None:
        super().__init__()
        self.n_head = config.n_head
        self.layer = layer  # its index, by which the cache knows it
        # queries, keys and values in one product
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_pdrop = config.attn_pdrop
        self.resid_dropout = nn.Dropout(config.resid_pdrop)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        cache: KVCache | None = None,
    ) -> Tensor:
        B, T, C = x.shape
        qkv = self.c_attn(x)  # (B, T, 3 * C): every head reads all of x
        qkv = qkv.view(B, T, 3, self.n_head, C // self.n_head)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, H, T, D)
        if cache is not None:
            k, v = cache.update(self.layer, k, v)  # (B, H, S, D)
        dropout = self.attn_pdrop if self.training else 0.0
        y = attention(q, k, v, mask, dropout)  # (B, H, T, D)
        y = y.transpose(1, 2).reshape(B, T, C)  # heads side by side again
        return self.resid_dropout(self.c_proj(y))


class MLP(nn.Module):
    """Two linear layers with a GELU between, for each token by itself.

    [B, T, C] -> [B, T, C], four times as wide inside.
    """

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd)
        self.dropout = nn.Dropout(config.resid_pdrop)

    def forward(self, x: Tensor) -> Tensor:
        x = self.c_fc(x)  # (B, T, 4 * C)
        x = F.gelu(x, approximate="tanh")
        return self.dropout(self.c_proj(x))


class Block(nn.Module):
    """Attention, then MLP: each reads a normalised copy of the stream.

    [B, T, C] -> [B, T, C], the stream with what both have added.
    """

    def __init__(self, config: GPT2Config, layer: int) -> None:
        super().__init__()
        C, eps = config.n_embd, config.layer_norm_epsilon
        self.ln_1 = nn.LayerNorm(C, eps=eps)
        self.attn = CausalSelfAttention(config, layer)
        self.ln_2 = nn.LayerNorm(C, eps=eps)
        self.mlp = MLP(config)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        cache: KVCache | None = None,
    ) -> Tensor:
        x = x + self.attn(self.ln_1(x), mask, cache)
        x = x + self.mlp(self.ln_2(x))
        return x


class GPT2(nn.Module):
    """The whole network.

    Args:
        config: its shape. Weights start random, as GPT-2's did.

    Source: Radford et al. 2019, section 2.3; transformers.GPT2LMHeadModel.
    Chapter: architecture.
    """

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)  # what a token is
        self.wpe = nn.Embedding(config.n_positions, config.n_embd)  # where it stands
        self.drop = nn.Dropout(config.embd_pdrop)
        self.h = nn.ModuleList(Block(config, layer) for layer in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw fresh weights: normal with initializer_range, biases 0, layer norms 1.

        Every block adds to the residual stream twice. The two projections that do so
        start smaller, by 1/sqrt(2 * n_layer), so that the sum of all of them keeps
        about the same size however deep the model is.

        Source: Radford et al. 2019, section 2.3. Chapter: architecture.
        """
        std = self.config.initializer_range
        residual_std = std / math.sqrt(2 * self.config.n_layer)
        residual = set()
        for block in self.h:
            residual |= {block.attn.c_proj, block.mlp.c_proj}
        for module in self.modules():
            if isinstance(module, nn.Linear):
                is_residual = module in residual
                nn.init.normal_(module.weight, std=residual_std if is_residual else std)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=std)
            elif isinstance(module, nn.LayerNorm):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.wte.weight.device

    def hidden(
        self,
        input_ids: Tensor,
        *,
        position_ids: Tensor | None = None,
        mask: Tensor | None = None,
        cache: KVCache | None = None,
    ) -> Tensor:
        """The last layer's vectors, normalised: what the head reads.

        Args:
            input_ids: (B, T) int64, the new tokens.
            position_ids: (B, T) int64; by default they count on from what the cache
                holds.
            mask: bool, broadcastable to (B, H, T, S), True where looking is allowed;
                None is causal.
            cache: what was read before; the new tokens are added to it.

        Returns:
            (B, T, C).

        Raises:
            ValueError: as `check_input`.
        """
        past = 0 if cache is None else cache.length
        check_input(input_ids, position_ids, past, self.config)
        T = input_ids.size(1)
        if position_ids is None:
            position_ids = torch.arange(past, past + T, device=self.device)
        x = self.drop(self.wte(input_ids) + self.wpe(position_ids))
        for block in self.h:
            x = block(x, mask, cache)
        if cache is not None:
            cache.advance(T)
        return self.ln_f(x)

    def head(self, hidden: Tensor) -> Tensor:
        """A score for every token: the embedding matrix, used a second time.

        [..., C] -> [..., V]
        """
        return F.linear(hidden, self.wte.weight)

    def forward(
        self,
        input_ids: Tensor,
        *,
        position_ids: Tensor | None = None,
        mask: Tensor | None = None,
        cache: KVCache | None = None,
    ) -> Tensor:
        """Logits for the token after each of the given ones.

        Args and Raises: as in `hidden`.

        Returns:
            (B, T, V).
        """
        x = self.hidden(input_ids, position_ids=position_ids, mask=mask, cache=cache)
        return self.head(x)
