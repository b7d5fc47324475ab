"""The classifier: a new one, the one that ships, writing, loading, predicting.

dataset.py makes its input, trainer.py trains it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor
from transformers import (
    GPT2Config,
    GPT2ForSequenceClassification,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from gpt2course.arguments import rows_of_ids, whole_number
from gpt2course.checkpoints import (
    CheckpointError,
    checkpoint_folder,
    from_hf,
    read_entries,
    read_state,
    reconcile,
    verify,
    write_tokenizer,
)
from gpt2course.config import GPT2Config as Shape
from gpt2course.data import LABELS
from gpt2course.files import replacing, write_text
from gpt2course.sentiment.dataset import pad_right, tokenise_reviews

if TYPE_CHECKING:
    from datasets import Dataset

#: the folder of the trained classifier, which ships with the package
CLASSIFIER = Path(__file__).parent / "classifier"
#: the checksums of its files
CLASSIFIER_SHA256 = Path(__file__).parent / "classifier.sha256.json"


def new_classifier(
    checkpoint: str | None = None, *, random: bool = False, seed: int = 0
) -> GPT2ForSequenceClassification:
    """A pretrained GPT-2 with a new classification layer in place of the language head.

    Args:
        checkpoint: as in `load_checkpoint`.
        random: initialise the whole network at random, to see what pretraining brings.
        seed: decides the random weights.

    Returns:
        float32, eval mode. Labels are negative and positive; the pad token is the
        end-of-text token. Attention weights have no dropout in training, whatever the
        checkpoint says: on a CPU that would cost a third of the speed.

    Source: transformers.GPT2ForSequenceClassification. Chapter: sentiment.
    """
    folder = checkpoint_folder(checkpoint)
    shape = reconcile(folder).config
    config = _configuration(folder)
    config.id2label = dict(enumerate(LABELS))
    config.label2id = {label: i for i, label in enumerate(LABELS)}
    config.bos_token_id = config.eos_token_id = shape.eos_token_id
    config.pad_token_id = shape.eos_token_id
    config.problem_type = "single_label_classification"
    config.dtype = torch.float32
    config.use_cache = False
    # torch's fused attention on a CPU has no dropout; that of the residual stream stays
    config.attn_pdrop = 0.0
    if config.activation_function == "gelu_new":
        # the same function, in one operation instead of eight
        config.activation_function = "gelu_pytorch_tanh"
    torch.manual_seed(seed)
    if random:
        model = GPT2ForSequenceClassification(config)
    else:
        # the loading report would say what is meant: score is new, lm_head is left out
        model = _with_weights(folder, config)
    patch_classifier(model)
    return model.eval()


# what a classifier of ours depends on; other entries, such as return_dict, would only
# change what transformers returns
CONFIG_ENTRIES = (
    *(field.name for field in fields(Shape)),
    *("model_type", "architectures", "activation_function", "n_inner"),
    *("num_labels", "id2label", "label2id", "problem_type"),
)
# the special tokens are those of `reconcile`; transformers' own are those of gpt2, of
# which it says at each start that this vocabulary does not have them
NO_TOKENS = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"))

MAX_LABELS = 1000


def _configuration(folder: Path) -> GPT2Config:
    """config.json for transformers, whatever its byte-order mark."""
    entries = read_entries(folder)
    kept = {name: entries[name] for name in CONFIG_ENTRIES if name in entries}
    kept |= NO_TOKENS
    for name, example in (
        ("id2label", '{"0": "negative", "1": "positive"}'),
        ("label2id", '{"negative": 0, "positive": 1}'),
    ):
        if not isinstance(kept.get(name, {}), dict | None):
            raise CheckpointError(
                f"{folder / 'config.json'}: {name} is {str(kept[name])[:80]}; it must "
                f"be an object, such as {example}"
            )
    labels = kept.get("num_labels", 2)
    # transformers would make a name for each
    if isinstance(labels, int) and labels > MAX_LABELS:
        raise CheckpointError(
            f"{folder / 'config.json'}: num_labels is {str(labels)[:80]}; at most "
            f"{MAX_LABELS:,} are read"
        )
    try:
        return GPT2Config.from_dict(kept)
    except Exception as error:  # of many kinds, for entries of wrong types
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise CheckpointError(f"{folder / 'config.json'}: {said}") from None


def _with_weights(folder: Path, config: GPT2Config) -> GPT2ForSequenceClassification:
    """A classifier with the weights of a folder, read and checked by our own reader."""
    state, body = {}, {}
    for name, tensor in read_state(folder).items():
        if name == "score.weight":
            state[name] = tensor
        elif name != "lm_head.weight":
            body[f"transformer.{name.removeprefix('transformer.')}"] = tensor
    try:
        # transformers would fill a missing tensor with random numbers
        from_hf(body, reconcile(folder).config)
    except CheckpointError as error:
        raise CheckpointError(f"{folder}: {error}") from None
    state |= body
    try:
        with quiet_transformers():
            return GPT2ForSequenceClassification.from_pretrained(
                None, config=config, state_dict=state, dtype=torch.float32
            )
    except Exception as error:  # of many kinds
        raise CheckpointError(
            f"the weights in {folder} cannot be read ({str(error).splitlines()[0]})"
        ) from None


def patch_classifier(model: GPT2ForSequenceClassification) -> None:
    """Correct two assumptions of transformers that do not hold for this model.

    Args:
        model: changed in place.

    Chapter: sentiment.
    """
    # Its loss is a mean already. Otherwise Trainer would not divide it by the number
    # of accumulated batches.
    model.accepts_loss_kwargs = False
    # Padding on the right needs no mask: no token attends to it, and without a mask
    # torch takes its fused causal kernel.
    model.transformer.warn_if_padding_and_no_attention_mask = _no_warning


def _no_warning(*_: object) -> None:
    pass


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Load weights without transformers' report and progress bar."""
    level = transformers_logging.get_verbosity()
    had_bar = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if had_bar:
            transformers_logging.enable_progress_bar()


def write_classifier(
    model: GPT2ForSequenceClassification,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
) -> None:
    """Save a classifier and its tokenizer for from_pretrained and pipeline.

    The weights are stored in float16 and loaded as float32.

    Args:
        model: the classifier.
        tokenizer: its model_max_length says how many tokens of a review are read.
        folder: where the files go; it is made if it does not exist.

    Chapter: evaluating-a-classifier.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: tensor.detach().to("cpu", torch.float16).contiguous()
        for name, tensor in model.state_dict().items()
    }
    with replacing(folder / "model.safetensors") as partial:
        save_file(state, partial, metadata={"format": "pt"})
        partial.chmod(0o644)  # safetensors makes it readable by its owner only
    config = model.config.to_diff_dict() | {
        "architectures": ["GPT2ForSequenceClassification"],
        "dtype": "float32",
    }
    write_text(folder / "config.json", json.dumps(config, indent=2) + "\n")
    write_padding_tokenizer(tokenizer, folder)


def write_padding_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Save the tokenizer of a classifier, which pads with the end-of-text token."""
    tokenizer.pad_token = tokenizer.eos_token
    write_tokenizer(tokenizer, folder)


def load_classifier(
    folder: str | Path | None = None,
) -> tuple[GPT2ForSequenceClassification, PreTrainedTokenizerBase]:
    """A trained classifier and its tokenizer: float32, eval mode.

    Args:
        folder: what `gpt2course finetune-sentiment` wrote, or another classifier of
            two labels; the classifier of the course by default. Its own names of the
            labels are in model.config.id2label; transformers' default names are
            LABEL_0 and LABEL_1. Its pad token is that of `reconcile`.

    Raises:
        CheckpointError: the files are missing, damaged or altered, it is not a
            classifier of two labels, or as `reconcile`.

    Chapter: evaluating-a-classifier.
    """
    if folder is None:
        verify(CLASSIFIER, json.loads(CLASSIFIER_SHA256.read_text(encoding="utf-8")))
    folder = Path(CLASSIFIER if folder is None else folder)
    found = reconcile(folder)
    config, tokenizer = _configuration(folder), found.tokenizer
    shapes = {name: tuple(t.shape) for name, t in read_state(folder).items()}
    architectures = config.architectures
    if not architectures and "score.weight" in shapes:  # nobody but a classifier has it
        architectures = ["GPT2ForSequenceClassification"]
    if architectures != ["GPT2ForSequenceClassification"] or config.num_labels != 2:
        raise CheckpointError(
            f"{folder} holds {architectures or 'no score.weight'} with "
            f"{config.num_labels} labels, not a "
            "classifier of two labels; make one with: "
            "gpt2course finetune-sentiment --output FOLDER"
        )
    if sorted(config.id2label) != [0, 1]:
        raise CheckpointError(
            f"{folder / 'config.json'}: id2label names {sorted(config.id2label)}; the "
            "two labels are 0 and 1"
        )
    if not all(isinstance(name, str) for name in config.id2label.values()):
        raise CheckpointError(
            f"{folder / 'config.json'}: id2label is {config.id2label}; the names of "
            "the labels are texts"
        )
    if config.problem_type not in (None, "single_label_classification"):
        raise CheckpointError(
            f"{folder / 'config.json'}: problem_type is {config.problem_type!r}; "
            "classes that exclude each other are needed"
        )
    if tokenizer is None:
        raise CheckpointError(
            f"{folder / 'tokenizer.json'} does not exist; is the training finished?"
        )
    expected = (2, config.n_embd)
    if shapes.get("score.weight") != expected:
        raise CheckpointError(
            f"{folder}: score.weight has shape {shapes.get('score.weight')}; a "
            f"classifier of two labels has {expected}"
        )
    config.bos_token_id = config.eos_token_id = found.config.eos_token_id
    config.pad_token_id = found.pad_token_id
    model = _with_weights(folder, config)
    patch_classifier(model)
    return model.eval(), tokenizer


def max_length_of(
    model: GPT2ForSequenceClassification, tokenizer: PreTrainedTokenizerBase
) -> int:
    """How many tokens of a review a classifier reads.

    Args:
        model: a classifier; it has n_positions positions.
        tokenizer: beside it; model_max_length is what it was trained with.
    """
    return min(tokenizer.model_max_length, model.config.n_positions)


@torch.inference_mode()
def predict(
    model: GPT2ForSequenceClassification,
    rows: Sequence[Sequence[int]],
    batch_size: int = 32,
) -> Tensor:
    """Probabilities of the two labels; texts of similar length share a batch.

    Args:
        model: a classifier.
        rows: token ids, of `tokenise_reviews`.
        batch_size: texts in a forward pass. The result does not depend on it, but for
            rounding.

    Returns:
        (N, 2) float32, on the CPU, in the order of `rows`.

    Raises:
        ValueError: a batch_size below 1; a row that is empty, too long or no ids; a
            logit is NaN or infinite, because the weights are.

    Chapter: sentiment.
    """
    batch_size = whole_number("batch_size", batch_size, least=1)
    rows = rows_of_ids("rows", rows, "row {}")
    for i, row in enumerate(rows):
        _check_row(f"row {i}", row, model.config)
    logits = torch.empty(len(rows), 2)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    was_training = model.training
    model.eval()
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = pad_right([rows[i] for i in chosen], model.config.pad_token_id)
        outputs = model(input_ids=batch.to(model.device))
        logits[chosen] = outputs.logits.float().cpu()
    model.train(was_training)
    if not torch.isfinite(logits).all():
        raise ValueError(
            "the classifier's logits are not finite; its weights are damaged, "
            "or its training diverged"
        )
    return logits.softmax(-1)


def _check_row(name: str, row: list[int], config: GPT2Config) -> None:
    if not 1 <= len(row) <= config.n_positions:
        raise ValueError(
            f"{name} has {len(row)} tokens; it must have 1 to {config.n_positions}, as "
            "many as the model's positions"
        )
    for token in (min(row), max(row)):
        if not 0 <= token < config.vocab_size:
            raise ValueError(
                f"{name} holds {token}; token ids lie between 0 and "
                f"{config.vocab_size - 1}"
            )


def evaluate_classifier(
    model: GPT2ForSequenceClassification,
    tokenizer: PreTrainedTokenizerBase,
    reviews: Dataset,
    max_length: int | None = None,
) -> dict:
    """Accuracy, number of reviews and loss on a split of `load_reviews`.

    Args:
        model: a classifier whose labels are negative and positive, in either order, or
            without names (then 0 is negative).
        tokenizer: of the classifier.
        reviews: the split.
        max_length: tokens of a review; by default `max_length_of` the classifier.

    Returns:
        accuracy (0 to 1), reviews (their number), loss (nats per review).

    Raises:
        ValueError: no reviews, or a label that is not 0 or 1; the classifier's labels
            have other names; a logit is NaN or infinite.

    Chapter: evaluating-a-classifier.
    """
    if max_length is None:
        max_length = max_length_of(model, tokenizer)
    labels = list(reviews["label"])
    others = sorted({label for label in labels if label not in (0, 1)}, key=str)
    if others or not labels:
        found = f"the labels {others[:5]}" if others else "no reviews"
        raise ValueError(
            f"there are {found}; evaluation needs reviews with the labels 0 (negative) "
            "and 1 (positive)"
        )
    labels = torch.tensor(labels)
    rows = tokenise_reviews(list(reviews["text"]), tokenizer, max_length)
    probabilities = predict(model, rows)
    names = [str(model.config.id2label[i]).casefold() for i in range(2)]
    if names == [name.casefold() for name in reversed(LABELS)]:
        probabilities = probabilities.flip(-1)
    elif names not in ([name.casefold() for name in LABELS], ["label_0", "label_1"]):
        raise ValueError(
            f"the classifier's labels are {names}; to evaluate it on these reviews "
            f"they must be {' and '.join(LABELS)}"
        )
    correct = probabilities.argmax(-1) == labels
    return {
        "accuracy": correct.float().mean().item(),
        "reviews": len(labels),
        "loss": F.nll_loss(probabilities.log(), labels).item(),
    }
