"""A fine-tuning run on reviews: train or resume, write the classifier, evaluate it.

trainer.py holds the training, model.py the classifier, card.py its model card.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict
from pathlib import Path

import torch
from datasets import Dataset, DatasetDict, concatenate_datasets
from transformers import TrainerCallback, TrainingArguments

from gpt2course.checkpoints import checkpoint_folder, load_tokenizer, read_state
from gpt2course.files import sha256_of_file, write_text
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
from gpt2course.training import RunFolder, damaged, digest, read_json_object

logger = logging.getLogger(__name__)
# within a run; the weights count, whatever their checkpoint is called
MAY_CHANGE = ("save_steps", "logging_steps", "eval_steps", "checkpoint")
SEAL = "sha256.json"  # of the files of a checkpoint; it is written last
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
        number of reviews and the loss in nats per review.

    Raises:
        ValueError: the folder holds another run, another's files or a damaged
            checkpoint; more tokens than the model has positions; reviews as in
            `review_dataset`.
        LossNotFinite: the loss became NaN or infinite.

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
    run = RunFolder(
        folder,
        _settings(config, reviews),
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
        optimizer=torch.optim.AdamW(groups, betas=(0.9, 0.98)),
    )
    trainer.add_callback(SealCallback())
    last = _last_checkpoint(folder)
    if last:
        logger.info("resuming from %s", last.name)
    with quiet_transformers():
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    write_classifier(model, tokenizer, folder)
    rows = [json.dumps(row) + "\n" for row in trainer.state.log_history]
    write_text(folder / "log.jsonl", "".join(rows))
    model, tokenizer = load_classifier(folder)  # evaluate what was stored
    results = {
        split: evaluate_classifier(model, tokenizer, reviews[split])
        for split in ("validation", "test")
    }
    run.finish(results)
    return results


def _training_texts(train: Dataset, config: SentimentConfig) -> Dataset:
    """Reviews, and short sentences of them as well."""
    texts = train
    if config.max_train_samples is not None and config.max_train_samples < len(train):
        texts = train.shuffle(seed=config.seed).select(range(config.max_train_samples))
    if config.short_sentences:
        sentences = short_sentences(train, config.short_sentences, config.seed)
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


def _settings(config: SentimentConfig, reviews: DatasetDict) -> dict:
    """What run.json holds, and what has to be the same for a run to be resumed."""
    weights = sorted(read_state(checkpoint_folder(config.checkpoint)).items())
    return {
        "run": "sentiment",
        **asdict(config),
        "checkpoint": checkpoint_name(config.checkpoint),
        "data": _digest(reviews),
        "weights": digest(*(tensor.float() for _, tensor in weights)),
    }


def _digest(reviews: DatasetDict) -> str:
    """The sha256 of all texts and labels."""
    digest = hashlib.sha256()
    for split, rows in sorted(reviews.items()):
        for text, label in zip(rows["text"], rows["label"], strict=True):
            line = json.dumps([split, label, text])
            digest.update(line.encode())
    return digest.hexdigest()


class SealCallback(TrainerCallback):
    """Writes the digests of a checkpoint's files into it, once all are there."""

    def on_save(self, args, state, control, **kwargs) -> None:
        """Trainer calls this behind the last of the files."""
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        write_text(checkpoint / SEAL, json.dumps(_digests(checkpoint), indent=2) + "\n")


def _digests(checkpoint: Path) -> dict[str, str]:
    files = sorted(path for path in checkpoint.iterdir() if path.name != SEAL)
    return {path.name: sha256_of_file(path) for path in files}


def _last_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint.

    Raises:
        ValueError: it is damaged.
    """
    complete = [path.parent for path in folder.glob(f"checkpoint-*/{SEAL}")]
    last = max(complete, key=_step_of, default=None)
    if last is None:
        return None
    try:
        found = _digests(last)
    except OSError as error:
        raise damaged(last / SEAL, error.strerror or error) from None
    sealed = read_json_object(last / SEAL)
    for name in sorted(sealed.keys() | found.keys()):
        if sealed.get(name) != found.get(name):
            raise damaged(last / name, "it is not as it was saved")
    return last


def _step_of(checkpoint: Path) -> int:
    step = checkpoint.name.removeprefix("checkpoint-")
    return int(step) if step.isdecimal() else -1
