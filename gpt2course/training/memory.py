"""How many bytes a GPT-2 needs, by formula: weights, gradients, optimizer, activations.

Nothing is allocated and no torch is needed, so gpt2-xl takes a microsecond. Letters: B
rows, T tokens, C n_embd, L blocks, H heads, V vocabulary, r LoRA rank.

    parameters    V C + n_positions C + L (12 C^2 + 13 C) + 2 C; LoRA trains 4 r C L
    gradients     4 bytes per trained parameter
    AdamW         8 bytes per trained parameter: two float32 moments
    8-bit AdamW   2 bytes per trained parameter, and 8 bytes per 256 of them; embeddings
                  as in AdamW
    activations   float32: 4 (L (16 B T C + 4 B T + B H T) + 2 B T C + 2 B T + B T V)
                  and 16 B T for ids and labels, whatever the number format
    KV cache      2 L B T C numbers

A block keeps for its backward pass what both layer norms read (2 B T C numbers) and
wrote (2), queries, keys and values (3), what attention wrote (1), what GELU read (4)
and wrote (4). Under autocast 2 + 8 + 4 of these 16 are in 16 bits and the 2 that layer
norms read in 32. The fused attention kernel keeps one number per query and head.
tests/training/test_memory.py compares with what PyTorch keeps and allocates.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Literal

from gpt2course.arguments import whole_number
from gpt2course.config import GPT2Config
from gpt2course.settings import unknown
from gpt2course.training.config import PRECISIONS

#: the optimizers whose memory is known, by Trainer's names
OPTIMIZERS = ("adamw_torch", "adamw_8bit")
DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}
DEVICES = ("cuda", "cpu")
# bitsandbytes: a block of states shares a float32 scale; small tensors stay in float32
STATE_BLOCK = 256
SMALLEST_8BIT = 4096


@dataclass(frozen=True)
class Memory:
    """Bytes, line by line.

    Args:
        weights: the parameters.
        weight_copies: 16-bit copies that autocast makes of float32 matrices.
        gradients: of the trained parameters, float32.
        optimizer: its state.
        activations: what autograd keeps for the backward pass.
        temporary: what the step needs on top of that at its most hungry moment, such as
            the gradient of the logits, or the block that is computed again.
        cache: keys and values while generating.

    Chapter: large models.
    """

    weights: int
    weight_copies: int = 0
    gradients: int = 0
    optimizer: int = 0
    activations: int = 0
    temporary: int = 0
    cache: int = 0

    @property
    def total(self) -> int:
        """The peak of a training step, or what generating needs.

        The gradients of earlier batches of a gradient accumulation are there from the
        start; without accumulation the peak is lower, by at most the gradients. What a
        GPU's driver, its libraries and the allocator's gaps take comes on top.
        """
        return sum(asdict(self).values())


def parameter_sizes(config: GPT2Config, lora_rank: int = 0) -> list[tuple[int, int]]:
    """The trained tensors, as (numbers in one of them, how many there are).

    Args:
        config: the shape.
        lora_rank: 0 trains everything; above, only the two factors (r, C) and (3 C, r)
            of each block's c_attn.

    Source: Hu et al. 2022, section 4.1, for LoRA. Chapter: large models.
    """
    C, L = config.n_embd, config.n_layer
    if whole_number("lora_rank", lora_rank, least=0):
        return [(lora_rank * C, L), (3 * C * lora_rank, L)]
    return [
        (config.vocab_size * C, 1),  # wte, which is the head, too
        (config.n_positions * C, 1),  # wpe
        (3 * C * C, L),  # c_attn
        (C * C, L),  # attn.c_proj
        (4 * C * C, 2 * L),  # c_fc, mlp.c_proj
        (3 * C, L),  # biases of c_attn
        (4 * C, L),  # and of c_fc
        (C, 6 * L + 2),  # both other biases, layer norms
    ]


def parameter_count(config: GPT2Config, lora_rank: int = 0) -> int:
    """How many parameters are trained.

    Args:
        config, lora_rank: as in `parameter_sizes`.

    Chapter: large models.
    """
    return sum(size * count for size, count in parameter_sizes(config, lora_rank))


def optimizer_bytes(config: GPT2Config, optim: str, lora_rank: int = 0) -> int:
    """The state of AdamW: two moments of each trained parameter.

    Args:
        config, lora_rank: as in `parameter_sizes`.
        optim: "adamw_torch", float32; or "adamw_8bit", that of bitsandbytes, whose
            states of embeddings Trainer keeps in float32.

    Raises:
        ValueError: another optim.

    Source: Dettmers et al. 2022; bitsandbytes' Optimizer2State.init_state; Trainer's
    create_optimizer. Chapter: large models.
    """
    if optim not in OPTIMIZERS:
        raise unknown("optim", optim, OPTIMIZERS)
    embeddings = 0 if lora_rank else 2  # they come first among the sizes
    total = 0
    for place, (size, count) in enumerate(parameter_sizes(config, lora_rank)):
        in_float = place < embeddings or size < SMALLEST_8BIT
        if optim == "adamw_torch" or in_float:
            total += count * 2 * 4 * size
        else:
            total += count * 2 * (size + 4 * math.ceil(size / STATE_BLOCK))
    return total


def cache_bytes(
    config: GPT2Config, batch_size: int, length: int, dtype: str = "float32"
) -> int:
    """Keys and values of every block.

    Args:
        config: the shape.
        batch_size: sequences.
        length: tokens of each that the cache has room for.
        dtype: "float32", "bfloat16" or "float16".

    Raises:
        ValueError: fewer than one sequence or token, more than n_positions tokens, an
            unknown dtype.

    Chapter: the KV cache.
    """
    _check_size(config, batch_size, length)
    if dtype not in DTYPE_BYTES or dtype == "int8":
        raise unknown("dtype", dtype, [d for d in DTYPE_BYTES if d != "int8"])
    numbers = 2 * config.n_layer * batch_size * length * config.n_embd
    return numbers * DTYPE_BYTES[dtype]


def inference_memory(
    config: GPT2Config, *, batch_size: int = 1, length: int, dtype: str = "float32"
) -> Memory:
    """What generating needs: the weights and the cache.

    Args:
        config: the shape.
        batch_size: sequences.
        length: tokens of each, read and written.
        dtype: of weights and cache. "int8" is `quantize_weights`: matrices of one byte
            per number and a float32 scale per row, the head's beside the float32
            embedding; the rest and the cache are float32.

    Raises:
        ValueError: as `cache_bytes`.

    Chapter: large models.
    """
    if dtype not in DTYPE_BYTES:
        raise unknown("dtype", dtype, list(DTYPE_BYTES))
    weights = parameter_count(config) * DTYPE_BYTES[dtype]
    if dtype == "int8":
        V, C, L = config.vocab_size, config.n_embd, config.n_layer
        rounded = L * 12 * C * C  # 9 C rows in a block
        kept = parameter_count(config) - rounded
        # the head of the quantized model has a bias of zeros
        weights = rounded + V * C + 4 * (L * 9 * C + 2 * V + kept)
    cache = cache_bytes(
        config, batch_size, length, "float32" if dtype == "int8" else dtype
    )
    return Memory(weights=weights, cache=cache)


def training_memory(
    config: GPT2Config,
    *,
    batch_size: int,
    length: int,
    mixed_precision: str = "no",
    optim: str = "adamw_torch",
    gradient_checkpointing: bool = False,
    lora_rank: int = 0,
    frozen_dtype: str = "float32",
    device: Literal["cuda", "cpu"] = "cuda",
) -> Memory:
    """What a training step needs at its peak, for this course's GPT2.

    A document mask adds B T T numbers per block. Other implementations may keep more:
    without a fused attention kernel the attention weights, T numbers per query and
    head; with GELU written out as a formula several tensors instead of one.

    Args:
        config: the shape; a dropout probability above 0 counts as dropout.
        batch_size: rows of one forward pass.
        length: tokens per row.
        mixed_precision: "no", or autocast's "bf16" or "fp16".
        optim: "adamw_torch" or "adamw_8bit".
        gradient_checkpointing: keep what goes into each block, compute the rest again.
        lora_rank: 0 trains everything; above, two factors of this rank beside each
            c_attn, and the weights are frozen.
        frozen_dtype: of frozen weights; 16 bits go with LoRA and mixed precision.
        device: "cuda" or "cpu". A mask of dropout takes one byte per number on a GPU,
            and four or two on a CPU, where dropout on attention weights also makes
            PyTorch keep them three times.

    Raises:
        ValueError: a name that is not known, fewer than one row or token, more tokens
            than n_positions, a rank outside 0..n_embd, frozen weights in 16 bits
            without LoRA or without mixed precision.

    Source: the counts are this module's; Korthikanti et al. 2022, section 4, count the
    same for 16 bits. Chapter: large models.
    """
    _check_size(config, batch_size, length)
    _check_training(config, mixed_precision, optim, lora_rank, frozen_dtype, device)
    full, half = lora_rank == 0, mixed_precision != "no"
    C, L, V = config.n_embd, config.n_layer, config.vocab_size
    tokens = batch_size * length
    trained = parameter_count(config, lora_rank)
    weights = parameter_count(config) * DTYPE_BYTES[frozen_dtype]
    if not full:
        weights += 4 * trained
    # a GPU's autocast computes layer norms in float32, a CPU's in the weights' dtype
    norm = DTYPE_BYTES[frozen_dtype] if device == "cpu" else 4
    block = _block_bytes(config, tokens, length, half, norm, lora_rank, device)
    stream = tokens * C * DTYPE_BYTES[frozen_dtype]  # what goes into a block
    kept = L * (stream if gradient_checkpointing else block)
    kept += _ends_bytes(config, tokens, half, norm, full, device)
    copy = 2 if half and frozen_dtype == "float32" else 0  # bytes per number
    copies = copy * V * C
    if not gradient_checkpointing:
        copies += copy * L * 12 * C * C
    # what comes on top of that, at the moments when it may be most
    head = V * C * (4 + copy) if full else 0  # the embedding's gradient, by the head
    moments = [8 * tokens * V, head]
    if gradient_checkpointing:
        if full:  # autocast forgets its copies when the forward pass ends
            moments.append(copy * L * 12 * C * C - 2 * tokens * V)
        # a block is computed again, and the way back through its MLP begins
        wide = 5 * tokens * C * 4 if not half else tokens * C * (4 + 2 + 8)
        matrix = 4 * C * C * (4 + copy) if full else 0  # a gradient before it is added
        moments.append(
            block
            - stream
            + wide
            + matrix
            + copy * 12 * C * C
            + head
            - 4 * tokens * V  # the loss is done with
        )
    if full:  # the embedding's gradient by the head, by the rows read, and their sum
        moments.append(3 * 4 * V * C - kept - copies)
    return Memory(
        weights=weights,
        weight_copies=copies,
        gradients=4 * trained,
        optimizer=optimizer_bytes(config, optim, lora_rank),
        activations=kept,
        temporary=max(moments),
    )


def _block_bytes(
    config: GPT2Config,
    tokens: int,
    length: int,
    half: bool,
    norm: int,
    lora_rank: int,
    device: str,
) -> int:
    """What autograd keeps of one block; tokens is B T, norm the bytes per number of a
    layer norm."""
    C, H = config.n_embd, config.n_head
    product = 2 if half else 4  # bytes per number that a matrix product reads or writes
    # layer norms: what they read, mean and deviation; queries, keys, values; attention;
    # the MLP's hidden layer before GELU
    kept = (2 * tokens * C + 4 * tokens) * norm + (3 + 1 + 4) * tokens * C * product
    if lora_rank:  # a frozen product does not need what it reads
        kept += tokens * C * product + tokens * lora_rank * product
    else:  # c_attn, c_fc and mlp.c_proj do; attn.c_proj reads what attention keeps
        kept += (1 + 1 + 4) * tokens * C * product
    if config.resid_pdrop:
        kept += 2 * tokens * C * (1 if device == "cuda" else product)
    if config.attn_pdrop and device == "cpu":  # no fused kernel: all in float32
        kept += 3 * tokens * length * H * 4 + 3 * tokens * C * (4 - product)
    else:
        kept += tokens * H * 4
    return kept


def _ends_bytes(
    config: GPT2Config, tokens: int, half: bool, norm: int, full: bool, device: str
) -> int:
    """What autograd keeps before the first and after the last block."""
    C, V = config.n_embd, config.vocab_size
    kept = 2 * 8 * tokens  # ids and labels
    kept += (tokens * C + 2 * tokens) * norm  # the last layer norm
    kept += tokens * V * 4  # log-probabilities
    if full:
        kept += tokens * C * (2 if half else 4)  # what the head reads
    if config.embd_pdrop and full:
        kept += tokens * C * (1 if device == "cuda" else 4)
    return kept


def _check_size(config: GPT2Config, batch_size: int, length: int) -> None:
    for name, value in (("batch_size", batch_size), ("length", length)):
        if type(value) is not int or value < 1:
            raise ValueError(
                f"{name} is {value!r}; it must be a whole number of at least 1"
            )
    if length > config.n_positions:
        raise ValueError(
            f"length is {length}; the model reads at most {config.n_positions} tokens"
        )


def _check_training(
    config: GPT2Config,
    mixed_precision: str,
    optim: str,
    lora_rank: int,
    frozen_dtype: str,
    device: str,
) -> None:
    for what, given, known in (
        ("mixed_precision", mixed_precision, PRECISIONS),
        ("optim", optim, OPTIMIZERS),
        ("frozen_dtype", frozen_dtype, [d for d in DTYPE_BYTES if d != "int8"]),
        ("device", device, DEVICES),
    ):
        if given not in known:
            raise unknown(what, str(given), known)
    if type(lora_rank) is not int or not 0 <= lora_rank <= config.n_embd:
        raise ValueError(
            f"lora_rank is {lora_rank!r}; it must be a whole number from 0, which "
            f"trains everything, to n_embd, {config.n_embd}"
        )
    if frozen_dtype != "float32" and not (lora_rank and mixed_precision != "no"):
        raise ValueError(
            f"frozen_dtype is {frozen_dtype}, but weights of 16 bits are for LoRA with "
            "mixed precision: set lora_rank and mixed_precision, or keep float32"
        )
