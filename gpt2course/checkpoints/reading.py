"""Files of a checkpoint that somebody else made: bounded, checked, never unpickled.

JSON with any byte-order mark, one safetensors file or several, the prefixes that
wrappers leave in names. convert.py and reconciliation.py build on it.
"""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from gpt2course.files import (
    parse_json,
    read_bounded,
    refuse_irregular,
    with_byte_order_mark,
)

MAX_CONFIG_BYTES = 2**20
MAX_TOKENIZER_BYTES = 2**25
MAX_HEADER_BYTES = 2**23  # gpt2-xl has 70 kB
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
FLOATS = ("F64", "F32", "F16", "BF16")
MASKS = (".attn.bias", ".attn.masked_bias")  # of old files, may be of any type
TOKENIZER_FILES = (
    *("tokenizer.json", "vocab.json", "merges.txt", "vocab.txt", "spiece.model"),
    *("sentencepiece.bpe.model", "tokenizer.model", "added_tokens.json"),
    *("special_tokens_map.json", "tokenizer_config.json", "chat_template.jinja"),
)
# parts of names that wrappers add: torch.compile, DataParallel, FSDP, checkpointing
WRAPPERS = re.compile(
    r"(^|\.)(_orig_mod|module|_fsdp_wrapped_module|_checkpoint_wrapped_module)(?=\.)"
)


class CheckpointError(ValueError):
    """A checkpoint that is missing, damaged, altered, or of another architecture."""


def read_small_file(path: Path, limit: int) -> bytes:
    """A file of a checkpoint, unless it is larger than such a file can be.

    Args:
        path: of the file.
        limit: in bytes.

    Raises:
        FileNotFoundError, NotADirectoryError: there is none.
        CheckpointError: it is larger, no regular file, or cannot be read.
    """
    try:
        return read_bounded(path, limit)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:  # such as a link to itself
        raise CheckpointError(
            f"{path} cannot be read ({error.strerror}); replace it by the file itself"
        ) from None
    except ValueError as error:
        raise CheckpointError(str(error)) from None


def read_json(path: Path, limit: int = MAX_CONFIG_BYTES) -> dict:
    """A JSON object, with or without a byte-order mark.

    Raises:
        FileNotFoundError, NotADirectoryError: there is none.
        CheckpointError: too large, no JSON, or no object.
    """
    content = read_small_file(path, limit)
    try:
        value = parse_json(content)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{path}: it is no JSON ({error}); download or make it again"
        ) from None
    if not isinstance(value, dict):
        raise CheckpointError(
            f"{path}: it holds a {type(value).__name__}, not an object"
        )
    return value


def unwrapped(name: str) -> str:
    """The name of a tensor without what wrappers put into it."""
    return WRAPPERS.sub("", name).removeprefix(".")


def plain_names(names: Iterable[str]) -> dict[str, str]:
    """Names of tensors without what wrappers put into them or before all of them.

    Lightning writes "model." before every name, PEFT "base_model.model.", a module of
    one's own the name of its attribute. Such a prefix is left out only if every name
    has it and GPT-2's embedding follows it. A head without an embedding is the
    embedding: safetensors' save_model keeps one name of a tensor that has two.

    Args:
        names: of all tensors of a checkpoint.

    Returns:
        name -> plain name.
    """
    plain = {name: unwrapped(name) for name in names}
    matrices = [n for n in plain.values() if n.endswith("wte.weight")]
    only_head = not matrices
    if only_head:
        matrices = [n for n in plain.values() if n.endswith("lm_head.weight")]
    if len(matrices) != 1:
        return plain
    outer = re.sub(r"(transformer\.)?(wte|lm_head)\.weight$", "", matrices[0])
    if outer.endswith(".") and all(n.startswith(outer) for n in plain.values()):
        plain = {name: n.removeprefix(outer) for name, n in plain.items()}
    if only_head:
        head, wte = matrices[0].removeprefix(outer), "transformer.wte.weight"
        plain = {name: wte if n == head else n for name, n in plain.items()}
    return plain


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder: one, or those that an index names.

    Raises:
        CheckpointError: there is none, or the index names a file outside the folder.
    """
    if (folder / WEIGHTS).exists() or not (folder / INDEX).exists():
        return [folder / WEIGHTS]
    names = read_json(folder / INDEX, MAX_HEADER_BYTES).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise CheckpointError(f"{folder / INDEX} has no weight_map")
    files = []
    for name in dict.fromkeys(map(str, names.values())):
        if not re.fullmatch(r"[^/\\:\0]+\.safetensors", name):
            raise CheckpointError(
                f"{folder / INDEX} names {name[:80]!r}; the parts of a checkpoint are "
                "safetensors files in its own folder"
            )
        files.append(folder / name)
    return files


def read_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor, from the headers alone, under its plain name.

    Raises:
        CheckpointError: a file is missing or damaged, its header is larger than the
            file, a tensor is no floating-point number, or one occurs twice.
    """
    found: dict[str, tuple[Path, tuple[int, ...]]] = {}
    for path in weight_files(folder):
        with _weights(path):
            _check_header(path)
            with safe_open(path, "pt") as file:
                for name in file.keys():  # noqa: SIM118 (it is no dict)
                    piece = file.get_slice(name)
                    dtype = piece.get_dtype()
                    if dtype not in FLOATS and not unwrapped(name).endswith(MASKS):
                        raise CheckpointError(
                            f"{path}: {name!r} is stored as {dtype}; quantised weights "
                            "are not read, save them as float32"
                        )
                    if name in found:
                        raise CheckpointError(f"{path}: {name!r} occurs twice")
                    found[name] = (path, tuple(piece.get_shape()))
    shapes: dict[str, tuple[int, ...]] = {}
    for name, key in plain_names(found).items():
        path, shape = found[name]
        if key in shapes:
            raise CheckpointError(
                f"{path}: {key!r} occurs twice, under several prefixes"
            )
        shapes[key] = shape
    return shapes


def read_state(folder: Path) -> dict[str, Tensor]:
    """Every tensor of a folder under its plain name, in the type it is stored in.

    Raises:
        CheckpointError: as `read_shapes`.
    """
    read_shapes(folder)
    state: dict[str, Tensor] = {}
    for path in weight_files(folder):
        with _weights(path):
            state |= load_file(path)
    return {name: state[stored] for stored, name in plain_names(state).items()}


def wrapped_names(folder: Path) -> bool:
    """Whether names of tensors carry the prefix of a wrapper."""
    names: list[str] = []
    for path in weight_files(folder):
        with safe_open(path, "pt") as file:
            names += file.keys()
    return any(
        name != plain and not name.endswith("lm_head.weight")
        for name, plain in plain_names(names).items()
    )


def _check_header(path: Path) -> None:
    refuse_irregular(path)
    size = path.stat().st_size
    with open(path, "rb") as file:
        claimed = int.from_bytes(file.read(8), "little")
    if size < 8 or claimed > min(size - 8, MAX_HEADER_BYTES):
        raise CheckpointError(
            f"{path} is damaged or cut short (its header claims {claimed:,} bytes, the "
            f"file has {size:,}); download or make it again"
        )


@contextmanager
def _weights(path: Path) -> Iterator[None]:
    """Errors of reading a safetensors file as one line."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise CheckpointError(f"{path} does not exist; {_remedy(path)}") from None
    except CheckpointError:
        raise
    except ValueError as error:  # no regular file
        raise CheckpointError(str(error)) from None
    except (SafetensorError, OSError, OverflowError) as error:
        raise CheckpointError(
            f"{path} is damaged or cut short ({error}); download or make it again"
        ) from None


def _remedy(path: Path) -> str:
    """What to do about a missing file of weights."""
    if path.name != WEIGHTS:
        return f"{INDEX} beside it names it: download it or copy it there, too"
    parts = sorted(part.name for part in path.parent.glob("*.safetensors"))
    if parts:
        return (
            f"there are {', '.join(parts[:2])}: give a single file that name, and "
            f"several their {INDEX}"
        )
    return "save the model with safetensors (save_pretrained does)"


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder has a file that holds a vocabulary.

    Raises:
        CheckpointError: all that there is are links to nothing, or to themselves.
    """
    files = [folder / name for name in TOKENIZER_FILES[:7]]
    if any(path.exists() for path in files):
        return True
    for path in files:
        if path.is_symlink():
            raise CheckpointError(
                f"{path} is a link that leads to no file; replace it by the file itself"
            )
    return False


@contextmanager
def tokenizer_copy(folder: Path) -> Iterator[Path]:
    """The tokenizer's files in a folder of their own, safe to hand to transformers.

    Each is bounded in size and without a byte-order mark. What names other files or
    code to run is left out of tokenizer_config.json, so no path in it is followed.

    Args:
        folder: of the checkpoint.

    Yields:
        the folder, which is deleted afterwards.

    Raises:
        CheckpointError: there is no tokenizer, or a file is too large or no JSON.
    """
    if not has_tokenizer(folder):
        raise CheckpointError(
            f"{folder} has no tokenizer.json; save the tokenizer beside the model "
            "(save_pretrained does)"
        )
    with tempfile.TemporaryDirectory(prefix="gpt2course-") as temporary:
        for name in TOKENIZER_FILES:
            try:
                content = read_small_file(folder / name, MAX_TOKENIZER_BYTES)
            except (FileNotFoundError, NotADirectoryError):
                continue
            if name.endswith((".json", ".txt")):
                encoding = with_byte_order_mark(content)
                if encoding != "utf-8":
                    try:
                        content = content.decode(encoding).encode()
                    except UnicodeDecodeError:
                        raise CheckpointError(
                            f"{folder / name} is not {encoding}, as its byte-order "
                            "mark says; save it as UTF-8"
                        ) from None
            if name == "tokenizer_config.json":
                entries = read_json(folder / name)
                kept = {
                    key: value
                    for key, value in entries.items()
                    if not key.endswith("_file") and key not in _NOT_KEPT
                }
                length = kept.pop("model_max_length", None)
                if type(length) in (int, float) and 1 <= length < math.inf:
                    kept["model_max_length"] = int(length)
                content = json.dumps(kept).encode()
            (Path(temporary) / name).write_bytes(content)
        yield Path(temporary)


_NOT_KEPT = ("auto_map", "name_or_path", "custom_code")
