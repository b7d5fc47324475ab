"""The settings of a fine-tuning run on reviews, without torch. Next: finetuning.py."""

from __future__ import annotations

from dataclasses import dataclass

from gpt2course.arguments import check_fields


@dataclass(frozen=True)
class SentimentConfig:
    """One fine-tuning run of a classifier of film reviews.

    Args:
        checkpoint: the pretrained network: mini, gpt2, gpt2-medium, gpt2-large, gpt2-xl
            or a folder; by default GPT2COURSE_CHECKPOINT, else mini.
        max_train_samples: how many training reviews are read; all by default.
        short_sentences: how many short sentences, cut out of training reviews, are
            read as well.
        labelled_sentences: how many single sentences of critics, each with a label of
            its own, are read as well (`load_sentences`); then the accuracy on held-out
            ones is reported, too.
        num_train_epochs: passes over the training texts.
        max_length: tokens of a review; a longer one keeps its beginning and its end.
        per_device_train_batch_size: texts in a forward pass on each device.
        learning_rate: of the classification layer at its peak; after a warm-up it
            falls to 0 along half a cosine.
        layer_decay: the learning rate of a layer, divided by that of the layer above.
        target_replication: fraction of the loss that comes from all positions, 0 to 1;
            the rest comes from the last token.
        token_dropout: fraction of the tokens whose embedding is set to 0 in training,
            0 to below 1; others are drawn in each pass.
        lm_coef: weight of the language model's loss beside the label's; 0 leaves it
            out. The network then keeps on learning to predict the next token.
        save_steps: optimizer steps between two checkpoints.
        logging_steps: optimizer steps between two rows of the log.
        eval_steps: optimizer steps between two evaluations on validation reviews.
        seed: decides the first weights of the classification layer, dropout and the
            order of the reviews.

    Raises:
        ValueError: a value outside its range; the message names it and the range.

    Chapter: sentiment.
    """

    checkpoint: str | None = None
    max_train_samples: int | None = None
    short_sentences: int = 0
    labelled_sentences: int = 0
    num_train_epochs: float = 2.0
    max_length: int = 256
    per_device_train_batch_size: int = 16
    learning_rate: float = 1e-3
    layer_decay: float = 1.0
    target_replication: float = 0.5
    token_dropout: float = 0.0
    lm_coef: float = 0.0
    save_steps: int = 100
    logging_steps: int = 20
    eval_steps: int = 500
    seed: int = 1

    def __post_init__(self) -> None:
        check_fields(self)
        for name in (
            "num_train_epochs",
            "per_device_train_batch_size",
            "learning_rate",
            "layer_decay",
            "save_steps",
            "logging_steps",
            "eval_steps",
        ):
            value = getattr(self, name)
            if not 0 < value < float("inf"):
                raise ValueError(
                    f"{name} is {value}; it must be a finite number above 0"
                )
        for name in ("short_sentences", "labelled_sentences"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; it must be at least 0, and 0 "
                    "leaves them out"
                )
        if self.max_train_samples is not None and self.max_train_samples < 2:
            raise ValueError(
                f"max_train_samples is {self.max_train_samples}; it must be at least "
                "2, one review of each class"
            )
        check_max_length(self.max_length)
        check_target_replication(self.target_replication)
        check_token_dropout(self.token_dropout)
        check_lm_coef(self.lm_coef)


def check_max_length(max_length: int) -> None:
    """A review is cut to its beginning and its end, so it needs two tokens.

    Raises:
        ValueError: max_length is below 2.
    """
    if max_length < 2:
        raise ValueError(
            f"max_length is {max_length}; a review needs at least 2 tokens: "
            "its beginning and its end"
        )


def check_target_replication(target_replication: float) -> None:
    """It is a fraction of the loss.

    Raises:
        ValueError: target_replication lies outside 0 to 1.
    """
    if not 0 <= target_replication <= 1:
        raise ValueError(
            f"target_replication is {target_replication}; it is a fraction of the "
            "loss, so it must lie between 0 and 1"
        )


def check_token_dropout(token_dropout: float) -> None:
    """It is a fraction, and not all tokens can be left out.

    Raises:
        ValueError: token_dropout is negative, or 1 or more.
    """
    if not 0 <= token_dropout < 1:
        raise ValueError(
            f"token_dropout is {token_dropout}; it is a fraction of the tokens, so it "
            "must be at least 0 and below 1"
        )


def check_lm_coef(lm_coef: float) -> None:
    """It is the weight of a loss.

    Raises:
        ValueError: lm_coef is negative or not finite.
    """
    if not 0 <= lm_coef < float("inf"):
        raise ValueError(
            f"lm_coef is {lm_coef}; it is the weight of a loss, so it must be finite "
            "and at least 0"
        )


#: the small run of the chapter, which benchmarks/sentiment_accuracy.py measures, too
CHAPTER_RUN = SentimentConfig(
    max_train_samples=2000, num_train_epochs=1.0, max_length=128, seed=0
)
