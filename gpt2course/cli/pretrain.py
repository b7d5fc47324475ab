"""gpt2course pretrain: reproduce the mini checkpoint. The run is in training/."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from pathlib import Path

from gpt2course.cli.options import command_line, different_options
from gpt2course.cli.text import print_json
from gpt2course.config import DROPOUT
from gpt2course.settings import folder_argument
from gpt2course.training import PretrainConfig

EXAMPLE = "gpt2course pretrain --output my-mini"


def run(
    settings: PretrainConfig,
    output: Path,
    given: set[str],
    checkpoint: str | None = None,
    json: bool = False,
) -> int:
    """Train a model on film reviews, from random weights or further.

    With the defaults this takes hours on a laptop. The same command resumes a run that
    was interrupted.

    Args:
        settings: the run. The last id of the new vocabulary ends a text.
        output: folder for the checkpoint, the log and the state of the run.
        given: the options that the command line or the config file sets.
        checkpoint: where to start from, with its tokenizer and its shape: mini, gpt2,
            gpt2-medium, gpt2-large, gpt2-xl or a folder; by default a new tokenizer and
            random weights.
        json: print one JSON object.
    """
    from gpt2course.checkpoints import load_checkpoint
    from gpt2course.training import is_main_process, pretrain_from_reviews

    model = settings.model
    defaults = PretrainConfig().model
    eos = model.eos_token_id
    if checkpoint is None and eos not in (defaults.eos_token_id, model.vocab_size - 1):
        raise ValueError(
            f"model.eos_token_id is {eos}; the new vocabulary ends with "
            f"the end-of-text token, {model.vocab_size - 1}: leave it out"
        )
    settings = replace(settings, model=replace(model, eos_token_id=None))
    options = different_options(settings, PretrainConfig())
    if checkpoint is not None:
        shape = load_checkpoint(checkpoint).config
        names = {field.name for field in fields(model)}
        asked = {name for name in names if f"model.{name}" in given}
        if asked == names:  # as in what --print-config writes: defaults say nothing
            asked = different_options(model, defaults).keys() - {"eos_token_id"}
        wrong = [
            f"model.{field.name} is {getattr(model, field.name)}, and that of the "
            f"checkpoint {getattr(shape, field.name)}"
            for field in fields(model)
            if field.name in asked - set(DROPOUT)
            and getattr(model, field.name) != getattr(shape, field.name)
        ]
        if wrong:
            raise ValueError(
                f"{'; '.join(wrong)}. A checkpoint keeps its shape: leave that out"
            )
        options["checkpoint"] = checkpoint
    result = pretrain_from_reviews(
        settings,
        output,
        checkpoint=checkpoint,
        command=command_line("pretrain", output="FOLDER", **options),
        progress=not json,
    )
    if not is_main_process():  # under torchrun each process runs this; one prints
        return 0
    if json:
        print_json(**{**asdict(result), "folder": str(result.folder)})
        return 0
    print(
        f"{result.folder}: {result.bits_per_character:.3f} bits per character after "
        f"{result.tokens:,} tokens"
    )
    folder = folder_argument(result.folder)
    print(f"Try: {command_line('generate', 'This movie was', checkpoint=folder)}")
    return 0
