"""gpt2course classify: positive or negative? The classifier is in sentiment/."""

from __future__ import annotations

from pathlib import Path

from gpt2course.cli.text import (
    argument_text,
    is_terminal,
    print_json,
    standard_input,
)

EXAMPLE = 'gpt2course classify "I hate this movie!"'


def run(texts: list[str], model: Path | None = None, json: bool = False) -> int:
    """Say of texts whether they are positive or negative, and how probable that is.

    Args:
        texts: any number; without one, or with -, each line of the standard input is
            a text.
        model: a folder that finetune-sentiment wrote, or another GPT-2 classifier of
            two labels; the course's own by default.
        json: print one JSON object.
    """
    from gpt2course.sentiment import (
        load_classifier,
        max_length_of,
        predict,
        tokenise_reviews,
    )

    texts = _texts(texts)
    classifier, tokenizer = load_classifier(model)
    length = max_length_of(classifier, tokenizer)
    probabilities = predict(classifier, tokenise_reviews(texts, tokenizer, length))
    answers = [
        {
            "text": text,
            "label": classifier.config.id2label[int(row.argmax())],
            "probability": round(float(row.max()), 4),
        }
        for text, row in zip(texts, probabilities, strict=True)
    ]
    if json:
        print_json(answers=answers)
        return 0
    for answer in answers:
        print(f"{answer['label']} {answer['probability']:.2f}  {answer['text']}")
    return 0


def _texts(texts: list[str]) -> list[str]:
    """The texts from the arguments, or the lines of the standard input."""
    if texts and texts != ["-"]:
        return [argument_text(text) for text in texts]
    from_terminal = not texts and is_terminal()
    lines = [] if from_terminal else standard_input().split("\n")
    found = [line for line in lines if line.strip()]
    if not found:
        raise ValueError(f"there is no text; try: {EXAMPLE}")
    return found
