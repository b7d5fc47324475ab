"""What the live model in the page needs: one file with weights and tokenizer."""

from __future__ import annotations

import copy
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from gpt2course.checkpoints import byte_characters, load_checkpoint, load_tokenizer
from gpt2course.course.interpret import check_index
from gpt2course.data import load_reviews, plain_text
from gpt2course.files import refuse_irregular
from gpt2course.model import GPT2

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MOST_BYTES = 8_000_000  # of the file that a reader downloads
#: int8 is used when it chooses the same token at least this often ...
LEAST_AGREEMENT = 0.97
#: ... and its distribution is this close, in nats per token
MOST_KL = 0.005
REVIEWS = 24  # validation reviews on which that is measured


@dataclass(frozen=True)
class LiveFile:
    """One exported file and how close its weights are to those of the checkpoint.

    Args:
        content: the bytes of the file.
        dtype: "int8" (one scale per row of each matrix) or "float16".
        top1_agreement: fraction of positions at which both have the same most probable
            token.
        kl: mean KL divergence from the checkpoint's distribution, in nats per token.
        tokens: positions that were compared.
    """

    content: bytes
    dtype: str
    top1_agreement: float
    kl: float
    tokens: int

    @property
    def crc32(self) -> int:
        """Checksum that the page compares."""
        return zlib.crc32(self.content)

    def report(self) -> dict:
        """What the page and the command say about the file."""
        rest = {key: value for key, value in asdict(self).items() if key != "content"}
        return {**rest, "bytes": len(self.content), "crc32": self.crc32}


def quantize_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Round each row of a matrix to whole numbers from -127 to 127 times one scale.

    Args:
        weight: (rows, columns) float32.

    Returns:
        int8 of the same shape, and the scales, (rows,) float32.

    Source: Dettmers et al. 2022, "LLM.int8()", section 2 (absmax quantisation).
    Chapter: how the live model works.
    """
    scale = weight.abs().amax(dim=1).clamp(min=1e-12) / 127
    return (weight / scale[:, None]).round().to(torch.int8).contiguous(), scale


def stored(model: GPT2, dtype: str) -> dict[str, Tensor]:
    """The tensors of the file: matrices as int8 with scales, or all as float16."""
    tensors: dict[str, Tensor] = {}
    for name, weight in model.state_dict().items():
        if dtype == "int8" and weight.dim() == 2:
            tensors[name], tensors[f"{name}.scale"] = quantize_rows(weight.float())
        else:
            tensors[name] = weight.half().contiguous()
    return tensors


def as_read(model: GPT2, dtype: str) -> GPT2:
    """The model that the page computes with: weights stored and read again."""
    tensors, weights = stored(model, dtype), {}
    for name in model.state_dict():
        scale = tensors.get(f"{name}.scale")
        weights[name] = (
            tensors[name].float()
            if scale is None
            else tensors[name].float() * scale[:, None]
        )
    result = GPT2(model.config).eval()
    result.load_state_dict(weights)
    return result


def merges_of(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The merges of a byte-level BPE, from which the page rebuilds its vocabulary.

    Returns:
        one "left right" each, in the order in which they were learned.

    Raises:
        ValueError: its ids are not the 256 bytes, the merges in order, `<|endoftext|>`.
    """
    backend = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    merges = [
        pair if isinstance(pair, str) else " ".join(pair) for pair in backend["merges"]
    ]
    bytes_first = sorted(byte_characters().items(), key=lambda item: ord(item[1]))
    tokens = [character for _, character in bytes_first] + [
        pair.replace(" ", "") for pair in merges
    ]
    tokens.append("<|endoftext|>")
    vocabulary = tokenizer.get_vocab()
    if len(vocabulary) != len(tokens) or any(
        vocabulary.get(token) != i for i, token in enumerate(tokens)
    ):
        raise ValueError(
            f"the tokenizer's {len(vocabulary)} ids are not 256 bytes, {len(merges)} "
            "merges and <|endoftext|> in this order, so that the page cannot rebuild "
            "them; use the tokenizer that `gpt2course pretrain` makes"
        )
    return merges


def file_content(model: GPT2, merges: Sequence[str], dtype: str) -> bytes:
    """One safetensors file with weights, configuration and the tokenizer's merges.

    Args:
        merges: the lines of vocab.bpe, in the order in which they were learned.
        dtype: "int8" or "float16".
    """
    metadata = {
        "config": json.dumps(model.config.to_dict()),
        "merges": "\n".join(merges),
        "dtype": dtype,
    }
    return save(stored(model, dtype), metadata)


def refuse_other_file(path: Path) -> None:
    """Refuse to write where something stands that is no file of `file_content`.

    Raises:
        ValueError: a folder, a file of another kind.
        OSError: it cannot be read.
    """
    if not path.exists():
        return
    refuse_irregular(path)
    try:
        with safe_open(path, "pt") as file:
            found = file.metadata() or {}
    except SafetensorError:
        found = {}
    if not {"config", "merges", "dtype"} <= found.keys():
        raise ValueError(
            f"{path} exists and is no file of the live model; pass another name, "
            "nothing was written"
        )


@torch.no_grad()
def compare(
    model: GPT2, other: GPT2, documents: Sequence[Sequence[int]]
) -> tuple[float, float, int]:
    """How close another model's next-token distributions are.

    Args:
        model, other: in eval mode, of one vocabulary.
        documents: token ids, one list per text; each is cut to n_positions.

    Returns:
        top-1 agreement in 0..1, mean KL divergence in nats per token, positions.
    """
    same, nats, count = 0, 0.0, 0
    for ids in documents:
        input_ids = torch.tensor([list(ids)[: model.config.n_positions]])
        p, q = (m(input_ids)[0].log_softmax(dim=-1) for m in (model, other))
        same += int((p.argmax(-1) == q.argmax(-1)).sum())
        nats += float(F.kl_div(q, p, reduction="sum", log_target=True))
        count += input_ids.numel()
    return same / count, nats / count, count


def export_live(checkpoint: str | None = "mini", dtype: str = "auto") -> LiveFile:
    """The file that the page downloads, made from a checkpoint and its tokenizer.

    int8 is used when, on validation reviews, it has the same most probable token at
    LEAST_AGREEMENT of the positions or more and its KL divergence is at most MOST_KL;
    else float16.

    Args:
        checkpoint: as in `load_checkpoint`.
        dtype: "auto", "int8" or "float16".

    Raises:
        ValueError: another dtype, a tokenizer that cannot be rebuilt, a file above
            MOST_BYTES.

    Chapter: how the live model works.
    """
    if dtype not in ("auto", "int8", "float16"):
        raise ValueError(f"dtype is {dtype!r}; it must be auto, int8 or float16")
    model, tokenizer = load_checkpoint(checkpoint), load_tokenizer(checkpoint)
    merges = merges_of(tokenizer)
    texts = load_reviews("embedded")["validation"]["text"][:REVIEWS]
    documents = [tokenizer.encode(plain_text(text), verbose=False) for text in texts]
    tried = []
    for kind in ("int8", "float16") if dtype == "auto" else (dtype,):
        measured = compare(model, as_read(model, kind), documents)
        tried.append(LiveFile(file_content(model, merges, kind), kind, *measured))
        if (
            dtype == "auto"
            and measured[0] >= LEAST_AGREEMENT
            and measured[1] <= MOST_KL
        ):
            break
    chosen = tried[-1]
    if len(chosen.content) > MOST_BYTES:
        found = "; ".join(
            f"{f.dtype}: {len(f.content) / 1e6:.1f} MB, "
            f"top-1 agreement {f.top1_agreement:.1%}, KL {f.kl:.4f}"
            for f in tried
        )
        raise ValueError(
            f"a reader is asked for {MOST_BYTES / 1e6:.0f} MB at most ({found}); "
            "export a smaller checkpoint, or take dtype int8 where that is small enough"
        )
    return chosen


@torch.no_grad()
def logits_without(
    model: GPT2,
    input_ids: Sequence[int],
    *,
    mask: bool = False,
    positions: bool = False,
    head: tuple[int, int] | None = None,
    block: int | None = None,
    ln_f: bool = False,
) -> Tensor:
    """Logits of a model from which parts were taken: what the page's switches do.

    Args:
        input_ids: T ids.
        mask: True lets every token look at all tokens, also at later ones.
        positions: True adds no position vectors.
        head: block and head whose mix is replaced by zeros.
        block: a block that is skipped.
        ln_f: True leaves out the final layer norm.

    Returns:
        (T, V).

    Chapter: architecture.
    """
    if head is not None:
        check_index("head's block", head[0], model.config.n_layer)
        check_index("head", head[1], model.config.n_head)
    if block is not None:
        check_index("block", block, model.config.n_layer)
    changed, D = copy.deepcopy(model), model.config.head_size
    if positions:
        changed.wpe.weight.zero_()
    if head is not None:
        layer, h = head
        changed.h[layer].attn.c_proj.weight[:, h * D : (h + 1) * D] = 0
    if block is not None:
        del changed.h[block]
    if ln_f:
        changed.ln_f = nn.Identity()
    T = len(input_ids)
    everything = torch.ones(T, T, dtype=torch.bool)
    return changed(torch.tensor([list(input_ids)]), mask=everything if mask else None)[
        0
    ]
