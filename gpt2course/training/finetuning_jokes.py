"""Fine-tuning on jokes, the whole way: load, pack, train. The training is
finetuning.py's."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass

from gpt2course.checkpoints import load_checkpoint, load_tokenizer
from gpt2course.data import (
    JOKE_PREFIX,
    TableReport,
    encode_jokes,
    load_jokes,
    pack_sequences,
)
from gpt2course.settings import checkpoint_name, data_source
from gpt2course.training.card import write_jokes_card
from gpt2course.training.config import FinetuneConfig
from gpt2course.training.finetuning import FinetuneResult, finetune
from gpt2course.training.processes import is_main_process

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class JokesResult:
    """How a fine-tuning on jokes ended, and which jokes it read.

    Args:
        run: how the run ended.
        report: which rows of the data were kept.
        too_long: jokes among them that were left out, longer than a row.
    """

    run: FinetuneResult
    report: TableReport
    too_long: int


def finetune_on_jokes(
    config: FinetuneConfig,
    folder: str | os.PathLike,
    *,
    checkpoint: str | None = None,
    data: str | None = None,
    drop_crude: bool = False,
    row_length: int | None = None,
    command: str = "gpt2course finetune-jokes --output FOLDER",
    watch: Callable[[dict], None] | None = None,
    progress: bool = False,
) -> JokesResult:
    """Load jokes and a checkpoint, pack, train, and write the model's card.

    Args:
        config: the run.
        folder: made if it is not there. A run that lies in it is resumed.
        checkpoint: as in `load_checkpoint`.
        data, drop_crude: as in `load_jokes`.
        row_length: tokens of a packed row; longer jokes are left out. 128 by default,
            or the model's positions if those are fewer.
        command: how to make the model again, for its card.
        watch, progress: as in `finetune`.

    Raises:
        as `load_jokes`, `load_checkpoint`, `pack_sequences` and `finetune`.

    Chapter: training.
    """
    jokes = load_jokes(data, drop_crude=drop_crude)
    model, tokenizer = load_checkpoint(checkpoint), load_tokenizer(checkpoint)
    if row_length is None:
        row_length = min(128, model.config.n_positions)
    train, validation = (
        pack_sequences(encode_jokes(texts, tokenizer), row_length, too_long="drop")
        for texts in (jokes.train, jokes.validation)
    )
    too_long = len(train.too_long) + len(validation.too_long)
    if is_main_process():
        logger.info(str(jokes.report))
        logger.info(
            f"{too_long:,} of them left out, longer than a row of {row_length} tokens"
        )
        logger.info(
            f"{len(train):,} rows to train on, {train.token_fraction:.0%} of their "
            f"positions hold a token; {config.get_total_steps(len(train)):,} steps of "
            f"{config.rows_per_step} rows"
        )
    run = finetune(
        model,
        train,
        validation,
        config,
        folder,
        tokenizer=tokenizer,
        sample_prompt=JOKE_PREFIX.strip(),
        watch=watch,
        progress=progress,
    )
    if is_main_process() and not (run.folder / "README.md").exists():
        write_jokes_card(
            run.folder,
            config,
            {name: value for name, value in asdict(run).items() if name != "folder"},
            jokes=jokes,
            checkpoint=checkpoint_name(checkpoint),
            data=data_source(data),
            row_length=row_length,
            too_long=too_long,
            command=command,
            tokenizer=tokenizer,
        )
    return JokesResult(run, jokes.report, too_long)
