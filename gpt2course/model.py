"""GPT-2 from scratch: token ids in, a score for every possible next token out.

Names follow Hugging Face's GPT2LMHeadModel, so weights map one to one. Shapes use these letters:
B sequences, T new tokens, S tokens to look at (old and new), C n_embd, H heads, D head size, V vocabulary.
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

    Returns:
        (T, S) bool, True where looking is allowed.

    Source: Vaswani et al. 2017, section 3.2.3. Chapter: attention.
    """
    S = T if S is None else S
    return torch.ones(T, S, dtype=torch.bool, device=device).tril(diagonal=S - T)


def attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, dropout: float = 0.0
) -> Tensor:
    """softmax(q @ k^T / sqrt(D)) @ v: each query takes a weighted mean of the values.

    Args:
        q: (B, H, T, D) queries.
        k, v: (B, H, S, D) keys and values.
        mask: bool, broadcastable to (B, H, T, S), True where looking is allowed; None is causal.
        dropout: probability of dropping an attention weight.

    Returns:
        (B, H, T, D).

    Source: Vaswani et al. 2017, equation 1; torch's fused kernel computes it. Chapter: attention.
    """
    T, S = q.size(2), k.size(2)
    whole = mask is None and T == S  # the kernel's own causal flag is wrong when T != S
    if mask is None and not whole and T > 1:
        mask = causal_mask(T, S, q.device)
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=whole
    )


class CausalSelfAttention(nn.Module):
    """Multi-head attention: every token gathers from the tokens before it.  [B, T, C] -> [B, T, C]"""

    def __init__(self, config: GPT2Config, layer: int) -> None:
        super().__init__()
        self.n_head, self.layer = config.n_head, layer
        self.c_attn = nn.Linear(
            config.n_embd, 3 * config.n_embd
        )  # queries, keys and values in one product
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_pdrop = config.attn_pdrop
        self.resid_dropout = nn.Dropout(config.resid_pdrop)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, cache: KVCache | None = None
    ) -> Tensor:
        B, T, C = x.shape
        qkv = self.c_attn(x).view(B, T, 3, self.n_head, C // self.n_head)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, H, T, D)
        if cache is not None:
            k, v = cache.update(self.layer, k, v)  # (B, H, S, D)
        y = attention(q, k, v, mask, self.attn_pdrop if self.training else 0.0)
        y = y.transpose(1, 2).reshape(B, T, C)  # heads side by side again
        return self.resid_dropout(self.c_proj(y))


class MLP(nn.Module):
    """Two layers with a GELU between: each token by itself, four times as wide.  [B, T, C] -> [B, T, C]"""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd)
        self.dropout = nn.Dropout(config.resid_pdrop)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.c_proj(F.gelu(self.c_fc(x), approximate="tanh")))


class Block(nn.Module):
    """Attention, then MLP. Each reads a normalised copy of the stream and adds to it.  [B, T, C] -> [B, T, C]"""

    def __init__(self, config: GPT2Config, layer: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.attn = CausalSelfAttention(config, layer)
        self.ln_2 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.mlp = MLP(config)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, cache: KVCache | None = None
    ) -> Tensor:
        x = x + self.attn(self.ln_1(x), mask, cache)
        return x + self.mlp(self.ln_2(x))


class GPT2(nn.Module):
    """The whole network.

    Args:
        config: its shape. Weights start random, as GPT-2's did.

    Source: Radford et al. 2019, section 2.3; transformers.GPT2LMHeadModel. Chapter: architecture.
    """

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)  # one vector a token
        self.wpe = nn.Embedding(
            config.n_positions, config.n_embd
        )  # one vector a position
        self.drop = nn.Dropout(config.embd_pdrop)
        self.h = nn.ModuleList(Block(config, layer) for layer in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw fresh weights: normal with initializer_range, biases 0, layer norms 1.

        Every block adds to the residual stream twice. The two projections that do so start smaller, by
        1/sqrt(2 * n_layer), so that the sum of all of them keeps about the same size however deep the model is.
        """
        std = self.config.initializer_range
        for name, parameter in self.named_parameters():
            if name.endswith("c_proj.weight"):
                nn.init.normal_(parameter, std=std / math.sqrt(2 * self.config.n_layer))
            elif "ln_" in name and name.endswith("weight"):
                nn.init.ones_(parameter)
            elif name.endswith("weight"):
                nn.init.normal_(parameter, std=std)
            else:
                nn.init.zeros_(parameter)

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
            position_ids: (B, T) int64; by default they count on from what the cache holds.
            mask: bool, broadcastable to (B, H, T, S), True where looking is allowed; None is causal.
            cache: what was read before; the new tokens are added to it.

        Returns:
            (B, T, C).

        Raises:
            ValueError: input_ids that are not (B, T), an id outside the vocabulary, more tokens than n_positions.
        """
        if input_ids.dim() != 2 or input_ids.size(1) == 0:
            raise ValueError(
                f"input_ids has shape {tuple(input_ids.shape)}; it must be (B, T) with at least one token"
            )
        past, T = 0 if cache is None else cache.length, input_ids.size(1)
        if past + T > self.config.n_positions:
            raise ValueError(
                f"{past + T} tokens are more than this model's {self.config.n_positions} positions; shorten the text"
            )
        if position_ids is None:
            position_ids = torch.arange(past, past + T, device=input_ids.device)
        try:
            x = self.drop(self.wte(input_ids) + self.wpe(position_ids))
        except IndexError:
            wrong = input_ids[(input_ids < 0) | (input_ids >= self.config.vocab_size)]
            raise ValueError(
                f"input_ids holds {wrong[:1].tolist() or 'a position'} outside this model's "
                f"{self.config.vocab_size} tokens and {self.config.n_positions} positions; does the tokenizer fit?"
            ) from None
        for block in self.h:
            x = block(x, mask, cache)
        if cache is not None:
            cache.advance(T)
        return self.ln_f(x)

    def head(self, hidden: Tensor) -> Tensor:
        """A score for every token of the vocabulary: the embedding matrix, used a second time.  [..., C] -> [..., V]"""
        return F.linear(hidden, self.wte.weight)

    def forward(
        self,
        input_ids: Tensor,
        *,
        position_ids: Tensor | None = None,
        mask: Tensor | None = None,
        cache: KVCache | None = None,
    ) -> Tensor:
        """Scores (logits) for the token after each of the given ones. Arguments as in `hidden`.

        Returns:
            (B, T, V).
        """
        return self.head(
            self.hidden(input_ids, position_ids=position_ids, mask=mask, cache=cache)
        )
