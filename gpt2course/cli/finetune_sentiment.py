"""gpt2course finetune-sentiment: train a classifier. The run is in sentiment/."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gpt2course.cli.options import command_line, different_options
from gpt2course.cli.text import print_json
from gpt2course.sentiment import SentimentConfig
from gpt2course.settings import checkpoint_name, data_source, folder_argument

EXAMPLE = "gpt2course finetune-sentiment --output my-classifier"


def run(
    settings: SentimentConfig,
    output: Path,
    data: str | None = None,
    json: bool = False,
) -> int:
    """Train a classifier of film reviews.

    With the defaults this takes an hour or two on a laptop. The same command resumes a
    run that was interrupted.

    Args:
        settings: the run.
        output: folder for the classifier, its log and its card.
        data: embedded, hub or a folder with reviews.csv (text,label); by default
            GPT2COURSE_DATA, else embedded (hub if GPT2COURSE_CHECKPOINT is a download).
        json: print one JSON object.
    """
    import torch

    from gpt2course.data import load_reviews
    from gpt2course.sentiment import finetune_sentiment, write_classifier_card
    from gpt2course.training import hardware

    # the environment may have chosen them, and the card has to say so
    settings = replace(settings, checkpoint=checkpoint_name(settings.checkpoint))
    data = data_source(data)
    reviews = load_reviews(data)
    results = finetune_sentiment(reviews, settings, output)
    options = different_options(settings, SentimentConfig())
    if not (output / "README.md").exists():  # of a finished run it says how it went
        write_classifier_card(
            output,
            train_reviews=len(reviews["train"]),
            command=command_line(
                "finetune-sentiment", output="FOLDER", data=data, **options
            ),
            hardware=hardware("cuda" if torch.cuda.is_available() else "cpu", 1),
        )
    if json:
        print_json(folder=str(output), **results)
        return 0
    for split in ("validation", "test"):
        accuracy, n = results[split]["accuracy"], results[split]["reviews"]
        print(f"{output}: accuracy {accuracy:.4f} on {n:,} {split} reviews")
    folder = folder_argument(output)
    print(f"Try: {command_line('classify', 'I hate this movie!', model=folder)}")
    return 0
