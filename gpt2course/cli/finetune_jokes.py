"""gpt2course finetune-jokes: a model that tells jokes. The run is in training/."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from gpt2course.cli.options import command_line, different_options
from gpt2course.cli.text import print_json
from gpt2course.settings import checkpoint_name, data_source, folder_argument
from gpt2course.training import FinetuneConfig

EXAMPLE = "gpt2course finetune-jokes --output my-jokes --max-steps 100"


def run(
    settings: FinetuneConfig,
    output: Path,
    checkpoint: str | None = None,
    data: str | None = None,
    drop_crude: bool = False,
    row_length: int | None = None,
    json: bool = False,
) -> int:
    """Train a model that tells jokes.

    With the defaults this takes about a minute on a laptop. The same command resumes a
    run that was interrupted.

    Args:
        settings: the run.
        output: folder for the best weights, the log and the state of the run.
        checkpoint: where to start from: mini, gpt2, gpt2-medium, gpt2-large, gpt2-xl
            or a folder; by default GPT2COURSE_CHECKPOINT, else mini.
        data: embedded, hub or a folder with jokes.csv (ID,Joke); by default
            GPT2COURSE_DATA, else embedded (hub if GPT2COURSE_CHECKPOINT is a download).
        drop_crude: leave out jokes that contain a word of a short list.
        row_length: tokens of a packed row; longer jokes are left out; by default 128,
            or the model's positions if these are fewer.
        json: print one JSON object.
    """
    from gpt2course.training import finetune_on_jokes, is_main_process

    # the environment may have chosen them, and the card has to say so
    checkpoint, data = checkpoint_name(checkpoint), data_source(data)
    options = different_options(settings, FinetuneConfig())
    if drop_crude:
        options["drop_crude"] = True
    if row_length is not None:
        options["row_length"] = row_length
    result = finetune_on_jokes(
        settings,
        output,
        checkpoint=checkpoint,
        data=data,
        drop_crude=drop_crude,
        row_length=row_length,
        command=command_line(
            "finetune-jokes",
            output="FOLDER",
            checkpoint=checkpoint,
            data=data,
            **options,
        ),
        progress=not json,
    )
    if not is_main_process():  # under torchrun each process runs this; one prints
        return 0
    done, report = result.run, result.report
    if json:
        print_json(
            **{**asdict(done), "folder": str(done.folder)},
            kept=report.kept,
            dropped={reason: len(rows) for reason, rows in report.dropped.items()},
            too_long=result.too_long,
        )
        return 0
    print(
        f"{done.folder}: held-out loss {done.first_loss:.3f} before, "
        f"{done.best_loss:.3f} after {done.best_step} steps"
    )
    folder = folder_argument(done.folder)
    tell = command_line(
        "generate", "JOKE:", checkpoint=folder, temperature=0.8, top_p=0.9
    )
    print(f"Try: {tell}")
    return 0
