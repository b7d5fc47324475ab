"""A fine-tuning run on reviews: train or resume, write the classifier, evaluate it.

trainer.py holds the training, model.py the classifier, card.py its model card.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import tempfile
from dataclasses import asdict
from pathlib import Path

import torch
from datasets import Dataset, DatasetDict, concatenate_datasets
from transformers import PreTrainedTokenizerBase, TrainerCallback, TrainingArguments

from gpt2course.checkpoints import checkpoint_folder, load_tokenizer, read_state
from gpt2course.data import load_sentences
from gpt2course.files import (
    digest_of_file,
    replacing,
    sha256_of_file,
    with_byte_order_mark,
    write_text,
)
from gpt2course.sentiment.config import SentimentConfig
from gpt2course.sentiment.dataset import review_dataset, short_sentences
from gpt2course.sentiment.model import (
    evaluate_classifier,
    load_classifier,
    new_classifier,
    quiet_transformers,
    write_classifier,
    write_padding_tokenizer,
)
from gpt2course.sentiment.trainer import ReviewTrainer, layer_groups
from gpt2course.settings import checkpoint_name
from gpt2course.training import (
    CtrlC,
    LossNotFinite,
    RunFolder,
    check_finite,
    check_steps,
    damaged,
    digest,
    digest_of_start,
    digest_of_tokenizer,
    diverged,
    read_json_object,
    stopped,
)

logger = logging.getLogger(__name__)
# within a run; the weights count, whatever their checkpoint is called
MAY_CHANGE = ("save_steps", "logging_steps", "eval_steps", "checkpoint")
SEAL = "sha256.json"  # of the files of a checkpoint; it is written last
NEEDED = ("config.json", "model.safetensors", "optimizer.pt", "trainer_state.json")
FIXED_LENGTH = (
    "a longer run differs from its first steps on, as the learning rate falls to 0 at "
    "the end"
)


def finetune_sentiment(
    reviews: DatasetDict, config: SentimentConfig, folder: Path
) -> dict:
    """Train a classifier, or resume from the folder's last checkpoint; evaluate it.

    Writes run.json (the settings), checkpoint-N while it trains (the last two are
    kept), and at the end an ordinary folder for from_pretrained: weights in float16,
    config, tokenizer, log.jsonl (what Trainer logged) and results.json.

    Args:
        reviews: of `load_reviews`.
        config: the run.
        folder: where everything goes.

    Returns:
        what results.json holds: for validation and test the accuracy (0 to 1), the
        number of reviews and the loss in nats per review; with labelled_sentences the
        same for validation_sentences and test_sentences.

    Raises:
        ValueError: the folder holds another run, another's files or a damaged
            checkpoint; more tokens than the model has positions; reviews as in
            `review_dataset`.
        LossNotFinite: the loss became NaN or infinite. The run says so from then on,
            and there is no model.
        KeyboardInterrupt: after ctrl-C, once the step is done and a checkpoint saved.
            A second one stops at once.

    Chapter: evaluating-a-classifier.
    """
    tokenizer = load_tokenizer(config.checkpoint)
    model = new_classifier(config.checkpoint, seed=config.seed)
    if config.max_length > model.config.n_positions:
        raise ValueError(
            f"max_length is {config.max_length}; this model has "
            f"{model.config.n_positions} positions"
        )
    tokenizer.model_max_length = config.max_length  # for everyone who loads it
    training_texts = _training_texts(reviews["train"], config)
    train = review_dataset(training_texts, tokenizer, config.max_length)
    validation = review_dataset(reviews["validation"], tokenizer, config.max_length)
    steps = config.num_train_epochs * len(train) / config.per_device_train_batch_size
    check_steps("num_train_epochs", config.num_train_epochs, steps)
    a_pass = math.ceil(len(train) / config.per_device_train_batch_size)
    if config.num_train_epochs * a_pass <= 1:
        # Trainer's first step, of the warm-up, has a rate of 0
        raise ValueError(
            f"num_train_epochs is {config.num_train_epochs}; {len(train)} texts in "
            f"batches of {config.per_device_train_batch_size} make one step, which "
            "changes no weight: ask for more epochs, or for a smaller batch"
        )
    tokens = json.dumps([*train["input_ids"], *validation["input_ids"]])
    # a new classification layer is no part of what the run starts from: the seed is
    weights = read_state(checkpoint_folder(config.checkpoint))
    run = RunFolder(
        folder,
        {
            "run": "sentiment",
            **_settings(config),
            "checkpoint": checkpoint_name(config.checkpoint),
            "data": digest(_digest(reviews), tokens),
            "tokenizer": digest_of_tokenizer(tokenizer),
            "weights": digest_of_start(model.config, weights),
        },
        may_change=MAY_CHANGE,
        fixed_length=FIXED_LENGTH,
    )
    results = run.open()
    if results is not None:
        write_padding_tokenizer(tokenizer, folder)
        return results
    # The reviews are sorted by label. A fifth of the validation split is evaluated
    # during training, all of it at the end.
    fifth = range(max(1, len(validation) // 5))
    groups = layer_groups(model, config.learning_rate, config.layer_decay)
    trainer = ReviewTrainer(
        model,
        _training_arguments(config, folder),
        train,
        validation.shuffle(seed=config.seed).select(fifth),
        target_replication=config.target_replication,
        token_dropout=config.token_dropout,
        lm_coef=config.lm_coef,
        optimizer=torch.optim.AdamW(groups, betas=(0.9, 0.98)),
    )
    trainer.add_callback(SealCallback())
    last = _last_checkpoint(folder)
    if last:
        logger.info("resuming from %s", last.name)
    try:
        with quiet_transformers(), CtrlC() as ctrl_c:
            trainer.add_callback(StopCallback(ctrl_c))
            trainer.train(resume_from_checkpoint=str(last) if last else None)
            if ctrl_c.asked(trainer.args.device):
                raise KeyboardInterrupt
        rows = [json.dumps(row) + "\n" for row in trainer.state.log_history]
        write_text(folder / "log.jsonl", "".join(rows))
        held_out = {split: reviews[split] for split in ("validation", "test")}
        if config.labelled_sentences:
            sentences = load_sentences()
            held_out |= {f"{split}_sentences": sentences[split] for split in held_out}
        results = _publish(model, tokenizer, held_out, folder)
        run.finish(results)
    except KeyboardInterrupt:
        kept = _last_checkpoint(folder)
        if kept is None:
            raise
        raise stopped(folder, _step_of(kept), trainer.state.max_steps) from None
    except LossNotFinite as error:
        run.fail(str(error))
        raise
    return results


def _publish(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    held_out: dict[str, Dataset],
    folder: Path,
) -> dict:
    """Evaluate the classifier as it is stored; only one that passes goes into the
    folder, where classify would answer with it.

    Raises:
        LossNotFinite: a weight or a result is NaN or infinite.
    """
    for name, weight in model.state_dict().items():
        if not torch.isfinite(weight.to(torch.float16)).all():
            raise diverged(f"{name} of the finished model is not finite in 16 bits")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".partial-") as partial:
        write_classifier(model, tokenizer, Path(partial))
        stored, tokenizer = load_classifier(Path(partial))
        results = {
            split: evaluate_classifier(stored, tokenizer, texts)
            for split, texts in held_out.items()
        }
        check_finite(results)
        for path in sorted(Path(partial).iterdir()):
            with replacing(folder / path.name) as target:
                path.replace(target)
    return results


def _settings(config: SentimentConfig) -> dict:
    """What a run is known by. Without lm_coef it is one of those before there was any,
    which can be resumed."""
    settings = asdict(config)
    if not config.lm_coef:
        del settings["lm_coef"]
    return settings


def _training_texts(train: Dataset, config: SentimentConfig) -> Dataset:
    """Reviews, and short sentences of them as well."""
    texts = train
    if config.max_train_samples is not None and config.max_train_samples < len(train):
        texts = train.shuffle(seed=config.seed).select(range(config.max_train_samples))
    if config.short_sentences:
        sentences = short_sentences(train, config.short_sentences, config.seed)
        texts = concatenate_datasets([texts, sentences])
    if config.labelled_sentences:
        sentences = load_sentences()["train"].shuffle(seed=config.seed)
        n = min(config.labelled_sentences, len(sentences))
        sentences = sentences.select(range(n)).cast(texts.features)
        texts = concatenate_datasets([texts, sentences])
    return texts


def _training_arguments(config: SentimentConfig, folder: Path) -> TrainingArguments:
    cuda = torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=config.num_train_epochs,
        per_device_train_batch_size=config.per_device_train_batch_size,
        per_device_eval_batch_size=64,
        train_sampling_strategy="group_by_length",
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.05,
        max_grad_norm=1.0,
        eval_strategy="steps",
        eval_steps=config.eval_steps,
        save_steps=config.save_steps,
        save_total_limit=2,
        logging_steps=config.logging_steps,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to="none",
        use_cpu=not cuda,
        bf16=cuda,
        dataloader_pin_memory=cuda,
        seed=config.seed,
    )


def _digest(reviews: DatasetDict) -> str:
    """The sha256 of all texts and labels."""
    digest = hashlib.sha256()
    for split, rows in sorted(reviews.items()):
        for text, label in zip(rows["text"], rows["label"], strict=True):
            line = json.dumps([split, label, text])
            digest.update(line.encode())
    return digest.hexdigest()


class StopCallback(TrainerCallback):
    """After ctrl-C: lets Trainer save a checkpoint and stop, once the step is done."""

    def __init__(self, ctrl_c: CtrlC) -> None:
        self.ctrl_c = ctrl_c

    def on_step_end(self, args, state, control, **kwargs) -> None:
        """Trainer calls this between two steps."""
        if self.ctrl_c.asked(args.device):
            control.should_save = control.should_training_stop = True


class SealCallback(TrainerCallback):
    """Writes the digests of a checkpoint's files into it, once all are there."""

    def on_save(self, args, state, control, **kwargs) -> None:
        """Trainer calls this after the last of the files."""
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        write_text(checkpoint / SEAL, json.dumps(_digests(checkpoint), indent=2) + "\n")


def _digests(checkpoint: Path) -> dict[str, str]:
    files = sorted(path for path in checkpoint.iterdir() if path.name != SEAL)
    return {path.name: _digest_of(path) for path in files if path.is_file()}


def _digest_of(path: Path) -> str:
    """A digest that line ends do not change; a byte-order mark does, as Trainer does
    not read it."""
    digest = digest_of_file(path)
    with open(path, "rb") as file:
        marked = with_byte_order_mark(file.read(4)) != "utf-8"
    return sha256_of_file(path) if marked else digest


def _last_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint. What others put beside its files does not count.

    Raises:
        ValueError: it is damaged.
    """
    complete = [path.parent for path in folder.glob(f"checkpoint-*/{SEAL}")]
    last = max(complete, key=_step_of, default=None)
    if last is None:
        return None
    sealed = read_json_object(last / SEAL) or {}
    for name in sorted({*NEEDED, *sealed}):
        path = last / name
        try:
            intact = path.parent == last and sealed.get(name) == _digest_of(path)
        except OSError as error:
            raise damaged(path, error.strerror or error) from None
        except ValueError as error:
            raise damaged(path, error) from None
        if not intact:
            raise damaged(path, "it is not as it was saved")
    return last


def _step_of(checkpoint: Path) -> int:
    step = checkpoint.name.removeprefix("checkpoint-")
    return int(step) if step.isdecimal() else -1
